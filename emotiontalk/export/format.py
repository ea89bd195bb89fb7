"""What a format is: the files that a toolkit of the field reads. `formats` has a module for each."""

from __future__ import annotations

import abc
import enum
from typing import ClassVar

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.utterances import Utterances
from emotiontalk.request_error import RequestError

SHORT = {"train": "train", "validation": "valid", "test": "test"}  # names of the splits in some toolkits


class Audio(enum.Enum):
    """How a format has its audio."""

    FILES = "it refers to audio files next to its own"
    FILES_IF_ANY = "as FILES, and it does without where the config has no audio"
    PACKED = "it packs the audio into its own files"


class Format(abc.ABC):
    """A format.

    Attributes:
        name: as it is asked for, and the name of its folder.
        toolkit: which toolkits read it, for people.
        audio: how it has its audio.
        one_channel: whether the toolkit reads audio of one channel alone: it would fail, or mix channels with time.
        own_folds: whether it writes all folds by itself, so that none is to be chosen.
    """

    name: ClassVar[str]
    toolkit: ClassVar[str]
    audio: ClassVar[Audio] = Audio.FILES
    one_channel: ClassVar[bool] = False
    own_folds: ClassVar[bool] = False

    def check(self, request: FilesRequest) -> str | None:
        """Raise `RequestError` where the toolkit could not read what is asked for; return a warning, or None."""
        if self.one_channel and request.audio_format.channels != 1:
            raise RequestError(f"{self.name} reads audio of one channel: remove original=True and channels=2 for it.")
        return None

    @abc.abstractmethod
    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """Write the files; return the number of utterances of each split."""

    @abc.abstractmethod
    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """Return the part of the README that says how to start the toolkit with the files."""
