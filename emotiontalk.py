"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`.

23.6 hours of acted Mandarin dialogue, 19,250 utterances, sound + video + text, four separate labelling
passes, a sentiment score and captions (Sun et al., *EmotionTalk*, arXiv 2505.23018; Hub dataset
`BAAI/Emotiontalk`, gated, CC BY-NC-SA 4.0).

    import emotiontalk

    emotiontalk.load_dataset("audio", split="test", data_dir="RELEASE")     # on every version of `datasets`
    datasets.load_dataset("./emotiontalk.py", "audio", data_dir="RELEASE", trust_remote_code=True)  # below 4

The page reads from top to bottom, and nothing is used before it is defined: facts, errors, local archives (a group's
bytes), annotations, configs and fields, addresses, archives at an address, the builder, `load_dataset`, `decode_audio`.
"""

from __future__ import annotations

import bz2
import collections
import concurrent.futures
import contextlib
import dataclasses
import email.utils
import errno
import functools
import glob
import gzip
import hashlib
import importlib
import io
import itertools
import json
import lzma
import math
import os
import re
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import types
import urllib.parse
import urllib.request
import warnings
import zlib
from collections.abc import Container, Generator, Iterable, Iterator
from typing import Any, Callable, NamedTuple, Union, cast

import datasets
import datasets.builder
import filelock
import fsspec
import fsspec.asyn
import fsspec.core
import huggingface_hub
import numpy as np
import pyarrow as pa

__version__ = "1.3.0"

_progress = getattr(datasets.utils, "tqdm", None) or datasets.utils.logging.tqdm  # the latter before 2.15
MAJOR = int(datasets.__version__.split(".")[0])
logger = datasets.utils.logging.get_logger(__name__)

# --- The facts about the release (dataset card and paper; nothing here is guessed) ---

REPO_ID = "BAAI/Emotiontalk"
REVISION = "adbc17fc944e8cf2873643906160c6ca0259ab61"
DEFAULT_SOURCE = f"hf://datasets/{REPO_ID}@{REVISION}"
HOMEPAGE = "https://huggingface.co/datasets/" + REPO_ID
LICENSE = "CC BY-NC-SA 4.0"
CITATION = """\
@article{sun2025emotiontalk,
  title   = {EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich Annotations},
  author  = {Sun, Haoqin and Wang, Xuechen and Zhao, Jinghua and Zhao, Shiwan and Zhou, Jiaming and
             Wang, Hui and He, Jiabei and Kong, Aobo and Yang, Xi and Wang, Yequan and Lin, Yonghua and Qin, Yong},
  journal = {arXiv preprint arXiv:2505.23018},
  year    = {2025}
}
"""

# The archives at the pinned revision: size in bytes, SHA-256.
ARCHIVES = {
    "Audio": (14_811_722_752, "f8599a70f55f489c948cd079c712acf340cf496c5267b14fb34e985539d57e41"),
    "Multimodal": (21_294_498_304, "905af99e277658eedceefcf7ee283e8041ef62a0335245e140ea953fba45777e"),
    "Text": (1_477_776, "facf5cbf3edb4104f5e1e8c450730af5524fe6170865a6930773e7fb6f82a603"),
    "Video": (526_286, "01f54fb23fa0838ddbfccadbf1f883e0cc9bf6cf80c3b8d2959bf23a0e127996"),
}
# Utterances in each group of dialogues, and the groups of each official split ("train" has the rest).
GROUPS = {
    "G00001": 840, "G00002": 903, "G00003": 793, "G00004": 1429, "G00005": 1055,
    "G00006": 1573, "G00007": 1813, "G00008": 1608, "G00009": 1648, "G00010": 1368,
    "G00011": 1154, "G00012": 1068, "G00013": 1383, "G00014": 1479, "G00015": 1136,
}  # fmt: skip
TOTAL = sum(GROUPS.values())
DIALOGUES = {"train": 587, "validation": 71, "test": 84}  # counted in the published ids
HELD_OUT = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
SPLITS = ("train", "validation", "test")
# Runs of neighbouring utterances that each split is shared out in: many, with many divisors, because `datasets` makes
# every node read everything where the number of nodes does not divide that of the shards.
SHARDS = {"train": 240, "validation": 48, "test": 48}

# The authors' own numbering 0…6, and the nouns that the papers use for the same classes.
EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful")
NOUNS = {
    "happiness": "happy", "sadness": "sad", "anger": "angry",
    "surprise": "surprised", "disgust": "disgusted", "fear": "fearful",
}  # fmt: skip
FOUR = ("neutral", "happy", "sad", "angry")  # the paper's "Four" setting
# The paper's five sentiment classes of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1.
SENTIMENTS = ("negative", "weakly negative", "neutral", "weakly positive", "positive")
# Each labelling pass saw one modality only; its annotations are in the archive of the same name.
PASSES = {"text": "Text", "audio": "Audio", "video": "Video", "multimodal": "Multimodal"}
ANNOTATORS = "ABCDE"
# A member is known by its file name alone, whatever folders stand before it.
MEMBER = re.compile(r"(?P<id>(?P<group>G\d{5})_\d{2}_\d{2}_\d{3})\.(?P<suffix>json|wav|mp4)", re.ASCII | re.IGNORECASE)

Members = Iterator[tuple[str, "Member"]]  # with their ids
WithValues = tuple["Utterance", dict]  # an utterance and its values of some fields
State = tuple[Any, ...]  # what tells one content of some paths from another
Path = Union[str, os.PathLike]
Shard = tuple[str, int, int]  # group, number of the part, parts that the group has
Run = tuple[str, int, int, int]  # group, first part, the part after the last, parts that the group has


def match_member(name: str) -> re.Match | None:
    """The match of `MEMBER` for the path of a member, or None if it is no part of the release (`._*`, zips, …)."""
    *folders, name = name.replace("\\", "/").split("/")
    return None if "__MACOSX" in folders else MEMBER.fullmatch(name)


def split_of(group: str) -> str:
    """The official split of a group id: "train", "validation" or "test"."""
    return HELD_OUT.get(group, "train")


def shards_of(counts: dict[str, int], number: int) -> list[Shard]:
    """The groups cut into `number` parts in all, as even as can be; fewer where there is less. counts: by group."""
    total = sum(counts.values())
    number = max(len(counts), min(number, total))
    exact = {group: max(1.0, number * count / total) for group, count in counts.items()}
    parts = {group: int(share) for group, share in exact.items()}
    for group in sorted(exact, key=lambda group: parts[group] - exact[group])[: max(0, number - sum(parts.values()))]:
        parts[group] += 1
    return [(group, part, parts[group]) for group in sorted(counts) for part in range(parts[group])]


def runs_of(shards: list[Shard]) -> list[Run]:
    """Shards that follow one another in a group as one."""
    runs: list[Run] = []
    for group, part, parts in shards:
        if runs and (runs[-1][0], *runs[-1][2:]) == (group, part, parts):
            runs[-1] = (group, runs[-1][1], part + 1, parts)
        else:
            runs.append((group, part, part + 1, parts))
    return runs


# --- Errors: each is one line that names the archive, the member and the way out ---


def brief(value: object, limit: int = 200) -> str:
    """A text in one line of `limit` characters at the most, whatever an archive or a server has put into it."""
    text = " ".join(str(value)[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(address: Path) -> str:
    """An address (or folder) as it may stand in a message or a file: without name and password."""
    return re.sub(r"(?<=://)[^/\s]*@", "", os.fspath(address))


class EmotionTalkError(datasets.builder.DatasetGenerationError):
    """The release is not as it should be. The message, one line, names the archive, the member and the way out."""

    def __init__(self, message: object = "") -> None:
        super().__init__(brief(message, 3_000))


class MissingArchiveError(EmotionTalkError, FileNotFoundError):
    """An archive that the config needs is not where it was looked for."""


class NoUtteranceError(EmotionTalkError):
    """The release at hand has no utterance of a split that was asked for."""


class BadUtteranceError(EmotionTalkError):
    """One utterance cannot be given as it should be; `strict=False` passes over it."""


class NoConnectionError(EmotionTalkError):
    """An address cannot be reached now."""


class NotSortedError(Exception):
    """An archive is not in the order in which a group is a range; never leaves this file."""


class BusyError(ConnectionError):
    """A server asks to be asked later, in so many `seconds` (its header Retry-After). Never leaves this file."""

    def __init__(self, status: int, after: str) -> None:
        super().__init__(f"HTTP status {status}")
        self.seconds = float(after[:9]) if after.isdigit() else 0.0
        with contextlib.suppress(TypeError, ValueError):  # no date
            self.seconds = max(self.seconds, email.utils.parsedate_to_datetime(after).timestamp() - time.time())


class SoundError(ValueError):
    """What is in a sound file cannot be heard."""


def _unreadable(path: object, error: OSError) -> EmotionTalkError:
    """The error for a file or folder that the system does not let us read."""
    return EmotionTalkError(f"{path} cannot be read ({error.strerror or error}): look at its owner and permissions.")


def _unwritable(folder: str, error: OSError, needed: int | None = None) -> EmotionTalkError:
    """The error for a folder in which nothing can be kept. needed: bytes that would be."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = f"there is no room in {folder}" if full else f"{folder} cannot be written"
    what += f", {needed:,} bytes are needed" if needed else ""
    way_out = "Set HF_HOME to a folder with room that you may write, or pass cache_dir=."
    return EmotionTalkError(f"{what} ({error.strerror or error}). {way_out}")


def _check_room(error: Exception, path: str) -> None:
    """Raise `EmotionTalkError` if an error says that the disk of the temporary files is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise EmotionTalkError(
            f"{path}: no room for it in {tempfile.gettempdir()} ({error}). Set TMPDIR to a folder with room, or unpack "
            "or download the archive and pass data_dir= with its folder."
        ) from None


@functools.cache
def _warn_once(message: str) -> None:
    """Log a warning, once in a process."""
    logger.warning(message)


# --- Local archives: a group of dialogues is a range of members, read without touching the others' payload ---


class Source:
    """What members are read from. archive: "Audio", …; path: where it is, as messages say it."""

    def __init__(self, archive: str, path: str) -> None:
        self.archive, self.path = archive, path
        self.fd: int | None = None  # the descriptor of a local tar

    def read_into(self, member: Member, view: memoryview) -> None:
        """Fill a view with the bytes of a member from its offset on. Here, where they were not wanted, an error."""
        raise RuntimeError(f"{member} was not fetched: its id is in skip_media.")

    def damaged(self, what: str) -> EmotionTalkError:
        """The error for an archive that is truncated, corrupt or no archive."""
        size, sha256 = ARCHIVES[self.archive]
        return EmotionTalkError(
            f"{self.path}: {what} The released {self.archive}.tar has {size:,} bytes and SHA-256 {sha256}; "
            f"compare, and download it again from {HOMEPAGE} if yours differs."
        )


class InMemory(Source):
    """Bytes that have been read already. A member's offset counts in `data`."""

    def __init__(self, archive: str, path: str, data: bytes) -> None:
        super().__init__(archive, path)
        self.data = data

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        view[:] = self.data[member.offset : member.offset + len(view)]


class Member:
    """One file of the release: `size` bytes at `offset` of its source. `len()` is its size in bytes."""

    __slots__ = ("name", "offset", "size", "source")

    def __init__(self, source: Source, name: str, offset: int, size: int) -> None:
        self.source, self.name, self.offset, self.size = source, name, offset, size

    def __len__(self) -> int:
        return self.size

    def __str__(self) -> str:
        return f"{self.source.path}: {brief(self.name, 300)}"

    def read(self) -> bytes:
        """All its bytes. Raises `EmotionTalkError` where they are no longer there."""
        data = bytearray(self.size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view: memoryview) -> None:
        """Fill a writable view of `size` bytes, straight from the source."""
        self.source.read_into(self, view)

    def part(self, start: int, size: int) -> bytes:
        """Some of its bytes, fewer at its end."""
        size = max(0, min(size, self.size - start))
        if self.source.fd is not None and hasattr(os, "pread"):  # measured: a third of the time of the general way
            data = os.pread(self.source.fd, size, self.offset + start)
            if len(data) == size:
                return data
        return Member(self.source, self.name, self.offset + start, size).read()


def _read_at(fd: int, offset: int, view: memoryview) -> bool:
    """Fill a view with the bytes of a file from an offset on; False if the file ends before that."""
    while len(view):  # the position is passed with every read: forked workers share the parent's open files
        if hasattr(os, "preadv"):
            n = os.preadv(fd, [view], offset)
        else:  # Windows, where workers are not forked
            os.lseek(fd, offset, os.SEEK_SET)
            chunk = os.read(fd, len(view))
            n, view[: len(chunk)] = len(chunk), chunk
        if n == 0:
            return False
        view, offset = view[n:], offset + n
    return True


BLOCK = tarfile.BLOCKSIZE
EXTENDED_BYTES = 1 << 20  # an extended header is no longer: it holds names and times
TYPES = {"1": "a link", "2": "a link", "3": "a device", "4": "a device", "5": "a folder", "6": "a FIFO"}


