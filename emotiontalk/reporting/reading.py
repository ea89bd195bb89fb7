"""The release as the report reads it: once, utterance by utterance, with a few clips to listen to."""

from __future__ import annotations

import base64
import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy
import pandas

from emotiontalk.annotations import Utterance, sentiment_id
from emotiontalk.audio_format import AudioFormat
from emotiontalk.corpus import CONDITION_NAMES, CONDITIONS, EMOTIONS
from emotiontalk.errors import AudioDecodeError
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader
from emotiontalk.verification.findings import format_name

PLAYED = AudioFormat(16_000, 1, "flac")  # small, and every browser plays it
Clip = dict[str, Any]  # what the template shows of an utterance
Voice = tuple[str, str]  # group, speaker


@dataclasses.dataclass
class Reading:
    """What was read.

    Attributes:
        table: an utterance a row. Its columns: id, split, group, dialogue, speaker, seconds (NaN where the audio has
            no readable header), format, score (−2…2), sentiment (0…4) and the label 0…6 of each annotation condition.
        votes: annotation condition -> counts of shape (utterances with five votes, 7).
        clips: utterances to listen to.
    """

    table: pandas.DataFrame
    votes: dict[str, numpy.ndarray]
    clips: list[Clip]


def read_release(reader: ReleaseReader, clips: int = 3) -> Reading:
    """Read a release once.

    Args:
        reader: of the release.
        clips: how many utterances to listen to for each split and emotion, over groups and speakers.

    Raises:
        EmotionTalkError: the errors of `load_dataset`.
    """
    config = reader.open("multimodal")
    rows: list[dict[str, Any]] = []
    votes: dict[str, list[numpy.ndarray]] = {name: [] for name in CONDITIONS}
    candidates: dict[tuple[str, int], dict[Voice, Clip]] = {}  # by split and emotion
    for split, of_split in config.splits.items():
        utterances = of_split.utterances()
        for utterance, _ in progress_bar(utterances, total=of_split.count(), unit=" utterances", desc=split):
            labels = {name: utterance.emotion(name) for name in CONDITIONS}
            score = utterance.score()
            rows.append(
                {
                    "id": utterance.id,
                    "split": split,
                    "group": utterance.group,
                    "dialogue": utterance.dialogue,
                    "speaker": utterance.speaker_id,
                    "seconds": utterance.seconds,
                    "format": format_name(*utterance.wav[:3]) if utterance.wav else "",
                    "score": score,
                    "sentiment": sentiment_id(score),
                    **labels,
                }
            )
            for name in CONDITIONS:
                chosen = [vote["emotion"] for vote in utterance.votes(name)]
                if None not in chosen:
                    votes[name].append(numpy.bincount(chosen, minlength=len(EMOTIONS)))
            first = candidates.setdefault((split, labels["multimodal"]), {})
            if clips and (utterance.group, utterance.speaker_id) not in first:
                first[utterance.group, utterance.speaker_id] = _clip(utterance, split, labels, score)
    table = pandas.DataFrame(rows)
    counted = {name: numpy.array(counts).reshape(-1, len(EMOTIONS)) for name, counts in votes.items()}
    return Reading(table, counted, _spread_out(candidates, clips))


def _spread_out(candidates: Mapping[tuple[str, int], dict[Voice, Clip]], clips: int) -> list[Clip]:
    """Choose clips of each split and emotion: the groups and speakers that were chosen least come first."""
    used: collections.Counter[str] = collections.Counter()
    chosen = []
    for _, by_voice in sorted(candidates.items()):
        left = dict(by_voice)
        for _ in range(min(clips, len(left))):
            group, speaker = min(left, key=lambda voice: (used[voice[0]], used[voice[1]], voice))
            used.update((group, speaker))
            chosen.append(left.pop((group, speaker)))
    return chosen


def _clip(utterance: Utterance, split: str, labels: dict[str, int], score: float) -> Clip:
    """Return what the listening table shows of an utterance, its audio in Base64."""
    assert utterance.media is not None
    audio: str | None
    try:
        audio = base64.b64encode(PLAYED.convert(utterance.media.read())).decode()
    except AudioDecodeError:
        audio = None
    votes = utterance.votes("multimodal")
    captions = utterance.captions()
    return {
        "id": utterance.id,
        "split": split,
        "emotion": EMOTIONS[labels["multimodal"]],
        "audio": audio,
        "transcription": utterance.transcription(),
        "score": score,
        "labels": {CONDITION_NAMES[name]: EMOTIONS[label] for name, label in labels.items()},
        "votes": [
            (v["annotator"], None if v["emotion"] is None else EMOTIONS[v["emotion"]], v["confidence"]) for v in votes
        ],
        "captions": [(name, captions[name]) for name in ("speaker", "style", "emotion") if captions[name]]
        + [("overall", text) for text in captions["overall"] if text],
    }
