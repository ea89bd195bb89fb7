"""What a format gets of the release: the utterances of each split, with their audio where it packs that itself."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import Any

from emotiontalk.clips import named_conversion
from emotiontalk.corpus import EMOTIONS, split_of
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.release import Example, SplitReader
from emotiontalk.rows.label_names import label_names
from emotiontalk.workers import Workers

TAG = re.compile(r"<(\||/?(?:audio|image|video)>)", re.IGNORECASE)
NOT_STORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
OF_THE_RELEASED_CLIP = ("audio", "duration", "sampling_rate", "channels")  # a row has those of the file it writes
OF_TEXT = frozenset({"text", "transcription", "captions"})
AT_ONCE = 64  # clips that are converted together


@dataclasses.dataclass
class UtteranceRow:
    """An utterance as a toolkit's file needs it.

    Attributes:
        id, split, group, dialogue, speaker, turn: which utterance it is.
        text: without marks, in one line.
        transcription: with marks.
        emotion: its label, as a word.
        annotations: the single votes.
        fields: all fields of the config but those of the released clip.
        path: of the audio, below the folder of the export; None where there is none.
        sampling_rate, channels, samples: of the file that was written: Hz, number, frames.
        video: path of the video clip, below the folder of the export.
    """

    id: str
    split: str
    group: str
    dialogue: str
    speaker: str
    turn: int
    text: str
    transcription: str | None
    emotion: str
    annotations: list[dict[str, Any]]
    fields: dict[str, Any]
    path: str | None = None
    sampling_rate: int = 0
    channels: int = 0
    samples: int = 0
    video: str | None = None

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.samples / self.sampling_rate

    @property
    def label(self) -> int:
        """0…6, the authors' numbering."""
        return EMOTIONS.index(self.emotion)

    def named_fields(self) -> dict[str, Any]:
        """Return all fields with labels as words, ready for JSON."""
        fields: dict[str, Any] = label_names(self.fields)
        return fields


Rows = dict[str, list[UtteranceRow]]  # of each split


@dataclasses.dataclass
class Utterances:
    """The utterances of an export.

    Attributes:
        request: what is asked.
        readers: of each split that is written.
        rows: of each split, their audio written next to the files of the formats; empty where all formats pack it
            themselves.
        replaced: ids whose texts hold characters that formats have no place for.
    """

    request: FilesRequest
    readers: dict[str, SplitReader]
    rows: Rows = dataclasses.field(default_factory=dict)
    replaced: dict[str, None] = dataclasses.field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Count the rows of each split."""
        return {split: len(rows) for split, rows in self.rows.items()}

    def row(self, example: Example, split: str) -> UtteranceRow:
        """Make the row of an example."""
        texts = {name: example[name] for name in OF_TEXT.intersection(example)}
        clean = storable(texts)
        if clean != texts:
            self.replaced[example["id"]] = None
        example = {**example, **clean}
        return UtteranceRow(
            id=example["id"],
            split=split,
            group=example["group"],
            dialogue=example["dialogue"],
            speaker=example["speaker_id"],
            turn=example["turn"],
            text=" ".join((example["text"] or "").split()),
            transcription=example["transcription"],
            emotion=EMOTIONS[example["emotion"]],
            annotations=example["annotations"],
            fields={name: value for name, value in example.items() if name not in OF_THE_RELEASED_CLIP},
        )

    def with_audio(self, part: SplitReader, pool: Workers) -> Iterator[tuple[UtteranceRow, bytes]]:
        """Yield (row, audio file as it is to be written) of a part of a split. pool: which converts the audio."""
        audio_format = self.request.audio_format
        for batch in batches(part.examples()):
            files = [example["audio"]["bytes"].read() for _, example in batch]
            if audio_format:
                names = [f"{uid}.wav" for uid, _ in batch]
                files = pool.results(functools.partial(named_conversion, audio_format), zip(names, files))
            for (_, example), data in zip(batch, files):
                yield self.row(example, split_of(example["group"], self.request.fold)), data


def batches(examples: Iterator[tuple[str, Example]]) -> Iterator[list[tuple[str, Example]]]:
    """Yield examples in lists of `AT_ONCE`."""
    batch = []
    for example in examples:
        batch.append(example)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def storable(value: Any) -> Any:
    """Return texts, and lists and dicts of texts, with U+FFFD for what XML 1.0, CSV or Kaldi's tables cannot hold."""
    if isinstance(value, str):
        return NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: storable(inner) for key, inner in value.items()}
    return [storable(inner) for inner in value] if isinstance(value, list) else value


def untagged(text: str) -> str:
    """Return a text in which nothing passes for a tag of a model's template (`<|HAPPY|>`, `<audio>`)."""
    return TAG.sub(r"< \1", text)
