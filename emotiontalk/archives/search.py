"""Finding a member in a sorted tar behind a URL: interpolation between the headers that were read.

docs/internals.md explains it.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable

from ..audio import RELEASED_CHANNELS, RELEASED_RATE
from ..corpus import DIALOGUES_OF_GROUPS, GROUPS, TOTAL
from ..errors import NotSortedError
from .headers import END, FoundHeader, Key, Kind
from .tar import BLOCK, padded

NEAR = 24  # members: from a known header this near, lengths are added; from farther ones, interpolated
MARGIN = 2_000  # bytes a member between: so much too early costs less than a header too late
MOST = 64  # places that are read at most; most often, four are enough
BISECT_AFTER = 8  # places that may be interpolated, before every other one is the middle


def expected_length(seconds: float) -> int:
    """Return the bytes that a clip of the usual format takes in a tar."""
    return BLOCK + padded(44 + round(seconds * RELEASED_RATE) * 2 * RELEASED_CHANNELS)


class Search:
    """The headers of a sorted tar that were read, and where they let the others be expected. Reads nothing itself.

    Args:
        size: bytes of the archive.

    Attributes:
        found: the headers, sorted.
        annotation_bytes: mean bytes of an annotation with its header.
    """

    def __init__(self, size: int) -> None:
        self.size, self.annotation_bytes = size, 2_000.0
        self.found: list[FoundHeader] = []
        self._lengths: dict[str, tuple[list[str], list[int]]] = {}  # group -> ids, expected bytes before each clip

    @property
    def mean_clip(self) -> int:
        """Mean bytes of a clip, if nothing but annotations and clips is there."""
        return max(BLOCK, int(self.size / TOTAL - self.annotation_bytes))

    def learn_lengths(self, group: str, ids: list[str], seconds: Iterable[float | None]) -> None:
        """Expect the clips of a group, sorted, to be so long; None: unknown."""
        lengths = (self.mean_clip if length is None else expected_length(length) for length in seconds)
        self._lengths[group] = ids, list(itertools.accumulate(lengths, initial=0))

    def expected_ends(self, group: str) -> list[int]:
        """Return the expected bytes before each clip of a group, and of all of them."""
        return self._lengths[group][1]

    def add(self, header: FoundHeader) -> None:
        """Remember a header. Raises `NotSortedError` where it contradicts another."""
        if header.key == END and self.found and self.found[-1].key == END:  # so far; it may be still earlier
            header = min(header, self.found.pop())
        at = bisect.bisect_left(self.found, (header.key,))
        before, after = self.found[max(0, at - 1) : at], self.found[at : at + 1]
        if after and after[0].key == header.key and after[0].start == header.start:
            self.found[at] = min(header, after[0])
            return
        around = [*before, header, *after]
        if any(one.key >= next_one.key or one.end > next_one.start for one, next_one in zip(around, around[1:])):
            raise NotSortedError(f"its members are not sorted ({' before '.join(str(h.key) for h in around)})")
        self.found.insert(at, header)

    def bounds(self, key: Key) -> tuple[FoundHeader, FoundHeader]:
        """Return (the last known header before a key, the first one that is not before it)."""
        at = bisect.bisect_left(self.found, (key,))
        begin, end = FoundHeader(Key(Kind.ANNOTATION), 0, 0, 0), FoundHeader(END, self.size, self.size, self.size)
        return (self.found[at - 1] if at else begin), (self.found[at] if at < len(self.found) else end)

    def find(self, key: Key, slack: int, read_header: Callable[[int], FoundHeader]) -> int:
        """Find where a member begins, or the first header at most `slack` bytes before it.

        Args:
            key: of the member, or of the beginning of a group.
            slack: so much too early is near enough.
            read_header: reads the first header of a member of the release at a byte or after it.

        Raises:
            NotSortedError: it is not where it can be.
        """
        outward, side, step = 0, 0, max(slack, self.mean_clip if key.kind == Kind.MEDIA else 0)
        for attempt in range(MOST):
            before, after = self.bounds(key)
            if after.key == key:
                return after.start
            low, high = before.end, after.searched_from
            if high - low <= slack:
                return low
            place = int(self._expected(key, before, after)) - slack // 2
            place += side * step * ((1 << outward) - 1)  # always on the same side of it: ever farther
            if attempt >= BISECT_AFTER and attempt % 2:
                place = (low + high) // 2
            header = read_header(min(max(place, low), max(low, high - BLOCK)) // BLOCK * BLOCK)
            self.add(header)
            now = 1 if header.key < key else -1
            outward, side = (outward + 1 if now == side else 0), now
        raise NotSortedError(f"{key} is not where it should be")

    def _expected(self, key: Key, before: FoundHeader, after: FoundHeader) -> float:
        """Return where a member is expected between two headers: by lengths from a near one, else in proportion."""
        number, below, above = (self._number(header) for header in (key, before.key, after.key))
        if number is not None:
            ends = self._lengths[key.group][1]
            to_below = number - below if below is not None and before.key.group == key.group else TOTAL
            to_above = above - number if above is not None and after.key.group == key.group else TOTAL
            if to_below <= min(to_above, NEAR):
                return before.end + ends[number] - ends[number - to_below + 1] - MARGIN * (to_below - 1)
            if to_above <= NEAR:
                return after.start - (ends[number + to_above] - ends[number]) - MARGIN * to_above
        low, high = self._coordinate(before.key), self._coordinate(after.key)
        share = (self._coordinate(key) - low) / max(1.0, high - low)
        return before.start + min(max(share, 0.0), 1.0) * (after.start - before.start)

    def _number(self, key: Key) -> int | None:
        """Return the number of a clip in its group, where its ids are known."""
        ids = self._lengths[key.group][0] if key.kind == Kind.MEDIA and key.group in self._lengths else []
        at = bisect.bisect_left(ids, key.id)
        return at if ids[at : at + 1] == [key.id] else None

    def _coordinate(self, key: Key) -> float:
        """Return how many bytes are expected before a member: what is interpolated along."""
        if key.kind == Kind.END:
            return float(self.size)
        before, count = sum(n for group, n in GROUPS.items() if group < key.group), GROUPS.get(key.group, 0)
        number = self._number(key)
        if number is not None:
            ends = self._lengths[key.group][1]
            within = ends[number] / ends[-1]
        else:
            within = min(1.0, (int(key.id[7:9]) - 1) / DIALOGUES_OF_GROUPS.get(key.group, 1)) if key.id else 0.0
        rank = before + within * count
        annotations = TOTAL * self.annotation_bytes
        return annotations + rank * self.mean_clip if key.kind == Kind.MEDIA else rank * self.annotation_bytes
