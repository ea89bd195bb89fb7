"""`emotiontalk probe`: linear probing. Features of an upstream, averaged over time, and one linear layer.

The protocol of SUPERB and EmoBox on the official splits: the layer is trained on train, its regularisation chosen on
validation by cross-entropy, the result given on test, for several seeds. WAR is accuracy, UAR the mean recall of the
classes.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import platform
import re
import statistics
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import joblib
import numpy
import sklearn
import sklearn.exceptions
import sklearn.linear_model
import sklearn.metrics
import sklearn.pipeline
import sklearn.preprocessing

from emotiontalk.corpus import CONDITION_NAMES, DEFAULT_SOURCE, EMOTIONS, FOUR, REVISION, SPLITS, __version__
from emotiontalk.errors import redacted
from emotiontalk.schema import CONFIGS

from . import features, source
from .errors import CommandError
from .job import jsonl
from .written import Folder

# Nobody has published an optimiser, epochs or penalties for this layer: these are ours.
ALPHAS = {"sparse": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4), "dense": (1e-4, 1e-3, 1e-2, 1e-1)}
EPOCHS = 100
OPTIMISER = {"solver": "saga", "tol": 1e-3}


class Baseline(TypedDict):
    """The majority-class baseline: always the most frequent emotion of train."""

    emotion: str
    war: float
    uar: float


@dataclasses.dataclass
class Result:
    """What a probe found; `to_dict` has all that is needed to run it again. Rates are fractions, 0…1.

    validation: alpha -> mean cross-entropy on validation; war, uar: one for each seed; recalls, confusion: of the first
    seed (rows are labels, columns predictions), and so is predicted: the class of each utterance of test, in the order
    of `ids`. Both are written to a file of their own.
    """

    settings: dict[str, Any]
    emotions: list[str]
    sizes: dict[str, int]
    alpha: float
    validation: dict[str, float]
    war: list[float]
    uar: list[float]
    recalls: dict[str, float]
    confusion: list[list[int]]
    baseline: Baseline
    predicted: list[str]
    ids: list[str] = dataclasses.field(default_factory=list)

    @property
    def at_baseline(self) -> bool:
        """Whether both WAR and UAR are within two standard errors of the majority-class baseline."""
        war, uar = self.baseline["war"], self.baseline["uar"]
        classes = [sum(row) for row in self.confusion if sum(row)]
        war_error = math.sqrt(war * (1 - war) / self.sizes["test"])
        uar_error = math.sqrt(sum(uar * (1 - uar) / n for n in classes)) / len(classes)
        return statistics.fmean(self.war) < war + 2 * war_error and statistics.fmean(self.uar) < uar + 2 * uar_error

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready; of the predictions, in which file they are."""
        written = {"file": FILES[1], "seed": self.settings["seeds"][0]}
        found = {name: value for name, value in dataclasses.asdict(self).items() if name not in ("predicted", "ids")}
        means = {"war": statistics.fmean(self.war), "uar": statistics.fmean(self.uar)}
        return {**found, "predictions": written, "mean": means, "at_baseline": self.at_baseline}


