"""`emotiontalk.AudioFormat`: what exports convert audio to."""

from __future__ import annotations

import io

import numpy as np

from emotiontalk.audio import RELEASED_CHANNELS, RELEASED_RATE, checked_rate, converted, pcm16, wav_file
from emotiontalk.request_error import RequestError


class AudioFormat:
    """The format of audio: what the Parquet export and the files of toolkits convert clips to.

    Args:
        sampling_rate: in Hz, 8,000 to 768,000.
        channels: 1 (the mean of the channels) or 2.
        encoding: "wav" or "flac", 16 bit both.

    None keeps what the clip has; an `AudioFormat()` is false: it stands for clips as released, which are not converted.

    Raises:
        RequestError: an option has another value; the message names it.
    """

    def __init__(
        self, sampling_rate: int | None = None, channels: int | None = None, encoding: str | None = None
    ) -> None:
        self.sampling_rate = checked_rate(sampling_rate)
        if channels not in (None, 1, 2):
            raise RequestError(f"channels={channels!r}: choose 1 or 2.")
        if encoding not in (None, "wav", "flac"):
            raise RequestError(f'encoding={encoding!r}: choose "wav" or "flac".')
        self.channels, self.encoding = channels, encoding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AudioFormat) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.sampling_rate, self.channels, self.encoding))

    def __bool__(self) -> bool:
        return (self.sampling_rate, self.channels, self.encoding) != (None, None, None)

    def __repr__(self) -> str:
        return f"AudioFormat({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __str__(self) -> str:
        if not self:
            return "as released: the bytes of the WAV files, unchanged"
        rate = f"{self.sampling_rate:,} Hz (soxr, high quality)" if self.sampling_rate else "the released rate"
        how_many = {1: "mono (the mean of the channels)", 2: "two channels", None: "channels as released"}
        return f"converted to {rate}, {how_many[self.channels]}, 16 bit {self.suffix.upper()}"

    @property
    def rate(self) -> int:
        """The sampling rate of the files, in Hz; as released that of nearly all clips."""
        return self.sampling_rate or RELEASED_RATE

    @property
    def suffix(self) -> str:
        """The suffix of the files: "wav" or "flac"."""
        return self.encoding or "wav"

    def estimated_bytes(self, size: int) -> int:
        """Estimate the size of converted audio, of `size` bytes as released; FLAC takes fewer."""
        if not self:
            return size
        channels = self.channels or RELEASED_CHANNELS
        return int(size * self.rate / RELEASED_RATE * channels / RELEASED_CHANNELS)

    def convert(self, audio: bytes | memoryview) -> bytes:
        """Convert an audio file.

        Args:
            audio: the file; WAV, or what else soundfile reads.

        Returns:
            A file of 16-bit WAV or FLAC. A WAV file that has the format already is returned as it is.

        Raises:
            AudioDecodeError: it cannot be decoded, or has samples that are not finite numbers.
        """
        audio, mono = bytes(audio), self.channels == 1
        if self.suffix == "wav" and self.channels != 2:
            return converted(audio, self.sampling_rate, mono)
        samples, rate = pcm16(audio, self.sampling_rate, mono)
        if self.channels == 2 and samples.shape[1] == 1:
            samples = np.repeat(samples, 2, axis=1)
        if self.suffix == "wav":
            return wav_file(samples, rate)
        import soundfile

        out = io.BytesIO()
        soundfile.write(out, samples, rate, format="FLAC", subtype="PCM_16")
        return out.getvalue()
