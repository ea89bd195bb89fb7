"""Where a format writes: below the folder of the export, through the one way in which files are written."""

from __future__ import annotations

import dataclasses

from emotiontalk.corpus import CONDITION_NAMES, LICENSE, REPO_ID, __version__
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.utterances import UtteranceRow
from emotiontalk.folder import Folder
from emotiontalk.release import splits_in_words
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

NO_VALIDATION = """- A fold has no validation split. Where a command below names one, take every tenth dialogue of
  train, by the order of their names, and leave these out of train.
"""


@dataclasses.dataclass
class WriterContext:
    """What is asked, and where the files go.

    Attributes:
        request: what is asked.
        folder: of the export, held.
        splits: names of those that are written, in order.
        origin: what audio is made from; see `digest_of_origin`.
        others: formats that are in the folder and not asked for: their files stay, and refer to the audio.
    """

    request: FilesRequest
    folder: Folder
    splits: tuple[str, ...]
    origin: str
    others: tuple[str, ...] = ()

    @property
    def example_split(self) -> str:
        """The split that a README takes as its example: test where it is written."""
        return "test" if "test" in self.splits else self.splits[0]

    def absolute_path(self, row: UtteranceRow) -> str:
        """Return the path of a clip, for toolkits that run elsewhere."""
        return str((self.request.out / str(row.path)).resolve())

    def write_file(self, name: str, content: str | bytes) -> None:
        """Write a small file below the folder."""
        self.folder.write(name, content.encode() if isinstance(content, str) else content)

    def finish_clip(self, name: str, sha256: str) -> None:
        """Give a clip its name. Raises `RequestError` where files of other formats were written with another one."""
        if self.others and self.folder.sha256(name) not in (None, sha256):
            raise RequestError(
                f"{self.request.out / name} is of another release, and so are the files of {', '.join(self.others)}: "
                "choose another folder, or write these again, too (formats=)."
            )
        self.folder.finish(name, self.origin, sha256)

    def link_clip(self, row: UtteranceRow, name: str) -> None:
        """Put a clip at a second place, without a second copy where the disk can do that."""
        if not self.folder.is_own(name, self.origin):
            self.folder.refuse_foreign(name)
            self.folder.link(str(row.path), name)

    def about(self, format_name: str) -> str:
        """Return the lines of a format's README about labels, splits and audio."""
        request = self.request
        audio = "Audio: " + ("none" if request.config == "text" else str(request.audio_format))
        if format_name == "messages" and request.media == "video":
            audio = "Video: as released, with its audio: the bytes of the MP4 files, in `video/<split>`"
        condition = CONDITION_NAMES[CONFIGS[request.config].condition]
        splits = f"{splits_in_words(request.fold)} ({', '.join(self.splits)})"
        return (
            f"- Labels: **{condition}** ({', '.join(request.emotions)}).\n"
            f"- Splits: {splits}.\n{NO_VALIDATION if request.fold else ''}"
            f"- Texts: clean, without marks.\n- {audio}.\n"
            f"- Written by the EmotionTalk loader {__version__} from {REPO_ID}. {LICENSE}: do not publish.\n"
        )
