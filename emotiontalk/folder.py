"""Files that commands write: each gets its name once it is complete, and none replaces a file of somebody else."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from emotiontalk.disk import new_file, partial_path, sha256_of, writing
from emotiontalk.errors import FULL
from emotiontalk.request_error import RequestError

OWN_NAMES = ".emotiontalk-"  # how names of files begin that commands keep for themselves
LOCK = f"{OWN_NAMES}lock"  # of a folder: held by the command that writes to it
BEGUN = re.compile(re.escape(OWN_NAMES) + r"[0-9a-f]{16}\.part")  # see `partial_path`
ZEROS = b"0" * 64  # in place of the digest of a file that has its own digest in it
BEGINNING = 4_096  # bytes in which it stands
State = tuple[int, int, int]  # time of change, time of change of the inode, inode


def expanded(path: Path) -> Path:
    """Expand `~` and `~user`. Raises `RequestError` for a user who is not there."""
    try:
        return path.expanduser()
    except RuntimeError:
        fix = "no home folder is known for it. Give the whole path, or ./ before a name that begins with ~."
        raise RequestError(f"{path}: {fix}") from None


def require_file(path: Path) -> None:
    """Raise `OSError` for what is no regular file: a FIFO may never say anything, and a device never end."""
    if path.exists() and not path.is_file():
        raise OSError("it is a folder" if path.is_dir() else "it is no regular file, but a FIFO, a socket or a device")


class Written(NamedTuple):
    """What the list of a folder says of a file: its bytes and time, what it was made from, its digest and `State`."""

    size: int
    time_ns: int
    origin: str | None = None
    sha256: str | None = None  # None: written by a version before 1.5
    state: State | None = None  # when it had this digest


class Folder:
    """A folder that a command writes to. Which files are its own stands in a list in it, with digests.

    A file of the list whose content was changed since is no longer the command's own. A large release is not read at
    every run for that: a file whose `State` is as it was has not been changed, as nobody can set the time of change of
    an inode; the digest is compared where it differs, as in a copy, or where it is not known.
    """

    LIST = ".emotiontalk-files"

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._parts: dict[str, Path] = {}  # what is being written: name -> where
        self._read()

    def _read(self) -> None:
        """Read the list. Its lines: name, size, …; or the name alone of what a run was about to begin."""
        self._known: dict[str, Written] = {}
        self._begun: list[str] = []
        self._cut = ""  # what ends a last line that a stopped run has left unfinished
        if _is_file(self.path / self.LIST):
            text = (self.path / self.LIST).read_text(encoding="utf-8", errors="replace")
            self._cut = "" if text.endswith("\n") or not text else "\n"
            for line in text.splitlines():
                # the last line of a run that was stopped within it, or a damaged one
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    name, *facts = json.loads(line)
                    _check_name(name, begun=not facts)
                    if facts:
                        self._known[name] = _written(*facts)
                    else:
                        self._begun.append(name)

    def names(self) -> list[str]:
        """Return the names of the files that were written."""
        return list(self._known)

    def is_own(self, name: str, origin: str | None = None) -> bool:
        """Whether a file is there as a command has written it; origin: from this origin, too."""
        path, facts = self.path / name, self._known.get(name)
        if facts is None or origin not in (None, facts.origin) or not _is_file(path):
            return False
        s = path.lstat()
        if s.st_size != facts.size:
            return False
        if facts.sha256 is None:
            return facts.time_ns == s.st_mtime_ns
        state = _state(s)
        if facts.state != state:
            if facts.sha256 != _digest(str(path), s.st_size, state):
                return False
            self._known[name] = facts._replace(state=state)
        return True

    def sha256(self, name: str) -> str | None:
        """Return the digest of a file as it was written; None where it is not known."""
        facts = self._known.get(name)
        return facts and facts.sha256

    def refuse_foreign(self, *names: str) -> None:
        """Raise `RequestError` for a file that is there and not the command's own."""
        for name in names:
            if os.path.lexists(self.path / name) and not self.is_own(name):
                raise _foreign(self.path / name, "folder")

    def discard(self, name: str) -> None:
        """Remove a file that is the command's own; anything else stays."""
        if self.is_own(name):
            (self.path / name).unlink()

    def partial(self, name: str) -> Path:
        """Make an empty file to write to, before `finish` gives it its name; the next run finds it by the list."""
        folder = (self.path / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(partial_path(folder))
        begun = str(Path(name).parent / path.name)
        self._append([begun])
        self._begun.append(begun)
        new_file(path).close()
        self._parts[name] = path
        return path

    def finish(self, name: str, origin: str | None = None, sha256: str | None = None) -> None:
        """Give a file that is written as `partial` its name. Raises as `refuse_foreign`.

        sha256: its digest, where it is known.
        """
        path = self._parts.pop(name)
        self._rename(path, name, origin, sha256 or sha256_of(path))

    def link(self, name: str, other: str) -> None:
        """Put a file of the command's own at a second place, without a second copy where the disk can do that."""
        partial, facts = self.partial(other), self._known[name]
        partial.unlink()
        try:
            os.link(self.path / name, partial)
        except OSError:
            shutil.copy2(self.path / name, partial)
        self.finish(other, facts.origin, facts.sha256)
        self._known[name] = facts._replace(state=_state((self.path / name).lstat()))

    def rename(self, name: str, other: str) -> None:
        """Give a file of the command's own another name. Raises as `refuse_foreign`."""
        facts = self._known[name]
        self._rename(self.path / name, other, facts.origin, facts.sha256)

    def _rename(self, path: Path, name: str, origin: str | None, sha256: str | None) -> None:
        self.refuse_foreign(name)
        s, target = path.lstat(), self.path / name
        facts = Written(s.st_size, s.st_mtime_ns, origin, sha256)
        self._append([name, *facts])  # before it has its name: a run that is stopped here leaves nothing foreign
        if os.path.lexists(target):
            os.replace(path, target)
        else:
            name_new(path, target)
        self._known[name] = facts._replace(state=_state(target.lstat()))

    def write(self, name: str, data: bytes, origin: str | None = None) -> None:
        """Write a file; one that is there with the same bytes stays. Raises as `refuse_foreign`."""
        path, sha256 = self.path / name, hashlib.sha256(data).hexdigest()
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            if _is_file(path) and not self.is_own(name, origin):
                s = path.lstat()
                self._known[name] = Written(s.st_size, s.st_mtime_ns, origin, sha256, _state(s))
                self._append([name, *self._known[name]])
            return
        self.refuse_foreign(name)
        self.partial(name).write_bytes(data)
        self.finish(name, origin, sha256)

    def _append(self, line: list[object]) -> None:
        """Add a line to the list."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.path / self.LIST, flags, 0o666), "a", encoding="utf-8") as file:
            file.write(self._cut + json.dumps(line) + "\n")
        self._cut = ""

    def begin(self) -> None:
        """Read the list as it is now, and remove what stopped runs have left. For the holder of the folder's lock."""
        path = self.path / self.LIST
        if os.path.lexists(path) and not _is_file(path):
            raise _foreign(path, "folder")
        self._read()
        if self._begun or (path.is_file() and path.stat().st_nlink > 1):  # of a copy by hard links: the other one stays
            self.end()

    def end(self) -> None:
        """Remove what is not finished, and write the list again: a line for each file, with its `State`."""
        for name in self._begun:
            if _is_file(self.path / name):
                (self.path / name).unlink()
        self._begun, self._parts = [], {}
        if not self._known and not os.path.lexists(self.path / self.LIST):
            return
        lines = (json.dumps([name, *facts]) + "\n" for name, facts in self._known.items())
        with writing(self.path / self.LIST) as file:
            file.writelines(line.encode() for line in lines)


def _check_name(name: object, begun: bool) -> None:
    """Raise `ValueError` for a name in a list that no command has written there: what is named may be removed.

    begun: of what is not finished, which has a name of its own, below the folder.
    """
    if not isinstance(name, str) or "\0" in name or not name:
        raise ValueError(name)
    os.fsencode(name)
    path = Path(name)
    if (".." in path.parts and not path.is_absolute()) or (begun and not BEGUN.fullmatch(path.name)):
        raise ValueError(name)


def _written(
    size: object, time_ns: object, origin: object = None, sha256: object = None, state: object = None, *_: object
) -> Written:
    """Make a `Written` of a line. Raises `ValueError` for a damaged one."""
    texts, times = (origin, sha256), state if isinstance(state, list) else []
    if not (
        isinstance(size, int) and isinstance(time_ns, int) and all(isinstance(t, (str, type(None))) for t in texts)
    ):
        raise ValueError("no facts of a file")
    whole = len(times) == 3 and all(isinstance(part, int) for part in times)
    return Written(size, time_ns, *texts, (times[0], times[1], times[2]) if whole else None)  # type: ignore[arg-type]


def _is_file(path: Path) -> bool:
    """Whether a regular file is there: no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _state(s: os.stat_result) -> State:
    return s.st_mtime_ns, s.st_ctime_ns, s.st_ino


@functools.cache
def _digest(path: str, size: int, state: State) -> str:
    return sha256_of(path)


def _foreign(path: Path, other: str) -> RequestError:
    return RequestError(
        f"{path} is there, and is not what `emotiontalk` wrote: it stays. Move it away, or choose another {other}."
    )


def name_new(path: Path, target: Path) -> None:
    """Give a complete file a name that is free. Raises `RequestError` where something has got that name meanwhile."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise _foreign(target, "folder") from None
    except (OSError, NotImplementedError):  # a disk without hard links
        if os.path.lexists(target):
            raise _foreign(target, "folder") from None
        os.replace(path, target)
    else:
        path.unlink()


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Let one command at a time do what a lock is for: the next one waits, and says so. what: "writes to FOLDER"."""
    # taking it would empty a file that has another name, too
    if os.path.lexists(path) and not (_is_file(path) and (path.stat().st_nlink == 1 or not path.stat().st_size)):
        raise _foreign(path, "folder")
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
def room(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Raise `RequestError` where the disk is full, or a file may not become so large.

    needed: bytes that are to be written, where that is known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f", about {needed:,} bytes are needed in all" if needed else ""
        raise RequestError(
            f"{folder}: there is no room left for what is written there{what} ({error.strerror}). What is finished "
            "stays. Make room and run the same command again, or choose a folder on another disk."
        ) from None


@contextlib.contextmanager
def holding(path: Path) -> Iterator[Folder]:
    """Let one command at a time write to a folder, which is made; the next one waits, and says so.

    What a command has begun and not finished is removed at the end, or by the next one.
    """
    with contextlib.ExitStack() as stack:
        with room(path):
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path / LOCK, f"writes to {path}"))
            folder = Folder(path)
            folder.begin()
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):  # where there is no room: the list that is there is right, too
                folder.end()


@contextlib.contextmanager
def writing_to(path: Path, needed: int | None = None) -> Iterator[Folder]:
    """Hold a folder, as `holding`, and say where there is no room in it, as `room`."""
    with room(path, needed), holding(path) as folder:
        yield folder


def write_all(folder: Folder, made: Mapping[str, bytes]) -> None:
    """Write some files to a folder that is held. Raises `RequestError` where others are, or where there is no room."""
    folder.refuse_foreign(*made)
    with room(folder.path, sum(map(len, made.values()))):
        for name, data in made.items():
            folder.write(name, data)


def require_utf8(out: Path) -> None:
    """Raise `RequestError` where the path of a folder cannot stand in the files, or be given to pyarrow."""
    try:
        str(out.resolve()).encode()
    except UnicodeEncodeError:
        raise RequestError(f"{out.resolve()}: this path is not UTF-8: choose another folder.") from None


def bytes_of_files(folder: Path, pattern: str) -> int:
    """Count the bytes of the files below a folder whose names are as the pattern says."""
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def check_space(out: Path, needed: int, advice: str) -> None:
    """Print how much will be written. Raises `RequestError` where the disk has less space."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    print(f"About {max(0, needed) / 1e9:.2f} GB to write to {out}, {free / 1e9:.2f} GB are free.", file=sys.stderr)
    if needed > free:
        raise RequestError(
            f"{out}: about {needed / 1e9:.2f} GB are to be written, and {free / 1e9:.2f} GB are free. {advice}"
        )


def write_file(path: Path, data: bytes, mark: bytes | None = None, needed: int | None = None) -> None:
    """Write a single file.

    Args:
        path: where; its folder is made.
        data: what.
        mark: see `refuse_foreign_file`; 64 zeros behind it become the digest of the data.
        needed: bytes that are to be written in all, where these are not all.

    Raises:
        RequestError: something else is there, or there is no room.
    """
    refuse_foreign_file(path, data, mark)
    data = seal(data, mark) if mark else data
    with room(path.parent, needed or len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(partial_path(path.parent))
        file = new_file(partial)
        try:
            with file:
                file.write(data)
            if os.path.lexists(path):
                os.replace(partial, path)
            else:
                name_new(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def seal(data: bytes, mark: bytes) -> bytes:
    """Return a file with its digest in place of the 64 zeros behind a mark."""
    return data.replace(mark + ZEROS, mark + hashlib.sha256(data).hexdigest().encode())


def refuse_foreign_file(path: Path, data: bytes = b"", mark: bytes | None = None) -> None:
    """Raise `RequestError` if a file is there that no command wrote, or that was changed since.

    Args:
        path: where.
        data: what is to be written: where it is there already, it may be written again.
        mark: what stands before the digest that a file has in it, near its beginning.
    """
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give the name of a file.")
    if os.path.lexists(path) and not (_is_file(path) and (_holds(path, data) or (mark and _is_whole(path, mark)))):
        raise _foreign(path, "name")


def _holds(path: Path, data: bytes) -> bool:
    return path.stat().st_size == len(data) and path.read_bytes() == data


def _is_whole(path: Path, mark: bytes) -> bool:
    """Whether a file is what its digest says that it was."""
    with open(path, "rb") as file:
        before, found, _ = file.read(BEGINNING).partition(mark)
        if not found:
            return False
        file.seek(0)
        data = file.read()
    at = len(before + mark)
    plain = data[:at] + ZEROS + data[at + len(ZEROS) :]
    return data[at : at + len(ZEROS)] == hashlib.sha256(plain).hexdigest().encode()


def jsonl(records: Iterable[Any]) -> str:
    """Return records as lines of JSON, Chinese as it is."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
