"""Where members are in a plain, sorted tar, told from the few headers that were read. docs/internals.md explains it.

All annotations come before all media; each part is sorted by group and id. So every header that is read bounds the
offsets of all other members, and the lengths of the clips, known from their annotations, predict offsets: exactly as
long as the clips in between have the usual format, and nearly where a few of them have another.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..audio import wav_format
from ..corpus import AUDIO_FORMATS, GROUPS, TOTAL, match_member
from ..errors import NotSortedError
from .tar import BLOCK, Header, padded, parse_header

LONGEST_MEMBER = 32 << 20  # no clip is longer: 30 s of audio are 5 MB
PREDICTION_ERROR = 8 << 10  # an offset predicted from the times of annotations may be off by so much
PATIENCE = 640 << 10  # bytes read from a rough prediction on: most clips end within them
ELSEWHERE = 5 << 20  # so far away is the next place to look at: beyond the end of a long clip
GROUP_DIALOGUES = 50  # about so many dialogues has a group
BISECT_AFTER = 5  # predictions that may fail before the search bisects
NEAR = 12  # clips: from a known header this near, most predictions are exact
AIM_BEHIND = 5  # clips: farther away, so many behind the wanted one are aimed at, to come within its group
BYTES_OF_SAMPLE = 2
USUAL = max(AUDIO_FORMATS, key=lambda form: AUDIO_FORMATS[form])  # rate, channels
# Bytes of all clips as a share of what they would have in the usual format: others are smaller.
MEAN_SHARE = sum(n * rate * channels for (rate, channels), n in AUDIO_FORMATS.items()) / (
    sum(AUDIO_FORMATS.values()) * USUAL[0] * USUAL[1]
)
MOST_ATTEMPTS = 64  # a bisection of the largest archive takes fewer


class Kind(enum.IntEnum):
    """The parts of an archive, in their order."""

    ANNOTATION = 0
    MEDIA = 1
    END = 2


class Key(NamedTuple):
    """What members are sorted by. With an empty id: where a group begins; with `LAST_ID`: where it ends."""

    kind: Kind
    group: str = ""
    id: str = ""

    def __str__(self) -> str:
        return self.id or self.group or "the end"

    def in_group(self, kind: Kind, group: str) -> bool:
        """Whether this is a member of a group, of this kind."""
        return self.kind == kind and self.group == group


LAST_ID = "~"
END = Key(Kind.END)


def key_of(header: Header | None) -> Key | None:
    """Return the key of a tar header; None for what is not a part of the release."""
    match = match_member(header.name) if header and header.kind == "0" else None
    if match is None:
        return None
    kind = Kind.ANNOTATION if match["suffix"].lower() == "json" else Kind.MEDIA
    return Key(kind, match["group"].upper(), match["id"].upper())


class FoundHeader(NamedTuple):
    """A header that was read: no other member of the release has one from byte `searched_from` to `start`."""

    searched_from: int
    start: int
    end: int  # of the payload: where the next header is
    key: Key


class WavSizes:
    """What tells the bytes of a WAV file from its length: the formats seen, and the bytes that are not samples.

    The usual format is the most frequent one of those seen. It begins as that of the real archive, so that a first clip
    of another format does not change it.
    """

    def __init__(self, formats: list[list[int]] | None = None, other: int = 44) -> None:
        seen = formats if formats is not None else [[USUAL[0], USUAL[1] * BYTES_OF_SAMPLE, 2]]
        self.formats = collections.Counter({(rate, frame): count for rate, frame, count in seen})
        self.other = other

    def to_json(self) -> list[Any]:
        """Return the arguments that make this again."""
        return [[[rate, frame, count] for (rate, frame), count in self.formats.items()], self.other]

    def see(self, size: int, beginning: bytes) -> None:
        """Learn from the beginning of a WAV file of `size` bytes."""
        with contextlib.suppress(ValueError):  # no WAV file
            wav = wav_format(beginning)
            frame = wav.channels * wav.bits // 8
            self.formats[wav.rate, frame] += 1
            self.other = size - wav.header_frames * frame

    def usual_size(self, seconds: float) -> int:
        """Return the bytes of a clip of this length in the usual format."""
        (rate, frame), _ = max(self.formats.items(), key=lambda item: item[1])
        return round(seconds * rate) * frame + self.other


class GroupAnnotations(NamedTuple):
    """The annotation files of a group, sorted by id."""

    ids: tuple[str, ...]
    names: tuple[str, ...]  # of the members
    gaps: tuple[int, ...]  # bytes between the end of the member before and this header (folders)
    seconds: tuple[float | None, ...]  # length of the clip, by the times in the annotation
    ends: tuple[int, ...]  # where each file ends in all their bytes
    packed: bytes  # all their bytes, compressed


class Attempt(NamedTuple):
    """Where to look for a header: at which offsets, and how many bytes to read at most from each on."""

    offsets: list[int]
    most: int


class Offsets:
    """The headers of a sorted tar that were read, and what they predict. Reads nothing itself.

    Args:
        size: bytes of the archive.
        head: its first bytes.
    """

    def __init__(self, size: int, head: bytes) -> None:
        self.size = size
        self.found: list[FoundHeader] = []
        self.sizes: WavSizes | None = None  # None: no audio was seen, as in an archive of video
        first = list(self.scan(head, 0))
        self.annotations_first = not (first and first[0].key.kind == Kind.MEDIA)
        # mean, with the header
        self.annotation_bytes = first[-1].end / len(first) if first else float(PREDICTION_ERROR)

    def to_json(self) -> str:
        """Return what the next process needs to know."""
        sizes = self.sizes.to_json() if self.sizes else None
        return json.dumps([sizes, sorted(self.found, key=lambda header: header.start)])

    def load_json(self, text: str) -> None:
        """Take over what another process has found. Raises `ValueError`, `TypeError` or `KeyError` for other text."""
        sizes, found = json.loads(text)
        headers = [FoundHeader(searched, start, end, Key(Kind(k[0]), *k[1:])) for searched, start, end, k in found]
        self.sizes, self.found = WavSizes(*sizes) if sizes else None, headers

    def forget(self) -> None:
        """Forget every header that was read."""
        self.found = []

    def scan(self, data: bytes, start: int) -> Iterator[FoundHeader]:
        """Yield each header of a member in some bytes of the archive, which begin at `start`."""
        searched_from, at = start, 0
        while at + BLOCK <= len(data):
            header = parse_header(data[at : at + BLOCK])
            key, at = key_of(header), at + BLOCK
            end = at + (padded(header.size) if header else 0)
            if key and header:
                if key.kind == Kind.MEDIA and header.name.lower().endswith(".wav"):
                    self.sizes = self.sizes or WavSizes()
                    self.sizes.see(header.size, data[at : at + BLOCK])
                yield FoundHeader(searched_from, start + at - BLOCK, start + end, key)
                searched_from = start + end
            at = end

    def add(self, header: FoundHeader) -> None:
        """Remember a header. Raises `NotSortedError` where it contradicts another."""
        if header in self.found:
            return
        before = max((h for h in self.found if h.start < header.start), key=lambda h: h.start, default=header)
        after = min((h for h in self.found if h.start > header.start), key=lambda h: h.start, default=header)
        if not before.key <= header.key <= after.key:
            order = " before ".join(str(h.key) for h in (before, header, after))
            raise NotSortedError(f"its members are not sorted ({order})")
        self.found.append(header)

    def bounds(self, key: Key) -> tuple[int, int]:
        """Return (the end of the last known member before a key, the first byte known to be behind all of these)."""
        low = max((h.end for h in self.found if h.key < key), default=0)
        return low, min((h.searched_from for h in self.found if h.key >= key), default=self.size)

    def start(self, key: Key, slack: int = 0) -> int | None:
        """Return where the member of a key begins, or a header at most `slack` bytes before it; None if unknown."""
        low, high = self.bounds(key)
        exact = next((h.start for h in self.found if h.key == key), None)
        if exact is None and high - low <= slack:
            return low
        return exact

    def attempts(self, key: Key, slack: int, annotations: GroupAnnotations | None) -> Iterator[Attempt]:
        """Yield where to look, until `start` is known; what is read there must be `add`ed meanwhile.

        Args:
            key: of the member, or of the first annotation of a group.
            slack: see `start`.
            annotations: of the group, where they are known: their times predict offsets of media.

        Raises:
            NotSortedError: the member is nowhere.
        """
        by_lengths = itertools.count()  # attempts since a header of the group's media is known
        for attempt in range(MOST_ATTEMPTS):
            if self.start(key, slack) is not None:
                return
            low, high = self.bounds(key)
            anchors = [h for h in self.found if key.kind == Kind.MEDIA and h.key.in_group(Kind.MEDIA, key.group)]
            spread, most = 0, LONGEST_MEMBER
            if anchors and annotations and attempt <= BISECT_AFTER + 4:
                offset = self._by_lengths(key, anchors, annotations)
                spread = min(PREDICTION_ERROR << next(by_lengths) // 3, (high - low) // 2)
            elif attempt > BISECT_AFTER:
                offset = self._bisection(attempt, low, high)
            else:
                offset = self._by_rank(key)
                if slack:
                    spread = min(slack // 3 + (offset - low) // 64 << attempt, (high - low) // 6)
                else:  # in a long clip, another place costs less than its end
                    offset, most = offset + attempt * ELSEWHERE, PATIENCE
            # a group's first annotation is looked for on both sides, a clip from a little before it
            offsets = {offset - spread, offset + spread} if slack else {offset - spread}
            yield Attempt(sorted({min(max(o, low), max(low, high - BLOCK)) for o in offsets}), most)
        raise NotSortedError(f"{key} is not where it should be")

    @staticmethod
    def _bisection(attempt: int, low: int, high: int) -> int:
        """Return the middle; at every other attempt the lower end, where a scan may reach the member."""
        if attempt % 2 and high - low < LONGEST_MEMBER:
            return low
        return (low + high) // 2

    def _by_rank(self, key: Key) -> int:
        """Predict by the number of utterances before a key's group, between the headers around it."""
        known = [(0.0, 0), (2.0 * TOTAL, self.size), *((_rank(h.key), h.start) for h in self.found)]
        media_begin = int(TOTAL * self.annotation_bytes)  # about there
        if all((h.key.kind == Kind.MEDIA) == (h.start > media_begin) for h in self.found):
            known.append((TOTAL, min(self.size, media_begin)))
        wanted = _rank(Key(key.kind, key.group))
        low, high = max(pair for pair in known if pair[0] <= wanted), min(pair for pair in known if pair[0] > wanted)
        return low[1] + int((high[1] - low[1]) * (wanted - low[0]) / (high[0] - low[0]))

    def _by_lengths(self, key: Key, anchors: list[FoundHeader], annotations: GroupAnnotations) -> int:
        """Predict a clip's offset from the nearest known headers of its group, by the lengths of the clips between.

        From a near one as if all had the usual format. Between two, in proportion. From one far away, which a few
        clips of other formats have brought nearer than it would be, a little behind the wanted clip: the header found
        there is near.
        """
        numbers = {uid: n for n, uid in enumerate(annotations.ids)}
        wanted, ends = numbers[key.id], [0, *itertools.accumulate(self.media_lengths(annotations))]
        known = {numbers[h.key.id]: h for h in anchors if h.key.id in numbers}
        if not known:
            raise NotSortedError(f"{anchors[0].key} has no annotation")

        def place(n: int) -> int:
            """Return where the header of the n-th clip would be if all had the usual format and no header was known."""
            return ends[n] + annotations.gaps[n]

        nearest = min(known, key=lambda n: (abs(n - wanted), n))
        if abs(nearest - wanted) > NEAR:
            return self._between(wanted, known, place)
        if nearest < wanted:  # its own size is known
            return known[nearest].end + place(wanted) - ends[nearest + 1]
        return known[nearest].start - (place(nearest) - place(wanted))

    @staticmethod
    def _between(wanted: int, known: dict[int, FoundHeader], place: Callable[[int], int]) -> int:
        """Predict from known headers that are far away."""
        before = max((n for n in known if n < wanted), default=None)
        after = min((n for n in known if n > wanted), default=None)
        if before is not None and after is not None:
            share = (known[after].start - known[before].start) / max(1, place(after) - place(before))
            return known[before].start + int(share * (place(wanted) - place(before)))
        if after is not None:
            return known[after].start - int(MEAN_SHARE * (place(after) - place(min(wanted + AIM_BEHIND, after))))
        nearest = max(known)
        return known[nearest].start + int(MEAN_SHARE * (place(wanted) - place(nearest)))

    def media_lengths(self, annotations: GroupAnnotations) -> list[int]:
        """Return, of each utterance, the bytes that its clip takes in the archive, with what stands before it.

        Of audio as in its usual format.
        """
        mean = max(BLOCK, int(self.size / TOTAL - self.annotation_bytes))
        lengths = []
        for gap, seconds in zip(annotations.gaps, annotations.seconds):
            if self.sizes is None or seconds is None:
                lengths.append(mean)
            else:
                lengths.append(gap + BLOCK + padded(self.sizes.usual_size(seconds)))
        return lengths


def _rank(key: Key) -> float:
    """Return about how many members stand before a key."""
    if key.kind == Kind.END:
        return 2.0 * TOTAL
    before = key.kind * TOTAL + sum(n for group, n in GROUPS.items() if group < key.group)
    if key.id:
        within = int(key.id[7:9]) / GROUP_DIALOGUES
    else:
        within = key.kind / 2  # of a group's media the middle is safest
    return before + min(1, within) * GROUPS.get(key.group, 0)
