"""Headers of a sorted tar: which member of the release each is of, in the order in which members stand.

All annotations come before all media; each part is sorted by group and id.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from ..corpus import match_member
from .tar import BLOCK, Header, padded, parse_header


class Kind(enum.IntEnum):
    """The parts of an archive, in their order."""

    ANNOTATION = 0
    MEDIA = 1
    END = 2


class Key(NamedTuple):
    """What members are sorted by. With an empty id: where a group begins."""

    kind: Kind
    group: str = ""
    id: str = ""

    def __str__(self) -> str:
        return self.id or self.group or "the end"


END = Key(Kind.END)


class FoundHeader(NamedTuple):
    """A header that was read: no other member of the release has one from byte `searched_from` to `start`."""

    key: Key
    searched_from: int
    start: int
    end: int  # of the payload: where the next header is


def key_of(header: Header | None) -> Key | None:
    """Return the key of a tar header; None for what is not a part of the release."""
    match = match_member(header.name) if header and header.kind == "0" else None
    if match is None:
        return None
    kind = Kind.ANNOTATION if match["suffix"].lower() == "json" else Kind.MEDIA
    return Key(kind, match["group"].upper(), match["id"].upper())


def scan(data: bytes, start: int) -> Iterator[FoundHeader]:
    """Yield each header of a member of the release in some bytes of an archive, which begin at `start`."""
    searched_from, at = start, 0
    while at + BLOCK <= len(data):
        header = parse_header(data[at : at + BLOCK])
        key, end = key_of(header), at + BLOCK + (padded(header.size) if header else 0)
        if key:
            yield FoundHeader(key, searched_from, start + at, start + end)
            searched_from = start + end
        at = end
