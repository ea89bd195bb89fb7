"""Files that commands write: each gets its name once it is complete, and none replaces a file of somebody else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from emotiontalk.errors import FULL
from emotiontalk.files import writing

from .errors import CommandError

LOCK = ".emotiontalk-lock"  # of a folder: held by the command that writes to it


class Folder:
    """A folder that a command writes to. Which files are its own stands in a list in it: name, bytes, time, origin.

    A file of the list that was changed since is no longer the command's own.
    """

    LIST = ".emotiontalk-files"

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.read()

    def read(self) -> None:
        """Read the list, as it is now."""
        self._known: dict[str, list[int | str | None]] = {}
        self._cut = ""  # what ends a last line that a stopped run has left unfinished
        if (self.path / self.LIST).is_file():
            text = (self.path / self.LIST).read_text(encoding="utf-8")
            self._cut = "" if text.endswith("\n") or not text else "\n"
            for line in text.splitlines():
                try:
                    name, size, time_ns, origin = json.loads(line)
                except (ValueError, TypeError):
                    continue  # the last line of a run that was stopped while it wrote it
                self._known[name] = [size, time_ns, origin]

    def names(self) -> list[str]:
        """Return the names of the files that were written."""
        return list(self._known)

    def is_own(self, name: str, origin: str | None = None) -> bool:
        """Whether a file is there as a command has written it; origin: from this origin, too."""
        path, facts = self.path / name, self._known.get(name)
        if facts is None or not path.is_file():
            return False
        s = path.stat()
        return facts[:2] == [s.st_size, s.st_mtime_ns] and origin in (None, facts[2])

    def has_written(self, name: str) -> bool:
        """Whether a file of this name and size was written by a command: also in a folder that was copied."""
        path, facts = self.path / name, self._known.get(name)
        return facts is not None and path.is_file() and facts[0] == path.stat().st_size

    def refuse_foreign(self, *names: str) -> None:
        """Raise `CommandError` for a file that is there and not the command's own."""
        for name in names:
            if os.path.lexists(self.path / name) and not self.is_own(name):
                raise CommandError(
                    f"{self.path / name} is there, and is not what `emotiontalk` wrote: it stays. Move it away, or "
                    "choose another folder."
                )

    def discard(self, name: str) -> None:
        """Remove a file that is the command's own; anything else stays."""
        if self.is_own(name):
            (self.path / name).unlink()

    def partial(self, name: str) -> Path:
        """Return where a file is to be written, before `finish` gives it its name."""
        path = self.path / f"{name}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self, name: str, origin: str | None = None) -> None:
        """Give a file that is written as `partial` its name. Raises as `refuse_foreign`."""
        self.rename(self.partial(name), name, origin)

    def rename(self, path: Path, name: str, origin: str | None = None) -> None:
        """Give a file of the command's own the name `name`. Raises as `refuse_foreign`."""
        self.refuse_foreign(name)
        self.adopt(name, path, origin)
        os.replace(path, self.path / name)

    def adopt(self, name: str, path: Path, origin: str | None = None) -> None:
        """Note that `name` is the command's own, and is (or is about to be) the file at `path`."""
        s = path.stat()
        self._known[name] = [s.st_size, s.st_mtime_ns, origin]
        with open(self.path / self.LIST, "a", encoding="utf-8") as file:
            file.write(self._cut + json.dumps([name, *self._known[name]]) + "\n")
        self._cut = ""

    def write(self, name: str, data: bytes, origin: str | None = None) -> None:
        """Write a file; one that is there with the same bytes stays. Raises as `refuse_foreign`."""
        path = self.path / name
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            if not self.is_own(name, origin):
                self.adopt(name, path, origin)
            return
        self.refuse_foreign(name)
        self.partial(name).write_bytes(data)
        self.finish(name, origin)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Let one command at a time do what a lock is for: the next one waits, and says so. what: "writes to FOLDER"."""
    lock = filelock.FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"Another `emotiontalk` {what}: waiting until it has ended.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def writing_to(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Let one command at a time write to a folder; the next one waits, and says so.

    Args:
        folder: it is made.
        needed: bytes that are to be written, where that is known.

    Raises:
        CommandError: the disk is full, or a file may not become so large.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / LOCK, f"writes to {folder}"):
            yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f", about {needed:,} bytes are needed in all" if needed else ""
        raise CommandError(
            f"{folder}: there is no room left for what is written there{what} ({error.strerror}). What is finished "
            "stays. Make room and run the same command again, or choose a folder on another disk."
        ) from None


def write_elsewhere(folder: Folder, path: Path, data: bytes) -> None:
    """Write a file outside a command's folder, in whose list it stands. Raises as `Folder.refuse_foreign`."""
    name = str(path.absolute())
    folder.refuse_foreign(name)
    with writing(path) as file:
        file.write(data)
    folder.adopt(name, path)


def bytes_of_files(folder: Path, pattern: str) -> int:
    """Count the bytes of the files below a folder whose names are as the pattern says."""
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def check_space(out: Path, needed: int, advice: str) -> None:
    """Print how much will be written. Raises `CommandError` where the disk has less space."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    print(f"About {max(0, needed) / 1e9:.2f} GB to write to {out}, {free / 1e9:.2f} GB are free.", file=sys.stderr)
    if needed > free:
        raise CommandError(
            f"{out}: about {needed / 1e9:.2f} GB are to be written, and {free / 1e9:.2f} GB are free. {advice}"
        )


def write_file(path: Path, data: bytes, is_own: Callable[[bytes], bool]) -> None:
    """Write a single file.

    Args:
        path: where.
        data: what.
        is_own: whether a command has written the bytes that are there.

    Raises:
        CommandError: something else is there.
    """
    refuse_foreign_file(path, is_own)
    with writing(path) as file:
        file.write(data)


def refuse_foreign_file(path: Path, is_own: Callable[[bytes], bool]) -> None:
    """Raise `CommandError` if a file is there that no command wrote."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder: give the name of a file.")
    if os.path.lexists(path) and not (path.is_file() and is_own(path.read_bytes())):
        raise CommandError(
            f"{path} is there, and is not what `emotiontalk` wrote: it stays. Move it away, or choose another name."
        )
