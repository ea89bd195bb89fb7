"""A tar whose bytes all go by once: from a network, or on their way to a SHA-256."""

from __future__ import annotations

import hashlib
import os

import emotiontalk
from emotiontalk import EmotionTalkError


class Passing:
    """A file whose bytes all go by once, forward, on their way to a SHA-256; for `Tar`, which reads it from front to back.

    read_into: a function that fills a part of a writable view with the next bytes, and gives their number. A seek back
    beyond the present block raises `ValueError`.
    """

    def __init__(self, read_into, size):
        self._read_into, self.size = read_into, size
        self.position, self.start, self.length = 0, 0, 0  # of the next read; of the block that is at hand
        self._block = memoryview(bytearray(1 << 20))  # one, used again: fresh memory for each costs more than reading it
        self._digest = hashlib.sha256()

    def seek(self, offset, whence=os.SEEK_SET):
        self.position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        return self.position

    def tell(self):
        return self.position

    def readable(self):
        return True

    def seekable(self):
        return True

    def _next_block(self):
        self.start += self.length
        self.length = self._read_into(self._block[: self.size - self.start]) if self.start < self.size else 0
        self._digest.update(self._block[: self.length])
        return self.length > 0

    def read(self, size=-1):
        if self.position < self.start:
            raise ValueError("this file goes forward only")
        end = self.size if size is None or size < 0 else min(self.size, self.position + size)
        parts = []
        while self.position < end:
            offset = self.position - self.start
            if offset < self.length:
                parts.append(bytes(self._block[offset : min(self.length, end - self.start)]))
                self.position += len(parts[-1])
            elif not self._next_block():
                break
        return b"".join(parts)

    def sha256(self):
        """Of the whole file: what was not asked for goes by now."""
        while self._next_block():
            pass
        return self._digest.hexdigest()


class PassingTar(emotiontalk.Tar):
    """A tar whose file is a `Passing`: a member can be read as long as it has not gone by."""

    def read_into(self, member, view):
        self.file.seek(member.offset)
        data = self.file.read(len(view))
        if len(data) < len(view):
            raise EmotionTalkError(f"{self.path}: truncated within {member.name}.")
        view[:] = data


def read_into_of(reader):
    """The `read_into` of a `Passing` whose bytes come over the network. reader: of a `RemoteFile`."""

    def read_into(view):
        data = reader.read(len(view))
        view[: len(data)] = data
        return len(data)

    return read_into
