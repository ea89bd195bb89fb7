"""Features of utterances for `emotiontalk probe`: an upstream turns each into one vector, its mean over time.

text-tfidf     character n-grams of `text`, weighted by TF-IDF (fitted on train)
logmel         log-mel spectrogram, 80 bands, of the sound at 16 kHz, mono
NAME or PATH   hidden states of any audio or text encoder of `transformers`
"""

from __future__ import annotations

import collections
import functools
import hashlib
import math
import multiprocessing
from pathlib import Path

import datasets
import numpy
from tqdm import tqdm

import emotiontalk

from . import source
from .errors import CommandError
from .sound import decoded, naming

RATE = 16_000  # Hz, of the sound that upstreams hear
LOGMEL = {"n_fft": 400, "hop_length": 160, "n_mels": 80}
AHEAD = 32  # sounds that are read before their turn
NGRAMS = {"ngram_range": (1, 2), "min_df": 2}


def open_upstream(name: str, layer: int = -1, device: str | None = None):
    """The upstream of a name. Raises `CommandError` if there is none."""
    if name == "text-tfidf":
        return TextTfidf()
    return LogMel() if name == "logmel" else Transformer(name, layer, device)


class TextTfidf:
    """Character n-grams: sparse, nothing is kept on disk."""

    modality = "text"

    def settings(self) -> dict:
        """What its features depend on, beside the versions of `modules`."""
        return {"ngrams": NGRAMS}

    def modules(self) -> list:
        """The libraries whose versions its features depend on."""
        return []

    def of_texts(self, texts: dict) -> dict:
        """split -> sparse matrix (utterances, n-grams), from split -> texts; fitted on train."""
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

    def settings(self) -> dict:
        """What its features depend on, beside the versions of `modules`."""
        return {"sampling_rate": RATE, **LOGMEL}

    def modules(self) -> list:
        """The libraries whose versions its features depend on."""
        import librosa

        return [librosa]

    def of_sounds(self, sounds):
        """Yield a vector of 80 for each of the (id, sound file), in order."""
        # They load on first use, for seconds: here once, and each forked worker has them.
        import librosa.core.spectrum
        import librosa.feature.spectral  # noqa: F401

        pending = collections.deque()  # not `imap`, which would read all sounds ahead into memory
        with multiprocessing.Pool() as pool:
            for uid, sound in sounds:
                pending.append(pool.apply_async(_log_mel, (uid, sound)))
                if len(pending) > AHEAD:
                    yield pending.popleft().get()
            while pending:
                yield pending.popleft().get()


def _log_mel(uid, sound):
    with naming(uid):
        return log_mel(sound)


def log_mel(sound: bytes) -> numpy.ndarray:
    """The mean over time of a sound's log-mel spectrogram, 80 numbers in dB."""
    import librosa

    samples = decoded(sound, RATE, channels=1)[0][:, 0]
    samples = numpy.pad(samples, (0, max(0, LOGMEL["n_fft"] - len(samples))))
    return librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE, **LOGMEL)).mean(axis=1)


