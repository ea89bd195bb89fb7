"""Audio files: what a WAV header says, and decoding on every version of `datasets`."""

from __future__ import annotations

import io
import numbers
import struct
from typing import Any, NamedTuple, Union

import numpy as np

from .errors import AudioDecodeError
from .members import Member
from .request_error import RequestError

LOWEST_RATE, HIGHEST_RATE = 8_000, 768_000  # Hz: below, nothing of speech is left; above, there is no audio hardware
LOWEST_HEADER_RATE, MOST_CHANNELS = 1_000, 64  # a WAV header that says other values is wrong
HEADER_BYTES = 512  # of a WAV file that are read at once: those of the release have 44
UNCOMPRESSED = (1, 3, 0xFFFE)  # codecs of WAV: PCM, float, and either with an extended header
LONGEST_MEDIA = 1 << 30  # bytes of one clip: more do not fit into a batch, and none is so long
FULL_SCALE = 32_768  # of 16-bit samples
RELEASED_RATE, RELEASED_CHANNELS = 44_100, 2  # of nearly all clips


AudioBytes = Union[bytes, memoryview, Member]  # an audio file: anything with `len()` whose slices are bytes


class WavFormat(NamedTuple):
    """What a WAV file is, by its header.

    Attributes:
        rate: in Hz.
        channels: how many.
        bits: of a sample.
        codec: 1 is PCM.
        frames: how many are there.
        header_frames: how many there are by the header: more than `frames` in a file that is truncated.
        offset: the byte of the first sample.
        consistent: whether the rate and the bytes a second agree.
    """

    rate: int
    channels: int
    bits: int
    codec: int
    frames: int
    header_frames: int
    offset: int
    consistent: bool


