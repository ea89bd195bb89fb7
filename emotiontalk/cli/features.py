"""Features of utterances for linear probing: an upstream turns each into one vector, its mean over time.

text-tfidf     character n-grams of `text`, weighted by TF-IDF (fitted on train)
logmel         log-mel spectrogram, 80 bands, of the audio at 16 kHz, mono
NAME or PATH   hidden states of any audio or text encoder of `transformers`
"""

from __future__ import annotations

import collections
import functools
import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Union

import datasets
import numpy
from tqdm import tqdm

from emotiontalk.builder import EmotionTalk
from emotiontalk.files import writing

from . import source
from .conversion import decoded, naming
from .errors import CommandError
from .workers import workers

RATE = 16_000  # Hz, of the audio that upstreams get
LOGMEL = {"n_fft": 400, "hop_length": 160, "n_mels": 80}
AHEAD = 32  # clips that are read before their turn
NGRAMS = {"ngram_range": (1, 2), "min_df": 2}
Matrices = dict[str, Any]  # split -> (utterances, dimensions): numpy's array, or a sparse one of scipy
Clip = tuple[str, bytes]  # id, audio file


def open_upstream(name: str, layer: int = -1, device: str | None = None) -> Upstream:
    """Open the upstream of a name. Raises `CommandError` if there is none."""
    if name == "text-tfidf":
        return TextTfidf()
    return LogMel() if name == "logmel" else Transformer(name, layer, device)


class TextTfidf:
    """Character n-grams: sparse, not cached."""

    modality = "text"

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {"ngrams": NGRAMS}

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        return []

    def of_texts(self, texts: dict[str, list[str]]) -> Matrices:
        """Return {split: sparse matrix (utterances, n-grams)} of {split: texts}; fitted on train."""
        import sklearn.feature_extraction.text

        vectorizer = sklearn.feature_extraction.text.TfidfVectorizer(analyzer="char", sublinear_tf=True, **NGRAMS)
        try:
            vectorizer.fit(texts["train"])
        except ValueError as error:
            raise CommandError(f"the texts of train are too few for n-grams: {error}") from None
        return {split: vectorizer.transform(given) for split, given in texts.items()}


class LogMel:
    """librosa's log-mel spectrogram, averaged over time: 80 numbers an utterance, on all cores."""

    modality = "audio"

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {"sampling_rate": RATE, **LOGMEL}

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        import librosa

        return [librosa]

    def of_audio(self, clips: Iterable[Clip]) -> Iterator[numpy.ndarray]:
        """Yield a vector of 80 for each clip, in order."""
        # They load on first use, for seconds: here once, and each forked worker has them.
        import librosa.core.spectrum
        import librosa.feature.spectral  # noqa: F401

        pending: collections.deque[Any] = collections.deque()  # not `map`, which would read all clips into memory
        with workers() as pool:
            for clip in clips:
                pending.append(pool.submit(_log_mel, *clip))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()


def _log_mel(uid: str, audio: bytes) -> numpy.ndarray:
    with naming(uid):
        return log_mel(audio)


def log_mel(audio: bytes) -> numpy.ndarray:
    """Average the log-mel spectrogram of an audio file over time: 80 numbers in dB."""
    import librosa

    samples = decoded(audio, RATE)
    samples = numpy.pad(samples, (0, max(0, LOGMEL["n_fft"] - len(samples))))
    return librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE, **LOGMEL)).mean(axis=1)


