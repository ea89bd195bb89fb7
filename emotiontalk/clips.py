"""Clips that are decoded after loading: to mono samples, with the clip's name in every error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy

from emotiontalk.audio import check_finite, decode_audio
from emotiontalk.audio_format import AudioFormat
from emotiontalk.errors import AudioDecodeError
from emotiontalk.request_error import RequestError


def decoded(audio: bytes, sampling_rate: int) -> numpy.ndarray:
    """Decode an audio file to mono samples at a rate in Hz: float32, −1…1, of shape (frames,).

    Raises `AudioDecodeError` if it cannot be decoded, or has samples that are not finite numbers.
    """
    samples = numpy.asarray(decode_audio({"bytes": audio, "path": None}, sampling_rate, mono=True)["array"])
    check_finite(samples)
    return samples


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn the `AudioDecodeError` of a file into a `RequestError` with its name."""
    try:
        yield
    except AudioDecodeError as error:
        fix = "`emotiontalk verify` names what is wrong with your download."
        raise RequestError(f"{name}: its audio cannot be decoded ({error}). {fix}") from None


def named_conversion(audio_format: AudioFormat, name: str, audio: bytes | memoryview) -> bytes:
    """Convert an audio file. Raises `RequestError`, with its name, where it cannot be decoded."""
    with naming(name):
        return audio_format.convert(audio)
