"""`emotiontalk probe`: linear probing, and the small heads of published recipes, on features of a frozen upstream.

The head is trained on train; its penalty or epoch is chosen on validation; the result is given on test, for several
seeds, on the official splits or the folds. WAR is accuracy, UAR the mean recall of the classes. Intervals are those of
`score`, of the first seed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.sparse
import sklearn

from emotiontalk import choices
from emotiontalk.corpus import DEFAULT_SOURCE, EMOTIONS, FOLDS, FOUR, REVISION, __version__
from emotiontalk.errors import redacted
from emotiontalk.evaluation.labels import Corpus, check_target, read_corpus
from emotiontalk.probing.feature_files import open_features
from emotiontalk.probing.features import Features, TextFeatures, extract, media_of, texts_of
from emotiontalk.probing.heads import linear, recipes, ridge, training
from emotiontalk.probing.result import FoldsResult, Outcome, Result, result_of
from emotiontalk.probing.upstreams.built_in import BUILT_IN, TextTfidf
from emotiontalk.probing.upstreams.opening import open_upstream
from emotiontalk.probing.upstreams.upstream import Options, Upstream
from emotiontalk.release import ReleaseReader, check_fold
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

MEDIA_CONFIGS = {"audio": ("audio", "multimodal"), "video": ("video", "multimodal")}  # whose labels go with the medium


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    upstreams: names, see `upstreams`; features: files of features, see `feature_files`; config, label_set, target: what
    is predicted; head: "linear", or a recipe; layer: a hidden state, "all" (each by itself), "weighted" (learned), or
    None: what the head takes; pooling: over time; fusion: of several upstreams; fold: 1…5, None: the official splits;
    folds: all five; frames: of a video clip; device: of encoders and recipes; one_at_a_time: no batches.
    """

    upstreams: Sequence[str] = ("text-tfidf",)
    config: str = "multimodal"
    label_set: str = "all"
    seeds: int = 5
    target: str = "emotion"
    head: str = "linear"
    layer: int | str | None = None
    pooling: str = "mean"
    fusion: str = "concat"
    features: Sequence[Path] = ()
    fold: int | None = None
    folds: bool = False
    frames: int | None = None
    device: str | None = None
    one_at_a_time: bool = False
    data_dir: str | None = None
    cache_dir: str | None = None
    token: str | None = None

    @property
    def classes(self) -> list[str]:
        """The labels of the label set."""
        return list(FOUR if self.label_set == "four" else EMOTIONS)

    @property
    def inputs(self) -> str:
        """What the head takes of an utterance: "vectors", "frames" or "layers"."""
        return recipes.RECIPES[self.head].inputs if self.head in recipes.RECIPES else "vectors"

    @property
    def each_layer(self) -> bool:
        """Whether each layer is probed by itself."""
        return self.layer == "all"

    def check(self) -> None:
        """Raise `RequestError` for what does not go together."""
        allowed: dict[str, tuple[Any, Sequence[str]]] = {
            "config": (self.config, choices.LABELED),
            "label set": (self.label_set, choices.LABEL_SETS),
            "target": (self.target, choices.TARGETS),
            "head": (self.head, choices.HEADS),
            "pooling": (self.pooling, choices.POOLINGS),
            "fusion": (self.fusion, choices.FUSIONS),
        }
        for name, (value, possible) in allowed.items():
            if value not in possible:
                raise RequestError(f"{name} {value!r}: choose from {', '.join(possible)}.")
        if self.seeds < 1:
            raise RequestError("at least one seed is needed.")
        if self.fold is not None and self.folds:
            raise RequestError("--folds are all five: leave --fold away.")
        check_fold(self.config, (), self.fold)
        check_target(self.config, self.target, self.label_set)
        self._check_head()
        self._check_layer()

    def _check_head(self) -> None:
        several = len(self.upstreams) + len(self.features) > 1
        if self.fusion != "concat" and not several:
            raise RequestError("--fusion is for several upstreams: leave it away.")
        if self.target == "sentiment" and (self.head != "linear" or self.fusion != "concat"):
            raise RequestError("a sentiment score is predicted by ridge regression: leave --head and --fusion away.")
        if self.head == "linear":
            return
        if several and self.fusion == "concat":
            raise RequestError(
                f"--head {self.head} has one upstream: choose --fusion mean-of-probabilities for several."
            )
        if self.pooling != "mean":
            raise RequestError(f"--head {self.head} pools by itself: leave --pooling away.")
        if "text-tfidf" in self.upstreams:
            raise RequestError(f"text-tfidf is for --head linear: {self.head} is for features of frames or layers.")
        without = [name for name in self.upstreams if name in BUILT_IN]
        if self.head == "superb" and without:
            raise RequestError(f"--head superb weighs the layers of an encoder: {without[0]} has none.")

    def _check_layer(self) -> None:
        if self.layer == "weighted" and self.head != "superb":
            raise RequestError("learned weights of layers are SUPERB's: choose --head superb, or a --layer.")
        if self.each_layer and (self.head != "linear" or len(self.upstreams) + len(self.features) != 1):
            raise RequestError("--layer all probes each layer of one upstream with --head linear.")
        if self.layer not in (None, "all", "weighted") and self.head == "superb":
            raise RequestError("--head superb weighs all layers: leave --layer away.")
        if self.layer not in (None, "weighted") and not self.upstreams:
            raise RequestError("features from a file have no layers to choose: leave --layer away.")
        self._check_unused()

    def _check_unused(self) -> None:
        """Raise `RequestError` for options that no upstream would take."""
        encoders = [name for name in self.upstreams if name not in BUILT_IN]
        if self.layer not in (None, "all", "weighted") and not encoders and len(self.upstreams) > 1:
            raise RequestError(f"{' and '.join(self.upstreams)} have no layer to choose: leave --layer away.")
        if self.pooling != "mean" and not (encoders or "logmel" in self.upstreams or self.features):
            raise RequestError(f"{' and '.join(self.upstreams)} are not pooled over time: leave --pooling away.")
        if self.device and not encoders and self.head == "linear":
            raise RequestError("--device is for encoders and the heads of recipes: leave it away.")


