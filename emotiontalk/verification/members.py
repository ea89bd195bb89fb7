"""What `emotiontalk verify` examines in one member of an archive: an annotation, an audio or a video file."""

from __future__ import annotations

import re
from typing import Any

from emotiontalk.annotations import MARKS, Utterance, emotion_id, number
from emotiontalk.audio import wav_format
from emotiontalk.corpus import AUDIO_FORMATS, CONDITIONS, EMOTIONS, match_member
from emotiontalk.errors import BadUtteranceError, brief
from emotiontalk.members import Member
from emotiontalk.verification.findings import Add, Audit

Seen = dict[str, dict[str, str]]  # suffix -> id -> name of the member
Votes = list[dict[str, Any]]
# Of each annotator: the key in the file, the field, the check it belongs to, and what it can be.
VOTE_VALUES = (
    ("emotion", "emotion", "labels", ", ".join(EMOTIONS)),
    ("Confidence_degree", "confidence", "votes", "1…9"),
    ("Continuous_label", "sentiment", "scores", "the whole numbers in -2…2"),
)
_WORDS = "(?:over/|/over|interrupted|laughing|sobbing|crying|screaming)"
WELL_FORMED = re.compile(rf"\[{_WORDS}\]|【{_WORDS}】", re.IGNORECASE)
MALFORMED = re.compile(rf"[\[\]【】［］]|{MARKS.pattern}", re.IGNORECASE)


def audit_member(audit: Audit, archive: str, member: Member, seen: Seen) -> None:
    """Examine a member of an archive; what is not part of the release is skipped."""
    match = match_member(member.name)
    if not match:
        return
    uid, suffix = match["id"].upper(), match["suffix"].lower()
    add = audit.about(archive, member.name)
    audit.examined["duplicates"] += 1
    first = seen[suffix].setdefault(uid, member.name)
    if first is not member.name:
        add("duplicates", f"duplicate id {uid}: {first} and {member.name}")
    if suffix == "json":
        _audit_annotation(audit, add, archive, uid, member)
    elif suffix == "wav":
        _audit_wav(audit, add, uid, member)
    else:
        _audit_mp4(audit, add, member)


def _audit_annotation(audit: Audit, add: Add, archive: str, uid: str, member: Member) -> None:
    condition = next(name for name, of in CONDITIONS.items() if of == archive)
    audit.examined["json"] += 1
    try:
        utterance = Utterance(uid, condition, {condition: member})
    except BadUtteranceError as error:
        add("json", str(error))
        return
    label = emotion_id(utterance.raw[condition].get("emotion_result"))
    score = _score(utterance) if condition == "multimodal" else None
    audit.annotated[condition, utterance.dialogue].append((uid, label, score, utterance.transcription()))
    if condition == "audio":
        start, end = utterance.time("startTime"), utterance.time("endTime")
        if start is not None and end is not None:
            audit.times[uid] = end - start
    _audit_votes(audit, add, utterance, label)
    _audit_names(audit, add, utterance)
    _audit_raw(audit, add, utterance)


def _score(utterance: Utterance) -> float | None:
    try:
        return utterance.score()
    except BadUtteranceError:
        return None


def _audit_raw(audit: Audit, add: Add, utterance: Utterance) -> None:
    """Examine texts, and of the audio-only annotation times and captions: what cannot be read, and what is missing."""
    raw, values = utterance.raw[utterance.condition], dict[str, Any]()
    if utterance.condition != "video":
        values["content"] = raw.get("content"), utterance.transcription()
    if utterance.condition == "audio":
        times = raw.get("paragraphs")
        times = times if isinstance(times, dict) else {}
        values |= {key: (times.get(key), utterance.time(key)) for key in ("startTime", "endTime")}
        captions = utterance.captions()
        read = [captions["speaker"], captions["style"], captions["emotion"], *captions["overall"]]
        values |= {key: (typed, text) for (key, typed), text in zip(utterance.raw_captions().items(), read)}
    if values:
        audit.examined["raw"] += 1
    missing = [key for key, (typed, _) in values.items() if typed is None]
    odd = [(key, typed) for key, (typed, read) in values.items() if typed is not None and read is None]
    if odd:
        add("raw", f"cannot be read: {', '.join(f'{key} {brief(repr(typed))}' for key, typed in odd)}", "warning")
    if missing:
        add("raw", f"not there: {', '.join(missing)}", "unknown")
    content = values.get("content", (None, None))[1]
    if content is not None:
        audit.examined["marks"] += 1
        lower = content.lower()
        if MALFORMED.search(WELL_FORMED.sub("", content)) or lower.count("over/") != lower.count("/over"):
            add("marks", brief(content), "warning")


