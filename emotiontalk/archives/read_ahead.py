"""Reading ahead: the bytes of a remote file in order, fetched in blocks by several connections."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import os
from collections.abc import Iterator
from typing import Protocol

from .tar import BLOCK
from .threads import DaemonThreads


class ByteRanges(Protocol):
    """A file that is read by ranges of bytes."""

    size: int | None

    def chunks(self, start: int, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` as they come."""


class BlockStream:
    """The bytes of a file in order from `position` on, fetched in blocks ahead of the reader.

    One block at first, then more and larger ones; none beyond `end`, unless more is read or `extend` is called.

    Args:
        file: what is read.
        position: the first byte.
        end: what is fetched ahead ends here.
        block: bytes of the first block.
        in_flight: blocks that are fetched at once in the beginning.
    """

    # Chosen by measurement (benchmarks/README.md).
    IN_FLIGHT = 12  # blocks that are fetched at once, at most
    BLOCK_BYTES = 4 << 20  # of a block, at most

    def __init__(self, file: ByteRanges, position: int, end: int, block: int = 1 << 18, in_flight: int = 1) -> None:
        if file.size is None:
            raise ValueError("a file of unknown size cannot be read by ranges")
        self.file, self.position, self._size = file, position, file.size
        self._end, self._requested = min(end, self._size), position
        self._block, self._in_flight = max(BLOCK, block), in_flight
        # of a small file smaller blocks: little is lost where a process is stopped
        self._largest = min(self.BLOCK_BYTES, max(1 << 19, self._size >> 9))
        self._blocks: collections.deque[concurrent.futures.Future[bytearray]] = collections.deque()
        self._rest, self._closed = memoryview(b""), False

    def extend(self, size: int) -> None:
        """Fetch ahead to at least so many bytes from the present position."""
        self._end = max(self._end, min(self._size, self.position + size))

    def read(self, size: int) -> bytes:
        """Read the next `size` bytes, fewer where the file ends. Raises `EmotionTalkError`."""
        if self.position + size > self._end:
            self.extend(max(size, 1 << 16))
        parts, size = [], max(0, min(size, self._end - self.position))
        while size:
            if not self._rest:
                self._rest = memoryview(self._next())
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            self.position += len(parts[-1])
            size -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def skip(self, size: int) -> None:
        """Skip bytes; what was not requested yet is not fetched."""
        if self.position + size <= self._requested:
            self.read(size)
        else:
            self.close()
            self.position = self._requested = self.position + size
            self._blocks, self._rest, self._closed = collections.deque(), memoryview(b""), False

    def _next(self) -> bytearray:
        self._request()
        block = self._blocks.popleft().result()
        if self._in_flight > 1:
            self._request()  # while the reader works on this one
        self._in_flight = min(2 * self._in_flight, self.IN_FLIGHT)
        self._block = max(self._block, min(2 * self._block, self._largest))
        return block

    def _request(self) -> None:
        while len(self._blocks) < self._in_flight and self._requested < self._end:
            start, self._requested = self._requested, min(self._requested + self._block, self._end)
            self._blocks.append(fetching_threads().submit(self._fetch, self._blocks, start, self._requested))

    def _fetch(self, blocks: object, start: int, end: int) -> bytearray:
        data = bytearray()
        for chunk in self.file.chunks(start, end):
            if blocks is not self._blocks or self._closed:  # it is not read any more
                break
            data += chunk
        return data

    def close(self) -> None:
        """Cancel the blocks that are in flight."""
        self._closed = True
        for block in self._blocks:
            block.cancel()


@functools.lru_cache(maxsize=2)
def _threads_of(pid: int) -> DaemonThreads:
    return DaemonThreads(2 * BlockStream.IN_FLIGHT, "emotiontalk")


def fetching_threads() -> DaemonThreads:
    """Return the threads of this process in which blocks are fetched; a forked worker has none of its parent's."""
    return _threads_of(os.getpid())
