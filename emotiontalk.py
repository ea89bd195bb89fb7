"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`.

23.6 hours of acted Mandarin dialogue, 19,250 utterances, sound + video + text, four separate labelling
passes, a sentiment score and captions (Sun et al., *EmotionTalk*, arXiv 2505.23018; Hub dataset
`BAAI/Emotiontalk`, gated, CC BY-NC-SA 4.0).

    import emotiontalk

    emotiontalk.load_dataset("audio", split="test", data_dir="RELEASE")     # on every version of `datasets`
    datasets.load_dataset("./emotiontalk.py", "audio", split="test", data_dir="RELEASE", trust_remote_code=True)  # below 4

The page reads from top to bottom: the facts about the release, the archives (how a group's bytes are
found), the annotations (how what people typed becomes a field), the configs, the builder, `load_dataset`
and `decode_audio`.
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
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
import zlib

import datasets
import datasets.builder
import filelock
import fsspec
import fsspec.asyn
import fsspec.core
import huggingface_hub
import numpy as np
import pyarrow as pa

__version__ = "1.2.0"

MAJOR = int(datasets.__version__.split(".")[0])
logger = datasets.utils.logging.get_logger(__name__)

# ---------------------------------------------------------------------------------------------------------
# The facts about the release (dataset card and paper; nothing here is guessed)
# ---------------------------------------------------------------------------------------------------------

REPO_ID = "BAAI/Emotiontalk"
REVISION = "adbc17fc944e8cf2873643906160c6ca0259ab61"
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


DEFAULT_SOURCE = f"hf://datasets/{REPO_ID}@{REVISION}"


def archive_url(name):
    """Where the pinned archive is on the Hub."""
    return f"{DEFAULT_SOURCE}/{name}.tar"


def match_member(name):
    """The match of `MEMBER` for the path of a member, or None if it is no part of the release (`._*`, zips, …)."""
    *folders, name = name.replace("\\", "/").split("/")
    return None if "__MACOSX" in folders else MEMBER.fullmatch(name)


def shards_of(counts, number):
    """[(group, part, parts)]: the groups cut into `number` parts in all, as even as can be. counts: group -> what it has.

    Fewer where there is less to share out.
    """
    total = sum(counts.values())
    number = max(len(counts), min(number, total))
    exact = {group: max(1.0, number * count / total) for group, count in counts.items()}
    parts = {group: int(share) for group, share in exact.items()}
    for group in sorted(exact, key=lambda group: parts[group] - exact[group])[: max(0, number - sum(parts.values()))]:
        parts[group] += 1
    return [(group, part, parts[group]) for group in sorted(counts) for part in range(parts[group])]


def split_of(group):
    """The official split of a group id: "train", "validation" or "test"."""
    return HELD_OUT.get(group, "train")


# ---------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------


class EmotionTalkError(datasets.builder.DatasetGenerationError):
    """The release is not as it should be. The message, one line, names the archive, the member and the way out."""

    def __init__(self, message=""):
        super().__init__(brief(message, 3_000))


class MissingArchiveError(EmotionTalkError, FileNotFoundError):
    """An archive that the config needs is not where it was looked for."""


class NoUtteranceError(EmotionTalkError):
    """The release at hand has no utterance of a split that was asked for."""


class BadUtteranceError(EmotionTalkError):
    """One utterance cannot be given as it should be; `strict=False` passes over it."""


class SoundError(ValueError):
    """What is in a sound file cannot be heard."""


