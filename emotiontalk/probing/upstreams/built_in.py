"""Upstreams: what turns an utterance into features.

text-tfidf     character n-grams of the text, weighted by TF-IDF (fitted on train): sparse, not an array per utterance
logmel         log-mel spectrogram, 80 bands, of the audio at 16 kHz, mono
egemaps        functionals of openSMILE's eGeMAPSv02: 88 numbers of a clip at 16 kHz, mono
NAME or PATH   hidden states of a text, audio, image or video encoder of `transformers` (`encoders`)
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy

from emotiontalk.clips import decoded, naming
from emotiontalk.probing.upstreams.upstream import ExtractionOptions, Item, Upstream
from emotiontalk.request_error import RequestError
from emotiontalk.workers import workers

RATE = 16_000  # Hz, of the audio of logmel and egemaps
LOGMEL = {"n_fft": 400, "hop_length": 160, "n_mels": 80}
EGEMAPS = {"feature_set": "eGeMAPSv02", "feature_level": "Functionals"}
SHORTEST = RATE // 10  # frames of a clip: openSMILE gives NaN below 0.06 s
AHEAD = 32  # clips that are read before their turn
NGRAMS = {"ngram_range": (1, 2), "min_df": 2}


def _refuse_options(name: str, options: ExtractionOptions, but: Sequence[str] = ()) -> None:
    """Raise `RequestError` for an option that was set, and that an upstream does not have.

    Args:
        name: of the upstream.
        options: that were set.
        but: those that it has.
    """
    default = ExtractionOptions()
    for option in ("layer", "pooling", "frames"):
        value = getattr(options, option)
        if option not in but and value != getattr(default, option):
            raise RequestError(f"{name} has no {option}: remove {option}={value!r}.")


class TextTfidf:
    """Character n-grams: sparse, fitted on train."""

    name, modality = "text-tfidf", "text"

    def __init__(self, options: ExtractionOptions) -> None:
        _refuse_options(self.name, options)

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {"ngrams": NGRAMS}

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        return []

    def of_texts(self, texts: dict[str, list[str]]) -> dict[str, Any]:
        """Return {split: sparse matrix (utterances, n-grams)} of {split: texts}; fitted on train.

        Raises `RequestError` where train has too few texts.
        """
        import sklearn.feature_extraction.text

        vectorizer = sklearn.feature_extraction.text.TfidfVectorizer(analyzer="char", sublinear_tf=True, **NGRAMS)
        try:
            vectorizer.fit(texts["train"])
        except ValueError as error:
            raise RequestError(f"the texts of train are too few for n-grams: {error}") from None
        return {split: vectorizer.transform(of_split) for split, of_split in texts.items()}


class LogMel:
    """librosa's log-mel spectrogram in dB, pooled over time, on all cores: 80 numbers, of mean+std 160."""

    name, modality = "logmel", "audio"

    def __init__(self, options: ExtractionOptions) -> None:
        _refuse_options(self.name, options, but=["pooling"])
        self._pooling = options.pooling

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {"sampling_rate": RATE, **LOGMEL, "pooling": self._pooling}

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        import librosa

        return [librosa]

    def features(self, items: Iterable[Item]) -> Iterator[numpy.ndarray]:
        """Yield an array for each audio file, in order: (80,), (160,) or (frames, 80)."""
        # They load on first use, for seconds: here once, and each forked worker has them.
        import librosa.core.spectrum
        import librosa.feature.spectral  # noqa: F401

        return _in_workers(functools.partial(log_mel, pooling=self._pooling), items)


def log_mel(audio: bytes, pooling: str = "mean") -> numpy.ndarray:
    """Pool the log-mel spectrogram of an audio file over time: numbers in dB. Raises `AudioDecodeError`."""
    import librosa

    samples = decoded(audio, RATE)
    samples = numpy.pad(samples, (0, max(0, LOGMEL["n_fft"] - len(samples))))
    bands = librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE, **LOGMEL))  # (80, frames)
    if pooling == "frames":
        return numpy.ascontiguousarray(bands.T, dtype=numpy.float16)
    parts = [bands.mean(axis=1)]
    if pooling == "mean+std":
        parts.append(bands.std(axis=1))
    return numpy.concatenate(parts)


class Egemaps:
    """The functionals of openSMILE's eGeMAPSv02, on all cores: 88 numbers a clip."""

    name, modality = "egemaps", "audio"

    def __init__(self, options: ExtractionOptions) -> None:
        _refuse_options(self.name, options)
        try:
            import opensmile  # noqa: F401
        except (ImportError, OSError):  # OSError: of its library, which is built for few systems
            raise RequestError('egemaps needs openSMILE: pip install ".[opensmile]".') from None

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {"sampling_rate": RATE, **EGEMAPS}

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        import opensmile

        return [opensmile]

    def features(self, items: Iterable[Item]) -> Iterator[numpy.ndarray]:
        """Yield an array of (88,) for each audio file, in order."""
        return _in_workers(egemaps, items)


@functools.cache
def _smile() -> Any:
    import opensmile

    level = getattr(opensmile.FeatureLevel, EGEMAPS["feature_level"])
    return opensmile.Smile(getattr(opensmile.FeatureSet, EGEMAPS["feature_set"]), level)


def egemaps(audio: bytes) -> numpy.ndarray:
    """Return the 88 functionals of an audio file. Raises `AudioDecodeError`."""
    samples = decoded(audio, RATE)
    samples = numpy.pad(samples, (0, max(0, SHORTEST - len(samples))))
    return numpy.asarray(_smile()(samples, RATE), dtype=numpy.float32).reshape(-1)


def _in_workers(function: Callable[[bytes], numpy.ndarray], items: Iterable[Item]) -> Iterator[numpy.ndarray]:
    """Call a function with each audio file in worker processes; yield the results in order."""
    pending: collections.deque[Any] = collections.deque()  # not `map`, which would read all clips into memory
    with workers() as pool:
        for item in items:
            pending.append(pool.submit(_call_naming, function, *item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _call_naming(function: Callable[[bytes], numpy.ndarray], uid: str, audio: bytes) -> numpy.ndarray:
    """Call a function with an audio file. Raises `RequestError` with its id where it cannot be decoded."""
    with naming(uid):
        return function(audio)


BUILT_IN: dict[str, Callable[[ExtractionOptions], Upstream | TextTfidf]] = {
    "text-tfidf": TextTfidf,
    "logmel": LogMel,
    "egemaps": Egemaps,
}
