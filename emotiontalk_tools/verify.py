"""`emotiontalk verify`: a release compared with what is published, in one pass over each archive or by its beginning.

Headers, annotations and the first bytes of sounds and clips are read, nothing is decoded; memory does not grow with the
archives. A local archive is read by position, so that a pass over the sound moves little of it; with `pinned=True`, and
from an address, every byte goes by once.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import os
import re
import tempfile

import tqdm

import emotiontalk
from emotiontalk import EMOTIONS, GROUPS, PASSES, BadUtteranceError, EmotionTalkError, Utterance, brief, number

from . import published
from .forward import ForwardFile, ForwardTar
from .source import find_place

# What is checked, in the order of the table. A check of the content looks at what people typed, not at the copy of it.
CHECKS = {
    "archives": "The archives are there, and whole",
    "size": "Bytes of each archive, as pinned",
    "sha256": "SHA-256 of each archive, as pinned",
    "prefix": "First 64 MiB of Audio.tar, as reported",
    "utterances": "Utterances of each group, in each pass",
    "passes": "Each utterance is in all four passes",
    "media": "Annotation and sound or clip, both ways",
    "duplicates": "No utterance is there twice",
    "json": "Annotations are JSON",
    "labels": "Labels and votes are of the seven",
    "published": "Labels, scores and texts are the published ones",
    "votes": "The label is what the votes give",
    "scores": "The score is the mean of the ratings",
    "names": "Paths inside agree with the file's name",
    "wav": "Sounds: WAV headers, not empty",
    "format": "Sounds: 44.1 kHz, two channels, 16 bit",
    "length": "Sounds are as long as their times say",
    "mp4": "Clips: MP4, not empty",
    "typed": "Texts, times and captions can be read",
    "marks": "Marks in transcriptions are well-formed",
}
CONTENT = ("labels", "published", "votes", "scores", "names", "typed", "length")
STATES = ("ok", "unknown", "warning", "wrong")  # in the order of their weight

# Of each vote: the key in the file, the field, the check it belongs to, and what it can be.
VOTE_VALUES = (
    ("emotion", "emotion", "labels", ", ".join(EMOTIONS)),
    ("Confidence_degree", "confidence", "votes", "1…9"),
    ("Continuous_label", "sentiment", "scores", "the whole numbers in -2…2"),
)
_WORDS = "(?:over/|/over|interrupted|laughing|sobbing|crying|screaming)"
WELL_FORMED = re.compile(rf"\[{_WORDS}\]|【{_WORDS}】", re.IGNORECASE)
MALFORMED = re.compile(rf"[\[\]【】［］]|{emotiontalk.MARKS.pattern}", re.IGNORECASE)


@dataclasses.dataclass
class Finding:
    """What is not as published: which check, how bad (one of `STATES`), the archive, the member or id, what."""

    check: str
    state: str
    archive: str
    where: str
    what: str


class Audit:
    """What was looked at and what was found: `examined[check]` and `findings`."""

    def __init__(self):
        self.examined = collections.Counter()
        self.findings: list[Finding] = []
        self.archives = {}  # name -> {"paths", "bytes", "sha256"}
        self.annotated = collections.defaultdict(list)  # (pass, dialogue) -> [(id, label, score, text)]
        self.times, self.seconds = {}, {}  # id -> seconds by the annotation, by the sound's header
        self.overruled = 0  # labels that their votes do not give, by the authors' decision

    def add(self, check, archive, where, what, state="wrong"):
        """Add a finding."""
        # names and texts may hold what no terminal or file in UTF-8 takes
        where, what = (text.encode("utf-8", "backslashreplace").decode() for text in (where, what))
        self.findings.append(Finding(check, state, archive, where, what))

    def about(self, archive, where):
        """`add` for the findings about one member or id: a function of the check, what, and the state."""
        return lambda check, what, state="wrong": self.add(check, archive, where, what, state)

    def of(self, check):
        """The findings of a check."""
        return [finding for finding in self.findings if finding.check == check]

    def state(self, check):
        """The worst state among the findings of a check; "unknown" where nothing could be looked at."""
        states = [finding.state for finding in self.of(check)] or ["ok" if self.examined[check] else "unknown"]
        return max(states, key=STATES.index)

    @property
    def ok(self):
        """Whether nothing is wrong."""
        return not any(finding.state == "wrong" for finding in self.findings)

    @property
    def looked(self):
        """Whether there was anything to look at: not where no archive could be opened."""
        return self.examined["archives"] > 0

    def to_dict(self):
        """The whole audit as JSON-ready values."""
        checks = [
            {"check": check, "title": title, "state": self.state(check), "examined": self.examined[check],
             "findings": [dataclasses.asdict(finding) for finding in self.of(check)]}
            for check, title in CHECKS.items()
        ]  # fmt: skip
        return {
            "ok": self.ok,
            "looked": self.looked,
            "overruled": self.overruled,
            "archives": self.archives,
            "checks": checks,
        }


def verify(data_dir=None, token=None, pinned=False) -> Audit:
    """Audit the release at a folder or an address (default: the Hub). Progress goes to stderr.

    pinned: compare size and SHA-256 with the pinned archives, and make a difference an error. What archives that are
    the pinned ones hold in their annotations is then the release's own, and only a warning.
    """
    audit, ids = Audit(), {}
    emotiontalk.forget_addresses()
    for archive in emotiontalk.ARCHIVES:
        try:
            ids[archive] = _audit_archive(audit, archive, data_dir or emotiontalk.DEFAULT_SOURCE, token, pinned)
        except (EmotionTalkError, OSError) as error:
            audit.add("archives", archive, f"{archive}.tar", str(error))
    _compare_archives(audit, ids)
    _compare_published(audit)
    _compare_lengths(audit)
    for finding in audit.findings:
        sha256 = audit.archives.get(finding.archive, {}).get("sha256")
        of_the_pinned = sha256 == emotiontalk.ARCHIVES[finding.archive][1]
        if of_the_pinned and finding.state == "wrong" and finding.check in CONTENT:
            finding.state = "warning"
    return audit


def _audit_archive(audit, archive, source, token, pinned):
    """One pass over an archive. Returns {suffix: ids} of what it holds."""
    place = find_place(archive, source, token)
    parts, size, sha256 = _local_parts(place) if place.paths else _remote_part(place, token, pinned)
    found = audit.archives[archive] = {
        "paths": [path for path, _ in parts],
        "bytes": size,
        "pinned_bytes": emotiontalk.ARCHIVES[archive][0],
    }
    seen = {"json": {}, "wav": {}, "mp4": {}}
    for path, opened in parts:
        label = os.path.basename(path.rstrip("/"))
        try:
            title = label if label == f"{archive}.tar" else f"{archive}, {label}"
            _audit_part(audit, archive, opened(), seen, title)
            audit.examined["archives"] += 1
        except (EmotionTalkError, OSError) as error:  # the rest cannot be read; what was read still counts
            audit.add("archives", archive, label, str(error))
    # another size is another SHA-256: not worth reading 14.8 GB for
    found["sha256"] = sha256() if pinned and size == found["pinned_bytes"] else None
    _compare_pinned(audit, archive, pinned)
    return {suffix: set(members) for suffix, members in seen.items()}


def _audit_part(audit, archive, part, seen, label):
    with tqdm.tqdm(total=_bytes_within(part), unit="B", unit_scale=True, desc=label) as bar:
        done = 0
        for member in part.members():
            _audit_member(audit, archive, member, seen)
            passed = member.offset + member.size if isinstance(part, emotiontalk.Tar) else done + member.size
            bar.update(passed - done)
            done = passed


def _pieces(file):
    """An iterator over the bytes of an open file."""
    return iter(lambda: file.read(1 << 20), b"")


def _pieces_of(path):
    with open(path, "rb") as file:
        yield from _pieces(file)


def _local_parts(place):
    """([(path, a function that opens it as `Tar` or `Tree`)], bytes of all, a function: the SHA-256 or None)."""
    kinds = [emotiontalk.Tree if os.path.isdir(path) else emotiontalk.Tar for path in place.paths]
    parts = [(path, functools.partial(kind, place.archive, path)) for path, kind in zip(place.paths, kinds)]
    folders = [path for path in place.paths if os.path.isdir(path)]
    size = sum(_bytes_within(emotiontalk.Tree(place.archive, path)) for path in folders)
    size += sum(os.path.getsize(path) for path in set(place.paths) - set(folders) if os.path.exists(path))

    def sha256():
        if len(place.paths) != 1 or folders:
            return None
        return _digest_of(_pieces_of(place.paths[0]), size, f"SHA-256 of {place.archive}.tar")

    return parts, size, sha256


def _remote_part(place, token, pinned):
    """As `_local_parts`, of an archive at an address: all its bytes go by once, if `pinned` through a SHA-256."""
    remote = place.file(token)
    size, pieces = remote.size, remote.pieces()
    if size is None:  # nobody knows where it ends before it is there
        file = tempfile.TemporaryFile()
        remote.save(file)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        pieces = _pieces(file)
    digest = hashlib.sha256()

    def hashed():
        for piece in pieces:
            digest.update(piece)
            yield piece

    passing = hashed() if pinned else pieces
    forward = ForwardFile(passing, size)

    def sha256():
        collections.deque(passing, maxlen=0)  # what was not read goes by now
        return digest.hexdigest()

    return [(remote.path, lambda: ForwardTar(place.archive, remote.path, forward))], size, sha256


def _bytes_within(part):
    """Bytes of a tar, unpacked where it was compressed, or of the files of a folder."""
    if isinstance(part, emotiontalk.Tree):
        return sum(member.size for member in part.members())
    return part.file.seek(0, os.SEEK_END)


def _compare_pinned(audit, archive, pinned):
    found, add = audit.archives[archive], audit.about(archive, f"{archive}.tar")
    size, sha256 = emotiontalk.ARCHIVES[archive]
    audit.examined["size"] += 1
    if found["bytes"] != size:
        what = f"{found['bytes']:,} bytes, pinned {size:,}"
        if not pinned:
            what += ": a mirror packed anew, a rebuilt or an unpacked copy may be whole all the same; "
            what += "--pinned makes it an error"
        add("size", what, "wrong" if pinned else "warning")
    if pinned:
        audit.examined["sha256"] += 1
        if found["bytes"] != size:
            add("sha256", "of another size, so of another SHA-256")
        elif found["sha256"] is None:
            add("sha256", "unpacked or in several parts: there is no one file to compare")
        elif found["sha256"] != sha256:
            add("sha256", f"{found['sha256']}, pinned {sha256}")


def _audit_member(audit, archive, member, seen):
    match = emotiontalk.match_member(member.name)
    if not match:
        return
    uid, suffix = match["id"].upper(), match["suffix"].lower()
    add = audit.about(archive, member.name)
    audit.examined["duplicates"] += 1
    first = seen[suffix].setdefault(uid, member.name)
    if first is not member.name:
        add("duplicates", f"{uid} is there twice: {first} and {member.name}")
    if suffix == "json":
        _audit_annotation(audit, add, archive, uid, member)
    elif suffix == "wav":
        _audit_wav(audit, add, uid, member)
    else:
        _audit_mp4(audit, add, member)


def _audit_annotation(audit, add, archive, uid, member):
    name = next(name for name, of in PASSES.items() if of == archive)
    audit.examined["json"] += 1
    try:
        utterance = Utterance(uid, name, {name: member})
    except BadUtteranceError as error:
        add("json", str(error))
        return
    annotation = utterance.annotations[name]
    label, score = emotiontalk.emotion_id(annotation.get("emotion_result")), None
    if name == "multimodal":
        score = number(annotation.get("Continuous label_result"), -2, 2)
    audit.annotated[name, utterance.dialogue].append((uid, label, score, utterance.transcription()))
    if name == "audio" and None not in (utterance.time("startTime"), utterance.time("endTime")):
        audit.times[uid] = utterance.time("endTime") - utterance.time("startTime")
    _audit_votes(audit, add, utterance, label)
    _audit_names(audit, add, utterance)
    _audit_typed(audit, add, utterance)


def _audit_typed(audit, add, utterance):
    """Texts, and of the audio pass times and captions: what was typed and cannot be read, and what is not there."""
    name = utterance.label_pass
    annotation = utterance.annotations[name]
    values = {} if name == "video" else {"content": (annotation.get("content"), utterance.transcription())}
    if name == "audio":
        times = annotation.get("paragraphs")
        times = times if isinstance(times, dict) else {}
        values |= {key: (times.get(key), utterance.time(key)) for key in ("startTime", "endTime")}
        captions = utterance.captions()
        read = [captions["speaker"], captions["style"], captions["emotion"], *captions["overall"]]
        values |= {key: (typed, text) for (key, typed), text in zip(utterance.typed_captions().items(), read)}
    if values:
        audit.examined["typed"] += 1
    missing = [key for key, (typed, _) in values.items() if typed is None]
    odd = [(key, typed) for key, (typed, read) in values.items() if typed is not None and read is None]
    if odd:
        add("typed", f"cannot be read: {', '.join(f'{key} {brief(repr(typed))}' for key, typed in odd)}", "warning")
    if missing:
        add("typed", f"not there: {', '.join(missing)}", "unknown")
    content = values.get("content", (None, None))[1]
    if content is not None:
        audit.examined["marks"] += 1
        lower = content.lower()
        if MALFORMED.search(WELL_FORMED.sub("", content)) or lower.count("over/") != lower.count("/over"):
            add("marks", brief(content), "warning")


def _audit_votes(audit, add, utterance, label):
    """The label and the single votes: whether they can be, and whether the votes give the label (and the score)."""
    annotation, votes = utterance.annotations[utterance.label_pass], utterance.votes(utterance.label_pass)
    audit.examined["labels"] += 1
    if label is None:
        typed = brief(repr(annotation.get("emotion_result")))
        add("labels", f"emotion_result {typed} is none of {', '.join(EMOTIONS)}")
    impossible = set()
    for vote, typed in zip(votes, utterance.typed_votes(utterance.label_pass)):
        for key, name, check, values in VOTE_VALUES:
            if vote[name] is None and typed.get(key) is not None:
                what = f"vote {vote['annotator']}: {key} {brief(repr(typed[key]))} is none of {values}"
                add(check, what, "warning")
                impossible.add(name)
    if utterance.label_pass == "multimodal":
        _audit_score(audit, add, annotation, votes, "sentiment" in impossible)
    if label is None or "emotion" in impossible:
        return
    chosen, means = {vote["emotion"] for vote in votes}, confidences(votes)
    if None not in chosen and label not in chosen:
        audit.examined["votes"] += 1
        add("votes", f"labelled {EMOTIONS[label]}, which nobody chose (experts overruled some)")
    elif means is not None:
        audit.examined["votes"] += 1
        best = max(means.values()) - 1e-9
        if means[label] < best:
            given = " or ".join(EMOTIONS[other] for other, mean in means.items() if mean >= best)
            add("votes", f"labelled {EMOTIONS[label]}, but the votes give {given} (experts overruled some)")
    elif "confidence" not in impossible:
        add("votes", "votes or confidences are missing: what they give is unknown", "unknown")


def confidences(votes):
    """The paper's x_k: label -> mean confidence of the annotators who chose it; None where a vote is not known whole.

    votes: as `Utterance.votes` gives them. Source: the paper's annotation rule, whose result is argmax x_k.
    """
    by_label = {}
    for vote in votes:
        if vote["emotion"] is None or vote["confidence"] is None:
            return None
        by_label.setdefault(vote["emotion"], []).append(vote["confidence"])
    return {label: sum(given) / len(given) for label, given in by_label.items()}


def _audit_score(audit, add, annotation, votes, impossible):
    typed = annotation.get("Continuous label_result")
    score = number(typed, -2, 2)
    ratings = [vote["sentiment"] for vote in votes]
    if score is None:
        add("scores", f"Continuous label_result {brief(repr(typed))} is no number in -2…2")
    elif impossible:
        pass  # named already
    elif None in ratings:
        add("scores", "ratings are missing: their mean is unknown", "unknown")
    else:
        audit.examined["scores"] += 1
        mean = sum(ratings) / len(ratings)
        if abs(mean - score) > 0.05:  # a fourth of the step between two means of five ratings
            add("scores", f"score {score:g}, but the mean of the ratings is {mean:g}")


def _audit_names(audit, add, utterance):
    annotation = utterance.annotations[utterance.label_pass]
    path = annotation.get("file_path", annotation.get("file_name"))
    inside = emotiontalk.ID_INSIDE.search(path) if isinstance(path, str) else None
    if inside:
        audit.examined["names"] += 1
        if inside[1].upper() != utterance.id:
            add("names", f"the path inside is another utterance's: {brief(path)}", "warning")
    speaker = number(annotation.get("speaker_id"))
    if speaker is not None and speaker != int(utterance.speaker_id):
        add("names", f"speaker_id inside is {brief(repr(annotation['speaker_id']))}", "warning")


def _audit_wav(audit, add, uid, member):
    audit.examined["wav"] += 1
    try:
        if not member.size:
            raise ValueError("empty: 0 bytes")
        rate, channels, bits, frames, said = emotiontalk.wav_format(member)
    except ValueError as error:
        add("wav", str(error))
        return
    if frames < said:
        add("wav", f"truncated: its header says {said:,} samples, and {frames:,} are there")
    audit.seconds[uid] = frames / rate
    audit.examined["format"] += 1
    if (rate, channels, bits) != (44_100, 2, 16):
        add("format", f"{rate:,} Hz, channels: {channels}, {bits} bit", "warning")


def _audit_mp4(audit, add, member):
    audit.examined["mp4"] += 1
    if not member.size:
        add("mp4", "empty: 0 bytes")
    elif member.part(4, 4) != b"ftyp":
        add("mp4", "no MP4 file: it does not begin with a box ftyp")


def _compare_archives(audit, ids):
    """What stands in one archive must stand in the others: counts, passes, media."""
    for archive, found in ids.items():
        audit.examined["utterances"] += len(found["json"])
        groups = collections.Counter(uid[:6] for uid in found["json"])
        for group in sorted({*groups, *GROUPS}):
            count, expected = groups[group], GROUPS.get(group, 0)
            if count != expected:
                audit.add("utterances", archive, group, f"{count:,} utterances, published {expected:,}")
    everywhere = set().union(*(found["json"] for found in ids.values())) if ids else set()
    audit.examined["passes"] += len(everywhere)
    for uid in sorted(everywhere):
        lacking = [archive for archive in ids if uid not in ids[archive]["json"]]
        if lacking:
            audit.add("passes", lacking[0], uid, f"no annotation in {', '.join(f'{name}.tar' for name in lacking)}")
    for archive, suffix in (("Audio", "wav"), ("Multimodal", "mp4")):
        if archive in ids:
            annotations, media = ids[archive]["json"], ids[archive][suffix]
            audit.examined["media"] += len(annotations | media)
            for uid in sorted(annotations - media):
                audit.add("media", archive, uid, f"annotation without {suffix}")
            for uid in sorted(media - annotations):
                audit.add("media", archive, uid, f"{suffix} without annotation")


def _compare_published(audit):
    """Each dialogue with the digests of what the authors have published; what experts decided is no fault then."""
    known, same = published.dialogues(), set()
    for (name, dialogue), rows in sorted(audit.annotated.items()):
        rows.sort(key=lambda row: row[0])
        authors, archive = known.get(dialogue), PASSES[name]
        add = audit.about(archive, dialogue)
        audit.examined["published"] += 1
        if authors is None:
            add("published", "no such dialogue was published")
        elif len(rows) != authors["utterances"]:
            what = f"{len(rows)} of its {authors['utterances']} utterances are there: they cannot be compared"
            add("published", what, "unknown")
        else:
            if published.digest_labels(row[:3] for row in rows if row[1] is not None) == authors[name]:
                same.add((archive, dialogue))
            else:
                what = "labels or scores" if name == "multimodal" else "labels"
                add("published", f"its {what} are not the published ones")
            if name != "video" and published.digest_texts((row[0], row[3] or "") for row in rows) != authors["texts"]:
                add("published", "its texts are not those of the published label files", "warning")
    kept = []
    for finding in audit.findings:
        uid = emotiontalk.match_member(finding.where)
        decided = uid and (finding.archive, uid["id"].upper()[:9]) in same
        if decided and finding.check == "votes" and finding.state == "wrong":
            audit.overruled += 1
            continue
        if decided and finding.check == "scores":
            finding.state = "warning"
        kept.append(finding)
    audit.findings = kept


def _compare_lengths(audit, most=0.05):
    """Sounds whose length (seconds) is not what their annotation says: also where a cut sound's header was mended."""
    for uid in sorted(audit.times.keys() & audit.seconds.keys()):
        audit.examined["length"] += 1
        annotated, heard = audit.times[uid], audit.seconds[uid]
        if abs(annotated - heard) > most:
            audit.add("length", "Audio", uid, f"the sound is {heard:.3f} s long, by its times {annotated:.3f} s")