def probe(request: Request, finished: Callable[[int, Result], None] | None = None) -> Result | FoldsResult:
    """Run the protocol. Raises `RequestError` for what does not go together, and the errors of `load_dataset`.

    finished: is called with the result of each of `folds` when it is there.
    """
    request.check()
    if request.head in recipes.RECIPES:
        training.device_of(request.head, request.device)
    opened = [open_upstream(name, _options(request, name)) for name in request.upstreams]
    for upstream in opened:
        _check_modality(upstream, request.config)
    if request.frames and not any(upstream.modality == "video" for upstream in opened):
        raise RequestError("--frames are those of a video clip: no upstream reads video. Leave it away.")
    everything = _read(request)
    emotion = request.target == "emotion"
    corpus = everything.only(everything.labels.values < len(request.classes)) if emotion else everything
    divisions = {fold: corpus.parts(fold) for fold in (FOLDS if request.folds else [request.fold])}
    for fold, places in divisions.items():
        _check_classes(corpus.labels.values[places["train"]], fold)
    given = [open_features(path, request.inputs, request.pooling, corpus) for path in request.features]
    found = [*(_extract(upstream, everything, corpus, request) for upstream in opened), *given]
    settings = _settings(request, found, corpus)
    results: dict[int | None, Result] = {}
    for fold, places in divisions.items():
        if request.folds:
            print(f"fold {fold}", file=sys.stderr)
        y = {part: corpus.labels.values[some] for part, some in places.items()}
        outcome = _outcome([one.of(places) for one in found], y, request)
        results[fold] = result_of(outcome, corpus, places, {**settings, "fold": fold})
        if request.folds and finished and fold:
            finished(fold, results[fold])
    return FoldsResult({fold: one for fold, one in results.items() if fold}) if request.folds else results[request.fold]


