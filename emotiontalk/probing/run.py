"""The protocol of a probe: a head is trained on train, and tested on test.

Its penalty or epoch is chosen on validation; several seeds, on the official splits or the folds. WAR is accuracy, UAR
the mean recall of the classes. Intervals are those of `score`, of the first seed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy
import scipy.sparse
import sklearn

from emotiontalk.corpus import DEFAULT_SOURCE, FOLDS, REVISION, __version__
from emotiontalk.errors import logger, redacted
from emotiontalk.evaluation.labels import Corpus, read_corpus
from emotiontalk.probing.feature_files import open_features
from emotiontalk.probing.features import Features, TextFeatures, extract_cached, media_source, text_source
from emotiontalk.probing.heads import linear, recipes, ridge, training
from emotiontalk.probing.request import ProbeRequest
from emotiontalk.probing.result import FoldsResult, Outcome, ProbeResult, result_of
from emotiontalk.probing.upstreams.built_in import BUILT_IN, TextTfidf
from emotiontalk.probing.upstreams.opening import open_upstream
from emotiontalk.probing.upstreams.upstream import ExtractionOptions, Upstream
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

MEDIA_CONFIGS = {"audio": ("audio", "multimodal"), "video": ("video", "multimodal")}  # whose labels go with the medium


def run(
    request: ProbeRequest,
    finished: Callable[[int, ProbeResult], None] | None = None,
    command: Sequence[str] | None = None,
) -> ProbeResult | FoldsResult:
    """Run the protocol.

    Args:
        request: what is requested.
        finished: is called with each of `folds` and its result when it is there.
        command: the words of the command line, where there is one, for the settings of the result.

    Raises:
        RequestError: options cannot be combined, or features cannot be used.
        EmotionTalkError: the errors of `load_dataset`.
    """
    request.check()
    if request.head in recipes.RECIPES:
        training.device_of(request.head, request.device)
    opened = [open_upstream(name, _extraction_options(request, name)) for name in request.upstreams]
    for upstream in opened:
        check_modality(upstream, request.config)
    if request.frames is not None and not any(upstream.modality == "video" for upstream in opened):
        raise RequestError("frames= are those of a video clip, and no upstream reads video: remove it.")
    release = ReleaseReader(request.data_dir, request.cache_dir, request.token)
    everything = _read(request, release)
    emotion = request.target == "emotion"
    corpus = everything.only(everything.labels.values < len(request.classes)) if emotion else everything
    divisions = {fold: corpus.parts(fold) for fold in (FOLDS if request.folds else [request.fold])}
    for fold, places in divisions.items():
        _check_classes(corpus.labels.values[places["train"]], fold)
    own_files = [open_features(path, request.inputs, request.pooling, corpus) for path in request.features]
    features = [
        *(features_of_corpus(upstream, everything, corpus, release, request.one_at_a_time) for upstream in opened),
        *own_files,
    ]
    settings = {**_settings(request, features, corpus), "command": list(command) if command else None}
    results: dict[int | None, ProbeResult] = {}
    for fold, places in divisions.items():
        if request.folds:
            logger.info(f"fold {fold}")
        y = {part: corpus.labels.values[some] for part, some in places.items()}
        outcome = _outcome([of_upstream.of(places) for of_upstream in features], y, request)
        results[fold] = result_of(outcome, corpus, places, {**settings, "fold": fold})
        if request.folds and finished and fold:
            finished(fold, results[fold])
    if request.folds:
        return FoldsResult({fold: result for fold, result in results.items() if fold})
    return results[request.fold]


def _extraction_options(request: ProbeRequest, name: str) -> ExtractionOptions:
    """Return what of an upstream the head takes."""
    layer: Any = -1 if request.layer is None else request.layer
    layer = "all" if layer == "weighted" or request.inputs == "layers" else layer
    pooling = "frames" if request.inputs == "frames" else request.pooling
    whole = ExtractionOptions(device=request.device, one_at_a_time=request.one_at_a_time)
    if name == "egemaps" and request.inputs == "frames":  # one vector of an utterance, taken as one frame
        return whole
    if name in BUILT_IN and len(request.upstreams) > 1:  # options are for those of the others that have them
        return dataclasses.replace(whole, pooling=pooling if name == "logmel" else "mean")
    frames = None if name in BUILT_IN else request.frames
    return dataclasses.replace(whole, layer=layer, pooling=pooling, frames=frames)


def check_modality(upstream: Upstream | TextTfidf, config: str) -> None:
    """Raise `RequestError` where a config does not have what an upstream reads."""
    if upstream.modality in MEDIA_CONFIGS and config not in MEDIA_CONFIGS[upstream.modality]:
        raise RequestError(
            f"{upstream.name} needs {upstream.modality}, which the config {config!r} does not have: choose "
            f"{' or '.join(MEDIA_CONFIGS[upstream.modality])}."
        )


def _read(request: ProbeRequest, release: ReleaseReader) -> Corpus:
    """Read all utterances of the config."""
    corpus = read_corpus(release, request.config, request.target)
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


def features_of_corpus(
    upstream: Upstream | TextTfidf, everything: Corpus, corpus: Corpus, release: ReleaseReader, one_at_a_time: bool
) -> Features:
    """Extract the features of a corpus.

    Args:
        upstream: what gives them.
        everything: the utterances that are extracted and cached, also those whose label is not requested now.
        corpus: those that are wanted.
        release: where clips are read.
        one_at_a_time: without batches.
    """
    if isinstance(upstream, TextTfidf):
        return TextFeatures(upstream, corpus.texts)
    is_text = upstream.modality == "text"
    source = text_source(everything) if is_text else media_source(upstream.modality, everything, release)
    return extract_cached(upstream, source, corpus, release.cache_dir, one_at_a_time)


def _outcome(x: Sequence[Mapping[str, Any]], y: Mapping[str, numpy.ndarray], request: ProbeRequest) -> Outcome:
    """Train the head, or the heads, on what the upstreams give; predict test."""
    if request.each_layer:
        return _best_layer(x[0], y, request)
    with _naming_overflow(request):
        return _trained(x, y, request)


@contextlib.contextmanager
def _naming_overflow(request: ProbeRequest) -> Iterator[None]:
    """Turn what scikit-learn says of numbers that are no longer finite into a `RequestError`."""
    try:
        with numpy.errstate(over="ignore", invalid="ignore"):
            yield
    except ValueError as error:
        if isinstance(error, RequestError) or not re.search("infinity|NaN", str(error)):
            raise
        names = ", ".join([*request.upstreams, *map(str, request.features)])
        what = "its numbers are too far apart for float32: standardised, some are infinite. Is the file damaged?"
        raise RequestError(f"{names}: {what}") from None


def _trained(x: Sequence[Mapping[str, Any]], y: Mapping[str, numpy.ndarray], request: ProbeRequest) -> Outcome:
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
    head = ridge.fit(x, y)
    errors = {str(alpha): error for alpha, error in head.validation.items()}
    return Outcome([head.predict(x["test"])], None, {"alpha": head.alpha}, errors)


def _linear(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: ProbeRequest) -> Outcome:
    head = linear.fit(x, y, len(request.classes), range(request.seeds))
    return Outcome(head.probabilities(x["test"]), request.classes, {"alpha": head.alpha}, head.validation)


def _recipe(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: ProbeRequest) -> Outcome:
    recipe, classes = recipes.RECIPES[request.head], len(request.classes)
    fitted = [training.fit(recipe, x, y, classes, seed, request.device) for seed in range(request.seeds)]
    unit = "epoch" if recipe.epochs else "step"
    validation = {str(at): accuracy for at, accuracy in fitted[0].validation.items()}
    details = {"recipe": fitted[0].settings(), "layer_weights": [one.layer_weights for one in fitted]}
    probabilities = [one.probabilities(x["test"]) for one in fitted]
    return Outcome(probabilities, request.classes, {unit: [one.chosen for one in fitted]}, validation, details)


def _best_layer(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], request: ProbeRequest) -> Outcome:
    """Probe each layer by itself; the result is that of the layer that is best on validation."""
    if scipy.sparse.issparse(x["train"]) or x["train"].ndim != 3:
        raise RequestError('layer="all" is for encoders: this upstream has no layers.')
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


def _settings(request: ProbeRequest, features: Sequence[Features], corpus: Corpus) -> dict[str, Any]:
    """Return all that is needed to run it again, but for the fold."""
    own = features[0].settings if len(features) == 1 else {}
    training = {"epochs": linear.EPOCHS, **linear.OPTIMISER} if request.head == "linear" else {}
    modules = [numpy, sklearn, *(module for of_upstream in features for module in of_upstream.modules)]
    return {
        "upstream": " + ".join(of_upstream.name for of_upstream in features),
        **own,
        "upstreams": [{"name": of_upstream.name, **of_upstream.settings} for of_upstream in features],
        "fusion": request.fusion if len(features) > 1 else None,
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
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def versions(modules: Iterable[Any]) -> dict[str, str]:
    """Return the versions of Python and of the libraries that the result depends on."""
    import datasets

    return {
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in [datasets, *modules]},
    }
