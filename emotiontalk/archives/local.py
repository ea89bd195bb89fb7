"""An archive on disk: where it is in a folder, packed or unpacked, and its members indexed by group."""

from __future__ import annotations

import collections
import hashlib
import os
import re
from collections.abc import Container, Iterable, Iterator
from typing import Any

from ..corpus import GROUPS, HOMEPAGE, REPO_ID, REVISION, match_member
from ..errors import EmotionTalkError, MissingArchiveError, damaged_archive_error, unreadable
from ..members import Member, Source, read_at
from .tar import Tar

Members = Iterator[tuple[str, Member]]  # with their ids
Fingerprint = tuple[tuple[Any, ...], ...]  # see `fingerprint_of`
END_BYTES = 64 << 10  # read at both ends of a tar

TAR_NAME = re.compile(r".+\.(tar(\.(gz|bz2|xz|lzma))?|tgz|tbz2?|txz)", re.IGNORECASE)
UNFINISHED = re.compile(r"(.+?\.tar.*?)\.(part|partial|incomplete|crdownload|download|zst|zstd|lz4|7z|rar)", re.I)


def walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder, its files) below a path, sorted, without hidden ones; each folder once, links are followed."""

    def refuse(error: OSError) -> None:
        raise unreadable(error.filename, error) from None

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


class UnpackedTar(Source):
    """An unpacked archive: a local folder of files."""

    def members(self) -> Iterator[Member]:
        """Yield every regular file below the folder as a `Member`, in sorted order."""
        for folder, files in walk(self.path):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    yield Member(self, os.path.relpath(path, self.path), 0, os.stat(path).st_size)
                elif match_member(name):
                    what = "a link to nothing" if os.path.islink(path) else "not a regular file"
                    raise EmotionTalkError(f"{path} is {what}. Compare the folder with the release.")

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        path = os.path.join(self.path, member.name)
        try:
            with open(path, "rb") as file:
                enough = read_at(file.fileno(), member.offset, view)
        except OSError as error:
            raise unreadable(member, error) from None
        if not enough:
            raise damaged_archive_error(self.archive, path, "it became shorter while it was read.")


class LocalArchive:
    """One archive of the release, its members indexed by group.

    Args:
        name: "Audio", …
        parts: the tars or folders that it consists of.

    Raises:
        EmotionTalkError: a part is damaged, or an id is a duplicate.
    """

    indexed = True  # all members are known

    def __init__(self, name: str, parts: Iterable[Tar | UnpackedTar]) -> None:
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
            what = f"{match['group']} is not a group of EmotionTalk ({min(GROUPS)}…{max(GROUPS)}). Rename or remove it."
            raise EmotionTalkError(f"{member}: {what}")
        known = self.groups.setdefault(group, {}).setdefault(match["suffix"].lower(), {})
        first = known.setdefault(uid, member)
        if first is not member:
            raise EmotionTalkError(
                f"duplicate id {match['id']} in {self.name}: {first} and {member}. Keep one of them."
            )

    def annotation_files(self, group: str) -> dict[str, Member]:
        """Return the annotation files of a group by id, sorted."""
        return self.groups.get(group, {}).get("json", {})

    def media(
        self, group: str, suffix: str, first: str = "", after: str = "~", skip_media: Container[str] = ()
    ) -> Members:
        """Yield (id, audio ("wav") or video ("mp4")) of a group, from the id `first` on, before the id `after`.

        skip_media: ids whose media are not read; on disk that makes no difference.
        """
        for uid, member in self.groups.get(group, {}).get(suffix, {}).items():
            if first <= uid < after:
                yield uid, member

    def members(self) -> Iterator[Member]:
        """Yield the members of the release, in the order in which they stand in an archive of one part."""
        members = (member for kinds in self.groups.values() for ids in kinds.values() for member in ids.values())
        yield from sorted(members, key=lambda member: member.offset)


def facts_of(path: str) -> tuple[int, int]:
    """Return (bytes, time of the last change of content in ns) of a file.

    Not its inode or the time of change of its inode: `chmod` and hard links change the one, mounts of FUSE both.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    return facts.st_size, facts.st_mtime_ns


def _ends_of(path: str, size: int) -> bytes:
    """Return the SHA-256 of the first and the last bytes of a file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            digest.update(file.read(END_BYTES))
            file.seek(max(0, size - END_BYTES))
            digest.update(file.read(END_BYTES))
    except OSError as error:
        raise unreadable(path, error) from None
    return digest.digest()


def fingerprint_of(paths: Iterable[str]) -> Fingerprint:
    """Return what tells one content of local paths from another without reading it. Raises `EmotionTalkError`.

    Of each path its name, its number of files, their bytes, and a digest of the name, size and time of change of each;
    of a tar its first and last 64 KiB are a part of the digest.
    """
    fingerprints = []
    for path in paths:
        digest, size, files = hashlib.sha256(), 0, [path]
        unpacked = os.path.isdir(path)
        if unpacked:
            files = [os.path.join(folder, name) for folder, names in walk(path) for name in names]
        for file in filter(os.path.exists, files):
            facts = facts_of(file)
            size += facts[0]
            digest.update(repr((os.path.relpath(file, path), *facts)).encode("utf-8", "surrogateescape"))
            if not unpacked and os.path.isfile(file):
                digest.update(_ends_of(file, facts[0]))
        fingerprints.append((path, len(files), size, digest.hexdigest()))
    return tuple(fingerprints)


def find_archive(name: str, data_dir: str) -> tuple[str, ...]:
    """Return the paths of an archive below a local folder: tars, or the folder that it was unpacked to.

    `Audio.tar`, `Audio/*.tar` or `Audio/…` unpacked, in the folder or its `data/`, in any case; tars are preferred.

    Raises:
        MissingArchiveError: there is none.
    """
    data_dir = os.path.abspath(os.path.expanduser(data_dir))
    if os.path.isfile(data_dir):
        raise MissingArchiveError(f"{data_dir} is a file: pass data_dir= with its folder, {os.path.dirname(data_dir)}.")
    if not os.path.isdir(data_dir):
        raise MissingArchiveError(
            f"{name}.tar: there is no folder {data_dir}. Pass data_dir= with the archives' folder."
        )
    unfinished: list[str] = []
    for root in filter(os.path.isdir, [data_dir, os.path.join(data_dir, "data")]):
        try:
            entries = [e for e in sorted(os.listdir(root)) if e.split(".")[0].lower() == name.lower()]
        except OSError as error:
            raise unreadable(root, error) from None
        paths = [os.path.join(root, entry) for entry in entries]
        files = [path for path in paths if not os.path.isdir(path)]
        folders = [path for path in paths if os.path.isdir(path) and os.path.basename(path).lower() == name.lower()]
        if not any(TAR_NAME.fullmatch(path) for path in files):
            files += [os.path.join(below, f) for folder in folders for below, names in walk(folder) for f in names]
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


def merged(ids: list[str], media: Iterable[tuple[str, Member]]) -> Iterator[tuple[str, Member | None]]:
    """Yield (id, its media or None) for each of these ids and for each media file, sorted; either may be alone."""
    left = collections.deque(ids)
    for uid, medium in media:
        while left and left[0] < uid:
            yield left.popleft(), None
        if left and left[0] == uid:
            left.popleft()
        yield uid, medium
    for uid in left:
        yield uid, None
