"""Files that commands write: each gets its name once it is whole, and none replaces what somebody else wrote."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import emotiontalk

from .errors import CommandError


class Folder:
    """A folder that a command writes to. Which files are its own stands in a list in it: name, bytes, time, source.

    A file of the list that was changed since is no longer the command's own.
    """

    LIST = ".emotiontalk-files"

    def __init__(self, path: Path):
        self.path = Path(path)
        self._known = {}
        if (self.path / self.LIST).is_file():
            for line in (self.path / self.LIST).read_text(encoding="utf-8").splitlines():
                try:
                    name, *facts = json.loads(line)
                except ValueError:
                    continue  # the last line of a run that was stopped while it wrote it
                self._known[name] = facts

    def is_own(self, name: str, source: str | None = None) -> bool:
        """Whether a file is there as a command has written it; source: from this source, too."""
        path, facts = self.path / name, self._known.get(name)
        if facts is None or not path.is_file():
            return False
        s = path.stat()
        return facts[:2] == [s.st_size, s.st_mtime_ns] and source in (None, facts[2])

    def refuse_foreign(self, *names: str):
        """Raise `CommandError` for a file that is there and not the command's own."""
        for name in names:
            if os.path.lexists(self.path / name) and not self.is_own(name):
                raise CommandError(
                    f"{self.path / name} is there, and is not what `emotiontalk` wrote: it stays. Move it away, or "
                    "choose another folder."
                )

    def partial(self, name: str) -> Path:
        """Where a file is to be written, before `finish` gives it its name."""
        path = self.path / f"{name}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self, name: str, source: str | None = None):
        """Give a file that stands as `partial` its name. Raises as `refuse_foreign`."""
        self.refuse_foreign(name)
        self.adopt(name, self.partial(name), source)
        os.replace(self.partial(name), self.path / name)

    def adopt(self, name: str, path: Path, source: str | None = None):
        """Note that `name` is the command's own, and is (or is about to be) the file that stands at `path`."""
        s = path.stat()
        self._known[name] = [s.st_size, s.st_mtime_ns, source]
        with open(self.path / self.LIST, "a", encoding="utf-8") as file:
            file.write(json.dumps([name, *self._known[name]]) + "\n")

    def write(self, name: str, data: bytes, source: str | None = None):
        """Write a file; one that is there with the same bytes stays. Raises as `refuse_foreign`."""
        path = self.path / name
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            if not self.is_own(name, source):
                self.adopt(name, path, source)
            return
        self.refuse_foreign(name)
        self.partial(name).write_bytes(data)
        self.finish(name, source)


def check_room(out: Path, needed: int, advice: str):
    """Tell how much will be written. Raises `CommandError` where the disk has less room."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    print(f"About {max(0, needed) / 1e9:.2f} GB to write to {out}, {free / 1e9:.2f} GB are free.", file=sys.stderr)
    if needed > free:
        raise CommandError(
            f"{out}: about {needed / 1e9:.2f} GB are to be written, and {free / 1e9:.2f} GB are free. {advice}"
        )


def write_file(path: Path, data: bytes, is_own):
    """Write a file that stands by itself. is_own: a function of the bytes that are there, whether a command wrote them.

    Raises `CommandError` where something else is there.
    """
    refuse_foreign_file(path, is_own)
    with emotiontalk.writing(path) as file:
        file.write(data)


def refuse_foreign_file(path: Path, is_own):
    """Raise `CommandError` if a file is there that no command wrote."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder: give the name of a file.")
    if os.path.lexists(path) and not (path.is_file() and is_own(path.read_bytes())):
        raise CommandError(
            f"{path} is there, and is not what `emotiontalk` wrote: it stays. Move it away, or choose another name."
        )