class Transformer:
    """An encoder of `transformers`, by name on the Hub or by path: hidden states of a layer, averaged over time."""

    def __init__(self, name, layer=-1, device=None):
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

    def settings(self) -> dict:
        """What its features depend on, beside the versions of `modules`."""
        return {
            "layer": self.layer,
            "model_revision": getattr(self.model.config, "_commit_hash", None),
            "weights": self.weights,
        }

    @functools.cached_property
    def weights(self):
        """A digest of the parameters: what a folder holds can change under its name."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + value.cpu().float().numpy().tobytes())
        return digest.hexdigest()[:16]

    def modules(self) -> list:
        """The libraries whose versions its features depend on."""
        import torch
        import transformers

        return [torch, transformers]

    def _mean(self, given, **options):
        """The mean of the layer's hidden states, over what is no padding (Whisper's is always 30 s long)."""
        import torch

        try:
            inputs = self.reader(given, return_tensors="pt", **options)
            mask, first = inputs.get("attention_mask"), inputs[self.model.main_input_name]
            if mask is None and first.ndim > 2:
                raise CommandError(
                    f"{self.name}: it pads sounds and does not say where: the padding would be averaged. Take another."
                )
            with torch.inference_mode():
                outputs = self.model(**inputs.to(self.device), output_hidden_states=True)
                states = outputs.hidden_states[self.layer].squeeze(0)
        except (TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise CommandError(
                f"{self.name}: it is not used as encoders of transformers are ({error}). Take another."
            ) from error
        share = 1 if mask is None else float(mask.sum()) / mask.numel()
        return states[: max(1, math.ceil(share * len(states)))].mean(dim=0).float().cpu().numpy()

    def of_sounds(self, sounds):
        """Yield a vector for each of the (id, sound file), one at a time."""
        rate = self.reader.sampling_rate
        for uid, sound in sounds:
            with naming(uid):
                samples = decoded(sound, rate, channels=1)[0][:, 0]
            samples = numpy.pad(samples, (0, max(0, rate // 10 - len(samples))))  # the strides of an encoder need some
            yield self._mean(samples, sampling_rate=rate, return_attention_mask=True)

    def of_lines(self, texts):
        """Yield a vector for each of the texts."""
        for text in texts:
            yield self._mean(text or " ", truncation=True)


def extract(upstream, builder, splits: dict, cache_dir: str | None, classes: int = 7):
    """(split -> features (utterances, dimensions), split -> labels 0…classes-1) of a config, utterances sorted by id.

    classes: 7, or 4 for the paper's four, which are the first ones; utterances of the others are left out.
    Dense features are kept below `cache_dir` (default: that of `datasets`), by upstream, config and archives.
    """
    if upstream.modality == "text":
        builder.skip_media = source.EVERYTHING
    labels, x = {}, {}
    if isinstance(upstream, TextTfidf):
        texts = {}
        for split, kwargs in splits.items():
            given, all_labels = _texts(builder, kwargs, split)
            texts[split] = [text for text, label in zip(given, all_labels) if label < classes]
            labels[split] = all_labels[all_labels < classes]
        _check(labels)
        return upstream.of_texts(texts), labels
    for split, kwargs in splits.items():
        path = _cache_path(upstream, builder, kwargs, split, cache_dir)
        if path.is_file():
            with numpy.load(path) as kept:
                x[split], labels[split] = kept["x"], kept["y"]
            continue
        if upstream.modality == "text":
            given, labels[split] = _texts(builder, kwargs, split)
            vectors = upstream.of_lines(tqdm(given, unit=" utterances", desc=split))
        else:
            given, labels[split] = _sounds(builder, kwargs, split)
            vectors = upstream.of_sounds(given)
        x[split] = numpy.stack(list(vectors)).astype(numpy.float32)
        labels[split] = numpy.array(labels[split])
        with emotiontalk.writing(path) as file:
            numpy.savez(file, x=x[split], y=labels[split])
    kept = {split: labels[split] < classes for split in splits}
    _check({split: labels[split][kept[split]] for split in splits})
    return {split: x[split][kept[split]] for split in splits}, {split: labels[split][kept[split]] for split in splits}


def _check(labels):
    """Raise `CommandError` where there is nothing to learn, or to choose or test on."""
    empty = [split for split in labels if not len(labels[split])]
    if empty:
        raise CommandError(f"no utterance of {', '.join(empty)} has one of these labels.")
    if len(set(labels["train"].tolist())) < 2:
        raise CommandError("train has one class only: there is nothing to learn.")


def _texts(builder, kwargs, split):
    pairs = [
        (example["text"] or "", example["emotion"])
        for _, example in source.examples(builder, kwargs, f"reading {split}")
    ]
    return [text for text, _ in pairs], numpy.array([label for _, label in pairs])


def _sounds(builder, kwargs, split):
    """(an iterator over (id, sound file), a list that has the labels once it has ended)."""
    labels = []

    def sounds():
        for _, example in source.examples(builder, kwargs, split):
            labels.append(example["emotion"])
            yield example["id"], example["audio"]["bytes"].read()

    return sounds(), labels


def _cache_path(upstream, builder, kwargs, split, cache_dir):
    versions = [module.__version__ for module in upstream.modules()]
    facts = [type(upstream).__name__, upstream.settings(), versions, builder.config.name, source.groups(kwargs)]
    key = source.origin(source.state(kwargs["release"], builder.token), *facts)[:20]
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser() / "emotiontalk-features"
    return folder / f"{builder.config.name}-{split}-{key}.npz"
