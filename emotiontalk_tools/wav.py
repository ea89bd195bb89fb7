"""What the first bytes of a WAV file say of it, without decoding."""

from __future__ import annotations

import struct

from emotiontalk import Loaded, Member

HEAD_BYTES = 4096  # the chunks before the samples


def head(member: Member | Loaded, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a member, at most `size`."""
    if isinstance(member, Loaded):
        return member.data[:size]
    return Member(member.part, member.name, member.offset, min(member.size, size)).read()


def format_of(head: bytes, size: int):
    """(sampling rate in Hz, channels, bits of a sample, frames) of a WAV file of `size` bytes, from its first ones.

    Raises `ValueError` for what is no WAV file, holds no samples, or fewer than its header says.
    """
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise ValueError("no WAV file: it does not begin with RIFF … WAVE")
    at, form = 12, None
    while at + 8 <= len(head):
        kind, length = struct.unpack_from("<4sI", head, at)
        if kind == b"fmt ":
            if at + 24 > len(head):
                break
            _, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", head, at + 8)
            form = rate, channels, bits
            if not (channels and rate and frame):
                raise ValueError("its header says no channels, or no rate")
        elif kind == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            if length in (0, 0xFFFFFFFF):  # the second: written to a pipe, whose length nobody knew
                length = size - at - 8 if length else 0
            if at + 8 + length > size:
                raise ValueError(f"truncated: its header says {length:,} bytes of samples, and {size - at - 8:,} are there")
            if length < frame:
                raise ValueError("empty: no samples")
            return (*form, length // frame)
        at += 8 + length + length % 2
    raise ValueError(f"no samples found in its first {len(head):,} bytes")


def seconds(member: Member | Loaded) -> float:
    """How long a sound is. Raises `ValueError` as `format_of`."""
    rate, _, _, frames = format_of(head(member), len(member))
    return frames / rate
