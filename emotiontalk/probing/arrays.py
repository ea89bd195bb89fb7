"""Files that others have made, opened: regular files alone, arrays of npy and npz, and one message for what is wrong.

Nothing is unpickled, and no more memory is taken than the bytes that are there can fill.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy

from emotiontalk.errors import brief
from emotiontalk.request_error import RequestError

LFS = b"version https://git-lfs.github.com/spec/"
MAGIC = b"\x93NUMPY"
# Features hardly shrink in a zip. What unpacks to more than this, and a hundred times its size, is a bomb.
UNPACKED, RATIO = 1 << 30, 100
# What is not the file's fault: it is not damaged.
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM)


class UnreadableError(RequestError):
    """A file is damaged, or is not what its name says. The message names it, and the entry in it."""


@contextlib.contextmanager
def reading(path: object) -> Iterator[None]:
    """Turn what libraries raise for a file (path, or what of it is read) into one message that names it.

    Raises `UnreadableError`, or a plain `RequestError` where memory or permission is missing.
    """
    try:
        yield
    except RequestError:
        raise
    except MemoryError:
        raise RequestError(f"{path} cannot be read: there is too little memory.") from None
    except OSError as error:
        kind = RequestError if error.errno in PASSING else UnreadableError
        raise kind(f"{path} cannot be read: {brief(error.strerror or error)}.") from None
    except Exception as error:  # of a damaged file, libraries raise anything
        raise UnreadableError(f"{path} cannot be read: {reason(error)}.") from None


def reason(error: BaseException) -> str:
    """Say in a line what was wrong; where a library does not, by the name of the error."""
    said = brief(error).rstrip(".")
    return said if " " in said else f"{type(error).__name__} {said}".strip()


def open_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file to be read. Raises as `reading`, also for an empty one and a pointer of Git LFS."""
    with reading(path):
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would wait for ever
        descriptor = os.open(path, flags)
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            what = "a folder" if stat.S_ISDIR(facts.st_mode) else "no regular file"
            raise UnreadableError(f"{path} cannot be read: it is {what}.")
        file = os.fdopen(descriptor, "rb")
        start = file.read(len(LFS))
        file.seek(0)
        if not start:
            file.close()
            raise UnreadableError(f"{path} cannot be read: it is empty.")
        if start == LFS:
            file.close()
            raise UnreadableError(f"{path} is a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`.")
        return file


def read_npy(path: Path) -> numpy.ndarray:
    """Read an npy file. Raises as `reading`."""
    with open_file(path) as file, reading(path):
        return _array(file, os.fstat(file.fileno()).st_size)


def _array(file: IO[bytes], size: int) -> numpy.ndarray:
    """Read an array of numbers or texts, whose npy file has so many bytes. Raises ValueError and what numpy raises."""
    version = numpy.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an npy file of version {version[0]}.{version[1]}, which arrays of numbers do not need")
    header = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which need allow_pickle=True, and nothing is unpickled")
    if dtype.kind not in "biufcSUMm":
        raise ValueError(f"it holds {brief(dtype, 60)}, and no plain numbers")
    if any(n < 0 for n in shape) or (not dtype.itemsize and math.prod(shape)):  # of nothing, as many as it claims
        raise ValueError(f"its shape is {brief(shape, 60)}")
    there, claimed = size - file.tell(), math.prod(shape) * dtype.itemsize
    if claimed != there:
        raise ValueError(
            f"{dtype} of shape {brief(shape, 60)} takes {claimed:,} bytes, and {there:,} are there: it is damaged"
        )
    file.seek(0)
    array: numpy.ndarray = numpy.lib.format.read_array(file, allow_pickle=False)
    file.read(1)  # a zip compares its checksum at the end
    return array


class Npz:
    """The arrays of an npz file, read when they are wanted. Raises as `reading`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = open_file(path)
        with reading(path):
            if file.read(len(MAGIC)) == MAGIC:
                raise UnreadableError(
                    f"{path} is a single array, of which nobody says whose it is: give an npz of one for each id."
                )
            self._zip = zipfile.ZipFile(file)
            entries = [info for info in self._zip.infolist() if not info.is_dir()]
            unpacked = sum(info.file_size for info in entries)
            if unpacked > max(UNPACKED, RATIO * os.fstat(file.fileno()).st_size):
                raise ValueError(f"it would unpack to {unpacked:,} bytes, more than {RATIO} times its size")
        self._entries = [info for info in entries if info.filename.endswith(".npy")]
        self.names = [info.filename[: -len(".npy")] for info in self._entries]

    def __getitem__(self, n: int) -> numpy.ndarray:
        """Read the array of the n-th name."""
        info = self._entries[n]
        with reading(f"{self.path}, {brief(info.filename, 100)}"), self._zip.open(info) as file:
            return _array(file, info.file_size)

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def read_npz(path: Path) -> dict[str, Any]:
    """Read all arrays of an npz file, by name. Raises as `reading`."""
    stored = Npz(path)
    try:
        return {name: stored[n] for n, name in enumerate(stored.names)}
    finally:
        stored.close()