def _audit_votes(audit: Audit, add: Add, utterance: Utterance, label: int | None) -> None:
    """Examine the label and the annotators': whether they can be, and whether these give the label (and the score)."""
    raw, votes = utterance.raw[utterance.condition], utterance.votes(utterance.condition)
    audit.examined["labels"] += 1
    if label is None:
        add("labels", f"emotion_result {brief(repr(raw.get('emotion_result')))} is none of {', '.join(EMOTIONS)}")
    impossible = set()
    for vote, typed in zip(votes, utterance.raw_votes(utterance.condition)):
        for key, name, check, values in VOTE_VALUES:
            if vote[name] is None and typed.get(key) is not None:
                what = f"vote {vote['annotator']}: {key} {brief(repr(typed[key]))} is none of {values}"
                add(check, what, "warning")
                impossible.add(name)
    if utterance.condition == "multimodal":
        _audit_score(audit, add, utterance, votes, "sentiment" in impossible)
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
            chosen_by_rule = " or ".join(EMOTIONS[other] for other, mean in means.items() if mean >= best)
            add(
                "votes",
                f"labelled {EMOTIONS[label]}, but the annotators give {chosen_by_rule} (experts overruled some)",
            )
    elif "confidence" not in impossible:
        add("votes", "an annotator's label or confidence is missing: what they give is unknown", "unknown")


def confidences(votes: Votes) -> dict[int, float] | None:
    """Return the paper's x_k: label -> mean confidence of the annotators who chose it; None if any is missing.

    votes: as `Utterance.votes` gives them. Source: the paper's annotation rule, whose result is argmax x_k.
    """
    by_label: dict[int, list[float]] = {}
    for vote in votes:
        if vote["emotion"] is None or vote["confidence"] is None:
            return None
        by_label.setdefault(vote["emotion"], []).append(vote["confidence"])
    return {label: sum(values) / len(values) for label, values in by_label.items()}


def _audit_score(audit: Audit, add: Add, utterance: Utterance, votes: Votes, impossible: bool) -> None:
    score, ratings = _score(utterance), [vote["sentiment"] for vote in votes]
    if score is None:
        typed = utterance.raw["multimodal"].get("Continuous label_result")
        add("scores", f"Continuous label_result {brief(repr(typed))} is not a number in -2…2")
    elif impossible:
        pass  # named already
    elif None in ratings:
        add("scores", "ratings are missing: their mean is unknown", "unknown")
    else:
        audit.examined["scores"] += 1
        mean = sum(ratings) / len(ratings)
        if abs(mean - score) > 0.05:  # a fourth of the step between two means of five ratings
            add("scores", f"score {score:g}, but the mean of the ratings is {mean:g}")


def _audit_names(audit: Audit, add: Add, utterance: Utterance) -> None:
    raw = utterance.raw[utterance.condition]
    if utterance.path_id(utterance.condition):
        audit.examined["names"] += 1
        path = utterance.foreign_path(utterance.condition)
        if path is not None:
            add("names", f"the path inside is another utterance's: {brief(path)}", "warning")
    speaker = number(raw.get("speaker_id"))
    if speaker is not None and speaker != int(utterance.speaker_id):
        add("names", f"speaker_id inside is {brief(repr(raw['speaker_id']))}", "warning")


def _audit_wav(audit: Audit, add: Add, uid: str, member: Member) -> None:
    audit.examined["wav"] += 1
    try:
        if not member.size:
            raise ValueError("empty: 0 bytes")
        wav = wav_format(member)
    except ValueError as error:
        add("wav", str(error))
        return
    if wav.frames < wav.header_frames:
        add("wav", f"truncated: its header says {wav.header_frames:,} samples, and {wav.frames:,} are there")
    audit.seconds[uid] = wav.frames / wav.rate
    audit.examined["format"] += 1
    audit.formats[wav.rate, wav.channels, wav.bits] += 1
    if wav.bits != 16 or (wav.rate, wav.channels) not in AUDIO_FORMATS:
        add("format", f"an unknown format: {wav.rate:,} Hz, channels: {wav.channels}, {wav.bits} bit", "warning")


def _audit_mp4(audit: Audit, add: Add, member: Member) -> None:
    audit.examined["mp4"] += 1
    if not member.size:
        add("mp4", "empty: 0 bytes")
    elif member[4:8] != b"ftyp":
        add("mp4", "not an MP4 file: it does not begin with an ftyp box")
