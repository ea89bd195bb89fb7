"""`emotiontalk.verify`: a release compared with what is published, in one pass over each archive or by its beginning.

Headers, annotations and the first bytes of audio and video are read, nothing is decoded; memory does not grow with the
archives. A local archive is read by position, so that a pass over the audio reads little of it; with `pinned=True`, and
from a URL, every byte is read once.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from typing import IO, cast

import datasets

from emotiontalk.archives.local import UnpackedTar
from emotiontalk.archives.locations import Location, forget_urls, index_folder, write_index_of
from emotiontalk.archives.tar import Tar
from emotiontalk.corpus import ARCHIVES, AUDIO_FORMATS, CONDITIONS, GROUPS, TOTAL, match_member
from emotiontalk.errors import EmotionTalkError, brief
from emotiontalk.members import Member
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError
from emotiontalk.verification import published
from emotiontalk.verification.findings import CONTENT, Audit, format_name
from emotiontalk.verification.forward import ForwardFile, ForwardTar
from emotiontalk.verification.members import Seen, audit_member

Ids = dict[str, set[str]]  # suffix -> ids
Part = tuple[str, Callable[[], "Tar | UnpackedTar"]]  # its path, and a function that opens it
Digest = Callable[[], "str | None"]


def verify(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    quick: bool = False,
    pinned: bool = False,
    token: str | bool | None = None,
) -> Audit:
    """Compare a release with what is published.

    Nothing is decoded, and nothing is written but the index of each archive, to the cache of `datasets`. What is wrong
    with a release is a finding, not an exception: an archive that is missing or truncated does not end it.

    Args:
        data_dir: the folder or the URL that holds the archives; the Hub by default.
        quick: compare only sizes, and the SHA-256 of Text.tar, Video.tar and the first 64 MiB of Audio.tar: 70 MB are
            read, not 36 GB.
        pinned: compare the size and the SHA-256 of each archive with the pinned ones, and make a difference an error.
            What archives that are the pinned ones hold in their annotations is then the release's own, and only a
            warning.
        token: as in `load_dataset`.

    Returns:
        What was examined and what was found: `audit.ok`, `audit.findings`, `audit.to_pandas()`.

    Raises:
        RequestError: quick and pinned are both true.

    Example:
        >>> audit = emotiontalk.verify("RELEASE", quick=True)
        >>> audit.ok
        True
    """
    if quick and pinned:
        raise RequestError(
            "quick=True is not supported with pinned=True: a quick verification compares with the pinned archives "
            "as it is."
        )
    reader = ReleaseReader(data_dir, token=token)
    forget_urls()
    return _verify_quickly(reader) if quick else _verify_all(reader, pinned)


def _verify_all(reader: ReleaseReader, pinned: bool) -> Audit:
    audit, ids = Audit(), dict[str, Ids]()
    for archive in ARCHIVES:
        try:
            ids[archive] = _audit_archive(audit, archive, reader, pinned)
        except (EmotionTalkError, OSError) as error:
            audit.add("archives", archive, f"{archive}.tar", str(error))
    _compare_archives(audit, ids)
    _compare_published(audit)
    _compare_lengths(audit)
    _compare_formats(audit)
    for finding in audit.findings:
        sha256 = audit.archives.get(finding.archive, {}).get("sha256")
        of_the_pinned = sha256 == ARCHIVES[finding.archive][1]
        if of_the_pinned and finding.state == "wrong" and finding.check in CONTENT:
            finding.state = "warning"
    return audit


def _audit_archive(audit: Audit, archive: str, reader: ReleaseReader, pinned: bool) -> Ids:
    """Examine an archive in one pass; return what it holds."""
    location = reader.find_archive(archive)
    parts, size, sha256 = _local_parts(location) if location.paths else _remote_part(location, reader.token, pinned)
    facts = audit.archives[archive] = {
        "paths": [path for path, _ in parts],
        "bytes": size,
        "pinned_bytes": ARCHIVES[archive][0],
    }
    seen: Seen = {"json": {}, "wav": {}, "mp4": {}}
    for path, opened in parts:
        label = brief(os.path.basename(path.rstrip("/")))
        try:
            title = label if label == f"{archive}.tar" else f"{archive}, {label}"
            members = _audit_part(audit, archive, opened(), seen, title)
            audit.examined["archives"] += 1
            if len(parts) == 1 and not os.path.isdir(path):
                file = location.paths[0] if location.paths else location.file(reader.token)
                with contextlib.suppress(OSError):  # a cache that cannot be written is no fault of the release
                    write_index_of(archive, members, file, index_folder(datasets.config.HF_DATASETS_CACHE))
        except (EmotionTalkError, OSError) as error:  # the rest cannot be read; what was read still counts
            audit.add("archives", archive, label, str(error))
    # another size is another SHA-256: not worth reading 14.8 GB for
    facts["sha256"] = sha256() if pinned and size == facts["pinned_bytes"] else None
    _compare_pinned(audit, archive, pinned)
    return {suffix: set(members) for suffix, members in seen.items()}


def _audit_part(audit: Audit, archive: str, part: Tar | UnpackedTar, seen: Seen, label: str) -> list[Member]:
    """Examine the members of a part, and return them."""
    members = list[Member]()
    with progress_bar(total=_bytes_within(part), unit="B", unit_scale=True, desc=label) as bar:
        done = 0
        for member in part.members():
            audit_member(audit, archive, member, seen)
            position = member.offset + member.size if isinstance(part, Tar) else done + member.size
            bar.update(position - done)
            done = position
            members.append(member)
    return members


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of an open file."""
    return iter(lambda: file.read(1 << 20), b"")


