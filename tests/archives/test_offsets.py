"""Where a header is predicted in a sorted tar."""

import itertools
import re

import numpy
from card import (
    only,
    text_of,
)
from support import PROJECT, once

import emotiontalk
import emotiontalk.audio
from emotiontalk.archives.offsets import FoundHeader, GroupAnnotations, Key, Kind, Offsets, WavSizes
from emotiontalk.archives.tar import BLOCK, Tar, padded

MIB = 1 << 20


def group_of(clips, known, size=64 * MIB):
    """A group of G00001 with clips of 1 s, and `Offsets` that knows the headers of some; {number: start}."""
    ids = tuple(f"G00001_01_01_{n:03}" for n in range(clips))
    annotations = GroupAnnotations(ids, ids, (0,) * clips, (1.0,) * clips, (0,) * clips, b"")
    offsets = Offsets(size, b"")
    offsets.sizes = WavSizes()
    member = BLOCK + padded(offsets.sizes.usual_size(1.0))
    for number, start in known.items():
        offsets.add(FoundHeader(start, start, start + member, Key(Kind.MEDIA, "G00001", ids[number])))
    return offsets, annotations, member


@once
def test_the_three_cases_of_offsets():
    """Near: exact. Between two anchors: in proportion. From one far away: a little behind the wanted clip."""
    of = emotiontalk.archives.offsets

    def aimed(number, known, attempt=0):
        offsets, annotations, member = group_of(90, known)
        key = Key(Kind.MEDIA, "G00001", annotations.ids[number])
        attempts = list(itertools.islice(offsets.attempts(key, 0, annotations), attempt + 1))
        (offset,), _ = attempts[attempt]
        return offset, member

    _, member = aimed(0, {50: 32 * MIB})
    for far in (1, of.NEAR):  # reading begins a little before
        offset, _ = aimed(50 - far, {50: 32 * MIB})
        assert offset == 32 * MIB - far * member - of.PREDICTION_ERROR
        behind = 32 * MIB + max(member, far * member - of.PREDICTION_ERROR)  # no earlier than where the anchor ends
        assert aimed(50 + far, {50: 32 * MIB})[0] == behind
    offset, _ = aimed(20, {50: 32 * MIB})
    assert offset == 32 * MIB - int(of.MEAN_SHARE * (30 - of.AIM_BEHIND) * member) - of.PREDICTION_ERROR
    offset, _ = aimed(40, {0: 8 * MIB, 80: 16 * MIB})
    assert abs(offset + of.PREDICTION_ERROR - 12 * MIB) < BLOCK
    # doubled with every third attempt by lengths; after ten of them, bisection
    early = [32 * MIB - member - aimed(49, {50: 32 * MIB}, attempt)[0] for attempt in range(10)]
    assert early == [of.PREDICTION_ERROR << attempt // 3 for attempt in range(10)]
    offsets, annotations, _ = group_of(90, {50: 32 * MIB})
    key = Key(Kind.MEDIA, "G00001", annotations.ids[49])
    assert aimed(49, {50: 32 * MIB}, 10)[0] == sum(offsets.bounds(key)) // 2
    assert "after ten where it guesses by lengths" in " ".join(text_of("docs/internals.md").split())


@once
def test_the_usual_format():
    """That of the real archive at first; a clip of another format does not change it."""
    head = emotiontalk.audio.wav_file

    sizes = WavSizes()
    usual = sizes.usual_size(1.0)
    for rate, channels in emotiontalk.AUDIO_FORMATS:
        clip = head(numpy.zeros((rate, channels), "<i2"), rate)
        sizes.see(len(clip), clip[:BLOCK])
        assert sizes.usual_size(1.0) == usual == 44 + 4 * 44_100
        assert len(clip) <= usual if (rate, channels) == (44_100, 2) else len(clip) < 0.51 * usual
    assert len(clip) < usual / 5


@once
def test_the_figure_of_offsets():
    """In a sorted tar come annotations, then media, each by id; an anchor and the sizes between give an offset."""
    (figure,) = only("docs/internals.md", "text")
    assert re.findall(r"annotations|media", figure)[:2] == ["annotations", "media"]
    assert re.findall(r"G\d{5}|…", figure)[:8] == 2 * ["G00001", "G00002", "…", "G00015"]
    data = (PROJECT / "dummy_data" / "Audio.tar").read_bytes()
    offsets = Offsets(len(data), data[: 64 << 10])
    headers = list(offsets.scan(data, 0))
    assert [header.key for header in headers] == sorted(header.key for header in headers)
    for header in headers:
        offsets.add(header)
    tar = Tar("Audio", str(PROJECT / "dummy_data" / "Audio.tar"))
    sizes = {m.name.rsplit("/", 1)[1][:-4].upper(): m.size for m in tar.members() if m.name.lower().endswith(".wav")}
    media = [header for header in headers if header.key.in_group(Kind.MEDIA, "G00003")]
    assert len(media) > 2
    for anchor in media:
        for target in media:
            between = [h.key.id for h in media if anchor.start <= h.start < target.start]
            if between:
                assert anchor.start + sum(512 + padded(sizes[uid]) for uid in between) == target.start
    assert BLOCK == 512 and offsets.start(Key(Kind.MEDIA, "G00003", media[0].key.id)) == media[0].start