def probe(
    upstream: str,
    config: str = "multimodal",
    label_set: str = "all",
    seeds: int = 5,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    layer: int = -1,
    device: str | None = None,
) -> Result:
    """Run the protocol. Raises `CommandError` for what does not go together, and the errors of `load_dataset`."""
    if config not in source.LABELED:
        raise CommandError(f"config {config!r}: choose from {', '.join(source.LABELED)}.")
    if label_set not in ("all", "four"):
        raise CommandError(f'label set {label_set!r}: choose "all" or "four".')
    if seeds < 1:
        raise CommandError("at least one seed is needed.")
    extractor = features.open_upstream(upstream, layer=layer, device=device)
    if extractor.modality == "audio" and not CONFIGS[config].media:
        raise CommandError(
            f"{upstream} needs audio, which the config {config!r} does not have: choose audio or multimodal."
        )
    builder, splits = source.open_release(config, data_dir, cache_dir, token)
    missing = [split for split in SPLITS if split not in splits]
    if missing:
        raise CommandError(
            f"the release at hand has no utterances of {', '.join(missing)}: a probe needs all three splits."
        )
    names = list(FOUR if label_set == "four" else EMOTIONS)
    x, y = features.extract(extractor, builder, splits, cache_dir, len(names))
    settings = {
        "upstream": upstream,
        **extractor.settings(),
        "config": config,
        "label_set": label_set,
        "seeds": list(range(seeds)),
        "epochs": EPOCHS,
        **OPTIMISER,
        "data_dir": redacted(data_dir or DEFAULT_SOURCE),
        "archives": source.archives(next(iter(splits.values()))["release"]),
        "loader": __version__,
        "revision": REVISION,
        "versions": versions(extractor),
        "command": _without_secrets(sys.argv[1:]),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    result = evaluate(x, y, names, settings, range(seeds))
    test = builder.examples(**splits["test"], skip_media=source.EVERYTHING)
    result.ids = [uid for uid, example in test if example["emotion"] < len(names)]
    return result


def evaluate(
    x: features.Matrices,
    y: dict[str, numpy.ndarray],
    names: list[str],
    settings: dict[str, Any],
    seeds: Sequence[int],
) -> Result:
    """Train and test the linear layer. x: split -> (utterances, dimensions); y: split -> labels 0…len(names)-1."""
    sparse = not isinstance(x["train"], numpy.ndarray)
    alphas = ALPHAS["sparse" if sparse else "dense"]
    jobs = [(alpha, seed) for alpha in alphas for seed in seeds]
    # threads: scikit-learn lets go of the interpreter while it fits. What has not converged by then is taken as it is;
    # the filter is set here, because those that threads set and reset get in one another's way.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        fitted = joblib.Parallel(n_jobs=-1, prefer="threads")(
            joblib.delayed(_fit)(x["train"], y["train"], sparse, *job) for job in jobs
        )
    models = dict(zip(jobs, fitted))
    accuracy = sklearn.metrics.accuracy_score
    validation = {
        alpha: statistics.fmean(_cross_entropy(models[alpha, seed], x["validation"], y["validation"]) for seed in seeds)
        for alpha in alphas
    }
    alpha = min(alphas, key=lambda alpha: validation[alpha])
    predictions = [models[alpha, seed].predict(x["test"]) for seed in seeds]
    there = sorted(set(y["test"]))  # the classes whose recall can be known
    recalls = [
        sklearn.metrics.recall_score(y["test"], p, labels=there, average=None, zero_division=0) for p in predictions
    ]
    most_frequent = statistics.mode(y["train"].tolist())
    return Result(
        settings=settings,
        emotions=names,
        sizes={split: len(labels) for split, labels in y.items()},
        alpha=alpha,
        validation={str(alpha): loss for alpha, loss in validation.items()},
        war=[float(accuracy(y["test"], p)) for p in predictions],
        uar=[float(r.mean()) for r in recalls],
        recalls={names[label]: float(recall) for label, recall in zip(there, recalls[0])},
        confusion=sklearn.metrics.confusion_matrix(y["test"], predictions[0], labels=range(len(names))).tolist(),
        baseline={
            "emotion": names[most_frequent],
            "war": float((y["test"] == most_frequent).mean()),
            "uar": 1 / len(there),
        },
        predicted=[names[label] for label in predictions[0]],
    )


def _fit(x: Any, y: numpy.ndarray, sparse: bool, alpha: float, seed: int) -> Any:
    """Train one fully connected layer, softmax, cross-entropy, L2 penalty `alpha`; the seed orders the updates."""
    layer = sklearn.linear_model.LogisticRegression(
        C=1 / (alpha * x.shape[0]), max_iter=EPOCHS, random_state=seed, **OPTIMISER
    )
    scale = [] if sparse else [sklearn.preprocessing.StandardScaler()]
    return sklearn.pipeline.make_pipeline(*scale, layer).fit(x, y)


