"""What a probe found: rates of each seed, intervals of the first, and all that is needed to run it again."""

from __future__ import annotations

import dataclasses
import html
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from emotiontalk.corpus import SENTIMENTS
from emotiontalk.evaluation import metrics
from emotiontalk.evaluation.evaluate import evaluate, unseen_group
from emotiontalk.evaluation.labels import Corpus
from emotiontalk.evaluation.predictions import Predictions
from emotiontalk.evaluation.score_result import Score
from emotiontalk.folder import expanded, writing_to
from emotiontalk.probing.result_files import FILES, write_fold, write_result
from emotiontalk.probing.summary import mean, summary

SENTIMENT_RATES = ("mae", "pearson", "ccc", "accuracy_5", "binary_accuracy")


@dataclasses.dataclass
class Outcome:
    """What a head, or several, give for test.

    test: for each seed the probabilities (utterances, classes), or without classes the scores (utterances,); chosen:
    what validation has decided, alpha, epoch, step or layer; validation: of each that could be chosen its cross-entropy
    or mean squared error (less is better), of recipes its accuracy; details: what else is known, JSON-ready.
    """

    test: list[numpy.ndarray]
    classes: list[str] | None
    chosen: dict[str, Any]
    validation: dict[str, float]
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def predicted(self) -> list[numpy.ndarray]:
        """Return for each seed the class, 0…, or the score of each utterance."""
        return [of_seed.argmax(axis=1) if self.classes else of_seed for of_seed in self.test]

    def rates(self, y: numpy.ndarray) -> dict[str, list[float | None]]:
        """Return each rate (fractions, 0…1; of scores as `metrics.regression`) for each seed. y: the labels of test.

        None: it is not defined, as Pearson of predictions that are all the same.
        """
        if self.classes is None:
            rates = metrics.score_rates(y, self.test[0])
            return {name: [rates[name]] for name in SENTIMENT_RATES}
        by_seed = [metrics.rates(y, p, len(self.classes)) for p in self.predicted()]
        return {name: [rates[name] for rates in by_seed] for name in ("war", "uar")}


