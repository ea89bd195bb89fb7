"""Audio files: what a WAV header says, and decoding on every version of `datasets`."""

from __future__ import annotations

import io
import struct
from typing import Any, NamedTuple

import numpy as np

from .errors import AudioDecodeError
from .tar import Member


class WavFormat(NamedTuple):
    """What a WAV file is, by its header: rate in Hz, channels, bits of a sample, frames.

    `frames` are there, `header_frames` are those that the header says; a file that was cut has fewer.
    """

    rate: int
    channels: int
    bits: int
    frames: int
    header_frames: int


def wav_format(member: Member) -> WavFormat:
    """Read the header of a WAV file. Raises `ValueError` for what is no WAV file, or has no samples."""
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
            return WavFormat(*form, min(said, there) // frame, said // frame)
        at += 8 + length + length % 2
    raise ValueError("no samples: it has no data chunk")


def _samples(audio: Any) -> tuple[np.ndarray, int, str | None]:
    """Return (samples, float32, of shape (channels, samples); rate in Hz; path or None) of the field `audio`."""
    if hasattr(audio, "get_all_samples"):  # torchcodec's decoder, from datasets 4 on
        decoded = audio.get_all_samples()
        return decoded.data.cpu().numpy(), decoded.sample_rate, getattr(audio.metadata, "path", None)
    path = audio.get("path")
    if audio.get("array") is not None:
        return np.atleast_2d(np.asarray(audio["array"], dtype=np.float32)), audio["sampling_rate"], path
    import soundfile

    try:
        given = path if audio.get("bytes") is None else io.BytesIO(audio["bytes"])
        samples, rate = soundfile.read(given, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioDecodeError(f"{path or 'the audio'} cannot be decoded: {error}") from None
    return samples.T, rate, path


def decode_audio(audio: Any, sampling_rate: int | None = None, mono: bool = False) -> dict[str, Any]:
    """Decode audio with soundfile, and resample it with soxr: for `map`, `with_transform` and plain loops.

    Args:
        audio: the field `audio` of a row: `{bytes, path}`, or what `datasets` has decoded already.
        sampling_rate: resample to this rate, in Hz; None keeps that of the file.
        mono: average the channels.

    Returns:
        `{"array", "sampling_rate", "path"}`. The array is float32, −1…1, of shape (samples,) where there is one
        channel, (channels, samples) where there are more.

    Raises:
        AudioDecodeError: the file cannot be decoded.
        ImportError: soundfile or soxr is not installed.
    """
    try:
        samples, rate, path = _samples(audio)
        if mono and samples.shape[0] > 1:
            samples = (sum(samples) / len(samples))[None]  # measured: an eighth of the time of numpy's mean
        if sampling_rate and sampling_rate != rate and samples.shape[1]:
            import soxr

            samples, rate = soxr.resample(samples.T, rate, sampling_rate, quality="HQ").T, sampling_rate
    except ImportError as error:
        raise ImportError(f"decode_audio needs soundfile and soxr: pip install soundfile soxr ({error}).") from None
    return {"array": samples[0] if len(samples) == 1 else samples, "sampling_rate": int(rate), "path": path}
