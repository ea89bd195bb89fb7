"""What `emotiontalk files` hands to the module of a toolkit: the rows of each split, and where the files go."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emotiontalk.audio import AudioFormat
from emotiontalk.choices import CAPTIONS, MEDIA
from emotiontalk.corpus import CONDITION_NAMES, EMOTIONS, FOUR, LICENSE, REPO_ID, __version__
from emotiontalk.folder import Folder
from emotiontalk.release import SplitReader, splits_in_words
from emotiontalk.request_error import RequestError
from emotiontalk.rows.label_names import label_names
from emotiontalk.schema import CONFIGS

TAG = re.compile(r"<(\||/?(?:audio|image|video)>)", re.IGNORECASE)
NOT_STORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NO_VALIDATION = """- A fold has no validation split. Where a command below names one, take every tenth dialogue of
  train, by the order of their names, and leave these out of train.
"""


@dataclasses.dataclass
class Row:
    """An utterance as a toolkit's file needs it.

    `path` is below OUT, None where there is no audio; `samples` (frames), `sampling_rate` (Hz) and `channels` are those
    of the file that was written.
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
    video: str | None = None  # below OUT

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.samples / self.sampling_rate

    @property
    def label(self) -> int:
        """0…6, the authors' numbering."""
        return EMOTIONS.index(self.emotion)


Rows = dict[str, list[Row]]  # of each split
Clips = Callable[[SplitReader], Iterator[tuple[Row, bytes]]]  # the rows of some shards, each with its audio file


@dataclasses.dataclass
class Job:
    """What was requested, and where the files go."""

    out: Path
    config: str
    label_set: str
    audio_format: AudioFormat
    task: str
    prompt_language: str
    folder: Folder
    splits: dict[str, SplitReader]
    origin: str  # see `digest_of_origin`
    media: str = MEDIA[0]
    caption: str = CAPTIONS[0]
    fold: int | None = None
    others: list[str] = dataclasses.field(default_factory=list)  # toolkits whose files stay, and refer to the audio
    replaced: dict[str, None] = dataclasses.field(default_factory=dict)  # ids whose texts were not `storable`

    @property
    def suffix(self) -> str:
        """Of the audio files: "wav" or "flac"."""
        return self.audio_format.suffix

    @property
    def example(self) -> str:
        """The split that a README takes as its example: test where it is written."""
        return "test" if "test" in self.splits else next(iter(self.splits))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The labels of the label set, in the authors' order."""
        return EMOTIONS if self.label_set == "all" else FOUR

    def absolute(self, row: Row) -> str:
        """Return the path of a clip, for toolkits that run elsewhere."""
        return str((self.out / str(row.path)).resolve())

    def write(self, name: str, text: str | bytes) -> None:
        """Write a small file below OUT."""
        self.folder.write(name, text.encode() if isinstance(text, str) else text)

    def finish_shared(self, name: str, sha256: str) -> None:
        """Give a clip its name. Raises `RequestError` where other toolkits' files were written with another one."""
        if self.others and self.folder.sha256(name) not in (None, sha256):
            raise RequestError(
                f"{self.out / name} is of another release, and so are the files of {', '.join(self.others)}: choose "
                "another folder, or write these again, too (--for)."
            )
        self.folder.finish(name, self.origin, sha256)

    def link(self, row: Row, name: str) -> None:
        """Put a clip at a second place, without a second copy where the disk can do that."""
        if not self.folder.is_own(name, self.origin):
            self.folder.refuse_foreign(name)
            self.folder.link(str(row.path), name)

    def about(self, toolkit: str) -> str:
        """Return the lines of a README about labels, splits and audio."""
        audio = "Audio: " + ("none" if self.config == "text" else str(self.audio_format))
        if toolkit == "messages" and self.media == "video":
            audio = "Video: as released, with its audio: the bytes of the MP4 files, in `video/<split>`"
        condition = CONDITION_NAMES[CONFIGS[self.config].condition]
        return (
            f"- Labels: **{condition}** ({', '.join(self.emotions)}).\n"
            f"- Splits: {splits_in_words(self.fold)} ({', '.join(self.splits)}).\n{NO_VALIDATION if self.fold else ''}"
            f"- Texts: clean, without marks.\n- {audio}.\n"
            f"- Written by the EmotionTalk loader {__version__} from {REPO_ID}. {LICENSE}: do not publish.\n"
        )


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


def readable(row: Row) -> dict[str, Any]:
    """Return all fields of a row with labels as words, ready for JSON."""
    fields: dict[str, Any] = label_names(row.fields)
    return fields
