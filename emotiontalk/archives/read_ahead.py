"""Reading ahead: the bytes of a remote file in order, fetched in blocks by several connections."""

from __future__ import annotations

import collections
import functools
import multiprocessing.pool
import os
import time
from typing import Protocol

from .tar import BLOCK


class ByteRanges(Protocol):
    """A file that is read by ranges of bytes."""

    size: int

    def get_range(self, start: int, end: int) -> bytearray:
        """Read the bytes from `start` to `end`."""


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
    IN_FLIGHT = 10  # blocks that are fetched at once, at most
    BLOCK_BYTES = 4 << 20  # of a block, at most
    SLOW = 5.0  # seconds: blocks that take longer do not grow

    def __init__(self, file: ByteRanges, position: int, end: int, block: int = 1 << 18, in_flight: int = 1) -> None:
        self.file, self.position = file, position
        self._end, self._requested = min(end, file.size), position
        self._block, self._in_flight = max(BLOCK, block), in_flight
        # of a small file smaller blocks: little is lost where a process is stopped
        self._largest = min(self.BLOCK_BYTES, max(1 << 19, file.size >> 9))
        self._blocks: collections.deque[multiprocessing.pool.AsyncResult[tuple[bytearray, float]]] = collections.deque()
        self._rest, self._generation = memoryview(b""), 0

    def extend(self, size: int) -> None:
        """Fetch ahead to at least so many bytes from the present position."""
        self._end = max(self._end, min(self.file.size, self.position + size))

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

    def close(self) -> None:
        """Fetch nothing more of what was requested."""
        self._generation += 1
        self._blocks.clear()
        self._rest = memoryview(b"")

    def _next(self) -> bytearray:
        self._request()
        block, seconds = self._blocks.popleft().get()
        if seconds < self.SLOW:
            if self._in_flight > 1:
                self._request()  # while the reader works on this one
            self._in_flight = min(2 * self._in_flight, self.IN_FLIGHT)
            self._block = max(self._block, min(2 * self._block, self._largest))
        return block

    def _request(self) -> None:
        while len(self._blocks) < self._in_flight and self._requested < self._end:
            start, self._requested = self._requested, min(self._requested + self._block, self._end)
            self._blocks.append(fetching_threads().apply_async(self._fetch, (self._generation, start, self._requested)))

    def _fetch(self, generation: int, start: int, end: int) -> tuple[bytearray, float]:
        began = time.monotonic()
        data = self.file.get_range(start, end) if generation == self._generation else bytearray()
        return data, time.monotonic() - began


class DaemonThreads(multiprocessing.pool.ThreadPool):
    """Threads that a process does not wait for at its end: what blocks in a network must not keep it alive."""

    def __del__(self) -> None:  # the pool's own needs modules that an interpreter may have cleared as it ends
        pass


@functools.lru_cache(maxsize=2)  # a forked worker leaves that of its parent alone
def _threads_of(pid: int) -> DaemonThreads:
    return DaemonThreads(2 * BlockStream.IN_FLIGHT)


def fetching_threads() -> DaemonThreads:
    """Return the threads of this process in which blocks are fetched; a forked worker has none of its parent's."""
    return _threads_of(os.getpid())