class Transformer:
    """An encoder of `transformers`, by name on the Hub or by path: hidden states of a layer, averaged over time."""

    def __init__(self, name: str, layer: int = -1, device: str | None = None) -> None:
        try:
            import torch
            import transformers
        except ImportError:
            raise CommandError(
                f"{name}: not one of text-tfidf and logmel, and encoders need torch and transformers: "
                'pip install "emotiontalk[encoders]".'
            ) from None
        self.name, self.layer = name, layer
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise CommandError(f"device {self.device!r} cannot be used: {str(error).splitlines()[0]}") from None
        try:
            self.model = transformers.AutoModel.from_pretrained(name)
            self.modality = "audio" if self.model.main_input_name in ("input_values", "input_features") else "text"
            reader = transformers.AutoFeatureExtractor if self.modality == "audio" else transformers.AutoTokenizer
            self.reader = reader.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise CommandError(f"{name}: transformers cannot load it as an audio or text encoder: {error}") from None
        if self.model.config.is_encoder_decoder:
            self.model = self.model.get_encoder()
        layers = getattr(self.model.config, "num_hidden_layers", None)
        if layers is not None and not -layers - 1 <= layer <= layers:
            raise CommandError(f"layer {layer}: {name} has the hidden states 0…{layers} (or -{layers + 1}…-1).")
        self.model.eval().to(self.device)

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {
            "layer": self.layer,
            "model_revision": getattr(self.model.config, "_commit_hash", None),
            "weights": self.weights,
        }

    @functools.cached_property
    def weights(self) -> str:
        """A digest of the parameters: what a folder holds can change under its name."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + value.cpu().float().numpy().tobytes())
        return digest.hexdigest()[:16]

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        import torch
        import transformers

        return [torch, transformers]

    def _mean(self, given: Any, **options: Any) -> numpy.ndarray:
        """Average the layer's hidden states, over what is no padding (Whisper's input is always 30 s long)."""
        import torch

        try:
            inputs = self.reader(given, return_tensors="pt", **options)
            mask, first = inputs.get("attention_mask"), inputs[self.model.main_input_name]
            if mask is None and first.ndim > 2:
                raise CommandError(
                    f"{self.name}: it pads audio and does not say where: the padding would be averaged. Take another."
                )
            with torch.inference_mode():
                outputs = self.model(**inputs.to(self.device), output_hidden_states=True)
                states = outputs.hidden_states[self.layer].squeeze(0)
        except (TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise CommandError(
                f"{self.name}: it is not used as encoders of transformers are ({error}). Take another."
            ) from error
        share = 1 if mask is None else float(mask.sum()) / mask.numel()
        mean: numpy.ndarray = states[: max(1, math.ceil(share * len(states)))].mean(dim=0).float().cpu().numpy()
        return mean

    def of_audio(self, clips: Iterable[Clip]) -> Iterator[numpy.ndarray]:
        """Yield a vector for each clip, one at a time."""
        rate = self.reader.sampling_rate
        for uid, audio in clips:
            with naming(uid):
                samples = decoded(audio, rate)
            samples = numpy.pad(samples, (0, max(0, rate // 10 - len(samples))))  # the strides of an encoder need some
            yield self._mean(samples, sampling_rate=rate, return_attention_mask=True)

    def of_lines(self, texts: Iterable[str]) -> Iterator[numpy.ndarray]:
        """Yield a vector for each of the texts."""
        for text in texts:
            yield self._mean(text or " ", truncation=True)


Upstream = Union[TextTfidf, LogMel, Transformer]


def extract(
    upstream: Upstream,
    builder: EmotionTalk,
    splits: dict[str, source.GenKwargs],
    cache_dir: str | None,
    classes: int = 7,
) -> tuple[Matrices, dict[str, numpy.ndarray]]:
    """Extract the features of a config, utterances sorted by id.

    Dense features are cached below `cache_dir` (default: that of `datasets`), by upstream, config and archives.

    Args:
        upstream: what extracts them.
        builder, splits: the config, as `source.open_release` gives it.
        cache_dir: as in `load_dataset`.
        classes: 7, or 4 for the paper's four, which are the first ones; utterances of the others are left out.

    Returns:
        ({split: features (utterances, dimensions)}, {split: labels 0…classes-1}).
    """
    x, texts = Matrices(), dict[str, list[str]]()
    y = dict[str, numpy.ndarray]()
    for split, kwargs in splits.items():
        if isinstance(upstream, TextTfidf):
            given, labels = _texts(builder, kwargs, split)
            texts[split] = [text for text, label in zip(given, labels) if label < classes]
        else:
            vectors, labels = _cached(upstream, builder, kwargs, split, cache_dir)
            x[split] = vectors[labels < classes]
        y[split] = labels[labels < classes]
    _check(y)
    return upstream.of_texts(texts) if isinstance(upstream, TextTfidf) else x, y


def _cached(
    upstream: LogMel | Transformer,
    builder: EmotionTalk,
    kwargs: source.GenKwargs,
    split: str,
    cache_dir: str | None,
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return (features, labels) of a split, from the cache where they are there."""
    path = _cache_path(upstream, builder, kwargs, split, cache_dir)
    if path.is_file():
        with numpy.load(path) as stored:
            return stored["x"], stored["y"]
    labels: Any
    if isinstance(upstream, Transformer) and upstream.modality == "text":
        texts, labels = _texts(builder, kwargs, split)
        vectors = upstream.of_lines(tqdm(texts, unit=" utterances", desc=split))
    else:
        clips, labels = _clips(builder, kwargs, split)
        vectors = upstream.of_audio(clips)
    x = numpy.stack(list(vectors)).astype(numpy.float32)
    y = numpy.array(labels)
    with writing(path) as file:
        numpy.savez(file, x=x, y=y)
    return x, y


def _check(labels: dict[str, numpy.ndarray]) -> None:
    """Raise `CommandError` where there is nothing to learn, or to choose or test on."""
    empty = [split for split in labels if not len(labels[split])]
    if empty:
        raise CommandError(f"no utterance of {', '.join(empty)} has one of these labels.")
    if len(set(labels["train"].tolist())) < 2:
        raise CommandError("train has one class only: there is nothing to learn.")


def _texts(builder: EmotionTalk, kwargs: source.GenKwargs, split: str) -> tuple[list[str], numpy.ndarray]:
    found = source.examples(builder, kwargs, f"reading {split}", skip_media=source.EVERYTHING)
    pairs = [(example["text"] or "", example["emotion"]) for _, example in found]
    return [text for text, _ in pairs], numpy.array([label for _, label in pairs])


def _clips(builder: EmotionTalk, kwargs: source.GenKwargs, split: str) -> tuple[Iterator[Clip], list[int]]:
    """Return (an iterator over the clips, a list that has the labels once it has ended)."""
    labels: list[int] = []

    def clips() -> Iterator[Clip]:
        for _, example in source.examples(builder, kwargs, split):
            labels.append(example["emotion"])
            yield example["id"], example["audio"]["bytes"].read()

    return clips(), labels


def _cache_path(
    upstream: Upstream, builder: EmotionTalk, kwargs: source.GenKwargs, split: str, cache_dir: str | None
) -> Path:
    versions = [module.__version__ for module in upstream.modules()]
    facts = [type(upstream).__name__, upstream.settings(), versions, builder.config.name, source.groups(kwargs)]
    key = source.origin(source.fingerprints(kwargs["release"], builder.token), *facts)[:20]
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser() / "emotiontalk-features"
    return folder / f"{builder.config.name}-{split}-{key}.npz"
