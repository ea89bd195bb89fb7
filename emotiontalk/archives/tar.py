"""Tar files: their headers, and members that are read by position.

A local tar is scanned once, header by header; the payload of a member is read only where it is asked for.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

from ..corpus import match_member
from ..errors import (
    DamagedArchiveError,
    EmotionTalkError,
    MissingArchiveError,
    brief,
    damaged_archive_error,
    raise_if_full,
    unreadable,
    warn_once,
)
from ..members import Member, Source, read_at

BLOCK = tarfile.BLOCKSIZE
GIT_LFS = b"version https://git-lfs"  # how a pointer begins, where the file itself is not there
EXTENDED_BYTES = 1 << 20  # an extended header is no longer: it holds names and times
MEMBER_TYPES = {"1": "a link", "2": "a link", "3": "a device", "4": "a device", "5": "a folder", "6": "a FIFO"}


class Header(NamedTuple):
    """What a tar header block says: the member's name, its payload in bytes, and its type ("0" for a file)."""

    name: str
    size: int
    kind: str


def parse_header(block: bytes, magic: bool = True) -> Header | None:
    """Parse a tar header block of 512 bytes; None where it is none.

    By hand: with `tarfile.TarInfo.frombuf`, the scan of 43,000 headers takes three times as long (measured).

    Args:
        block: the bytes.
        magic: require "ustar" in it: payload could pass for a header of the oldest tars, which do not have that word.
    """
    if len(block) < BLOCK or (magic and block[257:262] != b"ustar"):
        return None
    try:
        checksum, digits = int(block[148:156].strip(b" \0") or b"0", 8), block[124:136].strip(b" \0") or b"0"
        size = int.from_bytes(block[125:136], "big") if block[124] == 0x80 else int(digits, 8)
    except ValueError:
        return None
    if checksum != sum(block[:148]) + 256 + sum(block[156:512]) or size < 0:
        return None
    name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
    if prefix and block[257:263] == b"ustar\0":  # GNU's header has other things there
        name = prefix + b"/" + name
    kind = chr(block[156]).replace("\0", "0").replace("7", "0")
    return Header(name.decode("utf-8", "surrogateescape"), 0 if kind in "123456" else size, kind)


