"""One utterance: what its annotation files say, strict where that decides a row, lenient where people typed."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .audio import LONGEST_MEDIA, WavFormat, wav_format
from .corpus import ANNOTATORS, EMOTIONS, NOUNS
from .errors import BadUtteranceError, brief
from .members import Member, NotFetched

_MARK = r"(?:over|interrupted|laughing|sobbing|crying|screaming)"
# A mark has a bracket on one side at least: `[over/]`, `[[/over]`, `[over/呀`, `没问题/over]`. Only the mark
# goes; words that a slip has put inside the brackets were spoken, and stay.
MARKS = re.compile(  # every repeat has a bound, so that no text takes more than one look at each of its characters
    rf"[\[【［]\s{{0,4}}/{{0,4}}\s{{0,4}}{_MARK}(?![A-Za-z])(?:\s{{0,4}}/{{1,4}})?(?:\s{{0,4}}[\]】］])?"
    rf"|(?:/|(?<![A-Za-z\s])){_MARK}\s{{0,4}}/{{0,4}}\s{{0,4}}[\]】］]",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[\[\]【】［］]")


def spoken_text(transcription: str | None) -> str | None:
    """Remove the marks from a transcription: every spoken word stays, no bracket does. None stays None.

    Marks are overlap `[over/]…[/over]` and the events `[interrupted]`, `[laughing]`, `[Sobbing]`, `[crying]`,
    `[screaming]`, in `[]` or `【】`, with the typing slips of the release.
    """
    if transcription is None:
        return None
    return BRACKETS.sub("", MARKS.sub("", transcription))


def parse_annotation(member: Member) -> dict[str, Any]:
    """Parse the JSON object of an annotation file. Raises `BadUtteranceError`."""
    try:
        # json finds UTF-8, with or without BOM, by itself; strict=False allows line breaks in strings
        annotation = json.loads(member.read(), strict=False)
    except (ValueError, RecursionError) as error:
        raise BadUtteranceError(f"{member} is not JSON: {brief(error)}. Compare it with the release.") from None
    if not isinstance(annotation, dict):
        raise BadUtteranceError(f"{member} does not hold a JSON object. Compare it with the release.")
    return annotation


_EMOTION_IDS = {word: EMOTIONS.index(NOUNS.get(word, word)) for word in (*EMOTIONS, *NOUNS)}


def emotion_id(value: object) -> int | None:
    """Return the number 0…6 of an emotion string, or None if it is none of the seven."""
    if not isinstance(value, str):
        return None
    return _EMOTION_IDS.get(value, _EMOTION_IDS.get(value.strip().lower()))


def number(value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Read a finite number between two bounds, also from a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        value = float(value)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def sentiment_id(score: float) -> int:
    """Return the number 0…4 of the paper's sentiment class of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1."""
    score = round(score, 6)  # a mean of five ratings, which may carry the noise of a float
    return (0 if score <= -1 else 1) if score < 0 else 2 if score == 0 else 3 if score < 1 else 4