# The beginning of Audio.tar, with all annotations of the audio pass: publicly reported by readers of the real archive.
PREFIX_BYTES = 64 << 20
PREFIX_SHA256 = "46f12cbae60370c47e1744764232de1b4e8e23efcf6bc4f55acda1ba1fe5d217"
PROVEN = """\
What this compares: the sizes of all four archives; the annotations of the audio pass (the first 64 MiB of Audio.tar),
of the text pass and of the silent-video pass (Text.tar and Video.tar whole).
What it does not look at: the sounds, the videos, and the annotations of the multimodal pass; of these, only the sizes
of their archives."""


def quick(data_dir=None, token=None) -> Audit:
    """Compare sizes, and the SHA-256 of Text.tar, Video.tar and the first 64 MiB of Audio.tar: 70 MB, not 36 GB."""
    audit, source = Audit(), data_dir or emotiontalk.DEFAULT_SOURCE
    emotiontalk.forget_addresses()
    for archive in emotiontalk.ARCHIVES:
        audit.archives[archive] = {}
        try:
            _look_quickly(audit, archive, source, token)
        except (EmotionTalkError, OSError) as error:
            audit.add("archives", archive, f"{archive}.tar", brief(error, 2_000))
    return audit


def _look_quickly(audit, archive, source, token):
    """The part of `quick` about one archive."""
    place, (size, sha256) = find_place(archive, source, token), emotiontalk.ARCHIVES[archive]
    add = audit.about(archive, f"{archive}.tar")
    check, length, expected = "sha256", size, sha256
    if archive == "Audio":
        check, length, expected = "prefix", PREFIX_BYTES, PREFIX_SHA256
    if not place.paths:
        remote = place.file(token)
        found, pieces = remote.size, remote.pieces(end=length)
    elif len(place.paths) == 1 and os.path.isfile(place.paths[0]):
        found, pieces = os.path.getsize(place.paths[0]), _pieces_of(place.paths[0])
    else:
        add("size", "unpacked or in several parts: use verify without --quick", "unknown")
        return
    audit.examined["archives"] += 1
    audit.archives[archive] = {"bytes": found}
    audit.examined["size"] += 1
    if found != size:
        has = "of unknown size" if found is None else f"{found:,} bytes"
        add("size", f"{has}, pinned {size:,}")
    if archive == "Multimodal" or (found is not None and found < length):
        return
    audit.examined[check] += 1
    digest = _digest_of(pieces, length, f"{archive}.tar")
    if digest != expected:
        add(check, f"SHA-256 {digest}, which is another")


