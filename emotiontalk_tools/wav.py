"""What the chunks of a WAV file say of it, without decoding."""

from __future__ import annotations

import struct

from emotiontalk import Loaded, Member


def part(member: Member | Loaded, start: int, size: int) -> bytes:
    """Some bytes of a member, fewer at its end."""
    if isinstance(member, Loaded):
        return member.data[start : start + size]
    return Member(member.part, member.name, member.offset + start, max(0, min(size, member.size - start))).read()


def format_of(member: Member | Loaded):
    """(sampling rate in Hz, channels, bits of a sample, frames) of a WAV file. Reads its chunks' heads alone.

    Raises `ValueError` for what is no WAV file, holds no samples, or fewer than its header says.
    """
    size, at, form = len(member), 12, None
    start, data = 0, part(member, 0, 4096)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("no WAV file: it does not begin with RIFF … WAVE")
    while at + 8 <= size:
        if at + 24 > start + len(data):
            start, data = at, part(member, at, 64)
        kind, length = struct.unpack_from("<4sI", data, at - start)
        if kind == b"fmt ":
            if at + 24 > size:
                break
            _, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", data, at - start + 8)
            form = rate, channels, bits
            if not (channels and rate and frame):
                raise ValueError("its header says no channels, or no rate")
        elif kind == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            if length == 0xFFFFFFFF:  # written to a pipe, whose length nobody knew
                length = size - at - 8
            if at + 8 + length > size:
                raise ValueError(f"truncated: its header says {length:,} bytes of samples, and {size - at - 8:,} are there")
            if length < frame:
                raise ValueError("empty: no samples")
            return (*form, length // frame)
        at += 8 + length + length % 2
    raise ValueError("no samples: it has no data chunk")


def seconds(member: Member | Loaded) -> float:
    """How long a sound is. Raises `ValueError` as `format_of`."""
    rate, _, _, frames = format_of(member)
    return frames / rate