def _options(request: Request, name: str) -> Options:
    """Return what of an upstream the head takes."""
    layer: Any = -1 if request.layer is None else request.layer
    layer = "all" if layer == "weighted" or request.inputs == "layers" else layer
    pooling = "frames" if request.inputs == "frames" else request.pooling
    whole = Options(device=request.device, one_at_a_time=request.one_at_a_time)
    if name == "egemaps" and request.inputs == "frames":  # one vector of an utterance, taken as one frame
        return whole
    if name in BUILT_IN and len(request.upstreams) > 1:  # options are for those of the others that have them
        return dataclasses.replace(whole, pooling=pooling if name == "logmel" else "mean")
    frames = None if name in BUILT_IN else request.frames
    return dataclasses.replace(whole, layer=layer, pooling=pooling, frames=frames)


def _check_modality(upstream: Upstream | TextTfidf, config: str) -> None:
    if upstream.modality in MEDIA_CONFIGS and config not in MEDIA_CONFIGS[upstream.modality]:
        raise RequestError(
            f"{upstream.name} needs {upstream.modality}, which the config {config!r} does not have: choose "
            f"{' or '.join(MEDIA_CONFIGS[upstream.modality])}."
        )


def _read(request: Request) -> Corpus:
    """Read all utterances of the config."""
    reader = ReleaseReader(request.data_dir, request.cache_dir, request.token)
    corpus = read_corpus(reader, request.config, request.target)
    missing = [split for split in CONFIGS[request.config].splits if split not in corpus.splits]
    if missing and not (request.folds or request.fold):
        raise RequestError(
            f"the release at hand has no utterances of {', '.join(missing)}: a probe needs all three splits."
        )
    return corpus


def _check_classes(labels: numpy.ndarray, fold: int | None) -> None:
    if len(set(labels.tolist())) < 2:
        of = f" of fold {fold}" if fold else ""
        raise RequestError(f"train{of} has one class only: there is nothing to learn.")


def _extract(upstream: Upstream | TextTfidf, everything: Corpus, corpus: Corpus, request: Request) -> Features:
    """Extract the features of all utterances, also those whose label is not asked for now: they are cached."""
    if isinstance(upstream, TextTfidf):
        return TextFeatures(upstream, corpus.texts)
    release = ReleaseReader(request.data_dir, request.cache_dir, request.token)
    inputs = texts_of(everything) if upstream.modality == "text" else media_of(upstream.modality, everything, release)
    return extract(upstream, inputs, corpus, request.cache_dir, request.one_at_a_time)


def _outcome(x: Sequence[Mapping[str, Any]], y: Mapping[str, numpy.ndarray], request: Request) -> Outcome:
    """Train the head, or the heads, on what the upstreams give; predict test."""
    if request.each_layer:
        return _best_layer(x[0], y, request)
    with _naming_overflow(request):
        return _trained(x, y, request)


@contextlib.contextmanager
def _naming_overflow(request: Request) -> Iterator[None]:
    """Turn what scikit-learn says of numbers that are no longer finite into a `RequestError`."""
    try:
        with numpy.errstate(over="ignore", invalid="ignore"):
            yield
    except ValueError as error:
        if isinstance(error, RequestError) or not re.search("infinity|NaN", str(error)):
            raise
        given = ", ".join([*request.upstreams, *map(str, request.features)])
        what = "its numbers are too far apart for float32: standardised, some are infinite. Is the file damaged?"
        raise RequestError(f"{given}: {what}") from None


def _trained(x: Sequence[Mapping[str, Any]], y: Mapping[str, numpy.ndarray], request: Request) -> Outcome:
    """Train a head as `_outcome`, on all that the upstreams give."""
    if request.target == "sentiment":
        return _ridge(linear.joined(x), y)
    if request.head == "linear" and (request.fusion == "concat" or len(x) == 1):
        return _linear(linear.joined(x), y, request)
    single = [_linear(one, y, request) if request.head == "linear" else _recipe(one, y, request) for one in x]
    if len(single) == 1:
        return single[0]
    shares = [numpy.mean(of_seed, axis=0) for of_seed in zip(*(one.test for one in single))]
    details = {"upstreams": [{"validation": one.validation, **one.details} for one in single]}
    return Outcome(shares, request.classes, {"upstreams": [one.chosen for one in single]}, {}, details)