def _string(value: object) -> str | None:
    """Read a raw value as a string: a bare number as its digits; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and no file in UTF-8
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def clip_seconds(data: bytes) -> float | None:
    """Return the length of a clip in seconds, by the times in its audio-only annotation; None where there are none."""
    try:
        times = _dict(_dict(json.loads(data, strict=False)).get("paragraphs"))
    except (ValueError, RecursionError):
        return None
    start, end = number(times.get("startTime")), number(times.get("endTime"))
    return None if start is None or end is None or not 0 <= end - start < 3_600 else end - start


ID_INSIDE = re.compile(r"(?:^|[/\\])(G\d{5}_\d{2}_\d{2}_\d{3})(?:\.\w*)?$", re.ASCII | re.IGNORECASE)
COMPARE = "Compare it with the release."
MP4_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")  # may come first


class Utterance:
    """One utterance: its id, and its annotation in each of the conditions that the config reads.

    Args:
        uid: its id, `<group>_<dialogue>_<speaker>_<turn>`.
        condition: "audio", …: the annotation condition whose label the config has.
        members: the annotation file of each condition.
        media: its audio or video, or None.

    Attributes:
        raw: the JSON object of each condition, as people typed it.
        wav: what the header of the audio says, or None.
        notes: (what is odd, in which member), of oddities that decide no row.

    Raises:
        BadUtteranceError: an annotation is not a JSON object, or the audio is not a WAV file.
    """

    def __init__(self, uid: str, condition: str, members: dict[str, Member], media: Member | None = None) -> None:
        self.id, self.condition, self.members, self.media = uid, condition, members, media
        self.group, dialogue, self.speaker_id, turn = uid.split("_")
        self.dialogue = f"{self.group}_{dialogue}"
        self.turn = int(turn)
        self.raw = {name: parse_annotation(member) for name, member in members.items()}
        self.wav: WavFormat | None = None
        self._votes: dict[str, list[dict[str, Any]]] = {}
        self.notes: list[tuple[str, str]] = []
        for name, member in members.items():
            path = self.foreign_path(name)
            if path is not None:
                self._note("the path inside is another utterance's", f"{member} ({brief(path)})")
        if media is not None and not isinstance(media.source, NotFetched):
            self._check_media(media)

    def _note(self, what: str, where: str) -> None:
        if (what, where) not in self.notes:
            self.notes.append((what, where))

    def _check_media(self, media: Member) -> None:
        """Read the header of an audio file. Raises `BadUtteranceError` for one that cannot be decoded."""
        if not len(media):
            raise BadUtteranceError(f"{media} is empty. {COMPARE}")
        if len(media) > LONGEST_MEDIA:
            raise BadUtteranceError(f"{media} has {len(media):,} bytes, more than any clip. {COMPARE}")
        if not media.name.lower().endswith(".wav"):
            if media[4:8] not in MP4_BOXES:  # a text may name files that a decoder would open instead
                raise BadUtteranceError(f"{media} is not an MP4 file. {COMPARE}")
            return
        try:
            wav = wav_format(media)
        except ValueError as error:
            raise BadUtteranceError(f"{media} cannot be decoded ({error}). {COMPARE}") from None
        self.wav = wav
        if wav.frames < wav.header_frames:
            self._note("the audio is truncated: its header says more samples than are there", str(media))
        if not wav.consistent:
            self._note("the WAV header contradicts itself: its rate and its bytes a second disagree", str(media))

    @property
    def seconds(self) -> float | None:
        """Length of the audio by its header, or None."""
        return self.wav.frames / self.wav.rate if self.wav else None

    def path_id(self, condition: str) -> str | None:
        """Return the id in the path inside an annotation, or None where that has none."""
        path = self.raw[condition].get("file_path", self.raw[condition].get("file_name"))
        found = ID_INSIDE.search(path) if isinstance(path, str) else None
        return found[1].upper() if found else None

    def foreign_path(self, condition: str) -> str | None:
        """Return the path inside an annotation if it is another utterance's."""
        if self.path_id(condition) in (None, self.id):
            return None
        return str(self.raw[condition].get("file_path", self.raw[condition].get("file_name")))

    def _wrong(self, condition: str, key: str, what: str) -> BadUtteranceError:
        value = brief(repr(self.raw[condition].get(key)))
        fix = "Correct the file, or compare it with the release."
        return BadUtteranceError(f"{self.members[condition]}: {key} {value} is {what}. {fix}")

    def emotion(self, condition: str) -> int:
        """Return the label 0…6 of a condition. Raises `BadUtteranceError`."""
        label = emotion_id(self.raw[condition].get("emotion_result"))
        if label is None:
            raise self._wrong(condition, "emotion_result", f"none of {', '.join(EMOTIONS)}")
        return label

    def score(self) -> float:
        """Return the sentiment score, −2…2. Raises `BadUtteranceError`."""
        score = number(self.raw["multimodal"].get("Continuous label_result"), -2, 2)
        if score is None:
            raise self._wrong("multimodal", "Continuous label_result", "no number in -2…2")
        return score

    def transcription(self) -> str | None:
        """Return the verbatim transcription: the own condition's, or where that has none, another's that was read."""
        for name in (self.condition, "multimodal", "text", "audio"):
            raw = self.raw.get(name, {})
            content = _string(raw.get("content"))
            if content is not None:
                return content
            if name in self.raw and name != "video":
                what = "is null" if raw.get("content") is None else "is not a text"
                self._note(f"content in the {name} annotation {what}", str(self.members[name]))
        return None

    def time(self, key: str) -> float | None:
        """Return `startTime` or `endTime` in seconds, or None."""
        return number(_dict(self.raw["audio"].get("paragraphs")).get(key))

    def raw_captions(self) -> dict[str, object]:
        """Return the raw captions: "spe_cap", "style_cap", "emo_cap", "caption_1"…"caption_5"."""
        raw = self.raw["audio"]
        found = {**raw, **_dict(raw.get("sourceAttr"))}  # in some files they stand flat
        keys = ("spe_cap", "style_cap", "emo_cap", *(f"caption_{n}" for n in range(1, 6)))
        return {key: found.get(key) for key in keys}

    def captions(self) -> dict[str, Any]:
        """Return the captions "speaker", "style" and "emotion", and the list "overall"; unreadable ones are None."""
        speaker, style, emotion, *overall = map(_string, self.raw_captions().values())
        return {"speaker": speaker, "style": style, "emotion": emotion, "overall": overall}

    def raw_votes(self, condition: str) -> list[dict[str, Any]]:
        """Return the five raw annotations of a condition, {} for one that is missing."""
        data = _dict(self.raw[condition].get("data"))
        return [_dict(data.get(annotator)) for annotator in ANNOTATORS]

    def votes(self, condition: str) -> list[dict[str, Any]]:
        """Return the annotations of the five annotators of a condition; what is missing or unreadable is None."""
        if condition not in self._votes:  # two fields are made of them
            self._votes[condition] = [self._vote(*pair) for pair in zip(ANNOTATORS, self.raw_votes(condition))]
        return self._votes[condition]

    @staticmethod
    def _vote(annotator: str, raw: dict[str, Any]) -> dict[str, Any]:
        tenths = number(raw.get("Confidence_degree"), 1, 9)
        rating = number(raw.get("Continuous_label"), -2, 2)
        return {
            "annotator": annotator,
            "emotion": emotion_id(raw.get("emotion")),
            "confidence": None if tenths is None else tenths / 10,
            "sentiment": None if rating is None or rating % 1 else int(rating),
        }

    def soft_label(self, condition: str | None = None, classes: int = len(EMOTIONS)) -> list[float] | None:
        """Return the share of the annotators that chose each emotion; None if a vote is missing, or none is for these.

        Args:
            condition: whose annotators; None: those of the own condition.
            classes: 7, or 4 for the paper's four, which are the first ones: shares of the votes for these.
        """
        given = [vote["emotion"] for vote in self.votes(condition or self.condition)]
        if None in given:
            return None
        given = [label for label in given if label < classes]
        return [given.count(label) / len(given) for label in range(classes)] if given else None
