"""What is asked of `export_files`, and which combinations of options there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from emotiontalk.audio_format import AudioFormat
from emotiontalk.choices import CAPTIONS, LABEL_SETS, LANGUAGES, MEDIA, OF_FILES, TASKS, TOOLKITS, check_choice
from emotiontalk.corpus import EMOTIONS, FOUR, SPLITS
from emotiontalk.folder import require_utf8
from emotiontalk.request_error import RequestError

FOR_SPEECH = AudioFormat(16_000, 1, "wav")  # what speech encoders take


@dataclasses.dataclass(frozen=True)
class FilesRequest:
    """What is asked of an export to the files of toolkits.

    Attributes:
        out: the folder.
        formats: names of the formats, see `formats.FORMATS`.
        config: whose labels and fields.
        label_set: "all" or "four".
        splits: to write; none: all.
        audio_format: of the audio files.
        fold: of cross-validation; None: the official splits.
        task, caption, media, prompt_language: of messages: what is asked, what captions are about, which medium, and
            in which language.
    """

    out: Path
    formats: tuple[str, ...]
    config: str = "audio"
    label_set: str = "all"
    splits: tuple[str, ...] = ()
    audio_format: AudioFormat = FOR_SPEECH
    fold: int | None = None
    task: str = TASKS[0]
    caption: str = CAPTIONS[0]
    media: str = MEDIA[0]
    prompt_language: str = LANGUAGES[0]

    @property
    def emotions(self) -> tuple[str, ...]:
        """The labels of the label set, in the authors' order."""
        return EMOTIONS if self.label_set == "all" else FOUR

    @property
    def suffix(self) -> str:
        """Of the audio files: "wav" or "flac"."""
        return self.audio_format.suffix

    def check(self) -> None:
        """Raise `RequestError` for values that an option cannot have, and for options that would do nothing."""
        require_utf8(self.out)
        if not self.formats:
            raise RequestError(f"formats= is empty: choose from {', '.join(TOOLKITS)}.")
        for name in self.formats:
            check_choice("formats", name, TOOLKITS)
        for split in self.splits:
            check_choice("splits", split, SPLITS)
        check_choice("config", self.config, OF_FILES)
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_choice("task", self.task, TASKS)
        check_choice("caption", self.caption, CAPTIONS)
        check_choice("media", self.media, MEDIA)
        check_choice("prompt_language", self.prompt_language, LANGUAGES)
        self._check_messages()

    def _check_messages(self) -> None:
        asked = (self.task, self.caption, self.media, self.prompt_language)
        if "messages" not in self.formats and asked != (TASKS[0], CAPTIONS[0], MEDIA[0], LANGUAGES[0]):
            names = "task=, caption=, media= and prompt_language="
            raise RequestError(f'{names} are for messages: add formats="messages", or remove them.')
        if self.caption != CAPTIONS[0] and self.task != "caption":
            raise RequestError('caption= is for captions: add task="caption", or remove it.')
        if self.media == "video" and self.config != "multimodal":
            raise RequestError(
                'media="video" is the audio-visual clips: add config="multimodal", which has their labels.'
            )

    def fixed(self) -> dict[str, Any]:
        """Return what the files of all formats in a folder have in common, JSON-ready."""
        audio = self.audio_format
        return {
            "kind": "files",
            "fold": self.fold,
            "config": self.config,
            "label_set": self.label_set,
            "audio_format": (None if self.config == "text" else [audio.sampling_rate, audio.channels, audio.encoding]),
        }
