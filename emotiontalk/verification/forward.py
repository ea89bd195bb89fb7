"""A tar that is read once, forward: from a URL while it is downloaded, without a copy on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from emotiontalk.archives.tar import Tar
from emotiontalk.errors import EmotionTalkError
from emotiontalk.members import Member


class ForwardFile:
    """A file that is read once from front to back, for `Tar`; a seek back raises `ValueError`.

    pieces: an iterator over its bytes; size: how many they are.
    """

    def __init__(self, pieces: Iterator[bytes], size: int) -> None:
        self._pieces, self.size, self.position = pieces, size, 0
        self._piece, self._start = memoryview(b""), 0  # what is at hand, and where in the file it begins

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, as in any file; nothing is read."""
        self.position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        return self.position

    def _next_piece(self) -> bool:
        self._start += len(self._piece)
        self._piece = memoryview(next(self._pieces, b""))
        return len(self._piece) > 0

    def read(self, size: int) -> bytes:
        """Read the next bytes, fewer at the end."""
        if self.position < self._start:
            raise ValueError("this file goes forward only")
        end, parts = min(self.size, self.position + size), []
        while self.position < end:
            offset = self.position - self._start
            if offset < len(self._piece):
                parts.append(self._piece[offset : end - self._start])
                self.position += len(parts[-1])
            elif not self._next_piece():
                break
        return b"".join(parts)


class ForwardTar(Tar):
    """A tar whose file is a `ForwardFile`: a member can be read until a later one is."""

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        self.file.seek(member.offset)
        data = self.file.read(len(view))
        if len(data) < len(view):
            raise EmotionTalkError(f"{self.path}: truncated within {member.name}.")
        view[:] = data
