"""The manifest of a folder that commands write to: what was asked, what is begun and what is finished.

A journal of JSON lines, in the folder itself; of two lines about the same thing the later one holds.

    {"request": {…}}                    what was asked, by option: another request is refused
    {"progress": {…}}                   what a command notes of its own work; the keys are merged
    {"begun": PATH}                     a file with a temporary name, before it is made
    {"file": NAME, "size": …, …}        a finished file, before it gets its name; "staged": where it waits for that
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

from emotiontalk.disk import new_file, partial_path

OWN_NAMES = ".emotiontalk-"  # how names of files begin that commands keep for themselves
TEMPORARY = re.compile(re.escape(OWN_NAMES) + r"[0-9a-f]{16}\.part")  # see `partial_path`
State = tuple[int, int, int]  # time of change, time of change of the inode, inode


class FileRecord(NamedTuple):
    """What the manifest says of a finished file.

    Attributes:
        size: in bytes.
        sha256: its digest.
        origin: what it was made from; None where that does not matter.
        state: when it had this digest.
        staged: where the file is, below the folder, as long as it has not got its name.
    """

    size: int
    sha256: str
    origin: str | None = None
    state: State | None = None
    staged: str | None = None


def is_file(path: Path) -> bool:
    """Whether a regular file is there: no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def state_of(status: os.stat_result) -> State:
    """Return what of a file changes whenever its content does: nobody can set the time of change of an inode."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Manifest:
    """The manifest of a folder. Nothing of a line that is damaged, or not as commands write it, is used.

    Attributes:
        files: name -> record of the finished file of this name.
        staged: name -> record of the finished file that is to get this name.
        begun: paths of what is not finished, below the folder.
        request: what was asked, by option; empty where nothing is recorded.
        progress: notes of the command.
    """

    NAME = f"{OWN_NAMES}manifest"

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / self.NAME
        self.read()

    def read(self) -> None:
        """Read the manifest as it is now."""
        self.files: dict[str, FileRecord] = {}
        self.staged: dict[str, FileRecord] = {}
        self.begun: list[str] = []
        self.request: dict[str, Any] = {}
        self.progress: dict[str, Any] = {}
        self._line_end = ""  # what ends a last line that a killed run has left unfinished
        if not is_file(self.path):
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        self._line_end = "" if text.endswith("\n") or not text else "\n"
        for line in text.splitlines():
            with contextlib.suppress(ValueError, TypeError, RecursionError, KeyError, AttributeError):
                self._read_line(json.loads(line))
        waiting = {record.staged for record in self.staged.values()}
        self.begun = [path for path in self.begun if path not in waiting]

    def _read_line(self, line: dict[str, Any]) -> None:
        """Take in a line. Raises one of the errors that `read` suppresses where it is damaged."""
        if "file" in line:
            name, record = line.pop("file"), _record(line)
            _check_name(name)
            if record.staged is not None:
                _check_name(record.staged, temporary=True)
                if is_file(self.folder / record.staged):
                    self.staged[name] = record
                    return
            self.files[name] = record._replace(staged=None)
        elif "begun" in line:
            _check_name(line["begun"], temporary=True)
            self.begun.append(line["begun"])
        elif isinstance(line.get("request"), dict):
            self.request = line["request"]
        elif isinstance(line.get("progress"), dict):
            self.progress.update(line["progress"])

    def add_file(self, name: str, record: FileRecord) -> None:
        """Record a finished file."""
        self.append(_line(name, record))
        (self.staged if record.staged else self.files)[name] = record
        if record.staged in self.begun:
            self.begun.remove(str(record.staged))

    def add_begun(self, path: str) -> None:
        """Record what is about to be made under a temporary name."""
        self.append({"begun": path})
        self.begun.append(path)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line to the file."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.path, flags, 0o666), "a", encoding="utf-8") as file:
            file.write(self._line_end + json.dumps(line) + "\n")
        self._line_end = ""

    def rewrite(self) -> None:
        """Write the manifest again, each thing once, the request first."""
        lines: list[dict[str, Any]] = [{"request": self.request}] if self.request else []
        lines += [{"progress": self.progress}] if self.progress else []
        lines += [_line(name, record) for name, record in [*self.files.items(), *self.staged.items()]]
        if not lines and not os.path.lexists(self.path):
            return
        partial = Path(partial_path(self.folder))
        if is_file(self.path) and self.path.stat().st_nlink == 1:  # others are a copy's, too, which stays as it is
            self.add_begun(partial.name)
        try:
            with new_file(partial) as file:
                file.writelines(json.dumps(line).encode() + b"\n" for line in lines)
            os.replace(partial, self.path)
        finally:
            partial.unlink(missing_ok=True)
        self.begun = []


def _line(name: str, record: FileRecord) -> dict[str, Any]:
    return {"file": name, **{key: value for key, value in record._asdict().items() if value is not None}}


def _record(line: dict[str, Any]) -> FileRecord:
    """Make a record of a line. Raises `ValueError` or `TypeError` for a damaged one."""
    record = FileRecord(**line)
    texts = (record.sha256, record.origin or "", record.staged or "")
    if not (isinstance(record.size, int) and all(isinstance(text, str) for text in texts)):
        raise ValueError("no record of a file")
    state: Any = record.state if isinstance(record.state, list) else []
    if len(state) == 3 and all(isinstance(part, int) for part in state):
        return record._replace(state=(state[0], state[1], state[2]))
    return record._replace(state=None)


def _check_name(name: object, temporary: bool = False) -> None:
    """Raise `ValueError` for a name that no command has written to a manifest: what is named may be removed.

    temporary: the name of what is not finished, which is as `partial_path` makes it.
    """
    if not isinstance(name, str) or "\0" in name or not name:
        raise ValueError(name)
    os.fsencode(name)
    path = Path(name)
    if (".." in path.parts and not path.is_absolute()) or (temporary and not TEMPORARY.fullmatch(path.name)):
        raise ValueError(name)
