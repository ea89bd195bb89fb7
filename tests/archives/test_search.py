"""The search for a member of a sorted tar: exact, in few places, whatever lengths the annotations say."""

import bisect
import random

import pytest
from support import once

from emotiontalk.archives.headers import END, FoundHeader, Key, Kind
from emotiontalk.archives.search import MOST, Search, expected_length
from emotiontalk.archives.tar import BLOCK
from emotiontalk.corpus import GROUPS
from emotiontalk.errors import NotSortedError

pytestmark = once


class Archive:
    """Headers of a made-up archive of real length; `read` counts the places that are read."""

    def __init__(self, seed, lie=lambda seconds, number: seconds):
        chance = random.Random(seed)
        self.headers, self.seconds, position = [], {}, 0
        ids = {
            group: sorted(f"{group}_{1 + n // 30:02}_{1 + n % 2:02}_{n % 30:03}" for n in range(count))
            for group, count in GROUPS.items()
        }
        for kind in (Kind.ANNOTATION, Kind.MEDIA):
            for group, names in ids.items():
                for n, uid in enumerate(names):
                    if kind == Kind.ANNOTATION:
                        length = BLOCK * chance.randint(4, 6)
                    else:
                        seconds = min(25.0, chance.expovariate(1 / 4.2) + 0.4)
                        self.seconds[uid] = lie(seconds, n)
                        length = expected_length(seconds)
                        if chance.random() < 0.034:  # mono, some of it at 16 kHz
                            length = length // 2 // BLOCK * BLOCK + BLOCK
                    self.headers.append((position, Key(kind, group, uid), position + length))
                    position += length
        self.ids, self.size, self.places = ids, position, 0

    def read(self, offset):
        self.places += 1
        at = bisect.bisect_left(self.headers, (offset,))
        if at == len(self.headers):
            return FoundHeader(END, offset, self.size, self.size)
        start, key, end = self.headers[at]
        return FoundHeader(key, offset, start, end)

    def find(self, group, number):
        """Find the group's annotations, then a clip, as a stream does that knows nothing; the clip's offset."""
        search = Search(self.size)
        for start, key, end in self.headers[:20]:
            search.add(FoundHeader(key, start, start, end))
        before = search.find(Key(Kind.ANNOTATION, group), 1 << 17, self.read)
        first = next(start for start, key, _ in self.headers if key.group == group)
        assert 0 <= first - before <= 1 << 17
        search.add(self.read(first))
        search.learn_lengths(group, self.ids[group], [self.seconds[uid] for uid in self.ids[group]])
        return search.find(Key(Kind.MEDIA, group, self.ids[group][number]), 0, self.read)


LIES = {
    "none": lambda seconds, number: seconds,
    "none is known": lambda seconds, number: None,
    "ten times as long": lambda seconds, number: seconds * 10,
    "all the same": lambda seconds, number: 4.0,
    "nothing": lambda seconds, number: 0.0,
    "every other one an hour": lambda seconds, number: 3_600.0 if number % 2 else seconds,
}


@pytest.mark.parametrize("lie", LIES)
def test_every_clip_is_found_in_few_places(lie):
    archive, chance, places = Archive(1, LIES[lie]), random.Random(2), []
    starts = {key: start for start, key, _ in archive.headers}
    for group, count in GROUPS.items():
        for number in (0, chance.randrange(count), count - 1):
            archive.places = 0
            assert archive.find(group, number) == starts[Key(Kind.MEDIA, group, archive.ids[group][number])]
            places.append(archive.places)
    assert max(places) <= MOST
    if lie == "none":
        assert sum(places) / len(places) < 14


def test_where_a_member_is_missing_the_next_one_is_found():
    """Whoever reads there notices."""
    archive = Archive(3)
    wanted = next(entry for entry in archive.headers if entry[1] == Key(Kind.MEDIA, "G00003", archive.ids["G00003"][7]))
    archive.headers.remove(wanted)
    assert archive.find("G00003", 7) == wanted[0]
    assert archive.places <= MOST


def test_headers_that_contradict_one_another_are_noticed():
    search = Search(1 << 30)
    one, two = (Key(Kind.MEDIA, "G00003", f"G00003_01_01_00{n}") for n in (1, 2))
    search.add(FoundHeader(one, 0, 8_192, 16_384))
    search.add(FoundHeader(one, 4_096, 8_192, 16_384))  # again, by another way
    for key, start in ((two, 4_096), (one, 32_768), (two, 12_288)):
        with pytest.raises(NotSortedError):
            search.add(FoundHeader(key, start, start, start + 512))
