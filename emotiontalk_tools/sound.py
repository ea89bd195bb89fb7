"""Sound files decoded, at another rate, in mono: what exports are converted with and upstreams hear."""

from __future__ import annotations

import contextlib

import numpy

import emotiontalk
from emotiontalk import SoundError

from .errors import CommandError


def decoded(sound: bytes, rate: int | None = None, channels: int | None = None):
    """(samples (frames, channels), float32, −1…1; their rate in Hz) of a sound file.

    rate: resample to this; channels: 1 is the mean of all, 2 doubles a single one; None keeps. Raises `SoundError` for
    what is no sound, or holds samples that are no numbers.
    """
    found = emotiontalk.decode_audio({"bytes": sound, "path": None}, rate, mono=channels == 1)
    samples = numpy.atleast_2d(found["array"]).T
    if not numpy.isfinite(samples).all():
        raise SoundError("some of its samples are no finite numbers")
    if channels == 2 and samples.shape[1] == 1:
        samples = numpy.repeat(samples, 2, axis=1)
    return samples, found["sampling_rate"]


@contextlib.contextmanager
def naming(name: str):
    """What is no sound is a `CommandError` with this name here."""
    try:
        yield
    except SoundError as error:
        way_out = "`emotiontalk verify` names what is wrong with a copy."
        raise CommandError(f"{name}: its sound cannot be decoded ({error}). {way_out}") from None
