"""The index of an archive: where each member is, so that nothing need be searched for.

An archive of the release has 30 runs of members: the annotations of each group, then the media of each group, both
sorted by id. An index file has the start of each run, and the length of each member in blocks of 512 bytes; it needs no
ids, for these come from the annotations. It is for the archive of its size and of the SHA-256 of its first 64 KiB. It
may still be of another one: whoever reads by it compares every header.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..corpus import GROUPS
from ..disk import writing
from ..errors import Path
from ..members import Member
from .headers import FoundHeader, Key, Kind, key_of
from .http import HEAD_BYTES
from .tar import BLOCK, Header, padded

LONGEST = 0xFFFF * BLOCK  # bytes of a member in its archive
LONGEST_GAP = 1 << 14  # bytes of folders before the first member of a run
SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "assets", "index")


class Index:
    """What is known of where the members of an archive are.

    Args:
        size: bytes of the archive.

    Attributes:
        runs: kind and group -> where each member of the run begins, with the folders before it, and the last one ends.
        headers: single headers, of runs that are not known whole.
        sha256: of the archive, where that was read.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.runs: dict[tuple[Kind, str], list[int]] = {}
        self.headers: list[FoundHeader] = []
        self.sha256: str | None = None

    def add(self, kind: Kind, group: str, bounds: list[int]) -> None:
        """Remember a run; what cannot be one is ignored."""
        lengths = np.diff(bounds)
        possible = ((lengths > 0) & (lengths <= LONGEST) & (lengths % BLOCK == 0)).all()
        if possible and len(lengths) == GROUPS.get(group) and bounds[0] >= 0 and bounds[-1] <= self.size:
            self.runs[kind, group] = bounds

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it: about 45 kB for all of Audio.tar."""
        runs = []
        for (kind, group), bounds in sorted(self.runs.items()):
            packed = zlib.compress((np.diff(bounds) // BLOCK).astype("<u2").tobytes(), 9)
            runs.append([int(kind), group, bounds[0], base64.b85encode(packed).decode()])
        return {"size": self.size, "sha256": self.sha256, "runs": runs, "headers": self.headers}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Index:
        """Make one from `to_json`. Raises `ValueError`, `TypeError`, `KeyError` or `zlib.error` for anything else."""
        index = cls(int(stored["size"]))
        index.sha256 = stored["sha256"]
        for kind, group, start, packed in stored["runs"]:
            blocks = np.frombuffer(zlib.decompress(base64.b85decode(packed)), "<u2").astype(np.int64)
            index.add(Kind(kind), group, [int(start), *(int(start) + BLOCK * blocks.cumsum()).tolist()])
        for (kind, *names), *places in stored["headers"]:
            index.headers.append(FoundHeader(Key(Kind(kind), *map(str, names)), *map(int, places)))
        return index

    @classmethod
    def of_members(cls, size: int, members: Iterable[Member]) -> Index:
        """Make the index of an archive of one part from its members in order; without runs if they are not sorted."""
        index, runs, end = cls(size), dict[tuple[Kind, str], list[int]](), 0
        last = Key(Kind.ANNOTATION)
        for member in members:
            key, header = key_of(Header(member.name, member.size, "0")), member.offset - BLOCK
            begin, end = (end if header - end <= LONGEST_GAP else header), member.offset + padded(member.size)
            if key is None:
                continue
            if key <= last:
                return cls(size)
            runs.setdefault(key[:2], [begin]).append(end)
            last = key
        for (kind, group), bounds in runs.items():
            index.add(kind, group, bounds)
        return index


def index_file(archive: str, size: int, head: bytes) -> str:
    """Return what the index file of an archive is called; head: its first bytes."""
    return f"{archive}-{size}-{hashlib.sha256(head[:HEAD_BYTES]).hexdigest()[:16]}.json"


def load_index(path: Path) -> Index | None:
    """Read an index file; None where it is not there, or cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, zlib.error):
        with open(path, encoding="utf-8") as file:
            return Index.from_json(json.load(file))
    return None


def save_index(index: Index, path: Path) -> None:
    """Write an index file. Raises `OSError`."""
    with writing(path) as file:
        file.write(json.dumps(index.to_json()).encode())
