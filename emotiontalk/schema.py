"""The configs and their fields: one table of each, from which features, card and exports are made."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import datasets

from .annotations import Utterance, sentiment_id, spoken_text
from .corpus import (
    ARCHIVES,
    CONDITION_NAMES,
    CONDITIONS,
    DIALOGUES,
    DIALOGUES_OF_GROUPS,
    EMOTIONS,
    FOLD_SPLITS,
    FOUR,
    GROUPS,
    SENTIMENTS,
    SPLITS,
    speaker_set_of,
    split_of,
)


@dataclasses.dataclass(frozen=True)
class FieldSpec:
    """A field of the rows.

    Attributes:
        feature: its `datasets` feature.
        value: a function that gives its value for an `Utterance`; None for `turns`, which several utterances make.
        description: what it holds, a line of Markdown; `{condition}` stands for the config's annotation condition.
    """

    feature: Any
    value: Callable[[Utterance], Any] | None
    description: str


@dataclasses.dataclass(frozen=True)
class ConfigSpec:
    """A config.

    Attributes:
        description: one sentence.
        condition: the annotation condition whose label it has.
        conditions: those whose annotations it reads.
        fields: names in `FIELDS`.
        media: the archive that holds its audio or video, and the suffix there; None: it has no media.
        splits: the splits it has.
    """

    description: str
    condition: str
    conditions: tuple[str, ...]
    fields: tuple[str, ...]
    media: tuple[str, str] | None = None
    splits: tuple[str, ...] = SPLITS


STRING, FLOAT, INT32 = datasets.Value("string"), datasets.Value("float64"), datasets.Value("int32")
EMOTION = datasets.ClassLabel(names=list(EMOTIONS))
SENTIMENT = datasets.ClassLabel(names=list(SENTIMENTS))
MEDIA_FEATURE = {"bytes": datasets.Value("binary"), "path": STRING}  # audio or video that is not decoded
VIDEO = datasets.Video() if hasattr(datasets, "Video") else MEDIA_FEATURE
VOTE = {"annotator": STRING, "emotion": EMOTION, "confidence": FLOAT, "sentiment": datasets.Value("int8")}
MEDIA = frozenset({"audio", "video"})
KEY_FIELDS = ("id", "group", "dialogue", "speaker_id", "speaker_set", "turn")
TURN_FIELDS = (
    "id", "speaker_id", "turn", "transcription", "text", "emotion_text", "emotion_audio", "emotion_video",
    "emotion_multimodal", "soft_label_text", "soft_label_audio", "soft_label_video", "soft_label_multimodal",
    "sentiment_score", "sentiment", "start", "end",
)  # fmt: skip


def _condition_label(condition: str, how: str) -> FieldSpec:
    """Make the field with the label of one condition."""
    return FieldSpec(
        EMOTION,
        functools.partial(Utterance.emotion, condition=condition),
        f"{CONDITION_NAMES[condition]} label, 0…6 (annotators {how})",
    )


def _own(name: str, feature: Any, description: str) -> FieldSpec:
    """Make the field with what an utterance has under the same name."""
    return FieldSpec(feature, operator.attrgetter(name), description)


def _soft_label(condition: str) -> FieldSpec:
    """Make the field with the soft label of one condition."""
    return FieldSpec(
        [FLOAT],
        functools.partial(Utterance.soft_label, condition=condition),
        f"as `soft_label`, of the {CONDITION_NAMES[condition]} annotations",
    )


def _time(name: str) -> FieldSpec:
    """Make the field `start` or `end`."""
    return FieldSpec(
        FLOAT,
        functools.partial(Utterance.time, key=f"{name}Time"),
        f"{name} in the dialogue's recording, seconds, from the audio-only annotation; may be null",
    )


UTTERANCE_FIELDS = {
    "id": _own(
        "id", STRING, "utterance id, `<group>_<dialogue>_<speaker>_<turn>`; in `dialogues` the id of the dialogue"
    ),
    "group": _own("group", STRING, "group of dialogues, `G00001`…`G00015`; it decides the split"),
    "dialogue": _own("dialogue", STRING, "dialogue, `<group>_<dialogue>`, unique in the corpus"),
    "speaker_id": _own("speaker_id", STRING, "speaker, two digits; 19 in the corpus"),
    "speaker_set": FieldSpec(
        datasets.Value("int8"),
        lambda u: speaker_set_of(u.group),
        "set of groups, 1…5: no speaker is in two of these sets",
    ),
    "turn": _own("turn", INT32, "turn number in the dialogue, over both speakers, in order; numbers can be missing"),
    "audio": FieldSpec(
        datasets.Audio(sampling_rate=44_100),
        lambda u: {"bytes": u.media, "path": f"{u.id}.wav"},
        "the audio clip, as released 16-bit WAV: most 44.1 kHz stereo, some 44.1 kHz mono or 16 kHz mono",
    ),
    "duration": FieldSpec(
        FLOAT, lambda u: u.seconds, "length of the released clip, seconds: its frames, by the WAV header, over its rate"
    ),
    "sampling_rate": FieldSpec(
        INT32, lambda u: u.wav.rate if u.wav else None, "rate of the released clip, Hz: 44,100 or 16,000"
    ),
    "channels": FieldSpec(
        datasets.Value("int8"), lambda u: u.wav.channels if u.wav else None, "channels of the released clip: 2 or 1"
    ),
    "video": FieldSpec(
        VIDEO,
        lambda u: {"bytes": u.media, "path": f"{u.id}.mp4"},
        "the video clip as released: MP4 with audio (`{{bytes, path}}` where `datasets` has no `Video`)",
    ),
    "transcription": FieldSpec(STRING, lambda u: u.transcription(), "verbatim transcription, marks included"),
    "text": FieldSpec(
        STRING, lambda u: spoken_text(u.transcription()), "`transcription` without the marks; every spoken word stays"
    ),
    "emotion": FieldSpec(
        EMOTION, lambda u: u.emotion(u.condition), "**this config's label**: the {condition} label, 0…6"
    ),
    "soft_label": FieldSpec(
        [FLOAT],
        lambda u: u.soft_label(),
        "share of the five annotators who chose each of the seven emotions ({condition} annotations), in "
        "the order of the labels; sums to 1; null where an annotator's label is missing",
    ),
    "emotion_text": _condition_label("text", "read the transcription"),
    "emotion_audio": _condition_label("audio", "heard the audio"),
    "emotion_video": _condition_label("video", "saw the silent video"),
    "emotion_multimodal": _condition_label("multimodal", "saw and heard the video"),
    "soft_label_text": _soft_label("text"),
    "soft_label_audio": _soft_label("audio"),
    "soft_label_video": _soft_label("video"),
    "soft_label_multimodal": _soft_label("multimodal"),
    "sentiment_score": FieldSpec(
        FLOAT, lambda u: u.score(), "sentiment, −2…2: mean of the five annotators' ratings (audio-visual)"
    ),
    "sentiment": FieldSpec(
        SENTIMENT, lambda u: sentiment_id(u.score()), "class of `sentiment_score`: ≤ −1, < 0, 0, < 1, ≥ 1"
    ),
    "start": _time("start"),
    "end": _time("end"),
    "captions": FieldSpec(
        {"speaker": STRING, "style": STRING, "emotion": STRING, "overall": [STRING]},
        lambda u: u.captions(),
        "`speaker` (the voice), `style`, `emotion`, and `overall`, a list of five; each may be null",
    ),
    "annotations": FieldSpec(
        [VOTE],
        lambda u: u.votes(u.condition),
        "the {condition} annotations of the five annotators: `annotator` (A…E), `emotion`, `confidence` "
        "(0.1…0.9), `sentiment` (−2…2, audio-visual only); what is missing in the release is null",
    ),
    "dataset_id": FieldSpec(STRING, lambda u: "emotiontalk", "`emotiontalk`"),
    "sample_id": FieldSpec(STRING, lambda u: u.id, "utterance id"),
    "src_audio": FieldSpec(
        STRING, lambda u: f"emotiontalk/audio/zh/{u.id}.wav", "path of the audio file below the benchmark's data folder"
    ),
    "src_ref": FieldSpec(
        STRING, lambda u: u.transcription(), "verbatim transcription of the audio-only annotation, marks included"
    ),
    "tgt_ref": FieldSpec(STRING, lambda u: None, "null: there is no reference translation"),
    "src_lang": FieldSpec(STRING, lambda u: "zh", "`zh`"),
    "tgt_lang": FieldSpec(STRING, lambda u: "en", "`en`"),
    "benchmark_metadata": FieldSpec(
        {"context": STRING, "emotion": STRING, "dataset_type": STRING},
        lambda u: {"context": "short", "emotion": EMOTIONS[u.emotion(u.condition)], "dataset_type": "emotion"},
        "`context` (`short`), `emotion` (audio-only label as a string), `dataset_type` (`emotion`)",
    ),
}
FIELDS = {
    **UTTERANCE_FIELDS,
    "turns": FieldSpec(
        [{name: UTTERANCE_FIELDS[name].feature for name in TURN_FIELDS}],
        None,
        "the utterances of the dialogue in turn order, each with " + ", ".join(f"`{name}`" for name in TURN_FIELDS),
    ),
}

CONFIGS = {
    "multimodal": ConfigSpec(
        description="Audio, transcription and sentiment with the audio-visual label, and the labels of the other three "
        "annotation conditions.",
        condition="multimodal",
        conditions=("multimodal", "text", "audio", "video"),
        media=("Audio", "wav"),
        fields=(
            *KEY_FIELDS, "audio", "duration", "sampling_rate", "channels", "transcription", "text", "emotion",
            "soft_label", "sentiment_score", "sentiment", "emotion_text", "emotion_audio", "emotion_video",
            "start", "end", "captions", "annotations",
        ),
    ),
    "audio": ConfigSpec(
        description="Audio and transcription with the audio-only label.",
        condition="audio",
        conditions=("audio",),
        media=("Audio", "wav"),
        fields=(
            *KEY_FIELDS, "audio", "duration", "sampling_rate", "channels", "transcription", "text", "emotion",
            "soft_label", "start", "end", "captions", "annotations",
        ),
    ),
    "text": ConfigSpec(
        description="Transcription with the text-only label; no media.",
        condition="text",
        conditions=("text",),
        fields=(*KEY_FIELDS, "transcription", "text", "emotion", "soft_label", "annotations"),
    ),
    "video": ConfigSpec(
        description="Video clip with the silent-video label, the audio-visual label and sentiment.",
        condition="video",
        conditions=("video", "multimodal"),
        media=("Multimodal", "mp4"),
        fields=(
            *KEY_FIELDS, "video", "transcription", "text", "emotion", "soft_label", "emotion_multimodal",
            "sentiment_score", "sentiment", "annotations",
        ),
    ),
    "dialogues": ConfigSpec(
        description="One example per dialogue: its utterances in turn order with the labels of all four annotation "
        "conditions; no media.",
        condition="text",
        conditions=("text", "audio", "video", "multimodal"),
        fields=("id", "group", "dialogue", "speaker_set", "turns"),
    ),
    "zh-en": ConfigSpec(
        description="The zh→en part of the Hearing to Translate benchmark: the records of its manifest, and the audio.",
        condition="audio",
        conditions=("audio",),
        media=("Audio", "wav"),
        splits=("test",),
        fields=(
            "dataset_id", "sample_id", "src_audio", "src_ref", "tgt_ref", "src_lang", "tgt_lang",
            "benchmark_metadata", "audio",
        ),
    ),
}  # fmt: skip


def archives_of(config: str) -> list[str]:
    """Return the names of the archives that a config reads, in a fixed order."""
    names = {*(CONDITIONS[name] for name in CONFIGS[config].conditions), *(CONFIGS[config].media or ())}
    return [name for name in ARCHIVES if name in names]


@functools.cache
def fields_of(config: str, label_set: str = "all") -> dict[str, FieldSpec]:
    """Return the fields of a config by name; with the label set "four", `emotion` and `soft_label` have four values."""
    fields = {name: FIELDS[name] for name in CONFIGS[config].fields}
    if label_set == "four":
        four = {
            "emotion": {"feature": datasets.ClassLabel(names=list(FOUR))},
            "soft_label": {"value": functools.partial(Utterance.soft_label, classes=len(FOUR))},
        }
        for name in fields.keys() & four.keys():
            fields[name] = dataclasses.replace(fields[name], **four[name])
    return fields


def features_of(config: str, label_set: str = "all", sampling_rate: int | None = None) -> datasets.Features:
    """Return the `datasets.Features` of a config; sampling_rate: to which its audio is converted, in Hz."""
    features = {name: field.feature for name, field in fields_of(config, label_set).items()}
    if sampling_rate and "audio" in features:
        features["audio"] = dataclasses.replace(features["audio"], sampling_rate=sampling_rate)
    return datasets.Features(features)


def splits_of(config: str, fold: int | None = None) -> tuple[str, ...]:
    """Return the splits of a config: the official ones, or those of a fold of cross-validation."""
    return CONFIGS[config].splits if fold is None else FOLD_SPLITS


def split_sizes(config: str, fold: int | None = None) -> dict[str, int]:
    """Return the number of examples of the pinned release in each split of a config; fold: 1…5, of those of a fold."""
    if config == "dialogues" and fold is None:
        return dict(DIALOGUES)
    sizes = DIALOGUES_OF_GROUPS if config == "dialogues" else GROUPS
    return {
        split: sum(size for group, size in sizes.items() if split_of(group, fold) == split)
        for split in splits_of(config, fold)
    }


def description_of(config: str, field: str) -> str:
    """Describe what a field of a config holds, in a line of Markdown."""
    return FIELDS[field].description.format(condition=CONDITION_NAMES[CONFIGS[config].condition])
