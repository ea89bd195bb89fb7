"""Members of an archive: each a run of bytes of a source, which is read by position."""

from __future__ import annotations

import os
from collections.abc import Container
from typing import cast

from .errors import brief


def read_at(fd: int, offset: int, view: memoryview) -> bool:
    """Fill a view with the bytes of a file from an offset on; return False if the file ends before that."""
    while len(view):  # the position is passed with every read: forked workers share the parent's open files
        if hasattr(os, "preadv"):
            n = os.preadv(fd, [view], offset)
        else:  # Windows, where workers are not forked
            os.lseek(fd, offset, os.SEEK_SET)
            chunk = os.read(fd, len(view))
            n, view[: len(chunk)] = len(chunk), chunk
        if n == 0:
            return False
        view, offset = view[n:], offset + n
    return True


class Source:
    """What members are read from.

    Attributes:
        archive: its name, "Audio", …
        path: where it is, as messages quote it.
        fd: the descriptor of a local plain tar, else None.
    """

    def __init__(self, archive: str, path: str) -> None:
        self.archive, self.path = archive, path
        self.fd: int | None = None

    def read_into(self, member: Member, view: memoryview) -> None:
        """Fill a view with the bytes of a member from its offset on. Raises `EmotionTalkError`."""
        raise NotImplementedError


class InMemory(Source):
    """Bytes that have been read already.

    Attributes:
        data: the bytes; the offset of a member counts in them.
    """

    def __init__(self, archive: str, path: str, data: bytes) -> None:
        super().__init__(archive, path)
        self.data = data

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        view[:] = self.data[member.offset : member.offset + len(view)]


class NotFetched(Source):
    """The media of ids in `skip_media`, of which no byte was fetched: reading them is an error."""

    def read_into(self, member: Member, view: memoryview) -> None:
        """Raise `RuntimeError`."""
        raise RuntimeError(f"{member} was not fetched: its id is in skip_media.")


class _Everything:
    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING = cast("Container[str]", _Everything())  # as `skip_media`: no audio or video is read, nor fetched from a URL


class Member:
    """One file of the release: `size` bytes at `offset` of its source.

    `len(member)` is its size in bytes, and `member[4:8]` reads these bytes of it, as of `bytes`.

    Args:
        source: what it is read from.
        name: its path in the archive.
        offset: where in the source its bytes begin.
        size: in bytes.
    """

    __slots__ = ("name", "offset", "size", "source")

    def __init__(self, source: Source, name: str, offset: int, size: int) -> None:
        self.source, self.name, self.offset, self.size = source, name, offset, size

    def __len__(self) -> int:
        return self.size

    def __str__(self) -> str:
        return f"{self.source.path}: {brief(self.name, 300)}"

    def read(self) -> bytes:
        """Read all its bytes. Raises `EmotionTalkError` where the file has become shorter."""
        data = bytearray(self.size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view: memoryview) -> None:
        """Fill a writable view of `size` bytes, straight from the source."""
        self.source.read_into(self, view)

    def __getitem__(self, part: slice) -> bytes:
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise TypeError("a member is read by slices without a step")
        start, end, _ = part.indices(self.size)
        size = max(0, end - start)
        if self.source.fd is not None and hasattr(os, "pread"):  # measured: a third of the time of the general way
            data = os.pread(self.source.fd, size, self.offset + start)
            if len(data) == size:
                return data
        return Member(self.source, self.name, self.offset + start, size).read()

    def replaced_by(self, data: bytes) -> Member:
        """Return a member of the same name that holds these bytes instead, as after a conversion."""
        return Member(InMemory(self.source.archive, self.source.path, data), self.name, 0, len(data))