def brief(value, limit=200):
    """A text in one line of `limit` characters at the most, whatever an archive or a server has put into it."""
    text = " ".join(str(value)[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(address):
    """An address (or folder) as it may stand in a message or a file: without name and password."""
    return re.sub(r"(?<=://)[^/\s]*@", "", os.fspath(address))


def _damaged(archive, path, what):
    """The error for an archive that is truncated, corrupt or no archive."""
    size, sha256 = ARCHIVES[archive]
    return EmotionTalkError(
        f"{path}: {what} The released {archive}.tar has {size:,} bytes and SHA-256 {sha256}; "
        f"compare, and download it again from {HOMEPAGE} if yours differs."
    )


# ---------------------------------------------------------------------------------------------------------
# The archives: a group of dialogues is a range of members, read without touching the others' payload
# ---------------------------------------------------------------------------------------------------------


class Member:
    """One file of the release: where its `size` bytes are. `len()` is its size in bytes."""

    __slots__ = ("source", "name", "offset", "size")

    def __init__(self, source, name, offset, size):
        self.source, self.name, self.offset, self.size = source, name, offset, size

    def __len__(self):
        return self.size

    def __str__(self):
        return f"{self.source.path}: {brief(self.name, 300)}"

    def read(self):
        data = bytearray(self.size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view):
        """Fill a writable view of `size` bytes, straight from the file."""
        self.source.read_into(self, view)

    def part(self, start, size):
        """Some of its bytes, fewer at its end."""
        size = max(0, min(size, self.size - start))
        if hasattr(os, "pread") and type(self.source) is Tar:  # measured: a third of the time of the general way
            data = os.pread(self.source.file.fileno(), size, self.offset + start)
            if len(data) == size:
                return data
        return Member(self.source, self.name, self.offset + start, size).read()


def _fill(fd, offset, view):
    """Read `len(view)` bytes at an offset of a file; False if the file ends before that.

    Positions are passed with every read, never kept: forked workers share the parent's open files.
    """
    while len(view):
        if hasattr(os, "preadv"):
            n = os.preadv(fd, [view], offset)
        else:  # Windows, where workers are not forked
            os.lseek(fd, offset, os.SEEK_SET)
            chunk = os.read(fd, len(view))
            n = len(chunk)
            view[:n] = chunk
        if n == 0:
            return False
        view, offset = view[n:], offset + n
    return True


def parse_header(block, magic=True):
    """(name, payload size, type) of a tar header block of 512 bytes, or None where its checksum says it is none.

    Only what plain members have; an extended header shows in its type ("x", "g", "L", "K"). magic: whether the block
    must say "ustar", as all but the oldest tars do: outside the order of a tar, payload could pass for a header.
    """
    if len(block) < tarfile.BLOCKSIZE or magic and block[257:262] != b"ustar":
        return None
    try:
        checksum = int(block[148:156].strip(b" \0") or b"0", 8)
        size = int.from_bytes(block[125:136], "big") if block[124] == 0x80 else int(block[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    if checksum != sum(block[:148]) + 256 + sum(block[156:512]) or size < 0:
        return None
    name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
    if prefix and block[257:263] == b"ustar\0":  # GNU's header has other things there
        name = prefix + b"/" + name
    kind = chr(block[156]).replace("\0", "0").replace("7", "0")
    return name.decode("utf-8", "surrogateescape"), 0 if kind in "123456" else size, kind  # links and folders have no payload


def parse_extended(kind, data):
    """What an extended header says of the next member: "path", "size", and "sparse" for a sparse file."""
    if kind == "L":
        return {"path": data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")}
    said = {}
    while kind in "xX" and data:  # records `LENGTH KEY=VALUE\n`; anything else ends them
        digits, _, _ = data[:20].partition(b" ")
        if not digits.isdigit() or not 0 < int(digits) <= len(data):
            break
        record, data = data[len(digits) + 1 : int(digits) - 1], data[int(digits) :]
        key, _, value = record.partition(b"=")
        if key == b"path":
            said["path"] = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value[:20].isdigit() and len(value) <= 20:
            said["size"] = int(value)
        elif key.startswith(b"GNU.sparse."):
            said["sparse"] = True
            if key == b"GNU.sparse.name":
                said["path"] = value.decode("utf-8", "surrogateescape")
    return said


def padded(size):
    """Bytes that a payload takes in a tar."""
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _unreadable(path, error):
    """The error for a file or folder that the system does not let us read."""
    return EmotionTalkError(f"{path} cannot be read ({error.strerror or error}): look at its owner and its permissions.")


def _unwritable(folder, error, needed=None):
    """The error for a folder in which nothing can be kept. needed: bytes that would be."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = f"there is no room in {folder}" if full else f"{folder} cannot be written"
    much = f", {needed:,} bytes are needed" if needed else ""
    return EmotionTalkError(
        f"{what}{much} ({error.strerror or error}). Set HF_HOME to a folder with room that you may write, or pass cache_dir=."
    )


def _check_room(error, path):
    """Raise `EmotionTalkError` if an error says that the disk of the temporary files is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise EmotionTalkError(
            f"{path}: no room for it in {tempfile.gettempdir()} ({error}). Set TMPDIR to a folder with room, or unpack or "
            "download the archive and pass data_dir= with its folder."
        ) from None


EXTENDED_BYTES = 1 << 20  # an extended header is no longer: it holds names and times
TYPES = {"1": "a link", "2": "a link", "3": "a device", "4": "a device", "5": "a folder", "6": "a FIFO", "S": "a sparse file"}


class Tar:
    """A local tar file, plain or compressed. Headers are scanned once; payload is read where it is asked for."""

    OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open, b"]\x00\x00": lzma.open}

    def __init__(self, archive, path, file=None):
        self.archive, self.path = archive, path
        try:
            self.file = file or open(path, "rb")
        except OSError as error:
            if os.path.islink(path) and not os.path.exists(path):
                raise MissingArchiveError(f"{path} is a link to nothing. Download what it stands for, or remove it.") from None
            raise _unreadable(path, error) from None
        self.file.seek(0)
        start = self.file.read(64)
        opener = self.opener(start)
        if opener:
            self.file = self._decompressed(opener)
        if start.startswith(b"version https://git-lfs"):
            raise _damaged(archive, path, "this is a Git LFS pointer, not the file: run `git lfs pull`.")

    @classmethod
    def opener(cls, start):
        """The function that opens a file compressed as its first bytes say, or None for a plain one."""
        return next((opener for magic, opener in cls.OPENERS.items() if start.startswith(magic)), None)

    def _decompressed(self, opener):
        """The plain tar in an unnamed temporary file, so that it can be read by position like any other."""
        plain = tempfile.TemporaryFile()
        self.file.seek(0)
        try:
            with opener(self.file, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            _check_room(error, self.path)
            raise _damaged(self.archive, self.path, f"cannot be decompressed, truncated or corrupt ({error}).") from None
        return plain

    def members(self):
        """Yield every regular file as a `Member`, in archive order. No payload is read.

        Unlike `tarfile`'s own loop, which ends quietly at the first zeros and at the first header it cannot read, this
        one raises `EmotionTalkError` unless the archive runs whole to its end mark, and reads on where members follow it.
        """
        end = self.file.seek(0, os.SEEK_END)
        position, last, extended = 0, "its beginning", {}
        while True:
            self.file.seek(position)
            block = self.file.read(tarfile.BLOCKSIZE)
            header = parse_header(block, magic=False)
            if header is None and position and block == bytes(tarfile.BLOCKSIZE) and not extended:
                position = self._after_zeros(position, last)
                if position is None:
                    return
                continue
            if header is None:
                raise self._no_header(position, end, last)
            name, size, kind = header
            start = position + tarfile.BLOCKSIZE
            if kind in "xgXLK":  # about the next member, and small
                if start + size > end or size > EXTENDED_BYTES:
                    raise _damaged(self.archive, self.path, f"corrupt at byte {position:,} after {brief(last)}: an extended header of {size:,} bytes.")
                extended.update(parse_extended(kind, self.file.read(size)))
                position = start + padded(size)
                continue
            name, size = extended.get("path", name), extended.get("size", size) if kind == "0" else size
            if kind == "S":  # its map may go on in further blocks
                more = block[482]
                while more and start < end:
                    start, more = start + tarfile.BLOCKSIZE, self.file.read(tarfile.BLOCKSIZE)[504:505] not in (b"", b"\0")
            regular = kind == "0" and not name.endswith("/")
            if (not regular or "sparse" in extended) and match_member(name.rstrip("/")):
                what = TYPES.get("S" if "sparse" in extended else kind, "no regular file")
                raise EmotionTalkError(
                    f"{self.path}: {brief(name.rstrip('/'))} is stored as {what}. Pack the files themselves: "
                    "`tar --dereference --hard-dereference`, without `--sparse`."
                )
            if start + size > end:
                raise _damaged(self.archive, self.path, f"truncated within {brief(name)}: the file ends at byte {end:,}.")
            if regular:
                yield Member(self, name, start, size)
            position, last, extended = start + padded(size), name, {}

    def _no_header(self, position, end, last):
        if not position:
            return _damaged(self.archive, self.path, "cannot be read as a tar archive.")
        what = "truncated" if position + tarfile.BLOCKSIZE > end else f"corrupt at byte {position:,}"
        return _damaged(self.archive, self.path, f"{what} after {brief(last)}.")

    def _after_zeros(self, position, last):
        """Where members go on after a block of zeros, or None where nothing but zeros follows."""
        zeros, start = bytes(tarfile.BLOCKSIZE), position
        while block := self.file.read(tarfile.BLOCKSIZE):
            position += tarfile.BLOCKSIZE
            if block != zeros[: len(block)]:
                if parse_header(block, magic=False) is None:
                    raise _damaged(self.archive, self.path, f"corrupt at byte {start:,} after {brief(last)}: zeros, then what is no member.")
                _warn_once(f"{self.path}: members go on after an end mark at byte {start:,} (tars put together?): they are read, too.")
                return position
        return None

    def read_into(self, member, view):
        if not _fill(self.file.fileno(), member.offset, view):
            raise _damaged(self.archive, self.path, f"truncated within {member.name}: it became shorter while it was read.")


def _walk(path):
    """Yield (folder, its files) below a path, sorted, without what is hidden (`._*`, the downloader's `.cache`).

    Links to folders are followed, each folder is entered once.
    """

    def refuse(error):
        raise _unreadable(error.filename, error) from None

    entered = set()
    for folder, subfolders, files in os.walk(path, followlinks=True, onerror=refuse):
        there = os.stat(folder)
        if (there.st_dev, there.st_ino) in entered:
            subfolders[:] = []
            continue
        entered.add((there.st_dev, there.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        odd = [name for name in subfolders if match_member(name)]
        if odd:
            raise EmotionTalkError(f"{os.path.join(folder, odd[0])} is a folder, where a file of that name belongs. Compare it with the release.")
        yield folder, sorted(name for name in files if not name.startswith("."))


class Tree:
    """An unpacked archive: a local folder of files."""

    def __init__(self, archive, path):
        self.archive, self.path = archive, path

    def members(self):
        """Yield every regular file below the folder as a `Member`, in sorted order."""
        for folder, files in _walk(self.path):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    yield Member(self, os.path.relpath(path, self.path), 0, os.stat(path).st_size)
                elif match_member(name):
                    what = "a link to nothing" if os.path.islink(path) else "no regular file"
                    raise EmotionTalkError(f"{path} is {what}. Compare the folder with the release.")

    def read_into(self, member, view):
        try:
            with open(os.path.join(self.path, member.name), "rb") as file:
                whole = _fill(file.fileno(), member.offset, view)
        except OSError as error:
            raise _unreadable(member, error) from None
        if not whole:
            raise _damaged(self.archive, str(member), "it became shorter while it was read.")


class Archive:
    """One archive of the release (tar, shards or folder), indexed by group.

    Raises `EmotionTalkError` for a damaged archive and for an id that is there twice.
    """

    def __init__(self, name, parts):
        self.name = name
        self.groups = {}  # group -> suffix -> id -> Member, ids sorted
        for part in parts:
            for member in part.members():
                self._add(member)
        for group in self.groups.values():
            for suffix, members in group.items():
                group[suffix] = dict(sorted(members.items()))

    def _add(self, member):
        match = match_member(member.name)
        if not match:
            return
        if match["group"].upper() not in GROUPS:
            raise EmotionTalkError(
                f"{member}: {match['group']} is no group of EmotionTalk, which has {min(GROUPS)} to {max(GROUPS)}. Rename or remove it."
            )
        known = self.groups.setdefault(match["group"].upper(), {}).setdefault(match["suffix"].lower(), {})
        first = known.setdefault(match["id"].upper(), member)
        if first is not member:
            raise EmotionTalkError(
                f"{match['id']} is there twice in {self.name}: {first} and {member}. Keep one of the two."
            )

    def annotations(self, group):
        """A dict from utterance id to annotation, sorted by id, of a group."""
        return self.groups.get(group, {}).get("json", {})

    def media(self, group, suffix, first="", after="~", unread=()):
        """Yield (id, `Member`) of the sound ("wav") or video ("mp4") of a group, sorted by id, from the id `first` on, before the
        id `after`. `unread`: those whose bytes nobody will ask for."""
        for uid, member in self.groups.get(group, {}).get(suffix, {}).items():
            if first <= uid < after:
                yield uid, member


def _state(paths):
    """What tells one content from another without reading it: of each path its name and a digest of the name, size, time, inode
    and time of change of every file."""
    states = []
    for path in paths:
        digest, size = hashlib.sha256(), 0
        files = [os.path.join(folder, name) for folder, names in _walk(path) for name in names] if os.path.isdir(path) else [path]
        for file in filter(os.path.exists, files):
            s = os.stat(file)
            size += s.st_size
            told = (os.path.relpath(file, path), s.st_size, s.st_mtime_ns, s.st_ino, s.st_ctime_ns)
            digest.update(repr(told).encode("utf-8", "surrogateescape"))
        states.append((path, len(files), size, digest.hexdigest()))
    return tuple(states)


TAR_NAME = re.compile(r".+\.(tar(\.(gz|bz2|xz|lzma))?|tgz|tbz2?|txz)", re.IGNORECASE)
UNREAD_NAME = re.compile(r"(.+?)\.(part|partial|incomplete|crdownload|download|zst|zstd|lz4|7z|rar)", re.IGNORECASE)


def find_archive(name, data_dir):
    """Paths of an archive below a local folder, in any of the layouts that people keep.

    `Audio.tar` in the folder; `Audio/*.tar`, one or several shards; `Audio/…` unpacked; each in the folder
    itself or in its `data/`, in any case. A tar is preferred to a folder beside it.
    Raises `MissingArchiveError`.
    """
    data_dir = os.path.abspath(os.path.expanduser(data_dir))
    if os.path.isfile(data_dir):
        raise MissingArchiveError(f"{data_dir} is a file: pass data_dir= with the folder that holds it, {os.path.dirname(data_dir)}.")
    if not os.path.isdir(data_dir):
        raise MissingArchiveError(f"{name}.tar: there is no folder {data_dir}. data_dir= is the folder that holds the archives.")
    unread = []
    for root in filter(os.path.isdir, [data_dir, os.path.join(data_dir, "data")]):
        try:
            entries = [e for e in sorted(os.listdir(root)) if e.split(".")[0].lower() == name.lower()]
        except OSError as error:
            raise _unreadable(root, error) from None
        files = [os.path.join(root, e) for e in entries if not os.path.isdir(os.path.join(root, e))]
        folders = [os.path.join(root, e) for e in entries if e.lower() == name.lower() and os.path.isdir(os.path.join(root, e))]
        if not any(TAR_NAME.fullmatch(path) for path in files):
            files += [os.path.join(below, f) for folder in folders for below, names in _walk(folder) for f in names]
        tars = [path for path in files if TAR_NAME.fullmatch(path)]
        unread += [path for path in files if UNREAD_NAME.fullmatch(path) and ".tar" in path and UNREAD_NAME.fullmatch(path)[1] not in tars]
        if unread and (tars or folders):
            break
        if tars or folders:
            return tuple(tars or folders)
    if unread:
        raise MissingArchiveError(
            f"{', '.join(unread[:3])}: a part of {name}.tar that is not whole yet, or is packed in a way that Python does not read. "
            "Finish the download, or unpack it."
        )
    raise MissingArchiveError(
        f"{name}.tar is not in {data_dir}: looked there and in its data/ for {name}.tar, {name}/*.tar and an "
        f"unpacked {name}/. Accept the terms at {HOMEPAGE}, then run `hf download {REPO_ID} "
        f"{name}.tar --repo-type dataset --revision {REVISION} --local-dir {data_dir}`."
    )


# ---------------------------------------------------------------------------------------------------------
# Addresses: a file over the network, read by ranges, several at once
# ---------------------------------------------------------------------------------------------------------

# Chosen by measurement (benchmarks/README.md).
IN_FLIGHT = 12  # blocks that are fetched at once, at the most
BLOCK_BYTES = 4 << 20  # of what is read ahead
HEAD_BYTES = 64 << 10  # what is read first of every file
WAITS = (0.2, 0.5, 1, 2, 4)  # seconds before a broken request is made again; progress starts anew
TIMEOUTS = (10, 60)  # seconds to connect, seconds without a byte
LEAST_RATE = (32 << 10, 30)  # bytes in so many seconds: what comes more slowly is a broken connection
LONGEST_WAIT = 300  # seconds that are waited where a server asks for it

SEND_TOKEN = (
    f"Accept the terms at {HOMEPAGE}, and send your token: `hf auth login` (older: `huggingface-cli login`), HF_TOKEN=hf_…, or token=\"hf_…\". "
    "Or pass data_dir= with a local folder that holds the archives."
)


class NoConnectionError(EmotionTalkError):
    """An address cannot be reached now."""


def is_remote(path):
    """Whether this is an address: of HTTP, of the Hub, or of any scheme of fsspec."""
    return isinstance(path, str) and bool(re.match(r"[a-z][a-z0-9+.-]+://", path))


def is_pinned(url):
    """Whether what is behind an address cannot change: it names a commit of the Hub."""
    return bool(re.fullmatch(r"hf://datasets/[^/@]+/[^/@]+@[0-9a-f]{40}(/.*)?", url))


def checked_token(token):
    """A token as it can be sent, without the blanks around it. Raises `ValueError`, which does not quote it."""
    if not isinstance(token, str):
        return token
    if not re.fullmatch(r"[!-~]+", token.strip()):
        raise ValueError("token= is empty, or holds characters that no token has: copy it again from the Hub's settings.")
    return token.strip()


def split_hf_url(url):
    """(repository, revision, path) of `hf://datasets/owner/name@revision/path`."""
    match = re.fullmatch(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", url)
    if not match:
        raise EmotionTalkError(f"{shown(url)}: expected hf://datasets/OWNER/NAME@REVISION/… .")
    return match[1], urllib.parse.unquote(match[2] or "main"), match[3]


def http_url(url):
    """The address of an `hf://datasets/` path at the endpoint that `HF_ENDPOINT` names; others unchanged."""
    if not url.startswith("hf://datasets/"):
        return url
    repo, revision, path = split_hf_url(url)
    return f"{datasets.config.HF_ENDPOINT}/datasets/{repo}/resolve/{urllib.parse.quote(revision, safe='')}/{path}"


def offline():
    """Whether `HF_HUB_OFFLINE` or `HF_DATASETS_OFFLINE` is set."""
    return huggingface_hub.constants.HF_HUB_OFFLINE or datasets.config.HF_DATASETS_OFFLINE


# What the session of `huggingface_hub` raises: httpx has a base class of its own, the errors of requests are OSErrors.
NETWORK_ERRORS = (OSError, huggingface_hub.utils.HfHubHTTPError.__bases__[0])


def _progress(**options):
    return (getattr(datasets.utils, "tqdm", None) or datasets.utils.logging.tqdm)(**options)  # the latter before 2.15


@functools.lru_cache(maxsize=2)
def _threads(pid):
    """The threads of this process in which blocks are fetched; a forked worker has none of its parent's."""
    return concurrent.futures.ThreadPoolExecutor(2 * IN_FLIGHT, "emotiontalk")


class Answer:
    """A streamed answer to a GET by the session of `huggingface_hub`: requests below its 1.0, httpx from 1.0 on.

    No redirect is followed. Iterating gives the body as it comes, and ends the answer; errors are `ConnectionError`.
    """

    def __init__(self, url, headers):
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

    def __iter__(self):
        try:
            yield from self._body
        except Exception as error:  # what the sessions raise has no common class
            raise ConnectionError(_reason(error)) from None
        finally:
            self._response.close()

    def close(self, read=0):
        """End the answer; a body of at most `read` bytes is taken first, so that the connection can be used again."""
        if self.headers.get("Content-Length", "").isdigit() and int(self.headers["Content-Length"]) <= read:
            collections.deque(self, maxlen=0)
        self._response.close()


class BusyError(ConnectionError):
    """A server that asks to be asked later. `seconds`: when."""

    def __init__(self, status, after):
        super().__init__(f"HTTP status {status}")
        self.seconds = 0
        if after.isdigit():
            self.seconds = int(after[:9])
        elif after:
            with contextlib.suppress(TypeError, ValueError):
                self.seconds = max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - time.time())


class RemoteFile:
    """A file behind HTTP. `size` is its bytes, `tag` its entity tag (or time of change), None where the server tells none;
    `ranged` says whether the server serves ranges: all after `head()`, and the same in every later answer."""

    def __init__(self, archive, path, token):
        self.archive, self.path, self.token = archive, shown(path), token
        self.url = http_url(path)
        self.size = self.ranged = self.tag = self.first = None
        self._signed = None  # where a redirect has led: it serves more ranges, until it expires
        self._waiting = False
        try:
            host = urllib.parse.urlsplit(self.url).hostname
        except ValueError:
            host = None
        if not host:
            raise MissingArchiveError(f"{self.path}: an address without a host. data_dir= is the address that holds {archive}.tar.")

    def head(self):
        """The first bytes of the file, `HEAD_BYTES` at the most; what the first answer says of it is kept."""
        if self.first is None:
            first = bytearray()
            for chunk in self.chunks(0, HEAD_BYTES):
                first += chunk
                if len(first) >= HEAD_BYTES:
                    break
            self.first = bytes(first[:HEAD_BYTES])
        return self.first

    def read(self, start, end):
        """The bytes from `start` to `end`, or to the end of the file."""
        return b"".join(self.chunks(start, end))

    def reader(self, start=0, end=None):
        """What reads the file in order from `start` on: a `Stream` where ranges are served, one connection elsewhere."""
        if self.ranged and self.size is not None:
            return Stream(self, start, self.size if end is None else end)
        return _OneConnection(self.chunks(start))

    def save(self, file):
        """Write the whole file to an open one, from its present length on."""
        start = file.seek(0, os.SEEK_END)
        with _progress(total=self.size, initial=start, unit="B", unit_scale=True, desc=f"Downloading {os.path.basename(self.path)}") as bar:
            with contextlib.closing(self.reader(start)) as reader:
                while data := reader.read(1 << 20):
                    file.write(data)
                    bar.update(len(data))
        file.flush()

    def chunks(self, start, end=None):
        """Yield the bytes from `start` to `end` (None: the end of the file) as they come, over as many connections as it takes.

        Raises `EmotionTalkError`.
        """
        if self.ranged and start < len(self.first or b""):
            yield self.first[start:end]
            start = len(self.first)
        if end is None or start < end:
            yield from self._chunks(start, end)

    def _chunks(self, start, end):
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
                if self.size is None:
                    return
                if start < min(end or self.size, self.size):
                    raise ConnectionError("the answer was cut short")
                return
            except ConnectionError as error:
                waited = 0.0
                self._pause(error, failures, start)
                failures += 1

    def _pause(self, error, failures, position):
        """Wait before the next try. Raises `NoConnectionError` where it would be no use."""
        if failures == len(WAITS):
            raise NoConnectionError(
                f"{self.path}: gave up at byte {position:,} after {failures + 1} tries ({brief(error)}). "
                "Check the network and the address, then run again; or pass data_dir= with a local folder."
            ) from None
        seconds = max(WAITS[failures], getattr(error, "seconds", 0))
        if seconds > LONGEST_WAIT:
            raise NoConnectionError(
                f"{self.path}: the server asks to wait {seconds:,.0f} seconds ({error}), and {LONGEST_WAIT} are the most that is waited. Run again later."
            ) from None
        if seconds < 1 or self._waiting:  # one of several threads tells that they wait
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

    def _headers(self, url, start, end):
        headers = {"Accept-Encoding": "identity"}
        if self.ranged is not False:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if url.startswith(datasets.config.HF_ENDPOINT + "/"):  # the token is for the Hub and for nobody else
            try:
                headers = {**huggingface_hub.utils.build_hf_headers(token=self.token), **headers}
            except (OSError, ValueError):
                raise EmotionTalkError(f"{self.path}: there is no token to send. {SEND_TOKEN}") from None
            if not re.fullmatch(r"[ -~]*", headers.get("authorization", "")):
                raise EmotionTalkError(f"{self.path}: the token that is logged in holds characters that no token has. {SEND_TOKEN}")
        return headers

    def _connect(self, start, end):
        """An iterator over the bytes from `start` to `end` (None: the end of the file).

        Raises `EmotionTalkError` for what will not change, `ConnectionError` for what another try may mend.
        """
        if offline():
            raise NoConnectionError(
                f"{self.path} cannot be read: offline mode is on (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE). "
                "Unset it, or pass data_dir= with a local folder."
            )
        answer, url = self._follow(start, end)
        try:
            if not self._accept(answer, start):
                answer.close()
                return self._connect(start, end)
        except BaseException:
            answer.close()
            raise
        self._signed = url if url != self.url else None
        return iter(answer) if self.ranged else _after(iter(answer), start)

    def _follow(self, start, end):
        """(the `Answer` at the end of all redirects, its address). A kept address that has expired is asked for anew."""
        url = kept = self._signed or self.url
        for _ in range(10):
            headers = self._headers(url, start, end)
            try:
                answer = Answer(url, headers)
                if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
                    answer.close(read=1 << 16)
                    url = urllib.parse.urljoin(url, answer.headers["Location"])
                    continue
            except Exception as error:  # what the sessions raise for a bad answer, address or redirect has no common class
                raise ConnectionError(f"no connection: {_reason(error)}") from None
            if url != kept or url == self.url or answer.status not in (400, 401, 403, 404, 410):
                return answer, url
            answer.close(read=1 << 16)
            self._signed = None if self._signed == kept else self._signed  # another thread may have a new one already
            url = kept = self._signed or self.url
        raise ConnectionError("redirected again and again")

    def _accept(self, answer, start):
        """Whether an answer is what was asked for; False: ask again, without a range. Raises as `_connect`."""
        status, told = answer.status, answer.headers
        if status in (416, 501) and self.ranged is None:  # no ranges at all, or an empty file
            self.ranged = False
            return False
        if status == 429 or status >= 500:
            raise BusyError(status, told.get("Retry-After", "").strip())
        if status not in (200, 206):
            raise self._refusal(status, told)
        if status == 200 and self.ranged:
            raise ConnectionError("the server no longer serves ranges")
        content_range = told.get("Content-Range", "")
        if status == 206 and content_range.endswith("/*"):  # of unknown length: read in sequence
            if self.ranged:
                raise ConnectionError("the server no longer says how long the file is")
            self.ranged = False
            return False
        ranged = status == 206
        found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", content_range) if ranged else None
        length = re.fullmatch(r"\d{1,18}", told.get("Content-Length", ""))
        size = int(found[3]) if found else int(length[0]) if length and not ranged else None
        if ranged and not (found and int(found[1]) == start and start <= int(found[2]) < size):
            raise EmotionTalkError(f"{self.path}: the server gives another range than was asked for ({brief(content_range)}). Run again.")
        tag = told.get("ETag") or told.get("Last-Modified")
        tag = brief(tag.strip().removeprefix("W/")) if tag else None  # a weak tag tells as much as is to be had
        known = self.ranged is not None or self.size is not None
        if known and (self.size not in (None, size) or None not in (tag, self.tag) and tag != self.tag):
            raise EmotionTalkError(f"{self.path}: this is another file than before: it has changed while it was read. Run again.")
        self.ranged, self.size, self.tag = ranged, size, tag or self.tag
        return True

    def _refusal(self, status, headers):
        code = brief(re.sub(r"[^\w ]", "", headers.get("X-Error-Code", "")), 40)
        if status in (401, 403):
            return EmotionTalkError(f"{self.path}: no access (HTTP status {status}{', ' + code if code else ''}). {SEND_TOKEN}")
        if status == 404:
            what = {"RevisionNotFound": "no such revision", "RepoNotFound": "no such repository"}.get(code, "no such file")
            return MissingArchiveError(
                f"{self.path}: {what} (HTTP status 404 for {shown(self.url)}). data_dir= is the address that holds "
                f"{self.archive}.tar; the release is hf://datasets/{REPO_ID}@{REVISION}."
            )
        return EmotionTalkError(f"{self.path}: HTTP status {status} for {shown(self.url)}.")


class FsspecFile(RemoteFile):
    """As `RemoteFile`, behind any other scheme (`s3://`, `gs://`, `oss://`, `memory://`, …): by fsspec, with the user's own library."""

    def __init__(self, archive, path, token):
        self.archive, self.path, self.url, self.token = archive, shown(path), path, token
        self.size = self.tag = self.first = None
        self.ranged = True

    def head(self):
        if self.first is None:
            files, path = filesystem(self.url, self.token)
            info = self._ask(files.info, path)
            self.size = info.get("size")
            if info.get("type") == "directory" or not isinstance(self.size, int):
                raise MissingArchiveError(f"{self.path} is no file, or one whose size nobody tells.")
            tag = next((info[key] for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created") if info.get(key)), None)
            self.tag = None if tag is None else brief(tag)
            self.first = b"".join(self.chunks(0, min(self.size, HEAD_BYTES)))
        return self.first

    def _chunks(self, start, end):
        end = min(self.size if end is None else end, self.size)
        while start < end:
            files, path = filesystem(self.url, self.token)
            data = self._ask(files.cat_file, path, start=start, end=min(end, start + BLOCK_BYTES))
            if not data:
                raise EmotionTalkError(f"{self.path}: this is another file than before: it has become shorter. Run again.")
            yield data
            start += len(data)

    def _ask(self, function, *arguments, **options):
        try:
            return function(*arguments, **options)
        except FileNotFoundError:
            raise MissingArchiveError(f"{self.path}: no such file. data_dir= is the address that holds {self.archive}.tar.") from None
        except Exception as error:  # each library has errors of its own
            what = "no access" if isinstance(error, PermissionError) else "cannot be read"
            raise NoConnectionError(f"{self.path}: {what} ({type(error).__name__}: {_reason(error)}). Check the address and its library's settings.") from None


def filesystem(url, token=None):
    """(the file system of fsspec, the path in it) of an address. Raises `EmotionTalkError` where its library is not installed."""
    thread = fsspec.asyn.iothread[0]
    if thread is not None and not thread.is_alive():  # a forked worker, in which older fsspec would wait for ever
        fsspec.asyn.reset_lock()
        fsspec.asyn.loop[0] = fsspec.asyn.iothread[0] = None
    try:
        return fsspec.core.url_to_fs(url, **({"token": token} if url.startswith("hf://") else {}))
    except (ImportError, ValueError) as error:
        raise EmotionTalkError(f"{shown(url)}: {brief(shown(str(error)))}. Install what reads this scheme (for s3:// `pip install s3fs`).") from None


def _reason(error):
    """The innermost of an exception's reasons, in one line."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            break
        error = inner
    return brief(shown(str(error)).split(": ", 1)[-1])


def _after(chunks, start):
    """What comes after the first `start` bytes: all of a file comes where ranges are not served."""
    for chunk in chunks:
        if start < len(chunk):
            yield chunk[start:] if start else chunk
        start = max(0, start - len(chunk))


class _OneConnection:
    """The chunks of a connection, read by size."""

    def __init__(self, chunks):
        self._chunks, self._rest, self.close = chunks, b"", chunks.close

    def read(self, size):
        """The next bytes, at most `size`; none at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class Stream:
    """The bytes of a file in order from `position` on, fetched in blocks ahead of the reader.

    One block at first, so that little moves for one example; then more and larger ones, up to `IN_FLIGHT` of
    `BLOCK_BYTES`. None is fetched beyond `end`, where what is wanted is believed to end, before it is read.
    """

    def __init__(self, file, position, end, block=BLOCK_BYTES // 16, flight=1):
        self.file, self.position, self.end = file, position, min(end, file.size)
        self._block, self._flight = max(tarfile.BLOCKSIZE, block), flight
        self._most = min(BLOCK_BYTES, max(1 << 19, file.size >> 9))  # little is lost where a process is stopped
        self._asked = position
        self._blocks, self._rest, self._closed = collections.deque(), memoryview(b""), False

    def read(self, size):
        """The next `size` bytes, fewer where the file ends. Raises `EmotionTalkError`."""
        if self.position + size > self.end:
            self.end = min(self.file.size, self.position + max(size, 1 << 16))
        parts, size = [], min(size, self.end - self.position)
        while size:
            if not self._rest:
                self._rest = memoryview(self._next())
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            self.position += len(parts[-1])
            size -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def skip(self, size):
        """Pass over bytes; what was not asked for yet is not fetched."""
        if self.position + size <= self._asked:
            self.read(size)
        else:
            self.close()
            self.position = self._asked = self.position + size
            self._blocks, self._rest, self._closed = collections.deque(), memoryview(b""), False

    def _next(self):
        self._ask()
        block = self._blocks.popleft().result()
        if self._flight > 1:
            self._ask()  # while the reader works on this one
        self._flight, self._block = min(2 * self._flight, IN_FLIGHT), max(self._block, min(2 * self._block, self._most))
        return block

    def _ask(self):
        while len(self._blocks) < self._flight and self._asked < self.end:
            start, self._asked = self._asked, min(self._asked + self._block, self.end)
            self._blocks.append(_threads(os.getpid()).submit(self._fetch, self._blocks, start, self._asked))

    def _fetch(self, blocks, start, end):
        data = bytearray()
        for chunk in self.file.chunks(start, end):
            if blocks is not self._blocks or self._closed:  # nobody waits for it any more
                break
            data += chunk
        return data

    def close(self):
        self._closed = True
        for block in self._blocks:
            block.cancel()


# ---------------------------------------------------------------------------------------------------------
# The archives at an address: places are guessed, every guess is checked
# ---------------------------------------------------------------------------------------------------------

WHOLE_BYTES = 8 << 20  # a smaller archive is fetched whole: cheaper than looking for a group in it
LONGEST_BYTES = 32 << 20  # no sound or clip is longer: 30 s of sound are 5 MB
SLACK = 8 << 10  # by so much may a sound's place be off that was foretold from the times of its annotations

# Where a member of the release was found: no other begins from byte `probe` on, its header is at `start`, the next at
# `end`. `key` sorts as the archive does: (0 annotation or 1 sound or video, group, id); (2,) is the end of the archive.
Mark = collections.namedtuple("Mark", "probe start end key")

# The annotations of a group: their ids; of each its name in the archive, the bytes between the member before and its
# header (folders), and its clip's length in seconds or None; all their bytes, compressed, and where each ends in them.
Annotations = collections.namedtuple("Annotations", "ids names gaps seconds ends packed")


class NotSortedError(Exception):
    """An archive is not in the order in which a group is a range."""


class Loaded:
    """A member whose bytes have been read: as `Member`, without a file behind it."""

    __slots__ = ("label", "data")

    def __init__(self, label, data):
        self.label, self.data = label, data

    def __len__(self):
        return len(self.data)

    def __str__(self):
        return self.label

    def read(self):
        return self.data

    def read_into(self, view):
        view[:] = self.data

    def part(self, start, size):
        return self.data[start : start + size]


class Sequence:
    """The members of the release in a plain tar, one after the other, from a stream that stands at a header."""

    def __init__(self, archive, stream):
        self.archive, self.stream, self._found = archive, stream, None

    def peek(self):
        """The (`Mark`, name, size) of the member that comes next; at the end of the archive the mark has the key (2,)."""
        while self._found is None:
            start = self.stream.position
            header = parse_header(self.stream.read(tarfile.BLOCKSIZE), magic=False)
            if header is None:
                return Mark(start, start, start, (2,)), "the end", 0
            key, end = _member_key(header), start + tarfile.BLOCKSIZE + padded(header[1])
            if key:
                self._found = Mark(start, start, end, key), *header[:2]
            else:
                self.stream.skip(padded(header[1]))
        return self._found

    def take(self):
        """The bytes of the member that comes next."""
        _, name, size = self.peek()
        data, self._found = self.stream.read(padded(size)), None
        if len(data) < size:
            raise _damaged(self.archive, self.stream.file.path, f"truncated within {brief(name)}: it ends at byte {self.stream.position:,}.")
        return data[:size]


def _member_key(header):
    """The key, as in a `Mark`, of a tar header; None for what is no part of the release."""
    match = match_member(header[0]) if header and header[2] == "0" else None
    return match and (int(match["suffix"].lower() != "json"), match["group"].upper(), match["id"].upper())


class RemoteArchive:
    """An archive at an address, as `Archive`, but only the bytes asked for are moved where it is plain and sorted.

    What is guessed, and what is believed, is checked: the order at every header that is read, the number of utterances
    of each group, annotation against media. Where that fails, and for a compressed archive or a server without ranges,
    the archive is fetched whole into an unnamed temporary file and scanned there, with one warning.
    """

    def __init__(self, name, file, folder=None):
        self.name, self.file = name, file
        self.whole = None  # the `Archive`, once it had to be fetched
        self._marks, self._sound = [], None  # of a sound: rate, bytes of a frame, bytes beside the samples
        self._groups, self._unpacked, self._warm = {}, (None, {}), False
        self._sequence = None  # (process, key that comes next, `Sequence`) where the last run of sounds ended
        head = file.head()
        annotations = list(self._scan(head, 0))
        # bytes of an annotation with its header
        self._mean = annotations[-1].end / len(annotations) if annotations else SLACK
        self._kept, self._path = False, None
        if file.size is not None and file.size <= WHOLE_BYTES:
            self._fetch(None)
        elif not file.ranged:
            self._fetch("the server does not serve ranges")
        elif Tar.opener(head):
            self._fetch("it is compressed")
        elif annotations and annotations[0].key[0]:
            self._fetch("its annotations do not come first")
        elif folder and file.tag:  # places are kept on disk where the entity tag tells this file from another
            told = json.dumps([file.url, file.size, file.tag, __version__])
            self._path = os.path.join(folder, "emotiontalk-addresses", hashlib.sha256(told.encode()).hexdigest() + ".places")
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError), open(self._path, encoding="utf-8") as saved:
                places = json.load(saved)
                self._marks = [Mark(*mark[:3], tuple(mark[3])) for mark in places["marks"]]
                self._sound, self._kept = places["sound"], True

    @property
    def groups(self):
        """The groups of the archive; those of the release as long as nothing says otherwise."""
        return self.whole.groups if self.whole else GROUPS

    def annotations(self, group):
        """A dict from utterance id to annotation, sorted by id, of a group."""
        while self.whole is None:
            try:
                if self._unpacked[0] != group:
                    found = self._annotations(group)
                    data = zlib.decompress(found.packed)
                    parts = (data[start:end] for start, end in zip([0, *found.ends], found.ends))
                    loaded = (Loaded(f"{self.file.path}: {name}", part) for name, part in zip(found.names, parts))
                    self._unpacked = group, dict(zip(found.ids, loaded))
                return self._unpacked[1]
            except NotSortedError as error:
                self._give_up(error)
        return self.whole.annotations(group)

    def media(self, group, suffix, first="", after="~", unread=()):
        """Yield (id, sound or video) of a group, sorted by id, from the id `first` on, before the id `after`.

        Nothing is moved for those of `unread` that come first; they are given without their bytes.
        """
        done = set()
        while self.whole is None:
            try:
                ids = [uid for uid in self._annotations(group).ids if first <= uid < after and uid not in done]
                while ids and ids[0] in unread:
                    done.add(ids[0])
                    yield ids[0], Loaded(f"{self.file.path}: {ids[0]}, unread", b"unread")
                    del ids[0]
                for uid, loaded in self._run(group, suffix, ids) if ids else ():
                    done.add(uid)
                    yield uid, loaded
                return
            except NotSortedError as error:
                self._give_up(error)
        for uid, member in self.whole.media(group, suffix, first, after, unread):
            if uid not in done:
                yield uid, member

    def _give_up(self, error):
        """Forget the places that were kept on disk, which may be wrong; where there were none, fetch the archive."""
        self._sequence = None
        if self._kept:
            self._marks, self._groups, self._kept = [], {}, False
        else:
            self._fetch(str(error))

    def _fetch(self, reason):
        """Fetch the archive whole, into a file that has no name."""
        if reason:
            logger.warning(
                f"{self.file.path}: {reason}, so single groups cannot be read: fetching all of it"
                + (f", {self.file.size:,} bytes" if self.file.size else "")
                + f", to {tempfile.gettempdir()}. Download it once and pass data_dir= to avoid that."
            )
        file = tempfile.TemporaryFile()
        try:
            self.file.save(file)
        except OSError as error:
            _check_room(error, self.file.path)
            raise
        self.whole = Archive(self.name, [Tar(self.name, self.file.path, file)])

    # --- finding

    def _scan(self, data, start):
        """Yield the `Mark` of each member of the release whose header is in some bytes of the file, which begin at `start`."""
        probe, at = start, 0
        while at + tarfile.BLOCKSIZE <= len(data):
            header = parse_header(data[at : at + tarfile.BLOCKSIZE])
            key, at = _member_key(header), at + tarfile.BLOCKSIZE
            if key and key[0] and not self._sound:  # how a sound's bytes follow from its seconds
                with contextlib.suppress(ValueError):
                    rate, channels, bits, _, frames = wav_format(Loaded("", data[at : at + tarfile.BLOCKSIZE]))
                    self._sound = [rate, channels * bits // 8, header[1] - frames * channels * bits // 8]
            end = at + (padded(header[1]) if header else 0)
            if key:
                yield Mark(probe, start + at - tarfile.BLOCKSIZE, start + end, key)
                probe = start + end
            at = end

    def _look(self, probe, window=SLACK):
        """The `Mark` of the first member of the release that begins at byte `probe` or after it."""
        probe = position = probe // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        while position < min(self.file.size, probe + LONGEST_BYTES):
            data = self.file.read(position, min(position + window, self.file.size))
            for mark in self._scan(data, position):
                return mark._replace(probe=probe)
            position, window = position + len(data), min(max(2 * window, 1 << 16), 1 << 20)
        return Mark(probe, max(probe, position), self.file.size, (2,))  # within the zip of videos, or at the end

    def _note(self, mark):
        """Keep a mark. Raises `NotSortedError` where it contradicts another."""
        before = max((m for m in self._marks if m.start < mark.start), key=lambda m: m.start, default=mark)
        after = min((m for m in self._marks if m.start > mark.start), key=lambda m: m.start, default=mark)
        if not before.key <= mark.key <= after.key:
            raise NotSortedError(f"its members are not sorted ({before.key[-1]} before {mark.key[-1]} before {after.key[-1]})")
        self._marks.append(mark)

    def _keep(self):
        """Keep the marks on disk for the next process."""
        self._marks = sorted(set(self._marks), key=lambda mark: mark.start)
        if self._path:
            with contextlib.suppress(OSError):
                write_json(self._path, {"marks": self._marks, "sound": self._sound})

    def _around(self, target):
        """(the end of the last known member before a key, the first byte known to be behind all of these)."""
        low = max((m.end for m in self._marks if m.key < target), default=0)
        return low, min((m.probe for m in self._marks if m.key >= target), default=self.file.size)

    def _find(self, target, slack=0):
        """Where the member of a key begins; with slack where a header is, at most so many bytes before the first of such keys."""
        tries = itertools.count()  # counted from the first anchor
        for attempt in range(64):
            exact, (low, high) = [m.start for m in self._marks if m.key == target], self._around(target)
            if exact or high - low <= slack:
                return exact[0] if exact else low
            anchors = [m for m in self._marks if m.key[:2] == target[:2] == (1, target[1])]
            guess = self._foretell(target, anchors) if anchors else self._guess(target)
            spread = min(slack // 3 + (guess - low) // 64 << attempt, (high - low) // 6) if slack else SLACK << next(tries) if anchors else 0
            if attempt > 5:  # the guesses were no good
                guess, spread = low if attempt % 2 and high - low < LONGEST_BYTES else (low + high) // 2, 0
            places = {guess - spread, guess + spread} if slack else {guess - spread}
            places = {min(max(place, low), max(low, high - tarfile.BLOCKSIZE)) for place in places}
            window = 2 * SLACK if slack or anchors else 3 << 17
            for mark in list(_threads(os.getpid()).map(lambda place: self._look(place, window), sorted(places))):
                self._note(mark)
        raise NotSortedError(f"{target[-1]} is not where it should be")

    def _guess(self, target):
        """About where a key's members are: between the marks around it, by the number of utterances before them."""

        def rank(key):
            if len(key) == 1:
                return 2 * TOTAL
            before = key[0] * TOTAL + sum(n for group, n in GROUPS.items() if group < key[1])
            within = int(key[2][7:9]) / 50 if key[2:] else key[0] / 2  # a group has about fifty dialogues; its middle is safest
            return before + min(1, within) * GROUPS.get(key[1], 0)

        known = [(0, 0), (2 * TOTAL, self.file.size), *((rank(m.key), m.start) for m in self._marks)]
        begin = int(TOTAL * self._mean)  # about where the sounds begin
        if all((m.key[0] == 1) == (m.start > begin) for m in self._marks):
            known.append((TOTAL, min(self.file.size, begin)))
        wanted = rank(target[:2])
        low, high = max(pair for pair in known if pair[0] <= wanted), min(pair for pair in known if pair[0] > wanted)
        return low[1] + int((high[1] - low[1]) * (wanted - low[0]) / (high[0] - low[0]))

    def _foretell(self, target, anchors):
        """Where a sound begins, counted from the nearest of some others of its group whose places are known."""
        annotations = self._groups[target[1]]
        numbers = {uid: n for n, uid in enumerate(annotations.ids)}
        wanted, lengths = numbers[target[2]], self._lengths(annotations)
        pairs = [(abs(numbers[m.key[2]] - wanted), m.start, numbers[m.key[2]]) for m in anchors if m.key[2] in numbers]
        if not pairs:
            raise NotSortedError(f"{anchors[0].key[2]} has no annotation")
        _, start, number = min(pairs)
        gaps = annotations.gaps
        return start + sum(lengths[number:wanted]) - sum(lengths[wanted:number]) + gaps[wanted] - gaps[number]

    def _lengths(self, annotations):
        """Of each utterance the bytes that its sound takes, with what stands before it, as its annotation lets one expect."""
        mean = int(self.file.size / TOTAL - self._mean)
        lengths = []
        for gap, seconds in zip(annotations.gaps, annotations.seconds):
            if self._sound and seconds is not None:
                rate, frame, beside = self._sound
                lengths.append(gap + tarfile.BLOCKSIZE + padded(round(seconds * rate) * frame + beside))
            else:
                lengths.append(max(tarfile.BLOCKSIZE, mean))
        return lengths

    # --- reading

    def _annotations(self, group):
        """The `Annotations` of a group, read once in a process. Raises `NotSortedError` unless all of them stand in a row."""
        if group in self._groups:
            return self._groups[group]
        count, target, entries = GROUPS.get(group, 0), (0, group), []
        start = self._find(target, 1 << 17)
        end = min(self._around((0, group, "~"))[1] + tarfile.BLOCKSIZE, start + int(1.01 * count * self._mean) + SLACK)
        stream = Stream(self.file, start, end, max(1 << 19, (end - start) // IN_FLIGHT + 1), IN_FLIGHT)
        sequence, last = Sequence(self.name, stream), None
        with contextlib.closing(stream):
            while (found := sequence.peek())[0].key < (0, group, "~"):
                mark, name, _ = found
                data = sequence.take()
                if mark.key > target:
                    entries.append((mark.key[2], name, mark.start - (last.end if last else mark.start), clip_seconds(data), data))
                    if len(entries) == 1:
                        first = mark.start
                        self._note(mark)
                elif entries:
                    raise NotSortedError(f"{mark.key[2]} comes between the annotations of {group}")
                last = mark
        ids = [entry[0] for entry in entries]
        if ids != sorted(set(ids)) or len(ids) != count:
            twice = next((a for a, b in zip(ids, ids[1:]) if a == b), None)
            raise NotSortedError(f"{twice} is there twice" if twice else f"it has {len(ids)} annotations of {group} in a row, of {count}")
        self._mean = (last.end - first) / count
        self._note(last)
        self._note(found[0])
        ends = list(itertools.accumulate(len(entry[4]) for entry in entries))
        packed = zlib.compress(b"".join(entry[4] for entry in entries), 1)
        self._groups[group] = Annotations(ids, *(tuple(entry[n] for entry in entries) for n in (1, 2, 3)), ends, packed)
        self._keep()
        return self._groups[group]

    def _run(self, group, suffix, ids):
        """Yield (id, `Loaded`) of neighbouring sounds of a group; `NotSortedError` unless just these come, and the next one."""
        everyone = self._groups[group].ids
        index = everyone.index(ids[0])
        sequence = self._sequence_at(group, index, len(ids))
        try:
            for uid in ids:
                mark, name, _ = sequence.peek()
                if mark.key != (1, group, uid) or not name.lower().endswith(suffix):
                    raise NotSortedError(f"{mark.key[-1]} comes where the {suffix} of {uid} was expected")
                if uid == ids[0]:
                    self._note(mark)
                    self._keep()
                yield uid, Loaded(f"{self.file.path}: {name}", sequence.take())
            following, mark = everyone[index + len(ids) :], sequence.peek()[0]
            if mark.key[:2] == (1, group) and mark.key[2:] != tuple(following[:1]) or following and mark.key[:2] != (1, group):
                raise NotSortedError(f"{mark.key[-1]} comes after {ids[-1]}")
            if index == 0:
                self._check_first((1, group, ids[0]))
            if following:
                self._sequence, sequence = (os.getpid(), mark.key, sequence), None
        finally:
            if sequence:
                sequence.stream.close()

    def _sequence_at(self, group, index, count):
        """A `Sequence` that stands before the sound of a group's annotation, and looks ahead to the end of the run.

        A run that begins where the last one ended takes over its stream, and looks ahead beyond its own end, as the next will
        go on there, too.
        """
        annotations, kept, self._sequence = self._groups[group], self._sequence, None
        key, known = (1, group, annotations.ids[index]), annotations.seconds[index] is not None
        if kept and kept[0] == os.getpid():
            stream = kept[2].stream
            if kept[1] == key:
                lengths = self._lengths(annotations)[index:]
                stream.end = max(stream.end, stream.position + min(sum(lengths), sum(lengths[:count]) + IN_FLIGHT * BLOCK_BYTES))
                return kept[2]
            stream.close()
        start = self._find(key)
        lengths = self._lengths(annotations)[index : index + count]
        first = lengths[0] + 2 * tarfile.BLOCKSIZE if self._sound and known else 1 << 18
        # the next header, too, where it can be foretold: it must be the expected one
        end = start + (sum(lengths) + 4 * tarfile.BLOCKSIZE if self._sound and known else int(0.9 * sum(lengths)))
        warm, self._warm = self._warm, True  # who has read one run goes on to another
        return Sequence(self.name, Stream(self.file, start, end, *((1 << 20, IN_FLIGHT // 2) if warm else (first, 1))))

    def _check_first(self, key):
        """Raise `NotSortedError` if a sound of the group stands before the first one that has an annotation."""
        start = end = self._find(key)
        while end == start or last is None and 0 < end and start - end < LONGEST_BYTES:
            if any(m.key < key and end <= m.end + (1 << 14) for m in self._marks):
                return
            low = max(0, end - max(1 << 18, start - end))
            *_, last = [None, *self._scan(self.file.read(low, end), low)]
            end = low
        if last and last.key >= key[:2]:
            raise NotSortedError(f"{last.key[-1]} has no annotation")
        if last:
            self._note(last)


# ---------------------------------------------------------------------------------------------------------
# What is behind an address, and what was kept of it
# ---------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _remote_file(name, path, token):
    kind = RemoteFile if re.match("https?:|hf://datasets/", path) else FsspecFile
    file = kind(name, path, token)
    file.head()
    return file


@functools.lru_cache(maxsize=16)
def _open_remote(name, path, token, folder):
    return RemoteArchive(name, _remote_file(name, path, token), folder)


@functools.lru_cache(maxsize=64)
def find_remote(name, source, token):
    """Addresses of an archive below an address, in the layouts of `find_archive` as far as names can be listed or guessed.

    Raises `MissingArchiveError`.
    """
    source = source.rstrip("/")
    try:
        _remote_file(name, f"{source}/{name}.tar", token)
        return (f"{source}/{name}.tar",)
    except MissingArchiveError as error:
        missing = error
    low = name.lower()
    if source.startswith(("http://", "https://")):  # no names can be listed
        names = [f"{data}{folder}{file}.tar" for data in ("", "data/") for folder in ("", f"{low}/", f"{name}/") for file in (name, low)]
        for guess in names[1:]:
            with contextlib.suppress(MissingArchiveError):
                _remote_file(name, f"{source}/{guess}", token)
                return (f"{source}/{guess}",)
        raise missing
    files, root = filesystem(source, token)
    try:
        names = [path[len(root) :].strip("/") for path in files.find(root)]
    except Exception:  # each library has errors of its own
        raise missing from None
    pattern = re.compile(rf"(data/)?({re.escape(low)}\.[^/]*|{re.escape(low)}/.*)", re.IGNORECASE)
    found = sorted(f"{source}/{path}" for path in names if pattern.fullmatch(path) and TAR_NAME.fullmatch(path))
    if not found:
        raise missing
    return tuple(found)


def remote_file(name, source, token):
    """The `RemoteFile` of an archive below an address. Raises `MissingArchiveError` where it is in several parts."""
    urls = find_remote(name, source, token)
    if len(urls) > 1:
        raise MissingArchiveError(f"{shown(source)}: {name} is in {len(urls)} parts. Download them, and pass data_dir= with their folder.")
    return _remote_file(name, urls[0], token)


def forget_addresses():
    """Ask anew what is behind an address, which may have changed."""
    for cache in (_remote_file, _open_remote, find_remote):
        cache.cache_clear()


@functools.lru_cache(maxsize=16)
def _open_local(name, paths, state):
    return Archive(name, [Tree(name, path) if os.path.isdir(path) else Tar(name, path) for path in paths])


def open_archive(name, paths, token=None, known=None, folder=None):
    """The archive at an address, or at some local paths; each worker opens it once, or inherits its parent's.

    known: what the address was found to hold, as `address_states` says, or the `_state` of the paths. Raises `EmotionTalkError`
    if an address holds another file now.
    folder: where the places in an archive at an address are kept.
    """
    if not is_remote(paths):  # the files of a folder are too many to look at each of them for each shard
        return _open_local(name, paths, known if known and any(map(os.path.isdir, paths)) else _state(paths))
    archive = _open_remote(name, paths, token, folder)
    if known and known != [archive.file.size, archive.file.tag]:
        raise EmotionTalkError(f"{archive.file.path}: this is another file than before. Run again.")
    return archive


def address_states(names, source, token, folder):
    """Archive -> [size, entity tag, …], None for what the server does not tell, of the archives at an address that can change.

    Where it cannot be reached, what it was the last time (kept in `folder`) still says what has been prepared from it.
    """
    forget_addresses()
    if not is_remote(source) or is_pinned(source):
        return None
    states = {}
    for name in names:
        kept = os.path.join(folder, "emotiontalk-addresses", hashlib.sha256(http_url(f"{source.rstrip('/')}/{name}.tar").encode()).hexdigest() + ".json")
        try:
            files = [_remote_file(name, url, token) for url in find_remote(name, source, token)]
            states[name] = [told for file in files for told in (file.size, file.tag)]
        except NoConnectionError as error:
            try:
                with open(kept, encoding="utf-8") as saved:
                    states[name] = json.load(saved)
            except (OSError, ValueError):
                raise error from None
            logger.warning(f"{error} What has been prepared from it before is used, where there is some.")
            continue
        write_json(kept, states[name])
    return states


def write_json(path, value):
    """Write a small file as a whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(f"{path}.{os.getpid()}", path)


def cached_file(url):
    """Where an `hf://` file is in the cache of `huggingface_hub`, or None.

    A branch may have moved on since: online only a commit's files are taken from there unasked.
    """
    if not url.startswith("hf://"):
        return None
    repo, revision, path = split_hf_url(url)
    if not (re.fullmatch("[0-9a-f]{40}", revision) or offline()):
        return None
    found = huggingface_hub.try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    return found if isinstance(found, str) else None


def downloaded_file(url, state, folder):
    """Where `download` keeps an archive. state: [size, entity tag] of an address that can change; None for one that cannot."""
    return os.path.join(folder, hashlib.sha256(json.dumps([http_url(url), state]).encode()).hexdigest())


def download(name, url, token, path, force=False):
    """Download an archive whole, once, to a path; what had come of it before, however that ended, is kept and gone on with."""
    partial = path + ".incomplete"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with filelock.FileLock(path + ".lock"):
            if os.path.exists(path) and not force:
                return
            remote = _remote_file(name, url, token)
            unknown = remote.size is None  # then nothing tells whether what is there belongs to it
            if os.path.exists(partial) and (unknown or force or os.path.getsize(partial) > remote.size):
                os.remove(partial)
            with open(partial, "ab") as file:
                remote.save(file)
            os.replace(partial, path)
    except OSError as error:
        if isinstance(error, EmotionTalkError):
            raise
        raise _unwritable(os.path.dirname(path), error, _remote_file(name, url, token).size) from None


# ---------------------------------------------------------------------------------------------------------
# The annotations: strict where they decide a row, lenient where people typed
# ---------------------------------------------------------------------------------------------------------

_MARK = r"(?:over|interrupted|laughing|sobbing|crying|screaming)"
# A mark has a bracket on one side at least: `[over/]`, `[[/over]`, `[over/呀`, `没问题/over]`. Only the mark
# goes; words that a slip has put inside the brackets were spoken, and stay.
MARKS = re.compile(  # every repeat has a bound, so that no text takes more than one look at each of its characters
    rf"[\[【［]\s{{0,4}}/{{0,4}}\s{{0,4}}{_MARK}(?![A-Za-z])(?:\s{{0,4}}/{{1,4}})?(?:\s{{0,4}}[\]】］])?"
    rf"|(?:/|(?<![A-Za-z\s])){_MARK}\s{{0,4}}/{{0,4}}\s{{0,4}}[\]】］]",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[\[\]【】［］]")


def spoken_text(transcription):
    """A transcription without its marks: every spoken word, no bracket. None stays None.

    Marks are overlap `[over/]…[/over]` and the events `[interrupted]`, `[laughing]`, `[Sobbing]`, `[crying]`,
    `[screaming]`, in `[]` or `【】`, with the typing slips of the release.
    """
    if transcription is None:
        return None
    return BRACKETS.sub("", MARKS.sub("", transcription))


def wav_format(member):
    """(sampling rate in Hz, channels, bits of a sample, frames, frames that the header says) of a WAV file.

    Reads the heads of its chunks alone. Raises `ValueError` for what is no WAV file, or holds no samples.
    """
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


def parse_annotation(member):
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


def emotion_id(value):
    """The number 0…6 of an emotion string, or None if it is none of the seven."""
    if not isinstance(value, str):
        return None
    label = _EMOTION_IDS.get(value)
    return _EMOTION_IDS.get(value.strip().lower()) if label is None else label


def number(value, low=-math.inf, high=math.inf):
    """A finite number between two bounds, also from a string, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        value = float(value)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def sentiment_id(score):
    """The number 0…4 of the paper's sentiment class of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1."""
    score = round(score, 6)  # a mean of five ratings, which may carry the noise of a float
    return (0 if score <= -1 else 1) if score < 0 else 2 if score == 0 else 3 if score < 1 else 4


def _string(value):
    """What a person typed as a string; a bare number as its digits; None for anything else.

    Half of a surrogate pair, which JSON can hold and no file in UTF-8, becomes the replacement character.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _dict(value):
    return value if isinstance(value, dict) else {}


def clip_seconds(data):
    """How long the clip of an annotation of the audio pass is, in seconds, as its times say; None where they do not."""
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

    `members` and `annotations` are dicts by pass ("audio", …); `own` is the pass whose label the config
    carries; `media` is the `Member` with the sound or video, or None.
    """

    def __init__(self, uid, own, members, media=None):
        self.id, self.own, self.members, self.media = uid, own, members, media
        self.group, dialogue, self.speaker_id, turn = uid.split("_")
        self.dialogue = f"{self.group}_{dialogue}"
        self.turn = int(turn)
        self.annotations = {name: parse_annotation(member) for name, member in members.items()}
        self.seconds = None  # how long the sound is, where there is one to look at
        self._votes = {}
        self.notes = []  # (what is odd, which member it is) of what decides no row
        for name, annotation in self.annotations.items():
            path = annotation.get("file_path", annotation.get("file_name"))
            inside = ID_INSIDE.search(path) if isinstance(path, str) else None
            if inside and inside[1].upper() != uid:
                self.notes.append(("the path inside is another utterance's", f"{members[name]} ({brief(path)})"))
        if media is not None:
            self._look_at(media)

    def _look_at(self, media):
        """Look at the header of a sound. Raises `BadUtteranceError` for what is none."""
        if not len(media):
            raise BadUtteranceError(f"{media} is empty. Compare it with the release.")
        if len(media) > LONGEST_MEDIA:
            raise BadUtteranceError(f"{media} has {len(media):,} bytes, more than any clip. Compare it with the release.")
        if not str(media).lower().endswith(".wav"):
            return
        try:
            rate, _, _, frames, said = wav_format(media)
        except ValueError as error:
            raise BadUtteranceError(f"{media} is no sound ({error}). Compare it with the release.") from None
        self.seconds = frames / rate
        if frames < said:
            self.notes.append(("the sound is cut: its header says more samples than are there", str(media)))

    def emotion(self, name):
        """The label 0…6 that a pass has given. Raises `BadUtteranceError`."""
        value = self.annotations[name].get("emotion_result")
        label = emotion_id(value)
        if label is None:
            raise BadUtteranceError(
                f"{self.members[name]}: emotion_result {brief(repr(value))} is none of {', '.join(EMOTIONS)}. "
                "Correct the file, or compare it with the release."
            )
        return label

    def score(self):
        """The sentiment score, −2…2. Raises `BadUtteranceError`."""
        value = self.annotations["multimodal"].get("Continuous label_result")
        score = number(value, -2, 2)
        if score is None:
            raise BadUtteranceError(
                f"{self.members['multimodal']}: Continuous label_result {brief(repr(value))} is no number in -2…2. "
                "Correct the file, or compare it with the release."
            )
        return score

    def transcription(self):
        """The transcription, verbatim: the own pass's, or where that has none, another's that was read."""
        for name in (self.own, "multimodal", "text", "audio"):
            annotation = self.annotations.get(name, {})
            content = _string(annotation.get("content"))
            if content is not None:
                return content
            if name in self.annotations and name != "video":
                what = "is null" if annotation.get("content") is None else "is no text"
                self._note(f"the content of the {name} pass {what}", str(self.members[name]))
        return None

    def _note(self, what, which):
        if (what, which) not in self.notes:
            self.notes.append((what, which))

    def emotion_string(self):
        """The own label as a word, for the benchmark. Raises `BadUtteranceError`."""
        return EMOTIONS[self.emotion(self.own)]

    def time(self, key):
        """`startTime` or `endTime` in seconds, or None."""
        return number(_dict(self.annotations["audio"].get("paragraphs")).get(key))

    def captions(self):
        annotation = self.annotations["audio"]
        typed = {**annotation, **_dict(annotation.get("sourceAttr"))}  # in some files they stand flat
        return {
            "speaker": _string(typed.get("spe_cap")),
            "style": _string(typed.get("style_cap")),
            "emotion": _string(typed.get("emo_cap")),
            "overall": [_string(typed.get(f"caption_{i}")) for i in range(1, 6)],
        }

    def votes(self, name):
        """The five single votes of a pass; what is missing or does not parse is None."""
        if name not in self._votes:  # two fields are made of them
            data = _dict(self.annotations[name].get("data"))
            self._votes[name] = [self._vote(annotator, _dict(data.get(annotator))) for annotator in ANNOTATORS]
        return self._votes[name]

    def soft_label(self):
        """The shares of the five votes of the own pass among the seven emotions, 0…1; None where a vote is missing."""
        given = [vote["emotion"] for vote in self.votes(self.own)]
        return None if None in given else [given.count(label) / len(given) for label in range(len(EMOTIONS))]

    @staticmethod
    def _vote(annotator, vote):
        tenths = number(vote.get("Confidence_degree"), 1, 9)
        rating = number(vote.get("Continuous_label"), -2, 2)
        return {
            "annotator": annotator,
            "emotion": emotion_id(vote.get("emotion")),
            "confidence": None if tenths is None else tenths / 10,
            "sentiment": None if rating is None or rating % 1 else int(rating),
        }


# ---------------------------------------------------------------------------------------------------------
# The configs: which archives each one reads, and its fields
# ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class EmotionTalkConfig(datasets.BuilderConfig):
    """The options of the loader, beside the config's name.

    label_set: "all" seven emotions, or "four": only utterances whose label (this config's) is neutral,
        happy, sad or angry, the paper's "Four" setting. Class numbers stay the same.
    prepare_splits: prepare only these, for example ["test"]; None prepares all. For the script alone: there
        `split="test"` makes `datasets` prepare every split. `emotiontalk.load_dataset` needs no such option.
    strict: True raises an error for an utterance that is incomplete or wrong (annotation without media or
        the reverse, JSON that does not parse, unknown emotion, score out of range); False passes over it
        and logs how many and which.
    data_dir (as everywhere in `datasets`): the folder that holds the archives.
    """

    name: str = "multimodal"  # what `datasets` before 2.16 takes where options but no config are given
    label_set: str = "all"
    prepare_splits: list | tuple | str | None = None
    strict: bool = True
    addresses: dict | None = None  # set by the builder: `address_states` of an address that can change

    def create_config_id(self, config_kwargs, custom_features=None):
        """As in `datasets`, but what is prepared from other archives, or by a `datasets` that writes features in another
        way (`List` from 4 on, `Video` from 3.2 on), is not mistaken for what is asked for."""
        self.check()
        kwargs = {**config_kwargs, "features": json.dumps(features_of(self.name).to_dict(), sort_keys=True)}
        if self.data_dir is not None and not is_remote(self.data_dir):
            kwargs["archives"] = tuple(_state(find_archive(name, self.data_dir)) for name in archives_of(self.name))
        return super().create_config_id(kwargs, custom_features=custom_features)

    def check(self):
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
        if self.prepare_splits is not None:
            names, wanted = CONFIGS[self.name].splits, self.prepare_splits
            if not isinstance(wanted, (list, tuple)) or not wanted or any(name not in names for name in wanted):
                raise ValueError(f"prepare_splits={wanted!r}: choose from {list(names)} for the config {self.name!r}.")


Config = collections.namedtuple("Config", "description own passes media splits fields")
Field = collections.namedtuple("Field", "feature value description")

_STRING = datasets.Value("string")
_EMOTION = datasets.ClassLabel(names=list(EMOTIONS))
_BYTES = {"bytes": datasets.Value("binary"), "path": _STRING}
_VIDEO = datasets.Video() if hasattr(datasets, "Video") else _BYTES
_VOTE = {
    "annotator": _STRING,
    "emotion": _EMOTION,
    "confidence": datasets.Value("float64"),
    "sentiment": datasets.Value("int8"),
}

# For each field its feature, its value for an `Utterance`, and what it holds ({own}: the config's own pass).
FIELDS = {
    "id": Field(_STRING, lambda u: u.id, "utterance id, `<group>_<dialogue>_<speaker>_<turn>`"),
    "group": Field(_STRING, lambda u: u.group, "group of dialogues, `G00001`…`G00015`; it decides the split"),
    "dialogue": Field(_STRING, lambda u: u.dialogue, "dialogue, `<group>_<dialogue>`, unique in the corpus"),
    "speaker_id": Field(_STRING, lambda u: u.speaker_id, "speaker, two digits; 19 in the corpus"),
    "turn": Field(datasets.Value("int32"), lambda u: u.turn, "number in the dialogue, through both speakers: it orders them"),
    "audio": Field(
        datasets.Audio(sampling_rate=44_100),
        lambda u: {"bytes": u.media, "path": f"{u.id}.wav"},
        "the sound as released: WAV, 44.1 kHz, 16 bit, two channels",
    ),
    "video": Field(
        _VIDEO,
        lambda u: {"bytes": u.media, "path": f"{u.id}.mp4"},
        "the clip as released: MP4 with sound (`{{bytes, path}}` where `datasets` has no `Video`)",
    ),
    "transcription": Field(_STRING, lambda u: u.transcription(), "what was said, verbatim, marks included"),
    "text": Field(_STRING, lambda u: spoken_text(u.transcription()), "`transcription` without the marks; every spoken word stays"),
    "emotion": Field(_EMOTION, lambda u: u.emotion(u.own), "**this config's label**: that of the {own} pass, 0…6"),
    "soft_label": Field(
        [datasets.Value("float64")],
        lambda u: u.soft_label(),
        "shares of the five votes of the {own} pass among the seven emotions, in the order of the labels, sum 1; null where a vote is missing",
    ),
    "emotion_text": Field(_EMOTION, lambda u: u.emotion("text"), "label of the text pass (annotators read the transcription only)"),
    "emotion_audio": Field(_EMOTION, lambda u: u.emotion("audio"), "label of the audio pass (annotators heard the sound only)"),
    "emotion_video": Field(_EMOTION, lambda u: u.emotion("video"), "label of the video pass (annotators saw the silent video only)"),
    "emotion_multimodal": Field(_EMOTION, lambda u: u.emotion("multimodal"), "label of the multimodal pass (video with sound)"),
    "sentiment_score": Field(
        datasets.Value("float64"), lambda u: u.score(), "sentiment, −2…2: mean of the five ratings of the multimodal pass"
    ),
    "sentiment": Field(
        datasets.ClassLabel(names=list(SENTIMENTS)),
        lambda u: sentiment_id(u.score()),
        "class of `sentiment_score`: ≤ −1, < 0, 0, < 1, ≥ 1",
    ),
    "start": Field(
        datasets.Value("float64"), lambda u: u.time("startTime"), "start in the dialogue, seconds, as annotated in the audio pass; may be null"
    ),
    "end": Field(
        datasets.Value("float64"), lambda u: u.time("endTime"), "end in the dialogue, seconds, as annotated in the audio pass; may be null"
    ),
    "captions": Field(
        {"speaker": _STRING, "style": _STRING, "emotion": _STRING, "overall": [_STRING]},
        lambda u: u.captions(),
        "descriptions of the voice, the style, the emotion, and five overall; each may be null",
    ),
    "annotations": Field(
        [_VOTE],
        lambda u: u.votes(u.own),
        "the five votes of the {own} pass, annotators A…E: emotion, confidence (0.1…0.9), sentiment "
        "(−2…2, multimodal pass only); what is missing in the release is null",
    ),
    "dataset_id": Field(_STRING, lambda u: "emotiontalk", "`emotiontalk`"),
    "sample_id": Field(_STRING, lambda u: u.id, "utterance id"),
    "src_audio": Field(_STRING, lambda u: f"emotiontalk/audio/zh/{u.id}.wav", "path of the sound below the benchmark's data folder"),
    "src_ref": Field(_STRING, lambda u: u.transcription(), "transcription of the audio pass, verbatim, marks included"),
    "tgt_ref": Field(_STRING, lambda u: None, "null: there is no reference translation"),
    "src_lang": Field(_STRING, lambda u: "zh", "`zh`"),
    "tgt_lang": Field(_STRING, lambda u: "en", "`en`"),
    "benchmark_metadata": Field(
        {"context": _STRING, "emotion": _STRING, "dataset_type": _STRING},
        lambda u: {"context": "short", "emotion": u.emotion_string(), "dataset_type": "emotion"},
        "`context` (`short`), `emotion` (label of the audio pass as a string), `dataset_type` (`emotion`)",
    ),
}  # fmt: skip

MEDIA = frozenset({"audio", "video"})
KEY_FIELDS = ("id", "group", "dialogue", "speaker_id", "turn")
TURN_FIELDS = (
    "id", "speaker_id", "turn", "transcription", "text", "emotion_text", "emotion_audio", "emotion_video",
    "emotion_multimodal", "sentiment_score", "sentiment", "start", "end",
)  # fmt: skip
FIELDS["turns"] = Field(
    [{name: FIELDS[name].feature for name in TURN_FIELDS}],
    None,  # made of the values of TURN_FIELDS
    "the utterances of the dialogue in turn order, each with " + ", ".join(f"`{name}`" for name in TURN_FIELDS),
)

CONFIGS = {
    "multimodal": Config(
        "Sound, transcription and sentiment with the label of the multimodal pass; the other passes' labels beside it.",
        own="multimodal",
        passes=("multimodal", "text", "audio", "video"),
        media=("Audio", "wav"),
        splits=SPLITS,
        fields=KEY_FIELDS + (
            "audio", "transcription", "text", "emotion", "soft_label", "sentiment_score", "sentiment", "emotion_text",
            "emotion_audio", "emotion_video", "start", "end", "captions", "annotations",
        ),
    ),
    "audio": Config(
        "Sound and transcription with the label of the audio pass.",
        own="audio",
        passes=("audio",),
        media=("Audio", "wav"),
        splits=SPLITS,
        fields=KEY_FIELDS + ("audio", "transcription", "text", "emotion", "soft_label", "start", "end", "captions", "annotations"),
    ),
    "text": Config(
        "Transcription with the label of the text pass; no media.",
        own="text",
        passes=("text",),
        media=None,
        splits=SPLITS,
        fields=KEY_FIELDS + ("transcription", "text", "emotion", "soft_label", "annotations"),
    ),
    "video": Config(
        "Video clip with the label of the video pass (silent video); the multimodal label and sentiment beside it.",
        own="video",
        passes=("video", "multimodal"),
        media=("Multimodal", "mp4"),
        splits=SPLITS,
        fields=KEY_FIELDS + (
            "video", "transcription", "text", "emotion", "soft_label", "emotion_multimodal", "sentiment_score", "sentiment",
            "annotations",
        ),
    ),
    "dialogues": Config(
        "One example a dialogue, its utterances in turn order with the labels of all four passes; no media.",
        own="text",
        passes=("text", "audio", "video", "multimodal"),
        media=None,
        splits=SPLITS,
        fields=("id", "group", "dialogue", "turns"),
    ),
    "zh-en": Config(
        "The zh→en view of the Hearing to Translate benchmark: the records of its manifest, and the sound.",
        own="audio",
        passes=("audio",),
        media=("Audio", "wav"),
        splits=("test",),
        fields=(
            "dataset_id", "sample_id", "src_audio", "src_ref", "tgt_ref", "src_lang", "tgt_lang", "benchmark_metadata",
            "audio",
        ),
    ),
}  # fmt: skip


def archives_of(config):
    """Names of the archives that a config reads, in a fixed order."""
    names = {PASSES[name] for name in CONFIGS[config].passes}
    if CONFIGS[config].media:
        names.add(CONFIGS[config].media[0])
    return [name for name in ARCHIVES if name in names]


def features_of(config):
    """The `datasets.Features` of a config."""
    return datasets.Features({name: FIELDS[name].feature for name in CONFIGS[config].fields})


def split_sizes(config):
    """Examples of the pinned release in each split of a config."""
    if config == "dialogues":
        return dict(DIALOGUES)
    return {
        split: sum(count for group, count in GROUPS.items() if split_of(group) == split) for split in CONFIGS[config].splits
    }


def description_of(config, field):
    """What a field of a config holds, as a line of Markdown."""
    return FIELDS[field].description.format(own=CONFIGS[config].own)


# ---------------------------------------------------------------------------------------------------------
# The builder
# ---------------------------------------------------------------------------------------------------------

# Sound or video in one batch: what is held in memory, read and written at a time. Measured (benchmarks/README.md):
# small batches cost a prepared dataset time when it is opened, large ones a streamed one time to its first example.
PREPARED_BYTES = 40 << 20
STREAMED_BYTES = 4 << 20
BATCH_ROWS = 500


def runs_of(shards):
    """Shards that follow one another in a group as one: [(group, first part, the part after the last, parts)]."""
    runs = []
    for group, part, parts in shards:
        if runs and (runs[-1][0], *runs[-1][2:]) == (group, part, parts):
            runs[-1] = (group, runs[-1][1], part + 1, parts)
        else:
            runs.append((group, part, part + 1, parts))
    return runs


class EmotionTalk(datasets.ArrowBasedBuilder, datasets.GeneratorBasedBuilder):
    """EmotionTalk by shards: `gen_kwargs["shards"]` is the list that `num_proc` and streaming share out.

    `_generate_examples` gives what loading scripts give: single examples, ready to be encoded. `datasets` prepares and
    streams by `_generate_tables` (so the Arrow base stands first), because single examples take 2.5 to 3 times as long.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = EmotionTalkConfig
    BUILDER_CONFIGS = [
        EmotionTalkConfig(name=name, version=datasets.Version(__version__), description=config.description)
        for name, config in CONFIGS.items()
    ]
    DEFAULT_CONFIG_NAME = "multimodal"
    _batch_bytes = STREAMED_BYTES
    unread = frozenset()  # ids whose sound or video nobody will ask for: set by a tool that has them already
    _told = frozenset()  # (group, what was warned of)
    all_splits = False  # whether this builder prepares one split of several that are wanted: set by `load_dataset`

    def __init__(self, cache_dir=None, *args, hash=None, token=None, config_name=None, **kwargs):
        token, folder = checked_token(token), os.path.expanduser(cache_dir or datasets.config.HF_DATASETS_CACHE)
        if str(kwargs.get("data_dir")).startswith("file://"):
            kwargs["data_dir"] = urllib.request.url2pathname(urllib.parse.urlsplit(kwargs["data_dir"]).path)
        try:
            if "addresses" not in kwargs:
                names = archives_of(config_name or "multimodal") if (config_name or "multimodal") in CONFIGS else ()
                kwargs["addresses"] = address_states(names, kwargs.get("data_dir"), token, folder)
            # `datasets` gives the hash of a script; for the imported class its cache must know the code, too
            super().__init__(cache_dir, *args, hash=hash or _code_hash(), token=token, config_name=config_name, **kwargs)
        except OSError as error:
            raise error if isinstance(error, EmotionTalkError) else _unwritable(folder, error) from None

    # not the one of GeneratorBasedBuilder, which would have tables looked through for keys that are there twice
    _download_and_prepare = datasets.DatasetBuilder._download_and_prepare

    def _info(self):
        config = CONFIGS[self.config.name]
        fields = "\n".join(f"- {name}: {description_of(self.config.name, name)}" for name in config.fields)
        return datasets.DatasetInfo(
            description=f"{config.description}\n\n{fields}\n",
            citation=CITATION,
            homepage=HOMEPAGE,
            license=LICENSE,
            features=features_of(self.config.name),
        )

    def _split_generators(self, dl_manager):
        paths = {name: self._locate(name, dl_manager) for name in archives_of(self.config.name)}
        addresses = self.config.addresses or {}
        known = {name: addresses.get(name) if is_remote(paths[name]) else _state(paths[name]) for name in paths}
        archives = {name: self._open(name, paths[name], known) for name in paths}
        groups = sorted(set().union(*(archive.groups for archive in archives.values())))
        whole = self._is_whole(archives)
        generators, absent = [], []
        for split in CONFIGS[self.config.name].splits:
            if self.config.prepare_splits and split not in self.config.prepare_splits:
                continue
            # a group without annotations may have sounds, which are to be told
            counts = {g: max(1, self._count(archives, g, whole)) for g in (GROUPS if whole else groups) if split_of(g) == split}
            if counts:
                shards = shards_of(counts, SHARDS[split])
                kwargs = {"shards": shards, "paths": paths, "whole": whole, "known": known}
                generators.append(datasets.SplitGenerator(name=split, gen_kwargs=kwargs))
            else:
                absent.append(split)
        if absent and (self.config.prepare_splits or not generators):
            raise NoUtteranceError(
                f"{shown(self.config.data_dir or DEFAULT_SOURCE)} holds no utterance of {', '.join(absent)}: "
                f"its groups are {', '.join(groups) or 'none'}, of {', '.join(GROUPS)}."
            )
        self._expect([generator.name for generator in generators], whole)
        return generators

    def _locate(self, name, dl_manager):
        """Where an archive is to be read: a tuple of local paths, or an address.

        Sound or video that is wanted whole is downloaded first, as is an archive in several parts; of everything else only the
        groups' ranges move.
        """
        source = self.config.data_dir or DEFAULT_SOURCE
        if not is_remote(source):
            return find_archive(name, source)
        settings = dl_manager.download_config
        force = not dl_manager.is_streaming and settings.force_download
        url = f"{source.rstrip('/')}/{name}.tar"
        path = None if force else cached_file(url)
        if path:
            return (path,)
        folder = settings.cache_dir or str(datasets.config.DOWNLOADED_DATASETS_PATH)
        known = None if is_pinned(url) else (self.config.addresses or {}).get(name)
        sure = known is None or None not in known  # then what is kept is what is there
        pinned = is_pinned(url) and downloaded_file(url, None, folder)
        if pinned and os.path.exists(pinned) and not force:  # nothing to ask for
            return (pinned,)
        urls = find_remote(name, source, self.token)
        kept = [downloaded_file(url, known and known[2 * n : 2 * n + 2], folder) for n, url in enumerate(urls)]
        if sure and not force and all(map(os.path.exists, kept)):
            return tuple(kept)
        config = CONFIGS[self.config.name]
        everything = (self.config.prepare_splits is None or self.all_splits) and config.splits == SPLITS
        whole = not dl_manager.is_streaming and everything and config.media and config.media[0] == name
        if len(urls) == 1 and not whole:
            return urls[0]
        if len(urls) > 1:
            _warn_once(f"{shown(source)}: {name} is in {len(urls)} parts, all of which are downloaded to {folder}.")
        for url, path in zip(urls, kept):
            download(name, url, self.token, path, force or not sure)
        if getattr(dl_manager, "record_checksums", False) and source == DEFAULT_SOURCE:  # verification_mode="all_checks"
            _check_sha256(name, kept[0])
        return tuple(kept)

    def _open(self, name, paths, known):
        return open_archive(name, paths, self.token, known.get(name), self._cache_dir_root)

    def _count(self, archives, group, whole):
        """Utterances (or dialogues) of a group, to share them out."""
        if self.config.name == "dialogues":
            return len({uid[:9] for archive in archives.values() if archive.groups is not GROUPS for uid in archive.annotations(group)})
        return GROUPS[group] if whole else len(set().union(*(archive.annotations(group) for archive in archives.values())))

    def _is_whole(self, archives):
        """Whether this is the whole release, whose counts are known, or somebody's selection from it.

        A selection lacks whole groups or most of their utterances; a release that lacks a few of its
        19,250 is meant to be whole, and is not.
        """
        found = {
            name: TOTAL if archive.groups is GROUPS else sum(len(archive.annotations(g)) for g in archive.groups)
            for name, archive in archives.items()
        }
        if min(found.values()) > 0.95 * TOTAL:
            return True
        _warn_once(
            f"{shown(self.config.data_dir or DEFAULT_SOURCE)} holds a part of the release ("
            + ", ".join(f"{name} {n:,}" for name, n in found.items())
            + f" of {TOTAL:,} utterances): the sizes of its splits are not checked."
        )
        return False

    def _expect(self, splits, whole):
        """Leave to `datasets` the check of those split sizes that can be known: those of dataset_infos.json, where it read that."""
        if whole and self.config.label_set == "all" and self.config.strict:
            sizes = {name: info.num_examples for name, info in (self.info.splits or {}).items()} or split_sizes(self.config.name)
            infos = [datasets.SplitInfo(name, num_examples=size) for name, size in sizes.items() if name in splits]
            self.info.splits = datasets.SplitDict({info.name: info for info in infos})
        else:
            self.info.splits = None
        self.info.download_checksums = None  # `_locate` has compared them, where something was downloaded

    def _prepare_split_single(self, **kwargs):
        """As in `datasets`, but what is written does not crowd the archive out of the page cache.

        Measured with 14.8 GB of sound on 24 GB of memory: half the wall time (benchmarks/README.md).
        """
        self._batch_bytes = PREPARED_BYTES
        try:
            for progress in super()._prepare_split_single(**kwargs):
                if CONFIGS[self.config.name].media:
                    pattern = kwargs["fpath"].replace("JJJJJ", f"{kwargs['job_id']:05d}")
                    for path in glob.glob(glob.escape(pattern).replace("SSSSS", "*")):
                        write_out(path)
                yield progress
        except (OSError, datasets.builder.DatasetGenerationError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(error, EmotionTalkError) or not isinstance(cause, OSError) or cause.errno is None:
                raise
            media = CONFIGS[self.config.name].media
            raise _unwritable(os.path.dirname(kwargs["fpath"]), cause, ARCHIVES[media[0]][0] if media else None) from None

    def _generate_examples(self, shards, paths, whole, known):
        """Yield (id, example) for each utterance (or dialogue) of some shards, sorted by id.

        `features.encode_example` takes an example as it is; sound and video are `{bytes, path}`.
        """
        for key, example in self._examples(shards, paths, whole, known):
            for name in MEDIA.intersection(example):
                example[name] = {**example[name], "bytes": example[name]["bytes"].read()}
            yield key, example

    def _generate_tables(self, shards, paths, whole, known):
        """Yield (key, `pyarrow.Table`) for some shards: the same examples in batches.

        Each sound is copied once on its way from archive to Arrow file, not four times as by single examples.
        """
        schema = features_of(self.config.name).arrow_schema
        # the first example of a stream comes alone, so that it does not wait for others
        batch, size, limit = [], 0, 0 if self._batch_bytes == STREAMED_BYTES else self._batch_bytes
        for key, example in self._examples(shards, paths, whole, known):
            batch.append(example)
            size += sum(len(example[name]["bytes"]) for name in MEDIA.intersection(example))
            if size >= limit and (size or len(batch) > 1) or len(batch) == BATCH_ROWS:
                yield key, _table(batch, schema)
                batch, size, limit = [], 0, min(self._batch_bytes, max(2 * limit, 1 << 20))
        if batch:
            yield key, _table(batch, schema)

    def _examples(self, shards, paths, whole, known):
        """Yield (id, example) for each utterance (or dialogue) of some shards, sorted by id.

        In an example, sound and video are still a `Member`, which knows where its bytes are.
        """
        archives = {name: self._open(name, paths[name], known) for name in paths}
        for run in runs_of(shards):
            if self.config.name == "dialogues":
                dialogues = collections.defaultdict(list)
                for utterance, turn in self._utterances(run, archives, whole, TURN_FIELDS):
                    dialogues[utterance.dialogue].append(turn)
                for name, turns in dialogues.items():
                    turns.sort(key=lambda turn: turn["turn"])
                    yield name, {"id": name, "group": run[0], "dialogue": name, "turns": turns}
            else:
                fields = CONFIGS[self.config.name].fields
                for utterance, example in self._utterances(run, archives, whole, fields):
                    yield utterance.id, example

    def _utterances(self, run, archives, whole, fields):
        """Yield (`Utterance`, dict of these fields) for each utterance of a run that is asked for, sorted by id.

        What stands in one archive must stand in the others: `EmotionTalkError` otherwise, or with
        `strict=False` a warning that names what was passed over.
        """
        config, (group, begin, end, parts) = CONFIGS[self.config.name], run
        passes = {name: archives[PASSES[name]].annotations(group) for name in config.passes}
        wanted = {f"annotation in {PASSES[name]}": members for name, members in passes.items()}
        ids = sorted(set().union(*wanted.values()))
        if whole and len(ids) != GROUPS.get(group) and (self.config.strict or begin == 0):
            problem = (
                f"{group} has {len(ids):,} utterances in {', '.join(sorted(archives))}, and the release has "
                f"{GROUPS.get(group, 0):,}. Compare the archives with the release ({HOMEPAGE})."
            )
            if self.config.strict:
                raise EmotionTalkError(problem)
            logger.warning(problem)
        units = sorted({uid[:9] for uid in ids}) if self.config.name == "dialogues" else ids
        first, after = (units[len(units) * part // parts] if 0 < part < parts else "~" * (part > 0) for part in (begin, end))
        seen, skipped, notes = 0, [], collections.defaultdict(list)
        for uid, medium in self._with_media(group, archives, [uid for uid in ids if first <= uid < after], first, after):
            seen += 1
            try:
                lacking = [what for what, members in wanted.items() if uid not in members]
                if config.media and medium is None:
                    lacking.append("{1} in {0}".format(*config.media))
                if lacking:
                    there = [members[uid] for members in wanted.values() if uid in members]
                    raise BadUtteranceError(f"{[*there, medium][0]} stands alone: {uid} has no {' and no '.join(lacking)}.")
                members = {name: passes[name][uid] for name in passes}
                utterance = Utterance(uid, config.own, members, medium)
                if self.config.label_set == "four" and EMOTIONS[utterance.emotion(config.own)] not in FOUR:
                    continue
                example = {name: FIELDS[name].value(utterance) for name in fields}
            except BadUtteranceError as error:
                if self.config.strict:
                    raise BadUtteranceError(f"{error} Or pass strict=False to leave such utterances out.") from None
                skipped.append(f"{uid} ({error})")
                continue
            for what, which in utterance.notes:
                notes[what].append(which)
            yield utterance, example
        if skipped:
            logger.warning(f"{group}: {len(skipped)} of {seen} utterances left out: {'; '.join(skipped)}")
        for what, members in notes.items():
            if (group, what) in self._told:  # in an earlier shard of the group
                continue
            self._told = self._told | {(group, what)}
            logger.warning(f"{group}, {len(members)} of {seen} utterances: {what}. The first: {members[0]}. `emotiontalk verify` names each.")

    def _with_media(self, group, archives, ids, first, after):
        """Yield (id, its sound or video) for each of these ids and each medium of the run, sorted; one may be missing."""
        media = ()
        if CONFIGS[self.config.name].media:
            name, suffix = CONFIGS[self.config.name].media
            media = archives[name].media(group, suffix, first, after, self.unread)
        ids = collections.deque(ids)
        for uid, medium in media:
            while ids and ids[0] < uid:
                yield ids.popleft(), None
            if ids and ids[0] == uid:
                ids.popleft()
            yield uid, medium
        for uid in ids:
            yield uid, None


@functools.lru_cache(maxsize=None)
def _warn_once(message):
    """Log a warning, once in a process."""
    logger.warning(message)


@functools.lru_cache(maxsize=1)
def _code_hash():
    """A digest of this file."""
    with open(__file__, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _check_sha256(name, path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    if digest.hexdigest() != ARCHIVES[name][1]:
        raise _damaged(name, path, f"its SHA-256 is {digest.hexdigest()}.")


def write_out(path):
    """Ask the kernel to write out a file, and to keep no copy of it in memory."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _table(examples, schema):
    """A `pyarrow.Table` of examples; the bytes of sound and video are read into it here."""
    columns = []
    for field in schema:
        values = [example[field.name] for example in examples]
        if field.name in MEDIA:
            columns.append(_media_array(values, field.type))
        else:
            columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _media_array(values, type):
    """An Arrow array of `{bytes, path}`: one buffer, each member read straight to its place in it."""
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + len(value["bytes"]))
    pa.default_memory_pool().release_unused()  # of the last batch but one
    data = pa.allocate_buffer(offsets[-1])
    view = memoryview(data).cast("B")
    for value, start, end in zip(values, offsets, offsets[1:]):
        value["bytes"].read_into(view[start:end])
    offsets = pa.array(offsets, type=pa.int32()).buffers()[1]
    children = {
        "bytes": pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, offsets, data]),
        "path": pa.array([value["path"] for value in values], type=pa.string()),
    }
    return pa.StructArray.from_arrays([children[field.name] for field in type], fields=list(type))


# ---------------------------------------------------------------------------------------------------------
# One call on every version of `datasets`
# ---------------------------------------------------------------------------------------------------------

# Keywords of `datasets.load_dataset` that mean nothing here, and what to do instead.
INSTEAD = {
    "path": 'the config comes first, for example load_dataset("audio")',
    "data_files": "pass data_dir= with the folder or the address that holds the archives",
    "revision": f'pass data_dir="hf://datasets/{REPO_ID}@REVISION"',
    "prepare_splits": "pass split=, only the splits that it names are prepared",
    "trust_remote_code": "leave it out, no script is run",
    "features": "call cast() on what this returns",
    "download_config": "pass token=, cache_dir= or download_mode=",
    "storage_options": "pass data_dir= with a local folder, an hf:// or an http(s):// address",
    "save_infos": "leave it out, the expected sizes stand in the loader",
    "ignore_verifications": "pass verification_mode=",
    "use_auth_token": "pass token=",
}
UNKNOWN_SIZE = 1 << 40  # examples of a split that nobody has counted yet


def load_dataset(
    name="multimodal", data_dir=None, *, split=None, cache_dir=None, streaming=False, num_proc=None, token=None,
    download_mode=None, verification_mode=None, keep_in_memory=None, label_set="all", strict=True, **others,
):  # fmt: skip
    """EmotionTalk as `datasets.load_dataset` would give it, on every version of `datasets` from 2.14 on.

    Only the splits that `split` names are prepared, each in a folder of its own in the cache of `datasets`, where later
    calls find them.

    Args:
        name: the config: "multimodal", "audio", "text", "video", "dialogues" or "zh-en".
        data_dir: a local folder that holds the archives, or their hf:// or http(s):// address; None: the Hub.
        split: as in `datasets`: "test", "train[:5]", "train+validation[:10%]", a `ReadInstruction`, or a list or dict
            of these; None: all splits.
        streaming: give examples as they are read; nothing is prepared or kept.
        cache_dir, num_proc, token, download_mode, verification_mode, keep_in_memory: as in `datasets`.
        label_set, strict: see `EmotionTalkConfig`.

    Returns:
        A `DatasetDict` of all splits, or for `split` a `Dataset` (for a list a list, for a dict a `DatasetDict`); with
        `streaming=True` an `IterableDatasetDict`, an `IterableDataset`. Where `datasets` cannot decode sound or video
        here, the rows carry it as `{bytes, path}`, after one warning (see `decode_audio`).

    Raises:
        ValueError: for an option or a split that is unknown or has no meaning.
        EmotionTalkError: where the release is not as it should be.
    """
    for keyword in others:
        why = f"has no meaning here: {INSTEAD[keyword]}" if keyword in INSTEAD else "is no option of emotiontalk.load_dataset"
        raise ValueError(f"{keyword}= {why}.")
    if streaming and num_proc is not None:
        raise NotImplementedError("num_proc= does not go with streaming=True. Use a DataLoader with num_workers= instead.")
    options = {"cache_dir": cache_dir, "data_dir": data_dir}
    options = {key: os.fspath(value) for key, value in options.items() if value is not None}
    builder = functools.partial(
        EmotionTalk, config_name=name or "multimodal", token=token, label_set=label_set, strict=strict, **options
    )
    config = builder().config  # a wrong option is an error before any work
    builder, splits = functools.partial(builder, addresses=config.addresses), CONFIGS[config.name].splits
    asked = split.values() if isinstance(split, dict) else split if isinstance(split, (list, tuple)) else [split or "all"]
    named = {one.splitname for ask in asked for one in _instruction(ask, splits).to_absolute(dict.fromkeys(splits, UNKNOWN_SIZE))}
    named = [name for name in splits if name in named]
    if streaming:
        source = builder(prepare_splits=named if split else None)
        found = source.as_streaming_dataset()
        sizes = {name: info.num_examples for name, info in (source.info.splits or {}).items()}
        read = functools.partial(_read_streams, found, sizes)
    else:
        found = _prepare(builder, named, split is None, num_proc, download_mode, verification_mode)
        read = functools.partial(_read_prepared, found, keep_in_memory)

    def give(ask):
        return _decodable(read(_instruction(ask, splits), datasets.Split("+".join(splits) if str(ask) == "all" else str(ask))))

    if split is None or isinstance(split, dict):
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        return kind({key: give(ask) for key, ask in (split or {name: name for name in splits if name in found}).items()})
    return type(split)(map(give, split)) if isinstance(split, (list, tuple)) else give(split)


def _instruction(split, splits):
    """The `ReadInstruction` of one split as users write it. Raises `ValueError`."""
    if isinstance(split, datasets.ReadInstruction):
        return split
    return datasets.ReadInstruction.from_spec("+".join(splits) if str(split) == "all" else str(split))


def _prepare(builder, names, all_splits, num_proc, download_mode, verification_mode):
    """A dict from the name of a split to the builder that has prepared it, and only it.

    all_splits: these are all there can be; those of which a part of the release has no utterance are left out.
    """
    prepared, absent = {}, None
    for name in names:
        one = builder(prepare_splits=[name])
        one.all_splits = all_splits
        try:
            one.download_and_prepare(download_mode=download_mode, verification_mode=verification_mode, num_proc=num_proc)
        except NoUtteranceError as error:
            if not all_splits:
                raise
            absent = error
            continue
        prepared[name] = one
        if download_mode and datasets.DownloadMode(download_mode) == datasets.DownloadMode.FORCE_REDOWNLOAD:  # once is enough
            download_mode = datasets.DownloadMode.REUSE_CACHE_IF_EXISTS
    if not prepared:
        raise absent
    return prepared


def _read_prepared(builders, keep_in_memory, instruction, split):
    """The `Dataset` of an instruction. split: what its `split` says."""

    def read(name, instruction):
        builder, in_memory = builders[name], keep_in_memory
        if in_memory is None:
            in_memory = datasets.utils.info_utils.is_small_dataset(builder.info.dataset_size)
        return builder.as_dataset(split=instruction, in_memory=in_memory)

    parts = instruction.to_absolute({name: builder.info.splits[name].num_examples for name, builder in builders.items()})
    if len({part.splitname for part in parts}) == 1:
        return read(parts[0].splitname, instruction)
    pieces = [read(p.splitname, datasets.ReadInstruction(p.splitname, from_=p.from_, to=p.to, unit="abs")) for p in parts]
    return datasets.concatenate_datasets(pieces, split=split)


def _read_streams(streams, sizes, instruction, split):
    """The `IterableDataset` of an instruction. sizes: examples of the splits, as far as they are known."""
    parts = []
    for part in instruction.to_absolute({name: sizes.get(name, UNKNOWN_SIZE) for name in streams}):
        stream, size = streams[part.splitname], sizes.get(part.splitname, UNKNOWN_SIZE)
        if size == UNKNOWN_SIZE and any(UNKNOWN_SIZE // 1000 < bound < size for bound in (part.from_, part.to)):
            raise ValueError(
                f"split={str(split)!r}: by percent or from its end a stream can be cut only where the whole release is read with "
                'label_set="all" and strict=True. Count from the beginning, or load without streaming.'
            )
        stream = stream.skip(part.from_) if part.from_ else stream
        parts.append(stream if part.to == size else stream.take(part.to - part.from_))
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts, split=split)


# ---------------------------------------------------------------------------------------------------------
# Sound, decoded on every version of `datasets`
# ---------------------------------------------------------------------------------------------------------


def decode_audio(audio, sampling_rate=None, mono=False):
    """Decode a sound with soundfile, and resample it with soxr: for `map`, `with_transform` and plain loops.

    Args:
        audio: the field `audio` of a row: `{bytes, path}`, or what `datasets` has decoded already.
        sampling_rate: resample to this rate, in Hz; None keeps that of the sound.
        mono: True gives the mean of the channels.

    Returns:
        `{"array", "sampling_rate", "path"}`. The array is float32, −1…1, of shape (samples,) where there is one channel,
        (channels, samples) where there are more.

    Raises:
        SoundError: for what is no sound. ImportError: soundfile, soxr (or librosa) are not installed.
    """
    samples, rate, path = _samples(audio)
    if mono and samples.shape[0] > 1:
        samples = (sum(samples) / len(samples))[None]  # measured: an eighth of the time of numpy's mean
    if sampling_rate and sampling_rate != rate and samples.shape[1]:
        samples, rate = _resampled(samples, rate, sampling_rate), sampling_rate
    return {"array": samples[0] if len(samples) == 1 else samples, "sampling_rate": int(rate), "path": path}


def _samples(audio):
    """(samples (channels, samples), float32; rate in Hz; path or None) of the field `audio` of a row."""
    if hasattr(audio, "get_all_samples"):  # torchcodec's decoder, from datasets 4 on
        decoded = audio.get_all_samples()
        return decoded.data.cpu().numpy(), decoded.sample_rate, getattr(audio.metadata, "path", None)
    path = audio.get("path")
    if audio.get("array") is not None:
        return np.atleast_2d(np.asarray(audio["array"], dtype=np.float32)), audio["sampling_rate"], path
    soundfile = _module("soundfile")
    try:
        given = path if audio.get("bytes") is None else io.BytesIO(audio["bytes"])
        samples, rate = soundfile.read(given, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise SoundError(f"{path or 'the sound'} cannot be decoded: {error}") from None
    return samples.T, rate, path


def _resampled(samples, rate, wanted):
    """Samples (channels, samples) at another rate, in high quality."""
    try:
        import soxr
    except ImportError:
        return _module("librosa", "soxr").resample(samples, orig_sr=rate, target_sr=wanted)
    return soxr.resample(samples.T, rate, wanted, quality="HQ").T


def _module(name, install=None):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"decode_audio needs {install or name}: pip install soundfile soxr ({error}).") from None


def _decodable(dataset):
    """A dataset that decodes sound and video where `datasets` can do it here; elsewhere its rows carry `{bytes, path}`."""
    for name in MEDIA.intersection(dataset.features):
        feature = dataset.features[name]
        if getattr(feature, "decode", False) and not _decodes(name):
            # a stream below datasets 4 encodes what it gives, and needs soundfile for that, too
            plain = MAJOR < 4 and isinstance(dataset, datasets.IterableDataset)
            dataset = dataset.cast_column(name, _BYTES if plain else dataclasses.replace(feature, decode=False))
    return dataset


@functools.lru_cache(maxsize=None)
def _decodes(name):
    """Whether this `datasets` can decode "audio" or "video" here; a warning that says why not, once in a process."""
    if MAJOR >= 4:
        needed, install = ["torchcodec.decoders"], "torchcodec (and FFmpeg)"
    else:
        needed = {"audio": ["librosa", "soundfile"], "video": ["torchvision.io"]}[name]
        install = {"audio": "librosa", "video": "torchvision"}[name]
    try:
        for module in needed:
            importlib.import_module(module)
    except Exception as error:  # a library that is there and does not load has errors of any kind
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        other = ' or use emotiontalk.decode_audio(row["audio"], sampling_rate=16000, mono=True)' if name == "audio" else " or read them yourself"
        logger.warning(
            f"datasets {datasets.__version__} cannot decode {name} here ({reason}): the rows carry it as {{bytes, path}}. "
            f"Install {install} to have it decoded,{other}."
        )
        return False
    return True