def parse_header(block: bytes, magic: bool = True) -> tuple[str, int, str] | None:
    """(name, payload size, type) of a tar header block of 512 bytes, or None where it is none.

    magic: whether it must say "ustar": outside the order of a tar, payload could pass for an older header.
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
    size = 0 if kind in "123456" else size  # links and folders have no payload
    return name.decode("utf-8", "surrogateescape"), size, kind


def parse_extended(kind: str, data: bytes) -> dict[str, Any]:
    """What an extended header says of the next member: "path", "size", and "sparse" for a sparse file."""
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
    """Bytes that a payload takes in a tar."""
    return -(-size // BLOCK) * BLOCK


class Tar(Source):
    """A local tar file, plain or compressed. Headers are scanned once; payload is read where it is asked for."""

    OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open, b"]\x00\x00": lzma.open}

    def __init__(self, archive: str, path: str, file: Any = None) -> None:
        super().__init__(archive, path)
        try:
            self.file = file or open(path, "rb")
        except OSError as error:
            if os.path.islink(path) and not os.path.exists(path):
                raise MissingArchiveError(f"{path} is a link to nothing. Download its file, or remove it.") from None
            raise _unreadable(path, error) from None
        self.file.seek(0)
        start = self.file.read(64)
        opener = self.opener(start)
        if opener:
            self.file = self._decompressed(opener)
        self.fd = self.file.fileno() if hasattr(self.file, "fileno") else None
        if start.startswith(b"version https://git-lfs"):
            raise self.damaged("this is a Git LFS pointer, not the file: run `git lfs pull`.")

    @classmethod
    def opener(cls, start: bytes) -> Any:
        """The function that opens a file compressed as its first bytes say, or None for a plain one."""
        return next((opener for magic, opener in cls.OPENERS.items() if start.startswith(magic)), None)

    def _decompressed(self, opener: Callable) -> Any:
        """The plain tar in an unnamed temporary file, so that it can be read by position like any other."""
        plain = tempfile.TemporaryFile()
        self.file.seek(0)
        try:
            with opener(self.file, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            _check_room(error, self.path)
            raise self.damaged(f"cannot be decompressed, truncated or corrupt ({error}).") from None
        return plain

    def members(self) -> Iterator[Member]:
        """Yield every regular file as a `Member`, in order. Raises `EmotionTalkError` unless it runs to an end mark."""
        # `tarfile`'s own loop ends quietly at the first zeros, and at the first header it cannot read
        end = self.file.seek(0, os.SEEK_END)
        position: int | None = 0
        last, extended = "its beginning", {}  # type: ignore[var-annotated]
        while position is not None:
            self.file.seek(position)
            block = self.file.read(BLOCK)
            header = parse_header(block, magic=False)
            if header is None and position and block == bytes(BLOCK) and not extended:
                position = self._after_zeros(position, last)
                continue
            if header is None:
                what = "truncated" if position + BLOCK > end else f"corrupt at byte {position:,}"
                raise self.damaged(f"{what} after {brief(last)}." if position else "cannot be read as a tar archive.")
            name, size, kind = header
            start = position + BLOCK
            if kind in "xgXLK":  # about the next member, and small
                if start + size > end or size > EXTENDED_BYTES:
                    what = f"an extended header of {size:,} bytes."
                    raise self.damaged(f"corrupt at byte {position:,} after {brief(last)}: {what}")
                extended.update(parse_extended(kind, self.file.read(size)))
                position = start + padded(size)
                continue
            name, size = extended.get("path", name), extended.get("size", size) if kind == "0" else size
            start += self._sparse_map(block, end) if kind == "S" else 0
            regular = self._is_regular(name, kind, "sparse" in extended)
            if start + size > end:
                raise self.damaged(f"truncated within {brief(name)}: the file ends at byte {end:,}.")
            if regular:
                yield Member(self, name, start, size)
            position, last, extended = start + padded(size), name, {}

    def _sparse_map(self, block: bytes, end: int) -> int:
        """Bytes of the further blocks that the map of a sparse file takes."""
        size, more = 0, block[482]
        while more and self.file.tell() < end:
            more = self.file.read(BLOCK)[504:505] not in (b"", b"\0")
            size += BLOCK
        return size

    def _is_regular(self, name: str, kind: str, sparse: bool) -> bool:
        """Whether this is a regular file. Raises `EmotionTalkError` where a member of the release is none."""
        regular = kind == "0" and not name.endswith("/")
        if (sparse or not regular) and match_member(name.rstrip("/")):
            what = "a sparse file" if sparse or kind == "S" else TYPES.get(kind, "no regular file")
            raise EmotionTalkError(
                f"{self.path}: {brief(name.rstrip('/'))} is stored as {what}. Pack the files themselves: "
                "`tar --dereference --hard-dereference`, without `--sparse`."
            )
        return regular

    def _after_zeros(self, position: int, last: str) -> int | None:
        """Where members go on after a block of zeros, or None where nothing but zeros follows."""
        zeros, start = bytes(BLOCK), position
        while block := self.file.read(BLOCK):
            position += BLOCK
            if block != zeros[: len(block)]:
                where = f"at byte {start:,}"
                if parse_header(block, magic=False) is None:
                    raise self.damaged(f"corrupt {where} after {brief(last)}: zeros, then what is no member.")
                what = f"members go on after an end mark {where} (tars put together?): they are read, too."
                _warn_once(f"{self.path}: {what}")
                return position
        return None

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        if not _read_at(cast(int, self.fd), member.offset, view):
            raise self.damaged(f"truncated within {member.name}: it became shorter while it was read.")


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder, its files) below a path, sorted, without what is hidden; each folder once, links are followed."""

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename, error) from None

    entered = set()
    for folder, subfolders, files in os.walk(path, followlinks=True, onerror=refuse):
        there = os.stat(folder)
        if (there.st_dev, there.st_ino) in entered:
            subfolders[:] = []
            continue
        entered.add((there.st_dev, there.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for odd in filter(match_member, subfolders):
            raise EmotionTalkError(f"{os.path.join(folder, odd)} is a folder, where a file of that name belongs.")
        yield folder, sorted(name for name in files if not name.startswith("."))


class Tree(Source):
    """An unpacked archive: a local folder of files."""

    def members(self) -> Iterator[Member]:
        """Yield every regular file below the folder as a `Member`, in sorted order."""
        for folder, files in _walk(self.path):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    yield Member(self, os.path.relpath(path, self.path), 0, os.stat(path).st_size)
                elif match_member(name):
                    what = "a link to nothing" if os.path.islink(path) else "no regular file"
                    raise EmotionTalkError(f"{path} is {what}. Compare the folder with the release.")

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        path = os.path.join(self.path, member.name)
        try:
            with open(path, "rb") as file:
                enough = _read_at(file.fileno(), member.offset, view)
        except OSError as error:
            raise _unreadable(member, error) from None
        if not enough:
            raise Source(self.archive, path).damaged("it became shorter while it was read.")


class Archive:
    """One archive of the release, indexed by group. Raises `EmotionTalkError`: damaged, or an id is there twice."""

    scanned = True  # all members are known

    def __init__(self, name: str, parts: Iterable[Tar | Tree]) -> None:
        self.name = name
        self.groups: dict[str, dict[str, dict[str, Member]]] = {}  # group -> suffix -> id -> Member, ids sorted
        for part in parts:
            for member in part.members():
                self._add(member)
        for group in self.groups.values():
            for suffix, members in group.items():
                group[suffix] = dict(sorted(members.items()))

    def _add(self, member: Member) -> None:
        match = match_member(member.name)
        if not match:
            return
        uid, group = match["id"].upper(), match["group"].upper()
        if group not in GROUPS:
            what = f"{match['group']} is no group of EmotionTalk ({min(GROUPS)}…{max(GROUPS)}). Rename or remove it."
            raise EmotionTalkError(f"{member}: {what}")
        known = self.groups.setdefault(group, {}).setdefault(match["suffix"].lower(), {})
        first = known.setdefault(uid, member)
        if first is not member:
            raise EmotionTalkError(
                f"{match['id']} is there twice in {self.name}: {first} and {member}. Keep one of them."
            )

    def annotations(self, group: str) -> dict[str, Member]:
        """The annotations of a group by id, sorted."""
        return self.groups.get(group, {}).get("json", {})

    def media(self, group: str, suffix: str, first: str = "", after: str = "~", skip: Container[str] = ()) -> Members:
        """Yield (id, sound ("wav") or video ("mp4")) of a group, from the id `first` on, before the id `after`."""
        for uid, member in self.groups.get(group, {}).get(suffix, {}).items():
            if first <= uid < after:
                yield uid, member


def state_of(paths: Iterable[str]) -> State:
    """What tells one content of local paths from another without reading it.

    Of each path its name, its number of files, their bytes, and a digest of the name, size, times and inode of each.
    """
    states = []
    for path in paths:
        digest, size, files = hashlib.sha256(), 0, [path]
        if os.path.isdir(path):
            files = [os.path.join(folder, name) for folder, names in _walk(path) for name in names]
        for file in filter(os.path.exists, files):
            s = os.stat(file)
            size += s.st_size
            facts = (os.path.relpath(file, path), s.st_size, s.st_mtime_ns, s.st_ino, s.st_ctime_ns)
            digest.update(repr(facts).encode("utf-8", "surrogateescape"))
        states.append((path, len(files), size, digest.hexdigest()))
    return tuple(states)


TAR_NAME = re.compile(r".+\.(tar(\.(gz|bz2|xz|lzma))?|tgz|tbz2?|txz)", re.IGNORECASE)
UNFINISHED = re.compile(r"(.+?\.tar.*?)\.(part|partial|incomplete|crdownload|download|zst|zstd|lz4|7z|rar)", re.I)


def find_archive(name: str, data_dir: str) -> tuple[str, ...]:
    """Paths of an archive below a local folder. Raises `MissingArchiveError`.

    `Audio.tar`, `Audio/*.tar` or `Audio/…` unpacked, in the folder or its `data/`, in any case; tars are preferred.
    """
    data_dir = os.path.abspath(os.path.expanduser(data_dir))
    if os.path.isfile(data_dir):
        raise MissingArchiveError(f"{data_dir} is a file: pass data_dir= with its folder, {os.path.dirname(data_dir)}.")
    if not os.path.isdir(data_dir):
        raise MissingArchiveError(f"{name}.tar: there is no folder {data_dir}; data_dir= is where the archives are.")
    unfinished: list[str] = []
    for root in filter(os.path.isdir, [data_dir, os.path.join(data_dir, "data")]):
        try:
            entries = [e for e in sorted(os.listdir(root)) if e.split(".")[0].lower() == name.lower()]
        except OSError as error:
            raise _unreadable(root, error) from None
        paths = [os.path.join(root, entry) for entry in entries]
        files = [path for path in paths if not os.path.isdir(path)]
        folders = [path for path in paths if os.path.isdir(path) and os.path.basename(path).lower() == name.lower()]
        if not any(TAR_NAME.fullmatch(path) for path in files):
            files += [os.path.join(below, f) for folder in folders for below, names in _walk(folder) for f in names]
        tars = [path for path in files if TAR_NAME.fullmatch(path)]
        unfinished += [match[0] for match in map(UNFINISHED.fullmatch, files) if match and match[1] not in tars]
        if unfinished and (tars or folders):
            break
        if tars or folders:
            return tuple(tars or folders)
    if unfinished:
        raise MissingArchiveError(
            f"{', '.join(unfinished[:3])}: a part of {name}.tar that is not whole yet, or is packed in a way that "
            "Python does not read. Finish the download, or unpack it."
        )
    raise MissingArchiveError(
        f"{name}.tar is not in {data_dir}: looked there and in its data/ for {name}.tar, {name}/*.tar and an "
        f"unpacked {name}/. Accept the terms at {HOMEPAGE}, then run `hf download {REPO_ID} "
        f"{name}.tar --repo-type dataset --revision {REVISION} --local-dir {data_dir}`."
    )


# --- The annotations: strict where they decide a row, lenient where people typed ---

_MARK = r"(?:over|interrupted|laughing|sobbing|crying|screaming)"
# A mark has a bracket on one side at least: `[over/]`, `[[/over]`, `[over/呀`, `没问题/over]`. Only the mark
# goes; words that a slip has put inside the brackets were spoken, and stay.
MARKS = re.compile(  # every repeat has a bound, so that no text takes more than one look at each of its characters
    rf"[\[【［]\s{{0,4}}/{{0,4}}\s{{0,4}}{_MARK}(?![A-Za-z])(?:\s{{0,4}}/{{1,4}})?(?:\s{{0,4}}[\]】］])?"
    rf"|(?:/|(?<![A-Za-z\s])){_MARK}\s{{0,4}}/{{0,4}}\s{{0,4}}[\]】］]",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[\[\]【】［］]")


def spoken_text(transcription: str | None) -> str | None:
    """A transcription without its marks: every spoken word, no bracket. None stays None.

    Marks are overlap `[over/]…[/over]` and the events `[interrupted]`, `[laughing]`, `[Sobbing]`, `[crying]`,
    `[screaming]`, in `[]` or `【】`, with the typing slips of the release.
    """
    if transcription is None:
        return None
    return BRACKETS.sub("", MARKS.sub("", transcription))


def wav_format(member: Member) -> tuple[int, int, int, int, int]:
    """(rate in Hz, channels, bits of a sample, frames, frames by its header) of a WAV file. Raises `ValueError`."""
    size, at, form = len(member), 12, None
    start, data = 0, member.part(0, 512)
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise ValueError("no WAV file: it does not begin with RIFF … WAVE")
    for _ in range(1_000):  # chunks
        if at + 8 > size:
            break
        if at + 24 > start + len(data):
            start, data = at, member.part(at, 512)
        kind, length = struct.unpack_from("<4sI", data, at - start)
        if kind == b"fmt ":
            if at + 24 > size:
                break
            _, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", data, at - start + 8)
            if not (channels and rate and frame):
                raise ValueError("its header says no channels, or no rate")
            form = rate, channels, bits
        elif kind == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            there = size - at - 8
            said = there if length == 0xFFFFFFFF else length  # written to a pipe, whose length nobody knew
            if min(said, there) < frame:
                raise ValueError("empty: no samples")
            return (*form, min(said, there) // frame, said // frame)
        at += 8 + length + length % 2
    raise ValueError("no samples: it has no data chunk")


def parse_annotation(member: Member) -> dict:
    """The JSON object of an annotation file. Raises `BadUtteranceError`."""
    try:
        # json finds UTF-8, with or without BOM, by itself; strict=False allows line breaks in strings
        annotation = json.loads(member.read(), strict=False)
    except (ValueError, RecursionError) as error:
        raise BadUtteranceError(f"{member} is not JSON: {brief(error)}. Compare it with the release.") from None
    if not isinstance(annotation, dict):
        raise BadUtteranceError(f"{member} holds no JSON object. Compare it with the release.")
    return annotation


_EMOTION_IDS = {word: EMOTIONS.index(NOUNS.get(word, word)) for word in (*EMOTIONS, *NOUNS)}


def emotion_id(value: object) -> int | None:
    """The number 0…6 of an emotion string, or None if it is none of the seven."""
    if not isinstance(value, str):
        return None
    return _EMOTION_IDS.get(value, _EMOTION_IDS.get(value.strip().lower()))


def number(value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    """A finite number between two bounds, also from a string, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        value = float(value)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def sentiment_id(score: float) -> int:
    """The number 0…4 of the paper's sentiment class of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1."""
    score = round(score, 6)  # a mean of five ratings, which may carry the noise of a float
    return (0 if score <= -1 else 1) if score < 0 else 2 if score == 0 else 3 if score < 1 else 4


def _string(value: object) -> str | None:
    """What a person typed as a string; a bare number as its digits; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and no file in UTF-8
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def clip_seconds(data: bytes) -> float | None:
    """How long the clip of an annotation of the audio pass is by its times, in seconds; None where they do not say."""
    try:
        times = _dict(_dict(json.loads(data, strict=False)).get("paragraphs"))
    except (ValueError, RecursionError):
        return None
    start, end = number(times.get("startTime")), number(times.get("endTime"))
    return None if start is None or end is None or not 0 <= end - start < 3_600 else end - start


ID_INSIDE = re.compile(r"(?:^|[/\\])(G\d{5}_\d{2}_\d{2}_\d{3})(?:\.\w*)?$", re.ASCII | re.IGNORECASE)
LONGEST_MEDIA = 1 << 30  # bytes of one sound or clip: more do not fit into a batch, and none is so long


class Utterance:
    """One utterance: its id and its annotation in each of the passes that the config reads.

    `members` and `annotations` are dicts by pass ("audio", …); `label_pass` is the pass whose label the config carries;
    `media` is the `Member` with the sound or video, or None; `seconds` is how long the sound is, or None; `notes` are
    (what is odd, in which member) of what decides no row. Raises `BadUtteranceError`.
    """

    def __init__(self, uid: str, label_pass: str, members: dict[str, Member], media: Member | None = None) -> None:
        self.id, self.label_pass, self.members, self.media = uid, label_pass, members, media
        self.group, dialogue, self.speaker_id, turn = uid.split("_")
        self.dialogue = f"{self.group}_{dialogue}"
        self.turn = int(turn)
        self.annotations = {name: parse_annotation(member) for name, member in members.items()}
        self.seconds: float | None = None
        self._votes: dict[str, list[dict]] = {}
        self.notes: list[tuple[str, str]] = []
        for name, annotation in self.annotations.items():
            path = annotation.get("file_path", annotation.get("file_name"))
            inside = ID_INSIDE.search(path) if isinstance(path, str) else None
            if inside and inside[1].upper() != uid:
                self._note("the path inside is another utterance's", f"{members[name]} ({brief(path)})")
        if media is not None and type(media.source) is not Source:  # whose bytes were not wanted
            self._look_at(media)

    own = property(lambda self: self.label_pass)  # its name before 1.3

    def _note(self, what: str, where: str) -> None:
        if (what, where) not in self.notes:
            self.notes.append((what, where))

    def _look_at(self, media: Member) -> None:
        """Look at the header of a sound. Raises `BadUtteranceError` for what is none."""
        compare = "Compare it with the release."
        if not len(media):
            raise BadUtteranceError(f"{media} is empty. {compare}")
        if len(media) > LONGEST_MEDIA:
            raise BadUtteranceError(f"{media} has {len(media):,} bytes, more than any clip. {compare}")
        if not media.name.lower().endswith(".wav"):
            return
        try:
            rate, _, _, frames, frames_said = wav_format(media)
        except ValueError as error:
            raise BadUtteranceError(f"{media} is no sound ({error}). {compare}") from None
        self.seconds = frames / rate
        if frames < frames_said:
            self._note("the sound is cut: its header says more samples than are there", str(media))

    def _wrong(self, name: str, key: str, what: str) -> BadUtteranceError:
        value = brief(repr(self.annotations[name].get(key)))
        way_out = "Correct the file, or compare it with the release."
        return BadUtteranceError(f"{self.members[name]}: {key} {value} is {what}. {way_out}")

    def emotion(self, name: str) -> int:
        """The label 0…6 that a pass has given. Raises `BadUtteranceError`."""
        label = emotion_id(self.annotations[name].get("emotion_result"))
        if label is None:
            raise self._wrong(name, "emotion_result", f"none of {', '.join(EMOTIONS)}")
        return label

    def score(self) -> float:
        """The sentiment score, −2…2. Raises `BadUtteranceError`."""
        score = number(self.annotations["multimodal"].get("Continuous label_result"), -2, 2)
        if score is None:
            raise self._wrong("multimodal", "Continuous label_result", "no number in -2…2")
        return score

    def transcription(self) -> str | None:
        """The transcription, verbatim: the label pass's, or where that has none, another's that was read."""
        for name in (self.label_pass, "multimodal", "text", "audio"):
            annotation = self.annotations.get(name, {})
            content = _string(annotation.get("content"))
            if content is not None:
                return content
            if name in self.annotations and name != "video":
                what = "is null" if annotation.get("content") is None else "is no text"
                self._note(f"the content of the {name} pass {what}", str(self.members[name]))
        return None

    def time(self, key: str) -> float | None:
        """`startTime` or `endTime` in seconds, or None."""
        return number(_dict(self.annotations["audio"].get("paragraphs")).get(key))

    def typed_captions(self) -> dict[str, object]:
        """The captions as typed: "spe_cap", "style_cap", "emo_cap", "caption_1"…"caption_5"."""
        annotation = self.annotations["audio"]
        typed = {**annotation, **_dict(annotation.get("sourceAttr"))}  # in some files they stand flat
        keys = ("spe_cap", "style_cap", "emo_cap", *(f"caption_{n}" for n in range(1, 6)))
        return {key: typed.get(key) for key in keys}

    def captions(self) -> dict[str, Any]:
        """The captions "speaker", "style" and "emotion", None for one that cannot be read, and the list "overall"."""
        speaker, style, emotion, *overall = map(_string, self.typed_captions().values())
        return {"speaker": speaker, "style": style, "emotion": emotion, "overall": overall}

    def typed_votes(self, name: str) -> list[dict]:
        """The five votes of a pass as typed, {} for one that is not there."""
        data = _dict(self.annotations[name].get("data"))
        return [_dict(data.get(annotator)) for annotator in ANNOTATORS]

    def votes(self, name: str) -> list[dict[str, Any]]:
        """The five single votes of a pass; what is missing or does not parse is None."""
        if name not in self._votes:  # two fields are made of them
            self._votes[name] = [self._vote(*pair) for pair in zip(ANNOTATORS, self.typed_votes(name))]
        return self._votes[name]

    @staticmethod
    def _vote(annotator: str, typed: dict) -> dict[str, Any]:
        tenths = number(typed.get("Confidence_degree"), 1, 9)
        rating = number(typed.get("Continuous_label"), -2, 2)
        return {
            "annotator": annotator,
            "emotion": emotion_id(typed.get("emotion")),
            "confidence": None if tenths is None else tenths / 10,
            "sentiment": None if rating is None or rating % 1 else int(rating),
        }

    def soft_label(self) -> list[float] | None:
        """The shares of the label pass's five votes among the seven emotions, 0…1; None where a vote is missing."""
        given = [vote["emotion"] for vote in self.votes(self.label_pass)]
        return None if None in given else [given.count(label) / len(given) for label in range(len(EMOTIONS))]


# --- The configs and their fields ---


@dataclasses.dataclass(frozen=True)
class ConfigSpec:
    """What a config reads and gives."""

    description: str
    label_pass: str  # the pass whose label it carries
    passes: tuple[str, ...]  # whose annotations it reads
    media: tuple[str, str] | None  # the archive that holds its sound or video, and the suffix there
    splits: tuple[str, ...]
    fields: tuple[str, ...]  # names in `FIELDS`
    own = property(lambda self: self.label_pass)  # its name before 1.3


class FieldSpec(NamedTuple):
    """A field of the rows: its feature, its value for an `Utterance`, and what it holds."""

    feature: Any
    value: Any  # a function of the utterance
    description: str  # with {label_pass}: the config's


_STRING, _FLOAT, _INT32 = datasets.Value("string"), datasets.Value("float64"), datasets.Value("int32")
_EMOTION = datasets.ClassLabel(names=list(EMOTIONS))
_BYTES = {"bytes": datasets.Value("binary"), "path": _STRING}
_VIDEO = datasets.Video() if hasattr(datasets, "Video") else _BYTES
_VOTE = {"annotator": _STRING, "emotion": _EMOTION, "confidence": _FLOAT, "sentiment": datasets.Value("int8")}

KEY_FIELDS = ("id", "group", "dialogue", "speaker_id", "turn")
TURN_FIELDS = (
    "id", "speaker_id", "turn", "transcription", "text", "emotion_text", "emotion_audio", "emotion_video",
    "emotion_multimodal", "sentiment_score", "sentiment", "start", "end",
)  # fmt: skip
# fmt: off
FIELDS = {name: FieldSpec(*spec) for name, spec in {
    "id": (_STRING, lambda u: u.id,
           "utterance id, `<group>_<dialogue>_<speaker>_<turn>`; in `dialogues` the id of the dialogue"),
    "group": (_STRING, lambda u: u.group, "group of dialogues, `G00001`…`G00015`; it decides the split"),
    "dialogue": (_STRING, lambda u: u.dialogue, "dialogue, `<group>_<dialogue>`, unique in the corpus"),
    "speaker_id": (_STRING, lambda u: u.speaker_id, "speaker, two digits; 19 in the corpus"),
    "turn": (_INT32, lambda u: u.turn, "number in the dialogue, over both speakers, in order; numbers can be missing"),
    "audio": (datasets.Audio(sampling_rate=44_100), lambda u: {"bytes": u.media, "path": f"{u.id}.wav"},
              "the sound as released: WAV, 44.1 kHz, 16 bit, two channels"),
    "video": (_VIDEO, lambda u: {"bytes": u.media, "path": f"{u.id}.mp4"},
              "the clip as released: MP4 with sound (`{{bytes, path}}` where `datasets` has no `Video`)"),
    "transcription": (_STRING, lambda u: u.transcription(), "what was said, verbatim, marks included"),
    "text": (_STRING, lambda u: spoken_text(u.transcription()),
             "`transcription` without the marks; every spoken word stays"),
    "emotion": (_EMOTION, lambda u: u.emotion(u.label_pass),
                "**this config's label**: that of the {label_pass} pass, 0…6"),
    "soft_label": ([_FLOAT], lambda u: u.soft_label(),
                   "for each of the seven emotions its share of the five votes of the {label_pass} pass; order of the "
                   "labels, sum 1; null where a vote is missing"),
    **{f"emotion_{name}": (_EMOTION, functools.partial(Utterance.emotion, name=name), f"label of the {name} pass {how}")
       for name, how in (("text", "(annotators read the transcription only)"), ("multimodal", "(video with sound)"),
                         ("audio", "(annotators heard the sound only)"),
                         ("video", "(annotators saw the silent video only)"))},
    "sentiment_score": (_FLOAT, lambda u: u.score(),
                        "sentiment, −2…2: mean of the five ratings of the multimodal pass"),
    "sentiment": (datasets.ClassLabel(names=list(SENTIMENTS)), lambda u: sentiment_id(u.score()),
                  "class of `sentiment_score`: ≤ −1, < 0, 0, < 1, ≥ 1"),
    **{name: (_FLOAT, functools.partial(Utterance.time, key=f"{name}Time"), f"{name} in the dialogue, seconds, as "
              "annotated in the audio pass; may be null") for name in ("start", "end")},
    "captions": ({"speaker": _STRING, "style": _STRING, "emotion": _STRING, "overall": [_STRING]},
                 lambda u: u.captions(),
                 "`speaker` (the voice), `style`, `emotion`, and `overall`, a list of five; each may be null"),
    "annotations": ([_VOTE], lambda u: u.votes(u.label_pass),
                    "the five votes of the {label_pass} pass: `annotator` (A…E), `emotion`, `confidence` (0.1…0.9), "
                    "`sentiment` (−2…2, multimodal pass only); what is missing in the release is null"),
    "dataset_id": (_STRING, lambda u: "emotiontalk", "`emotiontalk`"),
    "sample_id": (_STRING, lambda u: u.id, "utterance id"),
    "src_audio": (_STRING, lambda u: f"emotiontalk/audio/zh/{u.id}.wav",
                  "path of the sound below the benchmark's data folder"),
    "src_ref": (_STRING, lambda u: u.transcription(), "transcription of the audio pass, verbatim, marks included"),
    "tgt_ref": (_STRING, lambda u: None, "null: there is no reference translation"),
    "src_lang": (_STRING, lambda u: "zh", "`zh`"),
    "tgt_lang": (_STRING, lambda u: "en", "`en`"),
    "benchmark_metadata": (
        {"context": _STRING, "emotion": _STRING, "dataset_type": _STRING},
        lambda u: {"context": "short", "emotion": EMOTIONS[u.emotion(u.label_pass)], "dataset_type": "emotion"},
        "`context` (`short`), `emotion` (label of the audio pass as a string), `dataset_type` (`emotion`)"),
}.items()}
# fmt: on
FIELDS["turns"] = FieldSpec(
    [{name: FIELDS[name].feature for name in TURN_FIELDS}],
    None,  # of several utterances: the builder joins them
    "the utterances of the dialogue in turn order, each with " + ", ".join(f"`{name}`" for name in TURN_FIELDS),
)
MEDIA = frozenset({"audio", "video"})

# fmt: off
CONFIGS = {name: ConfigSpec(*spec) for name, spec in {
    "multimodal": (
        "Sound, transcription and sentiment with the label of the multimodal pass; the other passes' labels beside it.",
        "multimodal", ("multimodal", "text", "audio", "video"), ("Audio", "wav"), SPLITS,
        (*KEY_FIELDS, "audio", "transcription", "text", "emotion", "soft_label", "sentiment_score", "sentiment",
         "emotion_text", "emotion_audio", "emotion_video", "start", "end", "captions", "annotations")),
    "audio": (
        "Sound and transcription with the label of the audio pass.", "audio", ("audio",), ("Audio", "wav"), SPLITS,
        (*KEY_FIELDS, "audio", "transcription", "text", "emotion", "soft_label", "start", "end", "captions",
         "annotations")),
    "text": (
        "Transcription with the label of the text pass; no media.", "text", ("text",), None, SPLITS,
        (*KEY_FIELDS, "transcription", "text", "emotion", "soft_label", "annotations")),
    "video": (
        "Video clip with the label of the video pass (silent video); the multimodal label and sentiment beside it.",
        "video", ("video", "multimodal"), ("Multimodal", "mp4"), SPLITS,
        (*KEY_FIELDS, "video", "transcription", "text", "emotion", "soft_label", "emotion_multimodal",
         "sentiment_score", "sentiment", "annotations")),
    "dialogues": (
        "One example a dialogue, its utterances in turn order with the labels of all four passes; no media.",
        "text", ("text", "audio", "video", "multimodal"), None, SPLITS, ("id", "group", "dialogue", "turns")),
    "zh-en": (
        "The zh→en view of the Hearing to Translate benchmark: the records of its manifest, and the sound.",
        "audio", ("audio",), ("Audio", "wav"), ("test",),
        ("dataset_id", "sample_id", "src_audio", "src_ref", "tgt_ref", "src_lang", "tgt_lang", "benchmark_metadata",
         "audio")),
}.items()}
# fmt: on


def archives_of(config: str) -> list[str]:
    """Names of the archives that a config reads, in a fixed order."""
    names = {*(PASSES[name] for name in CONFIGS[config].passes), *(CONFIGS[config].media or ())}
    return [name for name in ARCHIVES if name in names]


def features_of(config: str) -> datasets.Features:
    """The `datasets.Features` of a config."""
    return datasets.Features({name: FIELDS[name].feature for name in CONFIGS[config].fields})


def split_sizes(config: str) -> dict[str, int]:
    """Examples of the pinned release in each split of a config."""
    if config == "dialogues":
        return dict(DIALOGUES)
    return {split: sum(GROUPS[g] for g in GROUPS if split_of(g) == split) for split in CONFIGS[config].splits}


def description_of(config: str, field: str) -> str:
    """What a field of a config holds, as a line of Markdown."""
    return FIELDS[field].description.format(label_pass=CONFIGS[config].label_pass)


# --- Addresses: a file over the network, read by ranges, several at once ---

# Chosen by measurement (benchmarks/README.md).
IN_FLIGHT = 12  # blocks that are fetched at once, at the most
BLOCK_BYTES = 4 << 20  # of what is read ahead
HEAD_BYTES = 64 << 10  # what is read first of every file
WAITS = (0.2, 0.5, 1, 2, 4)  # seconds before a broken request is made again; progress starts anew
TIMEOUTS = (10, 60)  # seconds to connect, seconds without a byte
LEAST_RATE = (32 << 10, 30)  # bytes in so many seconds: what comes more slowly is a broken connection
LONGEST_WAIT = 300  # seconds that are waited where a server asks for it
SEND_TOKEN = (
    f"Accept the terms at {HOMEPAGE}, and send your token: `hf auth login` (older: `huggingface-cli login`), "
    'HF_TOKEN=hf_…, or token="hf_…". Or pass data_dir= with a local folder that holds the archives.'
)


def is_remote(path: object) -> bool:
    """Whether this is an address: of HTTP, of the Hub, or of any scheme of fsspec."""
    return isinstance(path, str) and bool(re.match(r"[a-z][a-z0-9+.-]+://", path))


def is_pinned(url: str) -> bool:
    """Whether what is behind an address cannot change: it names a commit of the Hub."""
    return bool(re.fullmatch(r"hf://datasets/[^/@]+/[^/@]+@[0-9a-f]{40}(/.*)?", url))


def checked_token(token: Any) -> Any:
    """A token as it can be sent, without the blanks around it. Raises `ValueError`, which does not quote it."""
    if not isinstance(token, str):
        return token
    if not re.fullmatch(r"[!-~]+", token.strip()):
        raise ValueError("token= is empty, or holds characters that no token has: copy it again from the Hub.")
    return token.strip()


def split_hf_url(url: str) -> tuple[str, str, str]:
    """(repository, revision, path) of `hf://datasets/owner/name@revision/path`."""
    match = re.fullmatch(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", url)
    if not match:
        raise EmotionTalkError(f"{shown(url)}: expected hf://datasets/OWNER/NAME@REVISION/… .")
    return match[1], urllib.parse.unquote(match[2] or "main"), match[3]


def http_url(url: str) -> str:
    """The address of an `hf://datasets/` path at the endpoint that `HF_ENDPOINT` names; others unchanged."""
    if not url.startswith("hf://datasets/"):
        return url
    repo, revision, path = split_hf_url(url)
    return f"{datasets.config.HF_ENDPOINT}/datasets/{repo}/resolve/{urllib.parse.quote(revision, safe='')}/{path}"


def offline() -> bool:
    """Whether `HF_HUB_OFFLINE` or `HF_DATASETS_OFFLINE` is set."""
    return huggingface_hub.constants.HF_HUB_OFFLINE or datasets.config.HF_DATASETS_OFFLINE


@functools.lru_cache(maxsize=2)
def _threads(pid: int) -> concurrent.futures.ThreadPoolExecutor:
    """The threads of this process in which blocks are fetched; a forked worker has none of its parent's."""
    return concurrent.futures.ThreadPoolExecutor(2 * IN_FLIGHT, "emotiontalk")


def _reason(error: Exception) -> str:
    """The innermost of an exception's reasons, in one line."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            return brief(shown(str(error)).split(": ", 1)[-1])
        error = inner


def _after(chunks: Iterator[bytes], start: int) -> Iterator[bytes]:
    """What comes after the first `start` bytes: all of a file comes where ranges are not served."""
    for chunk in chunks:
        if start < len(chunk):
            yield chunk[start:] if start else chunk
        start = max(0, start - len(chunk))


class Answer:
    """A streamed answer to a GET by the session of `huggingface_hub` (requests, from 1.0 on httpx); no redirects."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        session = huggingface_hub.utils.get_session()
        if hasattr(session, "build_request"):
            connect, read = TIMEOUTS
            request = session.build_request("GET", url, headers=headers, timeout=(connect, read, read, read))
            self._response = session.send(request, stream=True, follow_redirects=False)
            self._body = self._response.iter_raw()
        else:
            self._response = session.get(url, headers=headers, stream=True, timeout=TIMEOUTS, allow_redirects=False)
            read1 = getattr(self._response.raw, "read1", None)  # what has come; not in urllib3 1
            self._body = iter(lambda: read1(1 << 16), b"") if read1 else self._response.iter_content(1 << 12)
        self.status, self.headers = self._response.status_code, self._response.headers

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception as error:  # what the sessions raise has no common class
            raise ConnectionError(_reason(error)) from None
        finally:
            self._response.close()

    def close(self, read: int = 0) -> None:
        """End the answer; a body of at most `read` bytes is taken first, so that the connection can be used again."""
        if self.headers.get("Content-Length", "").isdigit() and int(self.headers["Content-Length"]) <= read:
            collections.deque(self, maxlen=0)
        self._response.close()


class Stream:
    """The bytes of a file in order from `position` on, fetched in blocks ahead of the reader.

    One block at first, then more and larger ones; none beyond `end`, where what is wanted is believed to end.
    """

    def __init__(self, file: RemoteFile, position: int, end: int, block: int = 1 << 18, flight: int = 1) -> None:
        self.file, self.position, self._size = file, position, cast(int, file.size)
        self._end, self._asked = min(end, self._size), position
        self._block, self._flight = max(BLOCK, block), flight
        self._most = min(BLOCK_BYTES, max(1 << 19, self._size >> 9))  # little is lost where a process is stopped
        self._blocks: collections.deque[concurrent.futures.Future] = collections.deque()
        self._rest, self._closed = memoryview(b""), False

    def look_ahead(self, size: int) -> None:
        """Believe that what is wanted ends no less than so many bytes from here."""
        self._end = max(self._end, min(self._size, self.position + size))

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer where the file ends. Raises `EmotionTalkError`."""
        if self.position + size > self._end:
            self.look_ahead(max(size, 1 << 16))
        parts, size = [], min(size, self._end - self.position)
        while size:
            if not self._rest:
                self._rest = memoryview(self._next())
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            self.position += len(parts[-1])
            size -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over bytes; what was not asked for yet is not fetched."""
        if self.position + size <= self._asked:
            self.read(size)
        else:
            self.close()
            self.position = self._asked = self.position + size
            self._blocks, self._rest, self._closed = collections.deque(), memoryview(b""), False

    def _next(self) -> bytes:
        self._ask()
        block = self._blocks.popleft().result()
        if self._flight > 1:
            self._ask()  # while the reader works on this one
        self._flight = min(2 * self._flight, IN_FLIGHT)
        self._block = max(self._block, min(2 * self._block, self._most))
        return block

    def _ask(self) -> None:
        while len(self._blocks) < self._flight and self._asked < self._end:
            start, self._asked = self._asked, min(self._asked + self._block, self._end)
            self._blocks.append(_threads(os.getpid()).submit(self._fetch, self._blocks, start, self._asked))

    def _fetch(self, blocks: collections.deque, start: int, end: int) -> bytearray:
        data = bytearray()
        for chunk in self.file.chunks(start, end):
            if blocks is not self._blocks or self._closed:  # nobody waits for it any more
                break
            data += chunk
        return data

    def close(self) -> None:
        """Give up the blocks that are under way."""
        self._closed = True
        for block in self._blocks:
            block.cancel()


class RemoteFile:
    """A file behind HTTP. Every answer must agree with what the first one said.

    After `head()`: `size` in bytes, `tag` (entity tag or time of change), None: not said; `ranged`: it serves ranges.
    """

    def __init__(self, archive: str, path: str, token: Any) -> None:
        self.archive, self.path, self.url, self.token = archive, shown(path), http_url(path), token
        self.size: int | None = None
        self.tag: str | None = None
        self.ranged: bool | None = None
        self._first = b""  # what `head` has read
        self._signed: str | None = None  # where a redirect has led: it serves more ranges, until it expires
        self._waiting = False

    def error(self, what: str) -> EmotionTalkError:
        """The error about this file."""
        return EmotionTalkError(f"{self.path}: {what}")

    def missing(self, what: str) -> MissingArchiveError:
        """The error for a file that is not there."""
        way_out = f"data_dir= is the address that holds {self.archive}.tar; the release is {DEFAULT_SOURCE}."
        return MissingArchiveError(f"{self.path}: {what}. {way_out}")

    def head(self) -> bytes:
        """The first bytes, `HEAD_BYTES` at the most; what the first answer says is kept. Raises `EmotionTalkError`."""
        if not self._first:
            if not re.match(r"https?://(\[[^\]/]*\]|[^\[/?#@\s])", self.url):
                raise self.missing("an address without a host")
            first = bytearray()
            for chunk in self.chunks(0, HEAD_BYTES):
                first += chunk
                if len(first) >= HEAD_BYTES:
                    break
            self._first = bytes(first[:HEAD_BYTES])
        return self._first

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, or to the end of the file. Raises `EmotionTalkError`."""
        return b"".join(self.chunks(start, end))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` (None: the end), read ahead if possible. Raises `EmotionTalkError`."""
        if not self.ranged or self.size is None:
            yield from self.chunks(start)
            return
        end = self.size if end is None else min(end, self.size)
        with contextlib.closing(Stream(self, start, end)) as stream:
            while stream.position < end:
                yield stream.read(min(1 << 20, end - stream.position))

    def save(self, file: Any) -> None:
        """Write the whole file to an open one, from its present length on. Raises `EmotionTalkError`."""
        start, label = file.seek(0, os.SEEK_END), f"Downloading {os.path.basename(self.path)}"
        with _progress(total=self.size, initial=start, unit="B", unit_scale=True, desc=label) as bar:
            for data in self.pieces(start):
                file.write(data)
                bar.update(len(data))
        file.flush()

    def chunks(self, start: int, end: int | None = None) -> Generator[bytes, None, None]:
        """Yield the bytes from `start` to `end` as they come, over several connections if need be. Raises as `head`."""
        if self.ranged and start < len(self._first):
            yield self._first[start:end]
            start = len(self._first)
        if end is None or start < end:
            yield from self._chunks(start, end)

    def _chunks(self, start: int, end: int | None) -> Iterator[bytes]:
        failures, reached, waited = 0, start, 0.0
        least, window = LEAST_RATE
        while start != (self.size if end is None else min(end, self.size or end)):
            try:
                answer = self._connect(start, end)
                while True:
                    before = time.monotonic()
                    chunk = next(answer, None)
                    waited += time.monotonic() - before
                    if chunk is None:
                        break
                    start += len(chunk)
                    yield chunk
                    if start - reached >= least:
                        failures, reached, waited = 0, start, 0.0
                    elif waited > window:
                        raise ConnectionError(f"fewer than {least:,} bytes in {window} seconds")
                if self.size is not None and start < min(end or self.size, self.size):
                    raise ConnectionError("the answer was cut short")
                return
            except ConnectionError as error:
                waited = 0.0
                self._pause(error, failures, start)
                failures += 1

    def _pause(self, error: ConnectionError, failures: int, position: int) -> None:
        """Wait before the next try. Raises `NoConnectionError` where it would be no use."""
        if failures == len(WAITS):
            raise NoConnectionError(
                f"{self.path}: gave up at byte {position:,} after {failures + 1} tries ({brief(error)}). "
                "Check the network and the address, then run again; or pass data_dir= with a local folder."
            ) from None
        seconds = max(WAITS[failures], getattr(error, "seconds", 0))
        if seconds > LONGEST_WAIT:
            raise NoConnectionError(
                f"{self.path}: the server asks to wait {seconds:,.0f} seconds ({error}), and {LONGEST_WAIT} are the "
                "most that is waited. Run again later."
            ) from None
        if seconds < 1 or self._waiting:  # one of several threads says that they wait
            return time.sleep(seconds)
        self._waiting = True
        try:
            label = f"{os.path.basename(self.path)}: {brief(error, 60)}, waiting"
            with _progress(total=math.ceil(seconds), unit="s", desc=label) as bar:
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    time.sleep(min(1, left))
                    bar.update(1)
        finally:
            self._waiting = False

    def _headers(self, url: str, start: int, end: int | None) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self.ranged is not False:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if url.startswith(datasets.config.HF_ENDPOINT + "/"):  # the token is for the Hub and for nobody else
            try:
                headers = {**huggingface_hub.utils.build_hf_headers(token=self.token), **headers}
            except (OSError, ValueError):
                raise self.error(f"there is no token to send. {SEND_TOKEN}") from None
            if not re.fullmatch(r"[ -~]*", headers.get("authorization", "")):
                raise self.error(f"the token that is logged in holds characters that no token has. {SEND_TOKEN}")
        return headers

    def _connect(self, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes from `start` to `end`. Raises `ConnectionError` for what another try may mend."""
        if offline():
            raise NoConnectionError(
                f"{self.path} cannot be read: offline mode is on (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE). "
                "Unset it, or pass data_dir= with a local folder."
            )
        answer, url = self._follow(start, end)
        try:
            if not self._accept(answer.status, answer.headers, start):
                answer.close()
                return self._connect(start, end)
        except BaseException:
            answer.close()
            raise
        self._signed = url if url != self.url else None
        return iter(answer) if self.ranged else _after(iter(answer), start)

    def _follow(self, start: int, end: int | None) -> tuple[Answer, str]:
        """(the `Answer` at the end of all redirects, its address). A kept address that has expired is asked anew."""
        url = kept = self._signed or self.url
        for _ in range(10):
            headers = self._headers(url, start, end)
            try:
                answer = Answer(url, headers)
                if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
                    answer.close(read=1 << 16)
                    url = urllib.parse.urljoin(url, answer.headers["Location"])
                    continue
            except Exception as error:  # a bad answer, address or redirect: the sessions' errors have no common class
                raise ConnectionError(f"no connection: {_reason(error)}") from None
            if url != kept or url == self.url or answer.status not in (400, 401, 403, 404, 410):
                return answer, url
            answer.close(read=1 << 16)
            self._signed = None if self._signed == kept else self._signed  # another thread may have a new one already
            url = kept = self._signed or self.url
        raise ConnectionError("redirected again and again")

    def _accept(self, status: int, headers: Any, start: int) -> bool:
        """Whether an answer is what was asked for; False: ask again, without a range. Raises as `_connect`."""
        if status in (416, 501) and self.ranged is None:  # no ranges at all, or an empty file
            self.ranged = False
            return False
        if status == 429 or status >= 500:
            raise BusyError(status, headers.get("Retry-After", "").strip())
        if status not in (200, 206):
            raise self._refusal(status, headers)
        if status == 200 and self.ranged:
            raise ConnectionError("the server no longer serves ranges")
        content_range = headers.get("Content-Range", "") if status == 206 else ""
        if content_range.endswith("/*"):  # of unknown length: read in sequence
            if self.ranged:
                raise ConnectionError("the server no longer says how long the file is")
            self.ranged = False
            return False
        if status == 206:
            found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", content_range)
            if not (found and int(found[1]) == start and start <= int(found[2]) < int(found[3])):
                raise self.error(f"the server gives another range than was wanted ({brief(content_range)}). Run again.")
            size: int | None = int(found[3])
        else:
            length = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", ""))
            size = int(length[0]) if length else None
        self._keep(status == 206, size, headers.get("ETag") or headers.get("Last-Modified"))
        return True

    def _keep(self, ranged: bool, size: int | None, tag: str | None) -> None:
        """Keep what an answer says of the file. Raises `EmotionTalkError` where it is another file than before."""
        tag = brief(tag.strip().removeprefix("W/")) if tag else None  # a weak tag says as much as is to be had
        known = self.ranged is not None or self.size is not None
        if known and (self.size not in (None, size) or (None not in (tag, self.tag) and tag != self.tag)):
            raise self.error("this is another file than before: it has changed while it was read. Run again.")
        self.ranged, self.size, self.tag = ranged, size, tag or self.tag

    def _refusal(self, status: int, headers: Any) -> EmotionTalkError:
        code = brief(re.sub(r"[^\w ]", "", headers.get("X-Error-Code", "")), 40)
        if status in (401, 403):
            return self.error(f"no access (HTTP status {status}{', ' + code if code else ''}). {SEND_TOKEN}")
        if status == 404:
            names = {"RevisionNotFound": "no such revision", "RepoNotFound": "no such repository"}
            return self.missing(f"{names.get(code, 'no such file')} (HTTP status 404 for {shown(self.url)})")
        return self.error(f"HTTP status {status} for {shown(self.url)}.")


def filesystem(url: str, token: Any = None) -> tuple[Any, str]:
    """(the file system of fsspec, the path in it) of an address. Raises `EmotionTalkError`: no library for it."""
    thread = fsspec.asyn.iothread[0]
    if thread is not None and not thread.is_alive():  # a forked worker, in which older fsspec would wait for ever
        fsspec.asyn.reset_lock()
        fsspec.asyn.loop[0] = fsspec.asyn.iothread[0] = None
    try:
        return fsspec.core.url_to_fs(url, **({"token": token} if url.startswith("hf://") else {}))
    except (ImportError, ValueError) as error:
        way_out = "Install what reads this scheme (for s3:// `pip install s3fs`)."
        raise EmotionTalkError(f"{shown(url)}: {brief(shown(str(error)))}. {way_out}") from None


class FsspecFile(RemoteFile):
    """As `RemoteFile`, behind any other scheme (`s3://`, `gs://`, …): by fsspec, with the user's library."""

    TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")

    def head(self) -> bytes:
        """See `RemoteFile`."""
        if not self._first:
            files, path = filesystem(self.url, self.token)
            info = self._ask(files.info, path)
            self.size, self.ranged = info.get("size"), True
            if info.get("type") == "directory" or not isinstance(self.size, int):
                raise MissingArchiveError(f"{self.path} is no file, or one whose size nobody says.")
            tag = next((info[key] for key in self.TAGS if info.get(key)), None)
            self.tag = None if tag is None else brief(tag)
            self._first = b"".join(self.chunks(0, min(self.size, HEAD_BYTES)))
        return self._first

    def _chunks(self, start: int, end: int | None) -> Iterator[bytes]:
        size = cast(int, self.size)
        end = size if end is None else min(end, size)
        while start < end:
            files, path = filesystem(self.url, self.token)
            data = self._ask(files.cat_file, path, start=start, end=min(end, start + BLOCK_BYTES))
            if not data:
                raise self.error("this is another file than before: it has become shorter. Run again.")
            yield data
            start += len(data)

    def _ask(self, function: Callable, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except FileNotFoundError:
            raise self.missing("no such file") from None
        except Exception as error:  # each library has errors of its own
            what = "no access" if isinstance(error, PermissionError) else "cannot be read"
            why = f"{type(error).__name__}: {_reason(error)}"
            way_out = "Check the address and its library's settings."
            raise NoConnectionError(f"{self.path}: {what} ({why}). {way_out}") from None


# --- Archives at an address: places are predicted, every one is checked ---

WHOLE_BYTES = 8 << 20  # a smaller archive is fetched whole: cheaper than looking for a group in it
LONGEST_BYTES = 32 << 20  # no sound or clip is longer: 30 s of sound are 5 MB
SLACK = 8 << 10  # by so much may a sound's place be off that was predicted from the times of its annotations

# What members sort by in an archive: (0 annotation or 1 sound or video, group, id); (2,) is the end of the archive.
Key = tuple[Any, ...]


class Mark(NamedTuple):
    """Where a member of the release was found: no other begins from byte `probe` on; the next header is at `end`."""

    probe: int
    start: int  # of its header
    end: int
    key: Key


class Annotations(NamedTuple):
    """The annotations of a group, sorted by id."""

    ids: tuple[str, ...]
    names: tuple[str, ...]  # of the members
    gaps: tuple[int, ...]  # bytes between the member before and its header (folders)
    seconds: tuple[float | None, ...]  # how long its clip is
    ends: tuple[int, ...]  # where each ends in all their bytes
    packed: bytes  # all their bytes, compressed


def _member_key(header: tuple[str, int, str] | None) -> Key | None:
    """The key of a tar header; None for what is no part of the release."""
    match = match_member(header[0]) if header and header[2] == "0" else None
    return match and (int(match["suffix"].lower() != "json"), match["group"].upper(), match["id"].upper())


class Sequence:
    """The members of the release in a plain tar, one after the other, from a stream that stands at a header."""

    def __init__(self, source: Source, stream: Stream) -> None:
        self.source, self.stream = source, stream
        self._found: tuple[Mark, str, int] | None = None

    def peek(self) -> tuple[Mark, str, int]:
        """(`Mark`, name, size) of the member that comes next; at the end of the archive the mark has the key (2,)."""
        while self._found is None:
            start = self.stream.position
            header = parse_header(self.stream.read(BLOCK), magic=False)
            if header is None:
                return Mark(start, start, start, (2,)), "the end", 0
            key, end = _member_key(header), start + BLOCK + padded(header[1])
            if key:
                self._found = Mark(start, start, end, key), *header[:2]
            else:
                self.stream.skip(padded(header[1]))
        return self._found

    def take(self) -> bytes:
        """The bytes of the member that comes next. Raises `EmotionTalkError`."""
        _, name, size = self.peek()
        data, self._found = self.stream.read(padded(size)), None
        if len(data) < size:
            raise self.source.damaged(f"truncated within {brief(name)}: it ends at byte {self.stream.position:,}.")
        return data[:size]


class TarOrder:
    """What is known of the places in a plain, sorted archive, and what that predicts. Reads nothing itself."""

    def __init__(self, size: int, head: bytes) -> None:
        self.size = size
        self.marks: list[Mark] = []
        self.sound: list[int] | None = None  # its rate, the bytes of a frame, the bytes beside the frames
        first = list(self.scan(head, 0))
        self.annotations_first = not (first and first[0].key[0])
        self.annotation_bytes = first[-1].end / len(first) if first else SLACK  # mean, with the header

    def scan(self, data: bytes, start: int) -> Iterator[Mark]:
        """Yield the `Mark` of each member whose header is in some bytes of the archive, which begin at `start`."""
        probe, at = start, 0
        while at + BLOCK <= len(data):
            header = parse_header(data[at : at + BLOCK])
            key, at = _member_key(header), at + BLOCK
            end = at + (padded(header[1]) if header else 0)
            if key and header:
                if key[0] and not self.sound:
                    with contextlib.suppress(ValueError):
                        start_of_sound = Member(InMemory("", "", data), "", at, min(BLOCK, len(data) - at))
                        rate, channels, bits, _, frames = wav_format(start_of_sound)
                        self.sound = [rate, channels * bits // 8, header[1] - frames * channels * bits // 8]
                yield Mark(probe, start + at - BLOCK, start + end, key)
                probe = start + end
            at = end

    def note(self, mark: Mark) -> None:
        """Keep a mark. Raises `NotSortedError` where it contradicts another."""
        before = max((m for m in self.marks if m.start < mark.start), key=lambda m: m.start, default=mark)
        after = min((m for m in self.marks if m.start > mark.start), key=lambda m: m.start, default=mark)
        if not before.key <= mark.key <= after.key:
            order = " before ".join(m.key[-1] for m in (before, mark, after))
            raise NotSortedError(f"its members are not sorted ({order})")
        self.marks.append(mark)

    def bounds(self, key: Key) -> tuple[int, int]:
        """(the end of the last known member before a key, the first byte known to be behind all of these)."""
        low = max((m.end for m in self.marks if m.key < key), default=0)
        return low, min((m.probe for m in self.marks if m.key >= key), default=self.size)

    def start(self, key: Key, slack: int = 0) -> int | None:
        """Where the member of a key begins (or a header at most `slack` bytes before it), None while not known."""
        exact, (low, high) = [m.start for m in self.marks if m.key == key], self.bounds(key)
        return exact[0] if exact else low if high - low <= slack else None

    def search(self, key: Key, slack: int, annotations: Annotations | None) -> Iterator[tuple[set[int], int]]:
        """Yield (places to look at, bytes of each) until `start` is known. Raises `NotSortedError` if it never is."""
        tries = itertools.count()  # counted from the first anchor
        for attempt in range(64):
            if self.start(key, slack) is not None:
                return
            low, high = self.bounds(key)
            anchors = [m for m in self.marks if m.key[:2] == key[:2] == (1, key[1])]
            if anchors and annotations:
                place, spread = self._counted(key, anchors, annotations), SLACK << next(tries)
            else:
                place = self._guess(key)
                spread = min(slack // 3 + (place - low) // 64 << attempt, (high - low) // 6) if slack else 0
            if attempt > 5:  # what was predicted was no good
                place, spread = low if attempt % 2 and high - low < LONGEST_BYTES else (low + high) // 2, 0
            places = {place - spread, place + spread} if slack else {place - spread}
            window = 2 * SLACK if slack or anchors else 3 << 17
            yield {min(max(place, low), max(low, high - BLOCK)) for place in places}, window
        raise NotSortedError(f"{key[-1]} is not where it should be")

    def _guess(self, key: Key) -> int:
        """About where a key's members are: between the marks around it, by the number of utterances before them."""

        def rank(key: Key) -> float:
            if len(key) == 1:
                return 2 * TOTAL
            before = key[0] * TOTAL + sum(n for group, n in GROUPS.items() if group < key[1])
            # a group has about fifty dialogues; its middle is safest
            within = int(key[2][7:9]) / 50 if key[2:] else key[0] / 2
            return before + min(1, within) * GROUPS.get(key[1], 0)

        known = [(0.0, 0), (2.0 * TOTAL, self.size), *((rank(m.key), m.start) for m in self.marks)]
        begin = int(TOTAL * self.annotation_bytes)  # about where the sounds begin
        if all((m.key[0] == 1) == (m.start > begin) for m in self.marks):
            known.append((TOTAL, min(self.size, begin)))
        wanted = rank(key[:2])
        low, high = max(pair for pair in known if pair[0] <= wanted), min(pair for pair in known if pair[0] > wanted)
        return low[1] + int((high[1] - low[1]) * (wanted - low[0]) / (high[0] - low[0]))

    def _counted(self, key: Key, anchors: list[Mark], annotations: Annotations) -> int:
        """Where a sound begins, counted from the nearest of some others of its group whose places are known."""
        numbers = {uid: n for n, uid in enumerate(annotations.ids)}
        wanted, lengths, gaps = numbers[key[2]], self.lengths(annotations), annotations.gaps
        pairs = [(abs(numbers[m.key[2]] - wanted), m.start, numbers[m.key[2]]) for m in anchors if m.key[2] in numbers]
        if not pairs:
            raise NotSortedError(f"{anchors[0].key[2]} has no annotation")
        _, start, nearest = min(pairs)
        return start + sum(lengths[nearest:wanted]) - sum(lengths[wanted:nearest]) + gaps[wanted] - gaps[nearest]

    def lengths(self, annotations: Annotations) -> list[int]:
        """Of each utterance the bytes that its sound takes, with what stands before it, as its times let one expect."""
        lengths, mean = [], max(BLOCK, int(self.size / TOTAL - self.annotation_bytes))
        for gap, seconds in zip(annotations.gaps, annotations.seconds):
            if self.sound and seconds is not None:
                rate, frame, beside = self.sound
                lengths.append(gap + BLOCK + padded(round(seconds * rate) * frame + beside))
            else:
                lengths.append(mean)
        return lengths


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Any]:
    """Open a file to be written (bytes), which gets its name once it is whole; its folder is made."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    partial = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def _kept_path(folder: str, facts: object, ending: str) -> str:
    """Where something small that was learnt of an address is kept below the cache."""
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return os.path.join(folder, "emotiontalk-addresses", digest + ending)


class RemoteArchive:
    """An archive at an address, as `Archive`, but only the bytes asked for are moved where it is plain and sorted.

    What is predicted is checked: the order at every header that is read, the number of utterances of each group,
    annotation against media. Where that fails, and for a compressed archive or a server without ranges, all of it is
    fetched into an unnamed temporary file, with one warning. folder: where places are kept for the next process.
    """

    def __init__(self, name: str, file: RemoteFile, folder: str | None = None) -> None:
        self.name, self.file = name, file
        head, size = file.head(), file.size or 0
        self._order = TarOrder(size, head)
        self._source = Source(name, file.path)
        self._groups: dict[str, Annotations] = {}
        self._unpacked: tuple[str, dict[str, Member]] = ("", {})  # of the group that was asked for last
        self._next: tuple[int, Key, Sequence] | None = None  # process, next key, where the last run of sounds ended
        self._warm = False  # whether there was one
        self._fetched: Archive | None = None  # the whole of it, once it had to be fetched
        self._path, self._was_kept = "", False
        if file.size is not None and size <= WHOLE_BYTES:
            self._fetch("")
        elif not file.ranged:
            self._fetch("the server does not serve ranges")
        elif Tar.opener(head):
            self._fetch("it is compressed")
        elif not self._order.annotations_first:
            self._fetch("its annotations do not come first")
        elif folder and file.tag:  # places are kept where the entity tag tells this file from another
            self._path = _kept_path(folder, [file.url, size, file.tag, __version__], ".places")
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                with open(self._path, encoding="utf-8") as kept:
                    sound, marks = json.load(kept)
                    self._order.marks = [Mark(probe, start, end, tuple(key)) for probe, start, end, key in marks]
                    self._order.sound = sound
                self._was_kept = True

    @property
    def groups(self) -> Iterable[str]:
        """The groups of the archive; those of the release as long as nothing says otherwise."""
        return self._fetched.groups if self._fetched else GROUPS

    @property
    def scanned(self) -> bool:
        """Whether all members are known, as in an `Archive`."""
        return self._fetched is not None

    def annotations(self, group: str) -> dict[str, Member]:
        """The annotations of a group by id, sorted. Raises `EmotionTalkError`."""
        while self._fetched is None:
            try:
                if self._unpacked[0] != group:
                    found = self._annotations(group)
                    source = InMemory(self.name, self.file.path, zlib.decompress(found.packed))
                    places = zip(found.ids, found.names, (0, *found.ends), found.ends)
                    self._unpacked = group, {uid: Member(source, name, a, z - a) for uid, name, a, z in places}
                return self._unpacked[1]
            except NotSortedError as error:
                self._give_up(error)
        return self._fetched.annotations(group)

    def media(self, group: str, suffix: str, first: str = "", after: str = "~", skip: Container[str] = ()) -> Members:
        """As `Archive.media`. Nothing is moved for those of `skip` that come first: reading them is an error."""
        done = set()
        while self._fetched is None:
            try:
                ids = [uid for uid in self._annotations(group).ids if first <= uid < after and uid not in done]
                while ids and ids[0] in skip:
                    done.add(ids[0])
                    yield ids[0], Member(self._source, f"{ids[0]}.{suffix}", 0, 0)
                    del ids[0]
                for uid, member in self._run(group, suffix, ids) if ids else ():
                    done.add(uid)
                    yield uid, member
                return
            except NotSortedError as error:
                self._give_up(error)
        for uid, member in self._fetched.media(group, suffix, first, after):
            if uid not in done:
                yield uid, member

    def _give_up(self, error: NotSortedError) -> None:
        """Forget the places that were kept on disk, which may be wrong; where there were none, fetch the archive."""
        self._next = None
        if self._was_kept:
            self._order.marks, self._groups, self._was_kept = [], {}, False
        else:
            self._fetch(str(error))

    def _fetch(self, reason: str) -> None:
        """Fetch the archive whole, into a file that has no name."""
        if reason:
            size = f", {self.file.size:,} bytes" if self.file.size else ""
            logger.warning(
                f"{self.file.path}: {reason}, so single groups cannot be read: fetching all of it{size}, to "
                f"{tempfile.gettempdir()}. Download it once and pass data_dir= to avoid that."
            )
        file = tempfile.TemporaryFile()
        try:
            self.file.save(file)
        except OSError as error:
            _check_room(error, self.file.path)
            raise
        self._fetched = Archive(self.name, [Tar(self.name, self.file.path, file)])

    def _keep(self) -> None:
        """Keep the places on disk for the next process."""
        self._order.marks = sorted(set(self._order.marks), key=lambda mark: mark.start)
        if self._path:
            with contextlib.suppress(OSError), writing(self._path) as file:
                file.write(json.dumps([self._order.sound, self._order.marks]).encode())

    def _find(self, key: Key, slack: int = 0) -> int:
        """See `TarOrder.start`; what is not known is looked for. Raises `NotSortedError`."""
        for places, window in self._order.search(key, slack, self._groups.get(key[1])):
            look = functools.partial(self._look, window=window)
            for mark in list(_threads(os.getpid()).map(look, sorted(places))):
                self._order.note(mark)
        return cast(int, self._order.start(key, slack))

    def _look(self, probe: int, window: int) -> Mark:
        """The `Mark` of the first member of the release that begins at byte `probe` or after it."""
        size = self._order.size
        probe = position = probe // BLOCK * BLOCK
        while position < min(size, probe + LONGEST_BYTES):
            data = self.file.read(position, min(position + window, size))
            for mark in self._order.scan(data, position):
                return mark._replace(probe=probe)
            position, window = position + len(data), min(max(2 * window, 1 << 16), 1 << 20)
        return Mark(probe, max(probe, position), size, (2,))  # within the zip of videos, or at the end

    def _annotations(self, group: str) -> Annotations:
        """The `Annotations` of a group, read once in a process. Raises `NotSortedError` unless they stand in a row."""
        if group in self._groups:
            return self._groups[group]
        count, key, last = GROUPS.get(group, 0), (0, group), None
        begin = self._find(key, 1 << 17)
        likely = begin + int(1.01 * count * self._order.annotation_bytes) + SLACK
        end = min(self._order.bounds((0, group, "~"))[1] + BLOCK, likely)
        marks, names, gaps, parts = [], [], [], []
        stream = Stream(self.file, begin, end, max(1 << 19, (end - begin) // IN_FLIGHT + 1), IN_FLIGHT)
        sequence = Sequence(self._source, stream)
        with contextlib.closing(stream):
            while (found := sequence.peek())[0].key < (0, group, "~"):
                mark, data = found[0], sequence.take()
                if mark.key > key:
                    marks.append(mark)
                    names.append(found[1])
                    gaps.append(mark.start - (last.end if last else mark.start))
                    parts.append(data)
                elif marks:
                    raise NotSortedError(f"{mark.key[2]} comes between the annotations of {group}")
                last = mark
        ids = [mark.key[2] for mark in marks]
        if ids != sorted(set(ids)) or len(ids) != count:
            twice = next((f"{a} is there twice" for a, b in zip(ids, ids[1:]) if a == b), None)
            raise NotSortedError(twice or f"it has {len(ids)} annotations of {group} in a row, of {count}")
        self._order.annotation_bytes = (marks[-1].end - marks[0].start) / count
        for mark in (marks[0], marks[-1], found[0]):
            self._order.note(mark)
        ends = tuple(itertools.accumulate(map(len, parts)))
        seconds, packed = tuple(map(clip_seconds, parts)), zlib.compress(b"".join(parts), 1)
        self._groups[group] = Annotations(tuple(ids), tuple(names), tuple(gaps), seconds, ends, packed)
        self._keep()
        return self._groups[group]

    def _run(self, group: str, suffix: str, ids: list[str]) -> Members:
        """Yield (id, sound) of neighbours in a group. Raises `NotSortedError` unless these come, then the next one."""
        everyone = self._groups[group].ids
        index = everyone.index(ids[0])
        sequence, handed_on = self._sequence_at(group, index, len(ids)), False
        try:
            for uid in ids:
                mark, name, size = sequence.peek()
                if mark.key != (1, group, uid) or not name.lower().endswith(suffix):
                    raise NotSortedError(f"{mark.key[-1]} comes where the {suffix} of {uid} was expected")
                if uid == ids[0]:
                    self._order.note(mark)
                    self._keep()
                data = sequence.take()
                yield uid, Member(InMemory(self.name, self.file.path, data), name, 0, size)
            expected, mark = everyone[index + len(ids) :][:1], sequence.peek()[0]
            # the next sound of the group; behind its last one, none of the group
            if mark.key[2:] != expected if mark.key[:2] == (1, group) else expected:
                raise NotSortedError(f"{mark.key[-1]} comes after {ids[-1]}")
            if index == 0:
                self._check_first((1, group, ids[0]))
            if expected:
                self._next, handed_on = (os.getpid(), mark.key, sequence), True
        finally:
            if not handed_on:
                sequence.stream.close()

    def _sequence_at(self, group: str, index: int, count: int) -> Sequence:
        """A `Sequence` that stands before a sound, and looks ahead to the end of the run; the last one's if it can."""
        annotations = self._groups[group]
        key, known = (1, group, annotations.ids[index]), annotations.seconds[index] is not None
        before, self._next = self._next, None
        if before and before[0] == os.getpid():
            if before[1] == key:
                left = self._order.lengths(annotations)[index:]
                before[2].stream.look_ahead(min(sum(left), sum(left[:count]) + IN_FLIGHT * BLOCK_BYTES))
                return before[2]
            before[2].stream.close()
        start = self._find(key)
        lengths = self._order.lengths(annotations)[index : index + count]
        # the next header, too, where it can be predicted: it must be the expected one
        sure = bool(self._order.sound) and known
        end = start + (sum(lengths) + 4 * BLOCK if sure else int(0.9 * sum(lengths)))
        block, flight = lengths[0] + 2 * BLOCK if sure else 1 << 18, 1
        if self._warm:  # who has read one run goes on to another
            block, flight = 1 << 20, IN_FLIGHT // 2
        self._warm = True
        return Sequence(self._source, Stream(self.file, start, end, block, flight))

    def _check_first(self, key: Key) -> None:
        """Raise `NotSortedError` if a sound of the group stands before the first one that has an annotation."""
        start = end = self._find(key)
        last: Mark | None = None
        while end == start or (last is None and end > 0 and start - end < LONGEST_BYTES):
            if any(m.key < key and end <= m.end + (1 << 14) for m in self._order.marks):
                return
            low = max(0, end - max(1 << 18, start - end))
            last = next(iter(collections.deque(self._order.scan(self.file.read(low, end), low), maxlen=1)), None)
            end = low
        if last and last.key >= key[:2]:
            raise NotSortedError(f"{last.key[-1]} has no annotation")
        if last:
            self._order.note(last)


# --- The release at hand: of each archive one place, on disk or at an address ---


@functools.lru_cache(maxsize=64)
def _remote_file(name: str, url: str, token: Any) -> RemoteFile:
    kind = RemoteFile if re.match("https?:|hf://datasets/", url) else FsspecFile
    file = kind(name, url, token)
    file.head()
    return file


def address_of(name: str, source: str) -> str:
    """Where an archive is first looked for below an address."""
    return f"{source.rstrip('/')}/{name}.tar"


@functools.lru_cache(maxsize=64)
def find_remote(name: str, source: str, token: Any) -> tuple[str, ...]:
    """Addresses of an archive below an address; layouts as `find_archive`. Raises `MissingArchiveError`."""
    low, source, missing = name.lower(), source.rstrip("/"), None
    guesses = [address_of(name, source)]
    if source.startswith(("http://", "https://")):  # no names can be listed
        folders = itertools.product(("", "data/"), ("", f"{low}/", f"{name}/"), (name, low))
        guesses = [f"{source}/{data}{folder}{file}.tar" for data, folder, file in folders]
    for url in guesses:
        try:
            _remote_file(name, url, token)
            return (url,)
        except MissingArchiveError as error:
            missing = missing or error
    if len(guesses) > 1:
        raise cast(Exception, missing)
    files, root = filesystem(source, token)
    try:
        names = [path[len(root) :].strip("/") for path in files.find(root)]
    except Exception:  # each library has errors of its own
        raise cast(Exception, missing) from None
    pattern = re.compile(rf"(data/)?({re.escape(low)}\.[^/]*|{re.escape(low)}/.*)", re.IGNORECASE)
    found = sorted(f"{source}/{path}" for path in names if pattern.fullmatch(path) and TAR_NAME.fullmatch(path))
    if not found:
        raise cast(Exception, missing)
    return tuple(found)


def cached_file(url: str) -> str | None:
    """Where a file of a commit (offline: of a branch, too) is in the cache of `huggingface_hub`, or None."""
    if not url.startswith("hf://"):
        return None
    repo, revision, path = split_hf_url(url)
    if not (re.fullmatch("[0-9a-f]{40}", revision) or offline()):
        return None
    found = huggingface_hub.try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    return found if isinstance(found, str) else None


def downloaded_file(url: str, state: Any, folder: str) -> str:
    """Where `download` keeps an archive. state: [size, entity tag] of an address that can change, None for others."""
    return os.path.join(folder, hashlib.sha256(json.dumps([http_url(url), state]).encode()).hexdigest())


def download(name: str, url: str, token: Any, path: str, force: bool = False) -> None:
    """Download an archive whole, once, and go on where it was (force: from the start). Raises `EmotionTalkError`."""
    partial, folder = path + ".incomplete", os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        with filelock.FileLock(path + ".lock"):
            if os.path.exists(path) and not force:
                return
            remote = _remote_file(name, url, token)
            # of unknown size: nothing says whether what is there belongs to it
            if os.path.exists(partial) and (force or remote.size is None or os.path.getsize(partial) > remote.size):
                os.remove(partial)
            with open(partial, "ab") as file:
                remote.save(file)
            os.replace(partial, path)
    except OSError as error:
        if isinstance(error, EmotionTalkError):
            raise
        raise _unwritable(folder, error, _remote_file(name, url, token).size) from None


@functools.lru_cache(maxsize=16)
def _open_local(name: str, paths: tuple[str, ...], state: State) -> Archive:
    return Archive(name, [Tree(name, path) if os.path.isdir(path) else Tar(name, path) for path in paths])


@functools.lru_cache(maxsize=16)
def _open_remote(name: str, url: str, token: Any, folder: str | None) -> RemoteArchive:
    return RemoteArchive(name, _remote_file(name, url, token), folder)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an archive is: local paths (tars, or a folder), or an address where there are none.

    state: `state_of` the paths; of an address that can change (size, entity tag); None: nothing is compared.
    """

    archive: str
    paths: tuple[str, ...] = ()
    address: str = ""
    state: tuple | None = None

    def file(self, token: Any = None) -> RemoteFile:
        """The file at the address; what it is has been asked. Raises `EmotionTalkError`."""
        return _remote_file(self.archive, self.address, token)

    def open(self, token: Any = None, folder: str | None = None) -> Archive | RemoteArchive:
        """The archive, opened once in a process. Raises `EmotionTalkError`, also where the file is another now."""
        if self.paths:  # the files of a folder are too many to look at each of them for each shard
            state = self.state if any(map(os.path.isdir, self.paths)) else None
            return _open_local(self.archive, self.paths, state or state_of(self.paths))
        found = _open_remote(self.archive, self.address, token, folder)
        if self.state and self.state != (found.file.size, found.file.tag):
            raise EmotionTalkError(f"{found.file.path}: this is another file than before. Run again.")
        return found


@dataclasses.dataclass(frozen=True)
class Release:
    """The archives that a config reads. complete: whether they are the whole release, or somebody's selection."""

    places: dict[str, Place]
    complete: bool


def forget_addresses() -> None:
    """Ask anew what is behind an address, which may have changed."""
    for cache in (_remote_file, _open_remote, find_remote):
        cache.cache_clear()


def address_states(names: Iterable[str], source: Any, token: Any, folder: str) -> dict | None:
    """Archive -> [size, entity tag, …] at an address that can change; kept in `folder` for when it is out of reach."""
    forget_addresses()
    if not is_remote(source) or is_pinned(source):
        return None
    states: dict[str, list] = {}
    for name in names:
        path = _kept_path(folder, http_url(address_of(name, source)), ".json")
        try:
            files = [_remote_file(name, url, token) for url in find_remote(name, source, token)]
            states[name] = [fact for file in files for fact in (file.size, file.tag)]
        except NoConnectionError as error:
            try:
                with open(path, encoding="utf-8") as kept:
                    states[name] = json.load(kept)
            except (OSError, ValueError):
                raise error from None
            logger.warning(f"{error} What has been prepared from it before is used, where there is some.")
            continue
        with writing(path) as file:
            file.write(json.dumps(states[name]).encode())
    return states


# --- The builder ---

# Keywords of `datasets.load_dataset` that mean nothing here, and what to do instead.
INSTEAD = {
    "path": 'the config comes first, for example load_dataset("audio")',
    "data_files": "pass data_dir= with the folder or the address that holds the archives",
    "revision": f'pass data_dir="hf://datasets/{REPO_ID}@REVISION"',
    "prepare_splits": "pass split=, only the splits that it names are prepared",
    "trust_remote_code": "leave it out, no script is run",
    "features": "call cast() on what this returns",
    "download_config": "pass token=, cache_dir= or download_mode=",
    "storage_options": "pass data_dir= with the address, and leave the rest to the settings of its library",
    "save_infos": "leave it out, the expected sizes stand in the loader",
    "ignore_verifications": "pass verification_mode=",
    "use_auth_token": "pass token=",
}

# Sound or video in one batch: what is held in memory, read and written at a time. Measured (benchmarks/README.md):
# small batches cost a prepared dataset time when it is opened, large ones a streamed one time to its first example.
PREPARED_BYTES, STREAMED_BYTES, BATCH_ROWS = 40 << 20, 4 << 20, 500


@dataclasses.dataclass
class EmotionTalkConfig(datasets.BuilderConfig):
    """The options of the loader, beside the config's name.

    label_set: "all" seven emotions, or "four": only utterances whose label (this config's) is neutral, happy, sad or
        angry, the paper's "Four" setting. Class numbers stay the same.
    prepare_splits: prepare only these, for example ["test"]; None: all. For the script alone, where `split="test"`
        makes `datasets` prepare every split. `emotiontalk.load_dataset` needs no such option.
    strict: True raises an error for an utterance that is incomplete or wrong (annotation without media or the reverse,
        no JSON, unknown emotion, score out of range); False passes over it and logs how many and which.
    data_dir (as everywhere in `datasets`): the folder or address that holds the archives.
    """

    name: str = "multimodal"  # what `datasets` before 2.16 takes where options but no config are given
    label_set: str = "all"
    prepare_splits: list | tuple | str | None = None
    strict: bool = True
    addresses: dict | None = None  # set by the builder: `address_states` of an address that can change

    def create_config_id(self, config_kwargs: dict, custom_features: Any = None) -> str:
        """As in `datasets`, but another id for other archives, and for a `datasets` that writes other features."""
        self.check()
        kwargs = {**config_kwargs, "features": json.dumps(features_of(self.name).to_dict(), sort_keys=True)}
        if self.data_dir is not None and not is_remote(self.data_dir):
            kwargs["archives"] = tuple(state_of(find_archive(name, self.data_dir)) for name in archives_of(self.name))
        return super().create_config_id(kwargs, custom_features=custom_features)

    def check(self) -> None:
        """Raise `ValueError` for an option that has no meaning."""
        if self.name not in CONFIGS:
            raise ValueError(f"Unknown config {self.name!r}: choose from {', '.join(CONFIGS)}.")
        if self.data_files is not None:
            raise ValueError(f"data_files= has no meaning here: {INSTEAD['data_files']}.")
        if self.label_set not in ("all", "four"):
            raise ValueError(f'label_set={self.label_set!r}: choose "all" or "four".')
        if self.label_set == "four" and self.name == "dialogues":
            raise ValueError('label_set="four" would leave holes in the dialogues; choose "all".')
        if not isinstance(self.strict, bool):
            raise ValueError(f"strict={self.strict!r}: choose True or False.")
        if isinstance(self.prepare_splits, str):
            self.prepare_splits = [self.prepare_splits]
        names, wanted = CONFIGS[self.name].splits, self.prepare_splits
        if wanted is not None and not (
            isinstance(wanted, (list, tuple)) and wanted and set(map(str, wanted)) <= {*names}
        ):
            raise ValueError(f"prepare_splits={wanted!r}: choose from {list(names)} for the config {self.name!r}.")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
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


def _media_array(values: list[dict], kind: pa.StructType) -> pa.StructArray:
    """An Arrow array of `{bytes, path}`: one buffer, each member read straight to its place in it."""
    ends = list(itertools.accumulate((len(value["bytes"]) for value in values), initial=0))
    pa.default_memory_pool().release_unused()  # of the last batch but one
    data = pa.allocate_buffer(ends[-1])
    view = memoryview(data).cast("B")
    for value, start, end in zip(values, ends, ends[1:]):
        value["bytes"].read_into(view[start:end])
    offsets = pa.array(ends, type=pa.int32()).buffers()[1]
    children = {
        "bytes": pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, offsets, data]),
        "path": pa.array([value["path"] for value in values], type=pa.string()),
    }
    return pa.StructArray.from_arrays([children[field.name] for field in kind], fields=list(kind))


def _table(examples: list[dict], schema: pa.Schema) -> pa.Table:
    """A `pyarrow.Table` of examples; the bytes of sound and video are read into it here."""
    columns = []
    for field in schema:
        values = [example[field.name] for example in examples]
        make = _media_array if field.name in MEDIA else pa.array
        columns.append(make(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


class EmotionTalk(datasets.ArrowBasedBuilder, datasets.GeneratorBasedBuilder):
    """EmotionTalk by shards: `gen_kwargs["shards"]` is the list that `num_proc` and streaming share out.

    `datasets` prepares and streams by `_generate_tables` (so the Arrow base stands first): single examples, which
    `_generate_examples` gives as loading scripts do, take 2.5 to 3 times as long. For tools: `open_splits` gives the
    `gen_kwargs` of each split without preparing anything; `examples`, `tables` and `utterances` read from them.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = EmotionTalkConfig
    BUILDER_CONFIGS = [
        EmotionTalkConfig(name=name, version=datasets.Version(__version__), description=spec.description)
        for name, spec in CONFIGS.items()
    ]
    DEFAULT_CONFIG_NAME = "multimodal"
    skip_media: Container[str] = frozenset()  # ids whose sound or video nobody will ask for: reading is an error
    unread = property(lambda self: self.skip_media, lambda self, ids: setattr(self, "skip_media", ids))  # before 1.3
    all_splits = False  # whether this builder prepares one split of several that are wanted: set by `load_dataset`
    _code_hash = staticmethod(functools.cache(sha256_of))  # once: the file can change, the code that runs does not
    _batch_bytes = STREAMED_BYTES
    _warned: frozenset = frozenset()  # (group, what was warned of)

    def __init__(self, cache_dir: Any = None, *args: Any, hash: Any = None, token: Any = None, **kwargs: Any) -> None:
        token, folder = checked_token(token), os.path.expanduser(cache_dir or datasets.config.HF_DATASETS_CACHE)
        if str(kwargs.get("data_dir")).startswith("file://"):
            kwargs["data_dir"] = urllib.request.url2pathname(urllib.parse.urlsplit(kwargs["data_dir"]).path)
        try:
            if "addresses" not in kwargs:
                config = kwargs.get("config_name") or "multimodal"
                names = archives_of(config) if config in CONFIGS else ()
                kwargs["addresses"] = address_states(names, kwargs.get("data_dir"), token, folder)
            # `datasets` gives the hash of a script; for the imported class its cache must know the code, too
            super().__init__(cache_dir, *args, hash=hash or self._code_hash(__file__), token=token, **kwargs)
        except OSError as error:
            raise error if isinstance(error, EmotionTalkError) else _unwritable(folder, error) from None

    @property
    def spec(self) -> ConfigSpec:
        """What the config reads and gives."""
        return CONFIGS[self.config.name]

    def open_splits(self) -> dict[str, dict]:
        """The `gen_kwargs` (`shards`, `release`) of each split; nothing is prepared. Raises `EmotionTalkError`."""
        manager = datasets.StreamingDownloadManager(download_config=datasets.DownloadConfig(token=self.token))
        return {generator.name: generator.gen_kwargs for generator in self._split_generators(manager)}

    def open_archives(self, release: Release) -> dict[str, Archive | RemoteArchive]:
        """The archives by name. Raises `EmotionTalkError`."""
        return {name: place.open(self.token, self._cache_dir_root) for name, place in release.places.items()}

    def _info(self) -> datasets.DatasetInfo:
        fields = "\n".join(f"- {name}: {description_of(self.config.name, name)}" for name in self.spec.fields)
        info = datasets.DatasetInfo(citation=CITATION, homepage=HOMEPAGE, license=LICENSE)
        info.description, info.features = f"{self.spec.description}\n\n{fields}\n", features_of(self.config.name)
        return info

    # not the one of GeneratorBasedBuilder, which would have tables looked through for keys that are there twice
    _download_and_prepare = datasets.DatasetBuilder._download_and_prepare

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        places = {name: self._locate(name, dl_manager) for name in archives_of(self.config.name)}
        archives = self.open_archives(Release(places, complete=False))
        groups = sorted(set().union(*(archive.groups for archive in archives.values())))
        release = Release(places, self._is_complete(archives))
        generators, absent = [], []
        for split in self.spec.splits:
            if self.config.prepare_splits and split not in self.config.prepare_splits:
                continue
            wanted = [g for g in (GROUPS if release.complete else groups) if split_of(g) == split]
            # a group without annotations may have sounds, of which the user is to be told
            counts = {group: max(1, self._count(archives, group, release.complete)) for group in wanted}
            if counts:
                kwargs = {"shards": shards_of(counts, SHARDS[split]), "release": release}
                generators.append(datasets.SplitGenerator(name=split, gen_kwargs=kwargs))
            else:
                absent.append(split)
        if absent and (self.config.prepare_splits or not generators):
            raise NoUtteranceError(
                f"{shown(self.config.data_dir or DEFAULT_SOURCE)} holds no utterance of {', '.join(absent)}: "
                f"its groups are {', '.join(groups) or 'none'}, of {', '.join(GROUPS)}."
            )
        self._expect([generator.name for generator in generators], release.complete)
        return generators

    def _locate(self, name: str, dl_manager: Any) -> Place:
        """Where an archive is read. Sound or video wanted whole, and an archive in parts, are downloaded first."""
        source = self.config.data_dir or DEFAULT_SOURCE
        if not is_remote(source):
            return self._local(name, find_archive(name, source))
        settings = dl_manager.download_config
        force = not dl_manager.is_streaming and settings.force_download
        url = address_of(name, source)
        cached = None if force else cached_file(url)
        if cached:
            return self._local(name, (cached,))
        folder = settings.cache_dir or str(datasets.config.DOWNLOADED_DATASETS_PATH)
        known = None if is_pinned(url) else (self.config.addresses or {}).get(name)
        sure = known is None or None not in known  # then what is kept is what is there
        pinned = is_pinned(url) and downloaded_file(url, None, folder)
        if pinned and os.path.exists(pinned) and not force:  # nothing to ask for
            return self._local(name, (pinned,))
        urls = find_remote(name, source, self.token)
        kept = [downloaded_file(url, known and known[2 * n : 2 * n + 2], folder) for n, url in enumerate(urls)]
        if sure and not force and all(map(os.path.exists, kept)):
            return self._local(name, tuple(kept))
        all_splits = (self.config.prepare_splits is None or self.all_splits) and self.spec.splits == SPLITS
        all_of_it = all_splits and not dl_manager.is_streaming and name == (self.spec.media or [None])[0]
        if len(urls) == 1 and not all_of_it:
            return Place(name, address=urls[0], state=known and tuple(known))
        if len(urls) > 1:
            _warn_once(f"{shown(source)}: {name} is in {len(urls)} parts, all of which are downloaded to {folder}.")
        for url, path in zip(urls, kept):
            download(name, url, self.token, path, force or not sure)
        if getattr(dl_manager, "record_checksums", False) and source == DEFAULT_SOURCE:  # for "all_checks"
            sha256 = sha256_of(kept[0])
            if sha256 != ARCHIVES[name][1]:
                raise Source(name, kept[0]).damaged(f"its SHA-256 is {sha256}.")
        return self._local(name, tuple(kept))

    @staticmethod
    def _local(name: str, paths: tuple[str, ...]) -> Place:
        return Place(name, paths, state=state_of(paths))

    def _count(self, archives: dict, group: str, complete: bool) -> int:
        """Utterances (or dialogues) of a group, to share them out."""
        if self.config.name == "dialogues":
            scanned = [archive.annotations(group) for archive in archives.values() if archive.scanned]
            return len({uid[:9] for annotations in scanned for uid in annotations})
        if complete:
            return GROUPS[group]
        return len(set().union(*(archive.annotations(group) for archive in archives.values())))

    def _is_complete(self, archives: dict) -> bool:
        """Whether this is meant to be the whole release. A selection lacks whole groups or most of their utterances."""
        found = {
            name: sum(len(archive.annotations(g)) for g in archive.groups) if archive.scanned else TOTAL
            for name, archive in archives.items()
        }
        every_group = all(set(GROUPS) <= set(archive.groups) for archive in archives.values())
        if every_group and min(found.values()) > 0.95 * TOTAL:
            return True
        counts = ", ".join(f"{name} {n:,}" for name, n in found.items())
        _warn_once(
            f"{shown(self.config.data_dir or DEFAULT_SOURCE)} holds a part of the release ({counts} of {TOTAL:,} "
            "utterances): the sizes of its splits are not checked."
        )
        return False

    def _expect(self, splits: list[str], complete: bool) -> None:
        """Leave to `datasets` the check of those split sizes that can be known, where it read dataset_infos.json."""
        if complete and self.config.label_set == "all" and self.config.strict:
            read = self.info.splits or {}
            sizes = {name: info.num_examples for name, info in read.items()} or split_sizes(self.config.name)
            infos = [datasets.SplitInfo(name, num_examples=size) for name, size in sizes.items() if name in splits]
            self.info.splits = datasets.SplitDict({info.name: info for info in infos})
        else:
            self.info.splits = None
        self.info.download_checksums = None  # `_locate` has compared them, where something was downloaded

    def utterances(self, shards: list[Shard], release: Release, fields: Iterable[str] = ()) -> Iterator[WithValues]:
        """Yield (`Utterance`, dict of these fields) for each utterance of some shards that is wanted, sorted by id.

        What lacks in an archive is an `EmotionTalkError`, or with `strict=False` a warning that names it.
        """
        archives = self.open_archives(release)
        for run in runs_of(shards):
            yield from self._run(run, archives, release.complete, fields)

    def examples(self, shards: list[Shard], release: Release) -> Iterator[tuple[str, dict]]:
        """Yield (id, example) for each utterance (or dialogue) of some shards; sound and video are still a `Member`."""
        if self.config.name != "dialogues":
            for utterance, example in self.utterances(shards, release, self.spec.fields):
                yield utterance.id, example
            return
        pairs = self.utterances(shards, release, TURN_FIELDS)
        for name, found in itertools.groupby(pairs, key=lambda pair: pair[0].dialogue):
            turns = sorted((turn for _, turn in found), key=lambda turn: turn["turn"])
            yield name, {"id": name, "group": name.split("_")[0], "dialogue": name, "turns": turns}

    def tables(self, shards: list[Shard], release: Release, batch_bytes: int = STREAMED_BYTES) -> Iterator[tuple]:
        """Yield (key, `pyarrow.Table`) for some shards, about `batch_bytes` of media each; a sound is copied once."""
        schema = features_of(self.config.name).arrow_schema
        batch: list[dict] = []
        size, limit = 0, 0 if batch_bytes == STREAMED_BYTES else batch_bytes  # a stream's first example comes alone
        for key, example in self.examples(shards, release):
            batch.append(example)
            size += sum(len(example[name]["bytes"]) for name in MEDIA.intersection(example))
            if (size >= limit and (size or len(batch) > 1)) or len(batch) == BATCH_ROWS:
                yield key, _table(batch, schema)
                batch, size, limit = [], 0, min(batch_bytes, max(2 * limit, 1 << 20))
        if batch:
            yield key, _table(batch, schema)

    def _generate_examples(self, shards: list[Shard], release: Release) -> Iterator[tuple[str, dict]]:
        """As `examples`, ready for `features.encode_example`: sound and video are `{bytes, path}`."""
        for key, example in self.examples(shards, release):
            for name in MEDIA.intersection(example):
                example[name] = {**example[name], "bytes": example[name]["bytes"].read()}
            yield key, example

    def _generate_tables(self, shards: list[Shard], release: Release) -> Iterator[tuple[str, pa.Table]]:
        return self.tables(shards, release, self._batch_bytes)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """As in `datasets`, but what is written does not crowd the archive out of the page cache: half the time.

        A `datasets` that calls this in another way, or not at all, prepares the same files, more slowly.
        """
        self._batch_bytes = PREPARED_BYTES
        pattern, job = str(kwargs.get("fpath", "")), kwargs.get("job_id", 0)
        files = glob.escape(pattern.replace("JJJJJ", f"{job:05d}")).replace("SSSSS", "*")
        try:
            for progress in super()._prepare_split_single(*args, **kwargs):
                for path in glob.glob(files) if pattern and self.spec.media else ():
                    write_out(path)
                yield progress
        except (OSError, datasets.builder.DatasetGenerationError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(error, EmotionTalkError) or not isinstance(cause, OSError) or cause.errno is None:
                raise
            needed = ARCHIVES[self.spec.media[0]][0] if self.spec.media else None
            raise _unwritable(os.path.dirname(pattern or self._cache_dir), cause, needed) from None

    def _run(self, run: Run, archives: dict, complete: bool, fields: Iterable[str]) -> Iterator[WithValues]:
        """As `utterances`, of one run."""
        group, begin, end, parts = run
        passes = {name: archives[PASSES[name]].annotations(group) for name in self.spec.passes}
        ids = sorted(set().union(*passes.values()))
        if complete and len(ids) != GROUPS.get(group) and (self.config.strict or begin == 0):
            problem = (
                f"{group} has {len(ids):,} utterances in {', '.join(sorted(archives))}, and the release has "
                f"{GROUPS.get(group, 0):,}. Compare the archives with the release ({HOMEPAGE})."
            )
            if self.config.strict:
                raise EmotionTalkError(problem)
            logger.warning(problem)
        units = sorted({uid[:9] for uid in ids}) if self.config.name == "dialogues" else ids
        cuts = (units[len(units) * part // parts] for part in range(1, parts)) if units else "~" * (parts - 1)
        bounds = ["", *cuts, "~"]
        first, after = bounds[begin], bounds[end]
        seen, skipped, notes = 0, [], collections.defaultdict(list)
        ids = [uid for uid in ids if first <= uid < after]
        for uid, medium in self._with_media(group, archives, ids, first, after):
            seen += 1
            try:
                utterance = self._utterance(uid, passes, medium)
                if self.config.label_set == "four" and EMOTIONS[utterance.emotion(self.spec.label_pass)] not in FOUR:
                    continue
                example = {name: FIELDS[name].value(utterance) for name in fields}
            except BadUtteranceError as error:
                if self.config.strict:
                    raise BadUtteranceError(f"{error} Or pass strict=False to leave such utterances out.") from None
                skipped.append(f"{uid} ({error})")
                continue
            for what, where in utterance.notes:
                notes[what].append(where)
            yield utterance, example
        if skipped:
            logger.warning(f"{group}: {len(skipped)} of {seen} utterances left out: {'; '.join(skipped)}")
        for what, places in notes.items():
            if (group, what) not in self._warned:  # by an earlier shard of the group
                self._warned = self._warned | {(group, what)}
                of = f"{group}, {len(places)} of {seen} utterances"
                logger.warning(f"{of}: {what}. The first: {places[0]}. `emotiontalk verify` names each.")

    def _with_media(self, group: str, archives: dict, ids: list[str], first: str, after: str) -> Iterator[tuple]:
        """Yield (id, its sound or video) for each of these ids and each medium of the run, sorted; either may lack."""
        media: Iterable[tuple[str, Member]] = ()
        if self.spec.media:
            name, suffix = self.spec.media
            media = archives[name].media(group, suffix, first, after, self.skip_media)
        left = collections.deque(ids)
        for uid, medium in media:
            while left and left[0] < uid:
                yield left.popleft(), None
            if left and left[0] == uid:
                left.popleft()
            yield uid, medium
        for uid in left:
            yield uid, None

    def _utterance(self, uid: str, passes: dict[str, dict[str, Member]], medium: Member | None) -> Utterance:
        """The utterance of an id. Raises `BadUtteranceError` where an annotation or its sound or video is missing."""
        members = {name: annotations[uid] for name, annotations in passes.items() if uid in annotations}
        lacking = [f"annotation in {PASSES[name]}" for name in passes if name not in members]
        if self.spec.media and medium is None:
            lacking.append("{1} in {0}".format(*self.spec.media))
        if lacking:
            alone = f"{[*members.values(), medium][0]} stands alone"
            raise BadUtteranceError(f"{alone}: {uid} has no {' and no '.join(lacking)}.")
        return Utterance(uid, self.spec.label_pass, members, medium)


# --- One call on every version of `datasets` ---

UNKNOWN_SIZE = 1 << 40  # examples of a split that nobody has counted yet


def _instruction(split: Any, splits: Iterable[str]) -> datasets.ReadInstruction:
    """The `ReadInstruction` of one split as users write it. Raises `ValueError`."""
    if isinstance(split, datasets.ReadInstruction):
        return split
    return datasets.ReadInstruction.from_spec("+".join(splits) if str(split) == "all" else str(split))


def _prepare(
    builder: Callable, names: list[str], all_splits: bool, download_mode: Any, **options: Any
) -> dict[str, Any]:
    """Split -> the builder that has prepared it. all_splits: all there can be, so that one may have no utterance."""
    prepared, absent = {}, None
    for name in names:
        one = builder(prepare_splits=[name])
        one.all_splits = all_splits
        try:
            one.download_and_prepare(download_mode=download_mode, **options)
        except NoUtteranceError as error:
            if not all_splits:
                raise
            absent = error
            continue
        prepared[name] = one
        if download_mode and datasets.DownloadMode(download_mode) == datasets.DownloadMode.FORCE_REDOWNLOAD:
            download_mode = datasets.DownloadMode.REUSE_CACHE_IF_EXISTS  # once is enough
    if absent and not prepared:
        raise absent
    return prepared


def _read_prepared(builders: dict, keep_in_memory: bool | None, instruction: Any, split: Any) -> datasets.Dataset:
    """The `Dataset` of an instruction. split: what its `split` says."""

    def read(name: str, instruction: Any) -> datasets.Dataset:
        builder, in_memory = builders[name], keep_in_memory
        if in_memory is None:
            in_memory = datasets.utils.info_utils.is_small_dataset(builder.info.dataset_size)
        return builder.as_dataset(split=instruction, in_memory=in_memory)

    sizes = {name: builder.info.splits[name].num_examples for name, builder in builders.items()}
    parts = instruction.to_absolute(sizes)
    if len({part.splitname for part in parts}) == 1:
        return read(parts[0].splitname, instruction)
    absolute = functools.partial(datasets.ReadInstruction, unit="abs")
    pieces = [read(part.splitname, absolute(part.splitname, from_=part.from_, to=part.to)) for part in parts]
    return datasets.concatenate_datasets(pieces, split=split)


def _read_streams(streams: dict, sizes: dict[str, int], instruction: Any, split: Any) -> datasets.IterableDataset:
    """The `IterableDataset` of an instruction. sizes: examples of the splits, as far as they are known."""
    parts = []
    for part in instruction.to_absolute({name: sizes.get(name, UNKNOWN_SIZE) for name in streams}):
        size = sizes.get(part.splitname, UNKNOWN_SIZE)
        first, end = part.from_ or 0, size if part.to is None else part.to  # None in datasets 2.14
        if size == UNKNOWN_SIZE and any(UNKNOWN_SIZE // 1000 < bound < size for bound in (first, end)):
            raise ValueError(
                f"split={str(split)!r}: by percent or from its end a stream can be cut only where the whole release is "
                'read with label_set="all" and strict=True. Count from the beginning, or load without streaming.'
            )
        stream = streams[part.splitname].skip(first) if first else streams[part.splitname]
        parts.append(stream if end == size else stream.take(end - first))
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts, split=split)


@functools.cache
def _decodes(name: str) -> bool:
    """Whether this `datasets` can decode "audio" or "video" here; a warning that says why not, once in a process."""
    below_4 = {"audio": (["librosa", "soundfile"], "librosa"), "video": (["torchvision.io"], "torchvision")}[name]
    needed, install = below_4 if MAJOR < 4 else (["torchcodec.decoders"], "torchcodec (and FFmpeg)")
    try:
        for module in needed:
            importlib.import_module(module)
    except Exception as error:  # a library that is there and does not load has errors of any kind
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        use = 'use emotiontalk.decode_audio(row["audio"], sampling_rate=16000, mono=True)'
        use = use if name == "audio" else "read them yourself"
        logger.warning(
            f"datasets {datasets.__version__} cannot decode {name} here ({reason}): the rows carry it as "
            f"{{bytes, path}}. Install {install} to have it decoded, or {use}."
        )
        return False
    return True


def _decodable(dataset: Any) -> Any:
    """A dataset that decodes sound and video where `datasets` can; elsewhere its rows carry `{bytes, path}`."""
    for name in MEDIA.intersection(dataset.features):
        feature = dataset.features[name]
        if getattr(feature, "decode", False) and not _decodes(name):
            # a stream below datasets 4 encodes what it gives, and needs soundfile for that, too
            plain = MAJOR < 4 and isinstance(dataset, datasets.IterableDataset)
            dataset = dataset.cast_column(name, _BYTES if plain else dataclasses.replace(feature, decode=False))
    return dataset


def load_dataset(
    name: str = "multimodal", data_dir: Path | None = None, *, split: Any = None, cache_dir: Path | None = None,
    streaming: bool = False, num_proc: int | None = None, token: str | bool | None = None, download_mode: Any = None,
    verification_mode: Any = None, keep_in_memory: bool | None = None, label_set: str = "all", strict: bool = True,
    **others: Any,
) -> Any:  # fmt: skip
    """EmotionTalk as `datasets.load_dataset` would give it, on every version of `datasets` from 2.14 on.

    Only the splits that `split` names are prepared; later calls find them in the cache of `datasets`.

    Args:
        name: the config: "multimodal", "audio", "text", "video", "dialogues" or "zh-en".
        data_dir: a local folder that holds the archives, or its address (hf://, https://, s3://, …); None: the Hub.
        split: as in `datasets`: "test", "train[:5]", "train+validation[:10%]", a `ReadInstruction`, or a list or dict
            of these; None: all splits.
        streaming: give examples as they are read; nothing is prepared or kept.
        cache_dir, num_proc, token, download_mode, verification_mode, keep_in_memory: as in `datasets`.
        label_set, strict: see `EmotionTalkConfig`.

    Returns:
        A `DatasetDict` of all splits, or for `split` a `Dataset` (for a list a list, for a dict a `DatasetDict`); with
        `streaming=True` iterable ones. Where `datasets` cannot decode sound or video here, the rows carry it as
        `{bytes, path}`, after one warning (see `decode_audio`).

    Raises:
        ValueError: for an option or a split that is unknown or has no meaning.
        EmotionTalkError: where the release is not as it should be.
    """
    for keyword in others:
        meant = f"has no meaning here: {INSTEAD[keyword]}" if keyword in INSTEAD else ""
        raise ValueError(f"{keyword}= {meant or 'is no option of emotiontalk.load_dataset'}.")
    if streaming and num_proc is not None:
        raise NotImplementedError("num_proc= does not go with streaming=True. Use num_workers= of a DataLoader.")
    options: dict[str, Any] = {
        k: os.fspath(v) for k, v in (("cache_dir", cache_dir), ("data_dir", data_dir)) if v is not None
    }
    options |= {"config_name": name or "multimodal", "token": token, "label_set": label_set, "strict": strict}
    builder = functools.partial(EmotionTalk, **options)
    config = builder().config  # a wrong option is an error before any work
    builder, splits = functools.partial(builder, addresses=config.addresses), CONFIGS[config.name].splits
    wanted = list(split.values() if isinstance(split, dict) else split if isinstance(split, (list, tuple)) else [split])
    sizes = dict.fromkeys(splits, UNKNOWN_SIZE)
    named = {part.splitname for one in wanted for part in _instruction(one or "all", splits).to_absolute(sizes)}
    names = [name for name in splits if name in named]
    if streaming:
        source = builder(prepare_splits=names if split else None)
        found = source.as_streaming_dataset()
        known = {name: info.num_examples for name, info in (source.info.splits or {}).items()}
        read = functools.partial(_read_streams, found, known)
    else:
        how = {"verification_mode": verification_mode, "num_proc": num_proc}
        found = _prepare(builder, names, split is None, download_mode, **how)
        read = functools.partial(_read_prepared, found, keep_in_memory)

    def give(one: Any) -> Any:
        label = "+".join(splits) if str(one) == "all" else str(one)
        return _decodable(read(_instruction(one, splits), datasets.Split(label)))

    if split is None or isinstance(split, dict):
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        all_of_them = split or {name: name for name in splits if name in found}
        return kind({key: give(one) for key, one in all_of_them.items()})
    return type(split)(map(give, split)) if isinstance(split, (list, tuple)) else give(split)


# --- Sound, decoded on every version of `datasets` ---


def _samples(audio: Any) -> tuple[np.ndarray, int, str | None]:
    """(samples (channels, samples), float32; rate in Hz; path or None) of the field `audio` of a row."""
    if hasattr(audio, "get_all_samples"):  # torchcodec's decoder, from datasets 4 on
        decoded = audio.get_all_samples()
        return decoded.data.cpu().numpy(), decoded.sample_rate, getattr(audio.metadata, "path", None)
    path = audio.get("path")
    if audio.get("array") is not None:
        return np.atleast_2d(np.asarray(audio["array"], dtype=np.float32)), audio["sampling_rate"], path
    import soundfile

    try:
        given = path if audio.get("bytes") is None else io.BytesIO(audio["bytes"])
        samples, rate = soundfile.read(given, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise SoundError(f"{path or 'the sound'} cannot be decoded: {error}") from None
    return samples.T, rate, path


def decode_audio(audio: Any, sampling_rate: int | None = None, mono: bool = False) -> dict[str, Any]:
    """Decode a sound with soundfile, and resample it with soxr: for `map`, `with_transform` and plain loops.

    Args:
        audio: the field `audio` of a row: `{bytes, path}`, or what `datasets` has decoded already.
        sampling_rate: resample to this rate, in Hz; None keeps that of the sound.
        mono: True gives the mean of the channels.

    Returns:
        `{"array", "sampling_rate", "path"}`. The array is float32, −1…1, of shape (samples,) where there is one
        channel, (channels, samples) where there are more.

    Raises:
        SoundError: for what is no sound. ImportError: soundfile or soxr is not installed.
    """
    try:
        samples, rate, path = _samples(audio)
        if mono and samples.shape[0] > 1:
            samples = (sum(samples) / len(samples))[None]  # measured: an eighth of the time of numpy's mean
        if sampling_rate and sampling_rate != rate and samples.shape[1]:
            import soxr

            samples, rate = soxr.resample(samples.T, rate, sampling_rate, quality="HQ").T, sampling_rate
    except ImportError as error:
        raise ImportError(f"decode_audio needs soundfile and soxr: pip install soundfile soxr ({error}).") from None
    return {"array": samples[0] if len(samples) == 1 else samples, "sampling_rate": int(rate), "path": path}


# --- As a module: what version 1.2 called by another name still works, or an error says the new name ---

_EARLIER: dict[str, tuple[str, Any]] = {
    "Config": ("ConfigSpec", ConfigSpec), "Field": ("FieldSpec", FieldSpec), "UNREAD_NAME": ("UNFINISHED", UNFINISHED),
    "Loaded": ("InMemory", lambda label, data: Member(InMemory("", label, data), "", 0, len(data))),
    "archive_url": ("address_of", lambda name: address_of(name, DEFAULT_SOURCE)), "write_json": ("writing", None),
    "open_archive": ("Place.open", lambda name, paths, *token: Place(name, tuple(paths)).open(*token)),
    "remote_file": ("Place.file", lambda name, at, token: _remote_file(name, find_remote(name, at, token)[0], token)),
    "NETWORK_ERRORS": ("emotiontalk_tools.errors.NETWORK_ERRORS", None),
}  # fmt: skip


class _Module(types.ModuleType):
    """This module, pickled by its name, so that `datasets` finds again what `map` has made with it."""

    def __reduce__(self) -> tuple:
        return importlib.import_module, (self.__name__,)

    def __getattr__(self, name: str) -> Any:
        new, value = _EARLIER.get(name, ("", None))
        if value is None:
            what = f"module 'emotiontalk' has no attribute {name!r}"
            raise AttributeError(f"{what}: it is {new} now" if new else what)
        warnings.warn(f"emotiontalk.{name} is {new} from version 1.3 on.", DeprecationWarning, stacklevel=2)
        return value


if __name__ == "emotiontalk":  # not where `datasets` runs it as a script
    sys.modules[__name__].__class__ = _Module