def _digest_of(pieces, length, label):
    """The SHA-256 of the first bytes of a file."""
    digest, left = hashlib.sha256(), length
    with tqdm.tqdm(total=length, unit="B", unit_scale=True, desc=label) as bar:
        for piece in pieces:
            digest.update(piece[:left])
            bar.update(len(piece[:left]))
            left -= len(piece[:left])
            if not left:
                break
    return digest.hexdigest()


def print_table(audit: Audit, names: int = 5):
    """The audit as a table for people; of each check, as many findings by name."""
    import rich.console
    import rich.table
    import rich.text

    styles = {"ok": "green", "unknown": "cyan", "warning": "yellow", "wrong": "bold red"}
    right = [rich.table.Column(title, justify="right") for title in ("looked at", "found")]
    table = rich.table.Table("check", "state", *right)
    for check, title in CHECKS.items():
        state, found = audit.state(check), len(audit.of(check))
        table.add_row(title, rich.text.Text(state, styles[state]), f"{audit.examined[check]:,}", f"{found:,}")
    console = rich.console.Console(highlight=False, soft_wrap=True)
    console.print(table)
    for check, title in CHECKS.items():
        findings = sorted(audit.of(check), key=lambda finding: -STATES.index(finding.state))
        for finding in findings[:names]:
            what = f"  {finding.archive}: {finding.where}: {finding.what}"
            console.print(rich.text.Text.assemble((finding.state, styles[finding.state]), what))
        if len(findings) > names:
            more = f"{len(findings) - names:,} more ({title.lower()}): --names {len(findings)}, or --json"
            console.print(f"    and {more}", markup=False)
    if audit.overruled:
        console.print(f"{audit.overruled:,} labels are not what their votes give: the authors' decision, as published.")
    if not audit.looked:
        console.print("Nothing could be looked at: see above.")
    else:
        console.print("Nothing is wrong." if audit.ok else "Something is wrong: see above.")