def wav_format(clip: AudioBytes) -> WavFormat:
    """Read the header of a WAV file.

    Args:
        clip: the file, or its beginning: bytes, a memoryview, or a `Member`, of which only the header is read.

    Raises:
        ValueError: it is not a WAV file, has no samples, or its header says what no recording has.
    """
    size, at, form = len(clip), 12, None
    start, data = 0, clip[:HEADER_BYTES]
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file: it does not begin with RIFF … WAVE")
    for _ in range(1_000):  # chunks
        if at + 8 > size:
            break
        if at + 24 > start + len(data):
            start, data = at, clip[at : at + HEADER_BYTES]
        kind, length = struct.unpack_from("<4sI", data, at - start)
        if kind == b"fmt ":
            if at + 24 > size:
                break
            codec, channels, rate, second, frame, bits = struct.unpack_from("<HHIIHH", data, at - start + 8)
            _check_format(codec, channels, rate, frame, bits)
            form = rate, channels, bits, codec
        elif kind == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            there = size - at - 8
            said = there if length == 0xFFFFFFFF else length  # written to a pipe: the length was not known yet
            if min(said, there) < frame:
                raise ValueError("empty: no samples")
            consistent = second == rate * frame or form[3] not in UNCOMPRESSED
            return WavFormat(*form, min(said, there) // frame, said // frame, at + 8, consistent)
        at += 8 + length + length % 2
    raise ValueError("no samples: it has no data chunk")


def _check_format(codec: int, channels: int, rate: int, frame: int, bits: int) -> None:
    """Raise `ValueError` for the format of a WAV header that no recording has, as where a bit of it is wrong."""
    if not 0 < channels <= MOST_CHANNELS:
        raise ValueError(f"its header says {channels:,} channels")
    if not LOWEST_HEADER_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"its header says a rate of {rate:,} Hz")
    if not frame or (codec in UNCOMPRESSED and frame != channels * -(-bits // 8)):
        raise ValueError(f"its header says {frame:,} bytes a frame for {channels} channels of {bits} bits")


def checked_rate(sampling_rate: object) -> int | None:
    """Return a rate to convert audio to, in Hz, as a plain integer, or None. Raises `RequestError` for any other."""
    if sampling_rate is None:
        return None
    is_number = isinstance(sampling_rate, numbers.Integral) and not isinstance(sampling_rate, bool)
    if not is_number or not LOWEST_RATE <= sampling_rate <= HIGHEST_RATE:  # type: ignore[operator]
        raise RequestError(
            f"sampling_rate={sampling_rate!r}: give it in Hz, an integer from {LOWEST_RATE:,} to {HIGHEST_RATE:,}."
        )
    return int(sampling_rate)  # type: ignore[call-overload]  # also one of numpy's


def mix_and_resample(
    samples: np.ndarray, rate: int, sampling_rate: int | None = None, mono: bool = False
) -> tuple[np.ndarray, int]:
    """Average the channels of decoded audio, and resample it with soxr in high quality, as every clip is.

    Args:
        samples: float32, of shape (frames, channels).
        rate: of the samples, in Hz.
        sampling_rate: resample to this rate, in Hz; None keeps that of the samples.
        mono: average the channels.

    Returns:
        (samples of shape (frames, channels), their rate in Hz). The given ones where there is nothing to do.

    Raises:
        ImportError: soxr is not installed.
    """
    if mono and samples.shape[1] > 1:
        # measured: an eighth of the time of numpy's mean
        samples = (sum(samples.T) / np.float32(samples.shape[1]))[:, None]
    if not sampling_rate or sampling_rate == rate or not len(samples):
        return samples, rate
    import soxr

    return np.asarray(soxr.resample(samples, rate, sampling_rate, quality="HQ")), sampling_rate


def check_finite(samples: np.ndarray) -> None:
    """Raise `AudioDecodeError` for samples that are infinite or NaN."""
    if not np.isfinite(samples).all():
        raise AudioDecodeError("some of its samples are not finite numbers")


def pcm16(audio: bytes, sampling_rate: int | None = None, mono: bool = False) -> tuple[np.ndarray, int]:
    """Decode a WAV file to 16-bit samples, resampled and averaged as `decode_audio` does, up to rounding.

    Args:
        audio: the file.
        sampling_rate: resample to this rate, in Hz; None keeps that of the file.
        mono: average the channels.

    Returns:
        (samples, int16, of shape (frames, channels); rate in Hz).

    Raises:
        AudioDecodeError: the file cannot be decoded, or has samples that are not finite numbers.
        ImportError: soundfile or soxr is not installed.
    """
    samples, rate = _frames(audio)
    wanted = sampling_rate or rate
    if 2 * len(samples) * wanted // rate * (1 if mono else samples.shape[1]) > LONGEST_MEDIA:
        raise AudioDecodeError(f"at {wanted:,} Hz it would have more than {LONGEST_MEDIA:,} bytes")
    if samples.dtype == np.int16 and wanted == rate and not (mono and samples.shape[1] > 1):
        return samples, rate
    scaled = samples.astype(np.float32) if samples.dtype == np.int16 else samples * np.float32(FULL_SCALE)
    scaled, _ = mix_and_resample(scaled, rate, wanted, mono)
    if not len(scaled):
        raise AudioDecodeError(f"too short: at {wanted:,} Hz nothing is left of it")
    return np.clip(np.rint(scaled), -FULL_SCALE, FULL_SCALE - 1).astype("<i2"), wanted


def _pcm16_format(audio: bytes) -> WavFormat | None:
    """Return the format of a WAV file of 16-bit PCM; None for any other, of which soundfile says what it is."""
    try:
        wav = wav_format(audio)
    except ValueError:
        return None
    return wav if (wav.codec, wav.bits) == (1, 16) else None


def _frames(audio: bytes) -> tuple[np.ndarray, int]:
    """Return (samples of shape (frames, channels), int16 where the file has these, else float32; rate in Hz)."""
    wav = _pcm16_format(audio)
    if wav and wav.offset + wav.frames * wav.channels * 2 <= len(audio):
        count = wav.frames * wav.channels
        return np.frombuffer(audio, "<i2", count, wav.offset).reshape(-1, wav.channels), wav.rate
    samples, rate, _ = _decoded_field({"bytes": audio, "path": None})
    check_finite(samples)
    return samples, rate


def wav_file(samples: np.ndarray, rate: int) -> bytes:
    """Return a WAV file of 16-bit samples of shape (frames, channels)."""
    data, channels = np.ascontiguousarray(samples, "<i2").tobytes(), samples.shape[1]
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, channels, rate, 2 * channels * rate,
        2 * channels, 16, b"data", len(data),
    )  # fmt: skip
    return head + data


def converted(audio: bytes, sampling_rate: int | None = None, mono: bool = False) -> bytes:
    """Rewrite a WAV file as `pcm16` decodes it; one that has this rate, these channels and 16 bits is returned as is.

    The bytes depend on the file, the options and the versions of numpy and soxr only. Raises as `pcm16`.
    """
    wav = _pcm16_format(audio)
    if (
        wav
        and wav.frames == wav.header_frames
        and wav.rate == (sampling_rate or wav.rate)
        and (not mono or wav.channels == 1)
    ):
        return audio
    return wav_file(*pcm16(audio, sampling_rate, mono))


def _decoded_field(audio: Any) -> tuple[np.ndarray, int, str | None]:
    """Return (samples, float32, of shape (frames, channels); rate in Hz; path or None) of the field `audio`."""
    if hasattr(audio, "get_all_samples"):  # torchcodec's decoder, from datasets 4 on
        decoded = audio.get_all_samples()
        return decoded.data.cpu().numpy().T, decoded.sample_rate, getattr(audio.metadata, "path", None)
    path = audio.get("path")
    if audio.get("array") is not None:
        return np.atleast_2d(np.asarray(audio["array"], dtype=np.float32)).T, audio["sampling_rate"], path
    import soundfile

    try:
        file = path if audio.get("bytes") is None else io.BytesIO(audio["bytes"])
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioDecodeError(f"{path or 'the audio'} cannot be decoded: {error}") from None
    return samples, rate, path


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
        samples, rate, path = _decoded_field(audio)
        samples, rate = mix_and_resample(samples, rate, sampling_rate, mono)
    except ImportError as error:
        raise ImportError(f"decode_audio needs soundfile and soxr: pip install soundfile soxr ({error}).") from None
    array = samples[:, 0] if samples.shape[1] == 1 else samples.T
    return {"array": array, "sampling_rate": int(rate), "path": path}