def _pieces_of(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from _pieces(file)


def _local_parts(location: Location) -> tuple[list[Part], int, Digest]:
    """Return (parts, bytes of all, a function that gives the SHA-256 or None) of a local archive."""
    kinds = [UnpackedTar if os.path.isdir(path) else Tar for path in location.paths]
    parts = [(path, functools.partial(kind, location.archive, path)) for path, kind in zip(location.paths, kinds)]
    folders = [path for path in location.paths if os.path.isdir(path)]
    size = sum(_bytes_within(UnpackedTar(location.archive, path)) for path in folders)
    size += sum(os.path.getsize(path) for path in set(location.paths) - set(folders) if os.path.exists(path))

    def sha256() -> str | None:
        if len(location.paths) != 1 or folders:
            return None
        return _digest_of(_pieces_of(location.paths[0]), size, f"SHA-256 of {location.archive}.tar")

    return list(parts), size, sha256


def _remote_part(location: Location, token: str | bool | None, pinned: bool) -> tuple[list[Part], int, Digest]:
    """As `_local_parts`, of an archive behind a URL: all its bytes are read once, if `pinned` through a SHA-256."""
    remote = location.file(token)
    size, pieces = remote.size, remote.pieces()
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    stream = hashed() if pinned else pieces
    forward = ForwardFile(stream, size)

    def sha256() -> str:
        collections.deque(stream, maxlen=0)  # the rest is read now
        return digest.hexdigest()

    return [(remote.path, lambda: ForwardTar(location.archive, remote.path, cast("IO[bytes]", forward)))], size, sha256


def _bytes_within(part: Tar | UnpackedTar) -> int:
    """Count the bytes of a tar, unpacked where it was compressed, or of the files of a folder."""
    if isinstance(part, UnpackedTar):
        return sum(member.size for member in part.members())
    return int(part.file.seek(0, os.SEEK_END))


def _compare_pinned(audit: Audit, archive: str, pinned: bool) -> None:
    facts, add = audit.archives[archive], audit.about(archive, f"{archive}.tar")
    size, sha256 = ARCHIVES[archive]
    audit.examined["size"] += 1
    if facts["bytes"] != size:
        what = f"{facts['bytes']:,} bytes, pinned {size:,}"
        if not pinned:
            what += ": a repacked mirror, a rebuilt or an unpacked copy may be whole all the same"
        add("size", what, "wrong" if pinned else "warning")
    if pinned:
        audit.examined["sha256"] += 1
        if facts["bytes"] != size:
            add("sha256", "of another size, so of another SHA-256")
        elif facts["sha256"] is None:
            add("sha256", "unpacked or in several parts: there is no one file to compare")
        elif facts["sha256"] != sha256:
            add("sha256", f"{facts['sha256']}, pinned {sha256}")


def _compare_archives(audit: Audit, ids: dict[str, Ids]) -> None:
    """Compare the archives with one another: counts, annotation conditions, media."""
    for archive, members in ids.items():
        audit.examined["utterances"] += len(members["json"])
        groups = collections.Counter(uid[:6] for uid in members["json"])
        for group in sorted({*groups, *GROUPS}):
            count, expected = groups[group], GROUPS.get(group, 0)
            if count != expected:
                audit.add("utterances", archive, group, f"{count:,} utterances, published {expected:,}")
    everywhere = set().union(*(members["json"] for members in ids.values())) if ids else set[str]()
    audit.examined["conditions"] += len(everywhere)
    for uid in sorted(everywhere):
        missing = [archive for archive in ids if uid not in ids[archive]["json"]]
        if missing:
            what = f"no annotation in {', '.join(f'{name}.tar' for name in missing)}"
            audit.add("conditions", missing[0], uid, what)
    for archive, suffix in (("Audio", "wav"), ("Multimodal", "mp4")):
        if archive in ids:
            annotations, media = ids[archive]["json"], ids[archive][suffix]
            audit.examined["media"] += len(annotations | media)
            for uid in sorted(annotations - media):
                audit.add("media", archive, uid, f"annotation without {suffix}")
            for uid in sorted(media - annotations):
                audit.add("media", archive, uid, f"{suffix} without annotation")


def _compare_published(audit: Audit) -> None:
    """Compare each dialogue with the digests of what the authors published; what experts decided is no error then."""
    known, same = published.dialogues(), set()
    for (condition, dialogue), rows in sorted(audit.annotated.items()):
        rows.sort(key=lambda row: row[0])
        authors, archive = known.get(dialogue), CONDITIONS[condition]
        add = audit.about(archive, dialogue)
        audit.examined["published"] += 1
        if authors is None:
            add("published", "no such dialogue was published")
        elif len(rows) != authors["utterances"]:
            what = f"{len(rows)} of its {authors['utterances']} utterances are there: they cannot be compared"
            add("published", what, "unknown")
        else:
            labels = ((uid, label, score) for uid, label, score, _ in rows if label is not None)
            if published.digest_labels(labels) == authors[condition]:
                same.add((archive, dialogue))
            else:
                what = "labels or scores" if condition == "multimodal" else "labels"
                add("published", f"its {what} are not the published ones")
            texts = ((uid, text or "") for uid, _, _, text in rows)
            if condition != "video" and published.digest_texts(texts) != authors["texts"]:
                add("published", "its texts are not those of the published label files", "warning")
    _excuse_experts(audit, same)


def _excuse_experts(audit: Audit, same: set[tuple[str, str]]) -> None:
    """Drop findings about votes where the labels are the published ones. same: (archive, dialogue)."""
    kept = []
    for finding in audit.findings:
        uid = match_member(finding.where)
        decided = uid and (finding.archive, uid["id"].upper()[:9]) in same
        if decided and finding.check == "votes" and finding.state == "wrong":
            audit.overruled += 1
            continue
        if decided and finding.check == "scores":
            finding.state = "warning"
        kept.append(finding)
    audit.findings = kept


def _compare_lengths(audit: Audit, most: float = 0.05) -> None:
    """Compare the length of audio, in seconds, with its annotation: a truncated file may have a right header."""
    for uid in sorted(audit.times.keys() & audit.seconds.keys()):
        audit.examined["length"] += 1
        annotated, actual = audit.times[uid], audit.seconds[uid]
        if abs(annotated - actual) > most:
            audit.add("length", "Audio", uid, f"the audio is {actual:.3f} s long, by its times {annotated:.3f} s")


def _compare_formats(audit: Audit) -> None:
    """Compare how many clips have each format with what is reported, where all clips are there."""
    if sum(audit.formats.values()) != TOTAL:
        return
    for (rate, channels), reported in AUDIO_FORMATS.items():
        count = audit.formats[rate, channels, 16]
        if count != reported:
            what = f"{count:,} clips are {format_name(rate, channels, 16)}, reported {reported:,}"
            audit.add("format", "Audio", "Audio.tar", what, "warning")


# The beginning of Audio.tar, with all audio-only annotations: publicly reported by readers of the real archive.
PREFIX_BYTES = 64 << 20
PREFIX_SHA256 = "46f12cbae60370c47e1744764232de1b4e8e23efcf6bc4f55acda1ba1fe5d217"


def _verify_quickly(reader: ReleaseReader) -> Audit:
    audit = Audit(quick=True)
    for archive in ARCHIVES:
        audit.archives[archive] = {}
        try:
            _compare_quickly(audit, archive, reader)
        except (EmotionTalkError, OSError) as error:
            audit.add("archives", archive, f"{archive}.tar", brief(error, 2_000))
    return audit


def _compare_quickly(audit: Audit, archive: str, reader: ReleaseReader) -> None:
    """Compare the size and the first bytes of an archive."""
    location, (size, sha256) = reader.find_archive(archive), ARCHIVES[archive]
    add = audit.about(archive, f"{archive}.tar")
    check, length, expected = "sha256", size, sha256
    if archive == "Audio":
        check, length, expected = "prefix", PREFIX_BYTES, PREFIX_SHA256
    actual_size: int | None
    if not location.paths:
        remote = location.file(reader.token)
        actual_size, pieces = remote.size, remote.pieces(end=length)
    elif len(location.paths) == 1 and os.path.isfile(location.paths[0]):
        actual_size, pieces = os.path.getsize(location.paths[0]), _pieces_of(location.paths[0])
    else:
        add("size", "unpacked or in several parts: a quick verification cannot compare it", "unknown")
        return
    audit.examined["archives"] += 1
    audit.archives[archive] = {"bytes": actual_size}
    audit.examined["size"] += 1
    if actual_size != size:
        has = "of unknown size" if actual_size is None else f"{actual_size:,} bytes"
        add("size", f"{has}, pinned {size:,}")
    if archive == "Multimodal" or (actual_size is not None and actual_size < length):
        return
    audit.examined[check] += 1
    digest = _digest_of(pieces, length, f"{archive}.tar")
    if digest != expected:
        add(check, f"SHA-256 {digest}, which is another")


def _digest_of(pieces: Iterator[bytes], length: int, label: str) -> str:
    """Return the SHA-256 of the first bytes of a file."""
    digest, left = hashlib.sha256(), length
    with progress_bar(total=length, unit="B", unit_scale=True, desc=label) as bar:
        for piece in pieces:
            digest.update(piece[:left])
            bar.update(len(piece[:left]))
            left -= len(piece[:left])
            if not left:
                break
    return digest.hexdigest()
