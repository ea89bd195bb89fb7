"""Files that are written or hashed: each gets its name once it is complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from typing import IO

from .errors import Path

# A file that is made is a new one: no file that is there is opened, and no link is followed.
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def partial_path(folder: Path) -> str:
    """Return where in a folder a file is written before it is complete: a random name, which no other file has."""
    return os.path.join(folder, f".emotiontalk-{secrets.token_hex(8)}.part")


def new_file(path: Path) -> IO[bytes]:
    """Make a file and open it to be written (bytes). Raises `FileExistsError` where anything has its name."""
    return os.fdopen(os.open(path, NEW_FILE, 0o666), "wb")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written (bytes), which gets its name once it is complete; its folder is made."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    partial = partial_path(folder)
    opened = new_file(partial)
    try:
        with opened as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_out(path: Path) -> None:
    """Ask the kernel to write out a file, and to keep no copy of it in memory."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
