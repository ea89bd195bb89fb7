"""Files that commands write: each gets its name once it is complete, and none replaces a file of somebody else."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from emotiontalk.disk import new_file, partial_path, sha256_of
from emotiontalk.errors import FULL, logger
from emotiontalk.manifest import OWN_NAMES, FileRecord, Manifest, State, is_file, state_of
from emotiontalk.request_error import RequestError

LOCK = f"{OWN_NAMES}lock"  # of a folder: held by the command that writes to it
EARLIER = f"{OWN_NAMES}files"  # the list of files of versions before 1.6
ZEROS = b"0" * 64  # in place of the digest of a file that has its own digest in it
BEGINNING = 4_096  # bytes in which it stands


def expanded(path: Path) -> Path:
    """Expand `~` and `~user`. Raises `RequestError` for a user who is not there."""
    try:
        return path.expanduser()
    except RuntimeError:
        fix = "no home folder is known for it. Give the whole path, or ./ before a name that begins with ~."
        raise RequestError(f"{path}: {fix}") from None


def require_file(path: Path) -> None:
    """Raise `OSError` for what is not a regular file: a FIFO may never say anything, and a device never end."""
    if path.exists() and not path.is_file():
        raise OSError("it is a folder" if path.is_dir() else "it is a FIFO, a socket or a device, not a regular file")


class Folder:
    """A folder that a command writes to: what was asked and which files are its own stands in its `Manifest`.

    A file is written under a temporary name (`partial`) and gets its own name at once (`finish`), or together with
    others once all of them are finished (`stage`, `publish`). What a killed run has begun is removed by the next one;
    what it has finished stays.

    A finished file whose content was changed since is no longer the command's own. A large release is not read at
    every run for that: a file whose `State` is as it was has not been changed; the digest is compared where it
    differs, as in a copy.

    Args:
        path: the folder; it need not exist.

    Raises:
        RequestError: a version before 1.6 has written to it.
    """

    MANIFEST = Manifest.NAME

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._manifest = Manifest(self.path)
        self._parts: dict[str, Path] = {}  # what is being written: name -> where
        if os.path.lexists(self.path / EARLIER) and not os.path.lexists(self._manifest.path):
            raise RequestError(
                f"{self.path} was written by an earlier version of emotiontalk ({EARLIER}): choose another folder."
            )

    @property
    def request(self) -> dict[str, Any]:
        """What was asked, by option; empty where that is not recorded."""
        return self._manifest.request

    @property
    def progress(self) -> dict[str, Any]:
        """What the command has noted of its work."""
        return self._manifest.progress

    def check_request(self, request: Mapping[str, Any], in_words: Callable[[str, Any], str]) -> None:
        """Raise `RequestError` if the folder holds files of another request, and name what differs.

        Args:
            request: JSON-ready values, by option.
            in_words: names an option's value in the message.
        """
        manifest = self._manifest
        if not manifest.request or not any(os.path.lexists(self.path / name) for name in self.names()):
            return  # a run that was stopped before its first file
        for option, value in request.items():
            theirs = manifest.request.get(option)
            if theirs != value:
                raise RequestError(
                    f"{self.path} holds the files of another request ({in_words(option, theirs)}): choose another "
                    f"folder for {in_words(option, value)}."
                )

    def record_request(self, request: Mapping[str, Any], in_words: Callable[[str, Any], str]) -> None:
        """Record what is asked. Raises as `check_request`."""
        self.check_request(request, in_words)
        if self._manifest.request != request:
            self._manifest.append({"request": dict(request)})
            self._manifest.request = dict(request)

    def record_progress(self, **notes: Any) -> None:
        """Record notes of the command about its work, JSON-ready; they replace those of the same names."""
        self._manifest.append({"progress": notes})
        self._manifest.progress.update(notes)

    def names(self) -> list[str]:
        """Return the names of the finished files."""
        return list({**self._manifest.files, **self._manifest.staged})

    def is_own(self, name: str, origin: str | None = None) -> bool:
        """Whether a file is there as a command has written it; origin: from this origin, too."""
        return self._holds(self._manifest.files, name, self.path / name, origin)

    def is_finished(self, name: str, origin: str | None = None) -> bool:
        """As `is_own`, also of a file that is staged."""
        staged = self._manifest.staged.get(name)
        if staged and self._holds(self._manifest.staged, name, self.path / str(staged.staged), origin):
            return True
        return self.is_own(name, origin)

    def _holds(self, records: dict[str, FileRecord], name: str, path: Path, origin: str | None = None) -> bool:
        """Whether the file at a path is as the record of this name says."""
        record = records.get(name)
        if record is None or origin not in (None, record.origin) or not is_file(path):
            return False
        status = path.lstat()
        if status.st_size != record.size:
            return False
        state = state_of(status)
        if record.state != state:
            if record.sha256 != _digest(str(path), status.st_size, state):
                return False
            records[name] = record._replace(state=state)
        return True

    def sha256(self, name: str) -> str | None:
        """Return the digest of a file as it was written; None for one that no command wrote."""
        record = self._manifest.files.get(name)
        return record and record.sha256

    def refuse_foreign(self, *names: str) -> None:
        """Raise `RequestError` for a file that is there and not the command's own."""
        for name in names:
            path = self.path / name
            # a run that was killed while it published a file has left it with two names
            if (
                os.path.lexists(path)
                and not self.is_own(name)
                and not self._holds(dict(self._manifest.staged), name, path)
            ):
                raise _foreign(path, "folder")

    def discard(self, name: str) -> None:
        """Remove a file that is the command's own; anything else stays."""
        if self.is_own(name):
            (self.path / name).unlink()

    def partial(self, name: str) -> Path:
        """Make an empty file to write to, before `finish` or `stage`; the next run finds it by the manifest."""
        folder = (self.path / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(partial_path(folder))
        self._manifest.add_begun(str(Path(name).parent / path.name))
        new_file(path).close()
        self._parts[name] = path
        return path

    def finish(self, name: str, origin: str | None = None, sha256: str | None = None) -> None:
        """Give a file that is written as `partial` its name. Raises as `refuse_foreign`.

        sha256: its digest, where it is known.
        """
        path, target = self._parts.pop(name), self.path / name
        self.refuse_foreign(name)
        record = FileRecord(path.lstat().st_size, sha256 or sha256_of(path), origin)
        self._manifest.add_file(name, record)  # first: a run that is killed behind it leaves nothing foreign
        self._rename(path, target)
        self._manifest.files[name] = record._replace(state=state_of(target.lstat()))

    def stage(self, name: str, sha256: str | None = None) -> None:
        """Finish a file that is written as `partial`, and let it wait for its name under the temporary one."""
        path = self._parts.pop(name)
        status, staged = path.lstat(), str(Path(name).parent / path.name)
        record = FileRecord(status.st_size, sha256 or sha256_of(path), None, state_of(status), staged)
        self._manifest.add_file(name, record)

    def publish(self, names: Collection[str]) -> None:
        """Give the staged files of these names their names; other ones that are staged are removed.

        Raises as `refuse_foreign`.
        """
        staged = self._manifest.staged
        self.refuse_foreign(*(name for name in staged if name in names))
        for name, record in list(staged.items()):
            path, target = self.path / str(record.staged), self.path / name
            if name in names:
                self._rename(path, target)
                self._manifest.files[name] = record._replace(staged=None, state=state_of(target.lstat()))
            else:
                path.unlink()
            del staged[name]

    def _rename(self, path: Path, target: Path) -> None:
        if os.path.lexists(target):
            os.replace(path, target)
            path.unlink(missing_ok=True)  # where both are names of one file
        else:
            name_new(path, target)

    def link(self, name: str, other: str) -> None:
        """Put a file of the command's own at a second place, without a second copy where the disk can do that."""
        partial, record = self.partial(other), self._manifest.files[name]
        partial.unlink()
        try:
            os.link(self.path / name, partial)
        except OSError:
            shutil.copy2(self.path / name, partial)
        self.finish(other, record.origin, record.sha256)
        self._manifest.files[name] = record._replace(state=state_of((self.path / name).lstat()))

    def write(self, name: str, data: bytes, origin: str | None = None) -> None:
        """Write a file; one that is there with the same bytes stays. Raises as `refuse_foreign`."""
        path, sha256 = self.path / name, hashlib.sha256(data).hexdigest()
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            if is_file(path) and not self.is_own(name, origin):
                self._manifest.add_file(name, FileRecord(len(data), sha256, origin, state_of(path.lstat())))
            return
        self.refuse_foreign(name)
        self.partial(name).write_bytes(data)
        self.finish(name, origin, sha256)

    def begin(self) -> None:
        """Read the manifest as it is now, and remove what killed runs have begun. For the holder of the lock."""
        path = self._manifest.path
        if os.path.lexists(path) and not is_file(path):
            raise _foreign(path, "folder")
        self._manifest.read()
        # that of a copy by hard links is made again: the other one stays
        if self._manifest.begun or (path.is_file() and path.stat().st_nlink > 1):
            self.end()

    def end(self) -> None:
        """Remove what is not finished, and write the manifest again: a line for each file, with its `State`."""
        for name in self._manifest.begun:
            if is_file(self.path / name):
                (self.path / name).unlink()
        self._parts, self._manifest.begun = {}, []
        self._manifest.rewrite()


@functools.cache
def _digest(path: str, size: int, state: State) -> str:
    return sha256_of(path)


def _foreign(path: Path, other: str) -> RequestError:
    fix = f"Move it away, or choose another {other}."
    return RequestError(f"{path}: refusing to overwrite it, because emotiontalk did not create it. {fix}")


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
    if os.path.lexists(path) and not (is_file(path) and (path.stat().st_nlink == 1 or not path.stat().st_size)):
        raise _foreign(path, "folder")
    lock = filelock.FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        logger.warning(f"Another `emotiontalk` {what}: waiting until it has ended.")
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
            with contextlib.suppress(OSError):  # where there is no room: the manifest that is there is right, too
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
    """Log how much will be written. Raises `RequestError` where the disk has less space."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    logger.info(f"About {max(0, needed) / 1e9:.2f} GB to write to {out}, {free / 1e9:.2f} GB are free.")
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
    if os.path.lexists(path) and not (is_file(path) and (_holds(path, data) or (mark and _is_whole(path, mark)))):
        raise _foreign(path, "name")


def _holds(path: Path, data: bytes) -> bool:
    return path.stat().st_size == len(data) and path.read_bytes() == data


def _is_whole(path: Path, mark: bytes) -> bool:
    """Whether a file is what its digest says that it was."""
    with open(path, "rb") as file:
        before, sealed, _ = file.read(BEGINNING).partition(mark)
        if not sealed:
            return False
        file.seek(0)
        data = file.read()
    at = len(before + mark)
    plain = data[:at] + ZEROS + data[at + len(ZEROS) :]
    return data[at : at + len(ZEROS)] == hashlib.sha256(plain).hexdigest().encode()


def jsonl(records: Iterable[Any]) -> str:
    """Return records as lines of JSON, Chinese as it is."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
