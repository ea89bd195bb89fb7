"""Whether the clips of a local release can be opened, by their headers: before an encoder runs for hours."""

from __future__ import annotations

import io
from collections.abc import Callable

from emotiontalk.audio import LOWEST_RATE, wav_format
from emotiontalk.clips import decoded, naming
from emotiontalk.members import Member
from emotiontalk.probing.video_frames import open_mp4
from emotiontalk.progress import progress_bar
from emotiontalk.release import ConfigReader
from emotiontalk.request_error import RequestError


class _File(io.RawIOBase):
    """A member of an archive as a file that can be sought in: PyAV reads of it what it needs."""

    def __init__(self, member: Member) -> None:
        self._member, self._at = member, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._member)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._member[self._at : len(self._member) if size < 0 else self._at + size]
        self._at += len(data)
        return data


def check_clips(reader: ConfigReader) -> None:
    """Raise `RequestError` for a clip that cannot be opened.

    Of a release behind a URL nothing is looked at: each header would be a request.
    """
    if not all(location.paths for location in reader.release.locations.values()):
        return
    field, check = ("audio", _check_audio) if "audio" in reader.builder.spec.fields else ("video", _check_video)
    with progress_bar(total=reader.count(), unit=" clips", desc="headers") as bar:
        for split in reader.splits.values():
            for uid, example in split.examples():
                _named(check, uid, example[field]["bytes"])
                bar.update()


def _named(check: Callable[[Member], None], uid: str, member: Member) -> None:
    with naming(uid):
        try:
            check(member)
        except RequestError as error:
            raise RequestError(f"{uid}: {error}") from None


def _check_audio(member: Member) -> None:
    """Raise `AudioDecodeError` where soundfile cannot decode a clip; 16-bit PCM, nearly all, is known by its header."""
    wav = wav_format(member)
    if (wav.codec, wav.bits) != (1, 16):
        decoded(member.read(), LOWEST_RATE)


def _check_video(member: Member) -> None:
    """Raise `RequestError` where PyAV finds no video in a clip."""
    with open_mp4(_File(member)) as container:
        if not container.streams.video:
            raise RequestError("it has no video. Compare with the release.")
