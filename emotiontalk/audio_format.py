"""Audio files decoded, resampled, mixed down and written again: what exports are converted with."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy
import soundfile

from emotiontalk.audio import HIGHEST_RATE, LOWEST_RATE, converted, decode_audio, pcm16, wav_file
from emotiontalk.errors import AudioDecodeError
from emotiontalk.request_error import RequestError

RELEASED_RATE, RELEASED_CHANNELS = 44_100, 2


def decoded(audio: bytes, sampling_rate: int) -> numpy.ndarray:
    """Decode an audio file to mono samples at a rate in Hz: float32, −1…1, of shape (frames,).

    Raises `AudioDecodeError` if it cannot be decoded, or has samples that are no numbers.
    """
    samples = numpy.asarray(decode_audio({"bytes": audio, "path": None}, sampling_rate, mono=True)["array"])
    if not numpy.isfinite(samples).all():
        raise AudioDecodeError("some of its samples are no finite numbers")
    return samples


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn the `AudioDecodeError` of a file into a `RequestError` with its name."""
    try:
        yield
    except AudioDecodeError as error:
        fix = "`emotiontalk verify` names what is wrong with your download."
        raise RequestError(f"{name}: its audio cannot be decoded ({error}). {fix}") from None


class Conversion:
    """How audio is rewritten.

    Args:
        sampling_rate: in Hz.
        channels: 1 or 2.
        format: "wav" or "flac".

    None each: as released. Raises `RequestError` for other values.
    """

    def __init__(
        self, sampling_rate: int | None = None, channels: int | None = None, format: str | None = None
    ) -> None:
        if format not in (None, "wav", "flac"):
            raise RequestError(f'format={format!r}: choose "wav" or "flac".')
        if channels not in (None, 1, 2):
            raise RequestError(f"channels={channels!r}: choose 1 or 2.")
        if sampling_rate is not None and not LOWEST_RATE <= sampling_rate <= HIGHEST_RATE:
            raise RequestError(
                f"sampling_rate={sampling_rate!r}: give it in Hz, from {LOWEST_RATE:,} to {HIGHEST_RATE:,}, like 16000."
            )
        self.sampling_rate, self.channels, self.format = sampling_rate, channels, format

    def __bool__(self) -> bool:
        return (self.sampling_rate, self.channels, self.format) != (None, None, None)

    @property
    def rate(self) -> int:
        """Of the files, in Hz."""
        return self.sampling_rate or RELEASED_RATE

    @property
    def suffix(self) -> str:
        """Of the files: "wav" or "flac"."""
        return self.format or "wav"

    def bytes_of(self, size: int) -> int:
        """Estimate how many bytes come of so many of the release, 44.1 kHz and two channels; FLAC takes fewer."""
        if not self:
            return size
        return int(size * self.rate / RELEASED_RATE * (self.channels or RELEASED_CHANNELS) / RELEASED_CHANNELS)

    def __str__(self) -> str:
        if not self:
            return "as released: the bytes of the WAV files, unchanged"
        rate = f"{self.sampling_rate:,} Hz (soxr, high quality)" if self.sampling_rate else "the released rate"
        how_many = {1: "mono (the mean of the channels)", 2: "two channels", None: "channels as released"}
        return f"converted to {rate}, {how_many[self.channels]}, 16 bit {self.suffix.upper()}"

    def __call__(self, audio: bytes | memoryview) -> bytes:
        """Rewrite an audio file, as the loader does at load. Raises `AudioDecodeError`."""
        audio = bytes(audio)
        if self.suffix == "wav" and self.channels != 2:
            return converted(audio, self.sampling_rate, mono=self.channels == 1)
        samples, rate = pcm16(audio, self.sampling_rate, mono=self.channels == 1)
        if self.channels == 2 and samples.shape[1] == 1:
            samples = numpy.repeat(samples, 2, axis=1)
        if self.suffix == "wav":
            return wav_file(samples, rate)
        out = io.BytesIO()
        soundfile.write(out, samples, rate, format="FLAC", subtype="PCM_16")
        return out.getvalue()

    def named(self, name: str, audio: bytes | memoryview) -> bytes:
        """Rewrite an audio file; one that cannot be decoded is a `RequestError` with this name."""
        with naming(name):
            return self(audio)