def _ridge(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray]) -> Outcome:
    found = ridge.fit(x, y)
    errors = {str(alpha): error for alpha, error in found.validation.items()}
    return Outcome([found.predict(x["test"])], None, {"alpha": found.alpha}, errors)


def _linear(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: Request) -> Outcome:
    head = linear.fit(x, y, len(request.classes), range(request.seeds))
    return Outcome(head.probabilities(x["test"]), request.classes, {"alpha": head.alpha}, head.validation)


def _recipe(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: Request) -> Outcome:
    recipe, classes = recipes.RECIPES[request.head], len(request.classes)
    fitted = [training.fit(recipe, x, y, classes, seed, request.device) for seed in range(request.seeds)]
    unit = "epoch" if recipe.epochs else "step"
    validation = {str(at): accuracy for at, accuracy in fitted[0].validation.items()}
    details = {"recipe": fitted[0].settings(), "layer_weights": [one.layer_weights for one in fitted]}
    probabilities = [one.probabilities(x["test"]) for one in fitted]
    return Outcome(probabilities, request.classes, {unit: [one.chosen for one in fitted]}, validation, details)


def _best_layer(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: Request) -> Outcome:
    """Probe each layer by itself; the result is that of the layer that is best on validation."""
    if scipy.sparse.issparse(x["train"]) or x["train"].ndim != 3:
        raise RequestError("--layer all is for encoders: this upstream has no layers.")
    outcomes = [
        _outcome([{part: rows[:, layer] for part, rows in x.items()}], y, dataclasses.replace(request, layer=layer))
        for layer in range(x["train"].shape[1])
    ]
    least = [min(one.validation.values()) for one in outcomes]
    layers = [
        {"layer": n, **one.rates(y["test"]), **one.chosen, "validation": least[n]} for n, one in enumerate(outcomes)
    ]
    best = int(numpy.argmin(least))
    chosen = outcomes[best]
    return dataclasses.replace(chosen, chosen={"layer": best, **chosen.chosen}, details={"layers": layers})


def _settings(request: Request, found: Sequence[Features], corpus: Corpus) -> dict[str, Any]:
    """Return all that is needed to run it again, but for the fold."""
    own = found[0].settings if len(found) == 1 else {}
    training = {"epochs": linear.EPOCHS, **linear.OPTIMISER} if request.head == "linear" else {}
    modules = [numpy, sklearn, *(module for one in found for module in one.modules)]
    return {
        "upstream": " + ".join(one.name for one in found),
        **own,
        "upstreams": [{"name": one.name, **one.settings} for one in found],
        "fusion": request.fusion if len(found) > 1 else None,
        "config": request.config,
        "target": request.target,
        "label_set": request.label_set,
        "head": "ridge" if request.target == "sentiment" else request.head,
        "seeds": [] if request.target == "sentiment" else list(range(request.seeds)),
        **({} if request.target == "sentiment" else training),
        "data_dir": redacted(request.data_dir or DEFAULT_SOURCE),
        "archives": corpus.labels.reader.archives(),
        "loader": __version__,
        "revision": REVISION,
        "versions": versions(modules),
        "command": None,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _without_secrets(arguments: Iterable[str]) -> list[str]:
    """Return the words of a command line, with no token and no password."""
    words = ["=".join(map(redacted, word.split("=", 1))) if word[:2] == "--" else redacted(word) for word in arguments]
    return [
        "…" if before == "--token" else re.sub(r"^(--token=).*", r"\1…", word)
        for before, word in zip(["", *words], words)
    ]


def versions(modules: Iterable[Any]) -> dict[str, str]:
    """Return the versions of Python and of the libraries that the result depends on."""
    import datasets

    return {
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in [datasets, *modules]},
    }