def _cross_entropy(model: Any, x: Any, y: numpy.ndarray) -> float:
    """Average over utterances; a class that train has not has the least share that a float tells from none."""
    given = dict(zip(model.classes_, model.predict_proba(x).T))
    shares = [given[label][n] if label in given else 0 for n, label in enumerate(y)]
    return float(-numpy.log(numpy.maximum(shares, numpy.finfo(float).tiny)).mean())


def _without_secrets(arguments: Iterable[str]) -> list[str]:
    """Return the words of a command line, with no token and no password."""
    words = [redacted(word) for word in arguments]
    return [
        "…" if before == "--token" else re.sub(r"^(--token=).*", r"\1…", word)
        for before, word in zip(["", *words], words)
    ]


def versions(extractor: features.Upstream) -> dict[str, str]:
    """Return the versions of Python and of the libraries that the result depends on."""
    import datasets

    modules = [numpy, sklearn, datasets, *extractor.modules()]
    return {"python": platform.python_version(), **{module.__name__: module.__version__ for module in modules}}


FILES = ("result.json", "predictions.jsonl", "confusion.png")


def write(out: Path, result: Result) -> None:
    """Write result.json, predictions.jsonl (for `score`) and confusion.png. Raises `CommandError` where others are."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder = Folder(out)
    folder.refuse_foreign(*FILES)
    folder.write("result.json", json.dumps(result.to_dict(), ensure_ascii=False, indent=1).encode())
    pairs = zip(result.ids, result.predicted)
    folder.write("predictions.jsonl", jsonl({"id": uid, "pred": name} for uid, name in pairs).encode())
    counts = numpy.array(result.confusion)
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    shares = counts / numpy.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = sklearn.metrics.ConfusionMatrixDisplay(shares, display_labels=result.emotions)
    display.plot(ax=axes, cmap="Blues", values_format=".2f", xticks_rotation=45, im_kw={"vmin": 0, "vmax": 1})
    for share, count, text in zip(shares.ravel(), counts.ravel(), display.text_.ravel()):
        text.set_text(f"{share:.2f}\n{count:,}")
    s = result.settings
    axes.set_title(
        f"{s['upstream']}, {s['config']} label, {s['label_set']}: shares of each class and utterances, "
        f"seed {s['seeds'][0]}\n"
        f"WAR {100 * result.war[0]:.2f} %, UAR {100 * result.uar[0]:.2f} %",
        fontsize=10,
    )
    figure.savefig(folder.partial("confusion.png"), dpi=150, format="png")
    plt.close(figure)
    folder.finish("confusion.png")


def summary(result: Result) -> str:
    """Return the result as text."""

    def rate(values: list[float]) -> str:
        spread = f" ± {100 * statistics.pstdev(values):.2f}" if len(values) > 1 else ""
        return f"{100 * statistics.fmean(values):.2f}{spread}"

    s = result.settings
    condition = CONDITION_NAMES[CONFIGS[s["config"]].condition]
    lines = [
        f"{s['upstream']}, {condition} label, {s['label_set']}: train {result.sizes['train']:,}, "
        f"validation {result.sizes['validation']:,}, test {result.sizes['test']:,} utterances, "
        f"{len(s['seeds'])} seed{'s' * (len(s['seeds']) > 1)}",
        f"  WAR       {rate(result.war)} %    UAR    {rate(result.uar)} %    "
        f"(alpha {result.alpha:g}, chosen on validation)",
        f"  baseline  {100 * result.baseline['war']:.2f} %           {100 * result.baseline['uar']:.2f} %    "
        f"(always {result.baseline['emotion']})",
        "  recall " + ", ".join(f"{name} {100 * recall:.1f}" for name, recall in result.recalls.items()),
    ]
    if result.at_baseline:
        lines.append(
            "  WAR is at the majority-class baseline, and UAR at chance: these features say nothing of the label."
        )
    return "\n".join(lines)