def parse_extended(kind: str, data: bytes) -> dict[str, Any]:
    """Return what an extended header says of the next member: "path", "size", and "sparse" for a sparse file."""
    if kind == "L":
        return {"path": data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")}
    said: dict[str, Any] = {}
    while kind in "xX" and data:  # records `LENGTH KEY=VALUE\n`; anything else ends them
        digits, _, _ = data[:20].partition(b" ")
        if not digits.isdigit() or not 0 < int(digits) <= len(data):
            break
        record, data = data[len(digits) + 1 : int(digits) - 1], data[int(digits) :]
        key, _, value = record.partition(b"=")
        if key in (b"path", b"GNU.sparse.name"):
            said["path"] = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value[:20].isdigit() and len(value) <= 20:
            said["size"] = int(value)
        if key.startswith(b"GNU.sparse."):
            said["sparse"] = True
    return said


def padded(size: int) -> int:
    """Return the bytes that a payload takes in a tar."""
    return -(-size // BLOCK) * BLOCK


class Tar(Source):
    """A local tar file, plain or compressed.

    Args:
        archive: its name, "Audio", …
        path: of the file.
        file: the open file, where it is not to be opened by its path.

    Raises:
        MissingArchiveError: the path is a link to nothing.
        EmotionTalkError: the file cannot be read, or is not a tar archive.
    """

    OPENERS: dict[bytes, Callable[..., Any]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\x00": lzma.open,
        b"]\x00\x00": lzma.open,
    }

    def __init__(self, archive: str, path: str, file: IO[bytes] | None = None) -> None:
        super().__init__(archive, path)
        if file is None and os.path.exists(path) and not os.path.isfile(path):
            raise EmotionTalkError(f"{path} is not a regular file: a FIFO or a device cannot be read by position.")
        try:
            self.file: Any = file or open(path, "rb")
        except OSError as error:
            if os.path.islink(path) and not os.path.exists(path):
                raise MissingArchiveError(f"{path} is a link to nothing. Download its file, or remove it.") from None
            raise unreadable(path, error) from None
        self.file.seek(0)
        start = self.file.read(64)
        opener = self.opener(start)
        if opener:
            self.file = self._decompressed(opener)
        self.fd = self.file.fileno() if hasattr(self.file, "fileno") else None
        if start.startswith(GIT_LFS):
            raise self._damaged("this is a Git LFS pointer, not the file: run `git lfs pull`.")

    @classmethod
    def opener(cls, start: bytes) -> Callable[..., Any] | None:
        """Return the function that opens a file compressed as its first bytes say, or None for a plain one."""
        return next((opener for magic, opener in cls.OPENERS.items() if start.startswith(magic)), None)

    @classmethod
    def could_begin(cls, start: bytes) -> bool:
        """Whether a tar, plain or compressed, can begin with these bytes, a block at least."""
        return parse_header(start[:BLOCK], magic=False) is not None or cls.opener(start) is not None

    def _decompressed(self, opener: Callable[..., Any]) -> IO[bytes]:
        """Write the plain tar to an unnamed temporary file, so that it can be read by position like any other."""
        plain = tempfile.TemporaryFile()
        self.file.seek(0)
        try:
            with opener(self.file, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
            plain.flush()
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise_if_full(error, self.path)
            raise self._damaged(f"cannot be decompressed, truncated or corrupt ({error}).") from None
        return plain

    def members(self) -> Iterator[Member]:
        """Yield every regular file as a `Member`, in order. Raises `EmotionTalkError` unless it runs to an end mark."""
        # `tarfile`'s own loop ends quietly at the first zeros, and at the first header it cannot read
        end = self.file.seek(0, os.SEEK_END)
        position: int | None = 0
        last, extended = "its beginning", cast("dict[str, Any]", {})
        while position is not None:
            self.file.seek(position)
            block = self.file.read(BLOCK)
            header = parse_header(block, magic=False)
            if header is None and position and block == bytes(BLOCK) and not extended:
                position = self._after_zeros(position, last)
                continue
            if header is None:
                what = "truncated" if position + BLOCK > end else f"corrupt at byte {position:,}"
                raise self._damaged(f"{what} after {brief(last)}." if position else "cannot be read as a tar archive.")
            name, size, kind = header
            start = position + BLOCK
            if kind in "xgXLK":  # about the next member, and small
                if start + size > end or size > EXTENDED_BYTES:
                    what = f"an extended header of {size:,} bytes."
                    raise self._damaged(f"corrupt at byte {position:,} after {brief(last)}: {what}")
                extended.update(parse_extended(kind, self.file.read(size)))
                position = start + padded(size)
                continue
            name, size = extended.get("path", name), extended.get("size", size) if kind == "0" else size
            start += self._sparse_map(block, end) if kind == "S" else 0
            regular = self._is_regular(name, kind, "sparse" in extended)
            if start + size > end:
                raise self._damaged(f"truncated within {brief(name)}: the file ends at byte {end:,}.")
            if regular:
                yield Member(self, name, start, size)
            position, last, extended = start + padded(size), name, {}

    def _sparse_map(self, block: bytes, end: int) -> int:
        """Return the bytes of the further blocks that the map of a sparse file takes."""
        size, more = 0, bool(block[482])
        while more and self.file.tell() < end:
            more = self.file.read(BLOCK)[504:505] not in (b"", b"\0")
            size += BLOCK
        return size

    def _damaged(self, what: str) -> DamagedArchiveError:
        return damaged_archive_error(self.archive, self.path, what)

    def _is_regular(self, name: str, kind: str, sparse: bool) -> bool:
        """Whether this is a regular file. Raises `EmotionTalkError` where a member of the release is none."""
        regular = kind == "0" and not name.endswith("/")
        if (sparse or not regular) and match_member(name.rstrip("/")):
            what = (
                "a sparse file"
                if sparse or kind == "S"
                else MEMBER_TYPES.get(kind, "something that is not a regular file")
            )
            raise EmotionTalkError(
                f"{self.path}: {brief(name.rstrip('/'))} is stored as {what}. Pack the files themselves: "
                "`tar --dereference --hard-dereference`, without `--sparse`."
            )
        return regular

    def _after_zeros(self, position: int, last: str) -> int | None:
        """Return where members continue after a block of zeros, or None where nothing but zeros follows."""
        zeros, start = bytes(BLOCK), position
        while block := self.file.read(BLOCK):
            position += BLOCK
            if block != zeros[: len(block)]:
                where = f"at byte {start:,}"
                if parse_header(block, magic=False) is None:
                    raise self._damaged(
                        f"corrupt {where} after {brief(last)}: zeros, then something that is not a member."
                    )
                what = f"members go on after an end mark {where} (concatenated tars?): they are read, too."
                warn_once(f"{self.path}: {what}")
                return position
        return None

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        if not read_at(cast(int, self.fd), member.offset, view):
            raise self._damaged(f"truncated within {member.name}: it became shorter while it was read.")
