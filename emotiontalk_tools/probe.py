"""`emotiontalk probe`: how much of the label do the features of an upstream hold? Their mean, and one linear layer.

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
from pathlib import Path

import joblib
import numpy
import sklearn
import sklearn.exceptions
import sklearn.linear_model
import sklearn.metrics
import sklearn.pipeline
import sklearn.preprocessing

import emotiontalk

from . import features, source
from .errors import CommandError
from .written import Folder

# Nobody has published an optimiser, epochs or penalties for this layer: these are ours.
ALPHAS = {"sparse": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4), "dense": (1e-4, 1e-3, 1e-2, 1e-1)}
EPOCHS = 100
OPTIMISER = {"solver": "saga", "tol": 1e-3}


@dataclasses.dataclass
class Result:
    """What a probe found; `to_dict` has all that is needed to run it again. Rates are fractions, 0…1.

    validation: alpha -> mean cross-entropy on validation; war, uar: one for each seed; recalls, confusion: of the first
    seed (rows are labels, columns predictions).
    """

    settings: dict
    emotions: list
    sizes: dict
    alpha: float
    validation: dict
    war: list
    uar: list
    recalls: dict
    confusion: list
    floor: dict

    @property
    def at_floor(self):
        """Whether both WAR and UAR are within two standard errors of what the most frequent class alone gives."""
        war, uar = self.floor["war"], self.floor["uar"]
        classes = [sum(row) for row in self.confusion if sum(row)]
        war_error = math.sqrt(war * (1 - war) / self.sizes["test"])
        uar_error = math.sqrt(sum(uar * (1 - uar) / n for n in classes)) / len(classes)
        return statistics.fmean(self.war) < war + 2 * war_error and statistics.fmean(self.uar) < uar + 2 * uar_error

    def to_dict(self) -> dict:
        """All of it, JSON-ready."""
        means = {"war": statistics.fmean(self.war), "uar": statistics.fmean(self.uar)}
        return {**dataclasses.asdict(self), "mean": means, "at_floor": self.at_floor}


def probe(
    upstream,
    config="multimodal",
    label_set="all",
    seeds=5,
    data_dir=None,
    cache_dir=None,
    token=None,
    layer=-1,
    device=None,
) -> Result:
    """Run the protocol. Raises `CommandError` for what does not go together, and the errors of `load_dataset`."""
    if config not in source.LABELLED:
        raise CommandError(f"config {config!r}: choose from {', '.join(source.LABELLED)}.")
    if label_set not in ("all", "four"):
        raise CommandError(f'label set {label_set!r}: choose "all" or "four".')
    if seeds < 1:
        raise CommandError("at least one seed is needed.")
    extractor = features.open_upstream(upstream, layer=layer, device=device)
    if extractor.modality == "audio" and not emotiontalk.CONFIGS[config].media:
        raise CommandError(
            f"{upstream} needs sound, which the config {config!r} does not have: choose audio or multimodal."
        )
    builder, splits = source.open_release(config, data_dir, cache_dir, token)
    lacking = [split for split in emotiontalk.SPLITS if split not in splits]
    if lacking:
        raise CommandError(
            f"the release at hand has no utterances of {', '.join(lacking)}: a probe needs all three splits."
        )
    names = list(emotiontalk.FOUR if label_set == "four" else emotiontalk.EMOTIONS)
    x, y = features.extract(extractor, builder, splits, cache_dir, len(names))
    settings = {
        "upstream": upstream,
        **extractor.settings(),
        "config": config,
        "label_set": label_set,
        "seeds": list(range(seeds)),
        "epochs": EPOCHS,
        **OPTIMISER,
        "data_dir": emotiontalk.shown(data_dir or emotiontalk.DEFAULT_SOURCE),
        "archives": archives(next(iter(splits.values()))["release"]),
        "loader": str(emotiontalk.EmotionTalk.VERSION),
        "revision": emotiontalk.REVISION,
        "versions": versions(extractor),
        "command": _without_secrets(sys.argv[1:]),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    return evaluate(x, y, names, settings, range(seeds))


def evaluate(x, y, names, settings, seeds) -> Result:
    """Train and test the linear layer. x: split -> (utterances, dimensions); y: split -> labels 0…len(names)-1."""
    sparse = not isinstance(x["train"], numpy.ndarray)
    alphas = ALPHAS["sparse" if sparse else "dense"]
    jobs = [(alpha, seed) for alpha in alphas for seed in seeds]
    # threads: scikit-learn lets go of the interpreter while it fits
    fitted = joblib.Parallel(n_jobs=-1, prefer="threads")(
        joblib.delayed(_fit)(x["train"], y["train"], sparse, *job) for job in jobs
    )
    models = dict(zip(jobs, fitted))
    accuracy = sklearn.metrics.accuracy_score
    validation = {
        alpha: statistics.fmean(_cross_entropy(models[alpha, seed], x["validation"], y["validation"]) for seed in seeds)
        for alpha in alphas
    }
    alpha = min(alphas, key=validation.get)
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
        floor={
            "emotion": names[most_frequent],
            "war": float((y["test"] == most_frequent).mean()),
            "uar": 1 / len(there),
        },
    )


def _fit(x, y, sparse, alpha, seed):
    """One fully connected layer, softmax, cross-entropy, L2 penalty `alpha`; the seed orders the updates."""
    layer = sklearn.linear_model.LogisticRegression(
        C=1 / (alpha * x.shape[0]), max_iter=EPOCHS, random_state=seed, **OPTIMISER
    )
    scale = [] if sparse else [sklearn.preprocessing.StandardScaler()]
    with warnings.catch_warnings():  # what has not converged by then is taken as it is
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        return sklearn.pipeline.make_pipeline(*scale, layer).fit(x, y)


def _cross_entropy(model, x, y) -> float:
    """Mean over utterances; a class that train has not has the least share that a float tells from none."""
    given = dict(zip(model.classes_, model.predict_proba(x).T))
    shares = [given[label][n] if label in given else 0 for n, label in enumerate(y)]
    return float(-numpy.log(numpy.maximum(shares, numpy.finfo(float).tiny)).mean())


def _without_secrets(arguments) -> list:
    """The words of a command line, with no token and no password."""
    words = [emotiontalk.shown(word) for word in arguments]
    return [
        "…" if before == "--token" else re.sub(r"^(--token=).*", r"\1…", word)
        for before, word in zip(["", *words], words)
    ]


def archives(release: emotiontalk.Release) -> dict:
    """Where each archive was read: [path, bytes] of each local tar or folder, or the address."""
    return {
        name: [[path, size] for path, _, size, _ in place.state] if place.paths else emotiontalk.shown(place.address)
        for name, place in release.places.items()
    }


def versions(extractor) -> dict:
    """The versions of Python and of the libraries that the result depends on."""
    import datasets

    modules = [numpy, sklearn, datasets, *extractor.modules()]
    return {"python": platform.python_version(), **{module.__name__: module.__version__ for module in modules}}


FILES = ("result.json", "confusion.png")


def write(out: Path, result: Result):
    """Write result.json and the confusion matrix, confusion.png. Raises `CommandError` where others are."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder = Folder(out)
    folder.refuse_foreign(*FILES)
    folder.write("result.json", json.dumps(result.to_dict(), ensure_ascii=False, indent=1).encode())
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
    """The result as text."""

    def rate(values):
        spread = f" ± {100 * statistics.pstdev(values):.2f}" if len(values) > 1 else ""
        return f"{100 * statistics.fmean(values):.2f}{spread}"

    s = result.settings
    lines = [
        f"{s['upstream']}, label of the {s['config']} pass, {s['label_set']}: train {result.sizes['train']:,}, "
        f"validation {result.sizes['validation']:,}, test {result.sizes['test']:,} utterances, "
        f"{len(s['seeds'])} seed{'s' * (len(s['seeds']) > 1)}",
        f"  WAR    {rate(result.war)} %    UAR    {rate(result.uar)} %    "
        f"(alpha {result.alpha:g}, chosen on validation)",
        f"  floor  {100 * result.floor['war']:.2f} %           {100 * result.floor['uar']:.2f} %    "
        f"(always {result.floor['emotion']})",
        "  recall " + ", ".join(f"{name} {100 * recall:.1f}" for name, recall in result.recalls.items()),
    ]
    if result.at_floor:
        lines.append(
            "  WAR is at the majority-class floor, and UAR at chance: these features say nothing of the label."
        )
    return "\n".join(lines)