class _Result:
    """What is printed of a result, and shown of it in a notebook."""

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclasses.dataclass(repr=False)
class ProbeResult(_Result):
    """What a probe found on test. Rates are fractions, 0…1.

    classes: of labels, or of sentiment; rates: name -> one for each seed; chosen, validation, details: see `Outcome`;
    baseline: always the same answer; predicted: of the first seed, the class or score of each utterance of `ids`;
    score: what `score` says of these.
    """

    settings: dict[str, Any]
    classes: list[str]
    sizes: dict[str, int]
    chosen: dict[str, Any]
    validation: dict[str, float]
    rates: dict[str, list[float | None]]
    baseline: dict[str, Any]
    predicted: list[Any]
    ids: list[str]
    score: Score
    details: dict[str, Any]

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, a row for each rate and seed: rate, seed, value (a fraction, 0…1)."""
        import pandas

        seeds = self.settings["seeds"] or [None]
        rows = [(rate, seed, value) for rate, values in self.rates.items() for seed, value in zip(seeds, values)]
        return pandas.DataFrame(rows, columns=["rate", "seed", "value"])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write result.json, predictions.jsonl and confusion.png to a folder, which is made. It needs matplotlib.

        Raises `RequestError` where other files of these names are there, or where there is no room.
        """
        save_result(folder, self)

    @property
    def confusion(self) -> list[list[int]]:
        """Of the first seed: rows are labels, columns predictions."""
        return self.score.systems[0]["parts"]["test"]["confusion"]

    @property
    def recalls(self) -> dict[str, float]:
        """Of the first seed, of the classes that test has."""
        found = self.score.systems[0]["parts"]["test"]["recall"]
        return {name: one["value"] for name, one in found.items() if one["value"] is not None}

    @property
    def means(self) -> dict[str, float | None]:
        """Each rate, the mean of the seeds."""
        return {name: mean(values) for name, values in self.rates.items()}

    @property
    def at_baseline(self) -> bool:
        """Whether both WAR and UAR are within two standard errors of the majority-class baseline."""
        if "war" not in self.rates:
            return False
        war, uar = self.baseline["war"], self.baseline["uar"]
        classes = [sum(row) for row in self.confusion if sum(row)]
        war_error = math.sqrt(war * (1 - war) / self.sizes["test"])
        uar_error = math.sqrt(sum(uar * (1 - uar) / n for n in classes)) / len(classes)
        means = {name: value or 0.0 for name, value in self.means.items()}
        return means["war"] < war + 2 * war_error and means["uar"] < uar + 2 * uar_error

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready; of the predictions, in which file they are."""
        parts = self.score.systems[0]["parts"]
        seeds = self.settings["seeds"]
        return {
            "settings": self.settings,
            "emotions" if "war" in self.rates else "classes": self.classes,
            "sizes": self.sizes,
            **self.chosen,
            "validation": self.validation,
            **self.rates,
            "recalls": self.recalls,
            "confusion": self.confusion,
            "baseline": self.baseline,
            "predictions": {"file": FILES[1], "seed": seeds[0] if seeds else None},
            "mean": self.means,
            "at_baseline": self.at_baseline,
            "intervals": {name: {"metrics": p["metrics"], "recall": p["recall"]} for name, p in parts.items()},
            **self.details,
        }


@dataclasses.dataclass(repr=False)
class FoldsResult(_Result):
    """What a probe found in each fold of cross-validation."""

    folds: dict[int, ProbeResult]

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` as `ProbeResult.to_pandas`, with the fold in front."""
        import pandas

        tables = [one.to_pandas().assign(fold=fold) for fold, one in self.folds.items()]
        return pandas.concat(tables, ignore_index=True)[["fold", "rate", "seed", "value"]]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write result.json, and a folder for each fold with the files of `ProbeResult.save`. Raises as that."""
        save_result(folder, self)

    @property
    def means(self) -> dict[str, float | None]:
        """Each rate, the mean of the folds' means."""
        first = next(iter(self.folds.values()))
        return {name: mean([one.means[name] for one in self.folds.values()]) for name in first.rates}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return {"mean": self.means, "folds": {str(fold): one.to_dict() for fold, one in self.folds.items()}}


def save_result(folder: str | os.PathLike[str], result: ProbeResult | FoldsResult) -> None:
    """Write the files of a result; of folds, those of each fold, too. Raises as `ProbeResult.save`."""
    with writing_to(expanded(Path(folder))) as held:
        for fold, of_fold in getattr(result, "folds", {}).items():
            write_fold(held, fold, of_fold)
        write_result(held, result)


def result_of(
    outcome: Outcome, corpus: Corpus, places: Mapping[str, numpy.ndarray], settings: dict[str, Any]
) -> ProbeResult:
    """Compare an outcome with the labels of test. places: of the utterances of each part in the corpus."""
    labels = corpus.labels.only(places["test"])
    first = outcome.predicted()[0]
    values = dict(zip(labels.ids, first.tolist()))
    train = corpus.labels.values[places["train"]]
    alone = None if settings["fold"] else unseen_group("test")
    score = evaluate([Predictions(FILES[1], "pred", values)], labels, train, "test", outcome.classes, alone)
    predicted = [outcome.classes[p] for p in values.values()] if outcome.classes else list(values.values())
    return ProbeResult(
        settings=settings,
        classes=outcome.classes or list(SENTIMENTS),
        sizes={part: len(some) for part, some in places.items()},
        chosen=outcome.chosen,
        validation=outcome.validation,
        rates=outcome.rates(labels.values),
        baseline=_baseline(score),
        predicted=predicted,
        ids=labels.ids,
        score=score,
        details=outcome.details,
    )


def _baseline(score: Score) -> dict[str, Any]:
    """Return the baseline of test: always the most frequent emotion of train, or its median score."""
    part = score.parts["test"]
    rates, answers = part["baseline"] or {}, part["always"] or {}
    if "war" in rates:
        return {"emotion": answers["war"], "war": rates["war"], "uar": rates["uar"]}
    return {"score": answers["mae"], "mae": rates["mae"], "ccc": rates["ccc"]}
