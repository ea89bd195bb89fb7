"""Metrics of emotion recognition and of sentiment scores, with intervals by bootstrap over dialogues.

Each metric is a function of sums over utterances (a confusion matrix, or moments), so that a resample of dialogues is
the weighted sum of the dialogues' own sums, and 2,000 resamples are one matrix product. Utterances of a dialogue
resemble one another: resampling single utterances would give intervals that are too narrow. The percentile interval is
that of Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13; the cluster is the dialogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy

from emotiontalk.corpus import SENTIMENTS

RESAMPLES = 2_000
SEED = 0
CONFIDENCE = 0.95
Statistic = Callable[[numpy.ndarray], dict[str, numpy.ndarray]]  # sums (…, *F) -> name -> values (…), NaN: undefined


class Estimate(TypedDict):
    """A metric and its interval; None where it is not defined (no utterance of a class, a single dialogue)."""

    value: float | None
    low: float | None
    high: float | None


class Difference(Estimate):
    """A difference of two systems on the same resamples: also the share of resamples in which it is at or below 0."""

    share_at_or_below_0: float | None


def confusions(
    labels: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray, classes: int
) -> numpy.ndarray:
    """Return the confusion matrix of each dialogue: (dialogues, classes, classes), rows labels, columns predictions.

    labels, predicted: (utterances,) 0…classes-1; dialogues: (utterances,) the number of each one's dialogue, 0….
    """
    shape = (int(dialogues.max(initial=-1)) + 1, classes, classes)
    cells = numpy.ravel_multi_index((dialogues, labels, predicted), shape)
    return numpy.bincount(cells, minlength=math.prod(shape)).reshape(shape).astype(float)


def classification(confusion: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Return WAR, UAR, macro-F1 and weighted F1, 0…1, of confusion matrices (…, classes, classes).

    WAR, weighted average recall, is accuracy. UAR, unweighted average recall, and macro-F1 are means over the classes
    that occur in the labels: a class that does not occur has no recall, as in scikit-learn with `labels=` those of
    `y_true`. Predictions of such a class are errors all the same.
    """
    right = numpy.diagonal(confusion, axis1=-2, axis2=-1)
    support, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    occurs, total = support > 0, support.sum(axis=-1)
    f1 = _ratio(2 * right, support + answered)
    return {
        "war": _ratio(right.sum(axis=-1), total),
        "uar": _mean(_ratio(right, support), occurs),
        "macro_f1": _mean(f1, occurs),
        "weighted_f1": _ratio(numpy.where(occurs, f1 * support, 0).sum(axis=-1), total),
    }


def rates(labels: numpy.ndarray, predicted: numpy.ndarray, classes: int) -> dict[str, float | None]:
    """Return the metrics of `classification`, without intervals; None where one is not defined.

    Args:
        labels, predicted: (utterances,) 0…classes-1.
        classes: how many there are.
    """
    confusion = confusions(labels, predicted, numpy.zeros(len(labels), dtype=int), classes).sum(axis=0)
    return {name: _known(value) for name, value in classification(confusion).items()}


def recalls(names: Sequence[str]) -> Statistic:
    """Return the statistic that gives the recall, 0…1, of each class: NaN for one that the labels do not have."""

    def statistic(confusion: numpy.ndarray) -> dict[str, numpy.ndarray]:
        recall = _ratio(numpy.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1))
        return {name: recall[..., n] for n, name in enumerate(names)}

    return statistic


def sentiment_ids(scores: numpy.ndarray) -> numpy.ndarray:
    """Return the paper's classes 0…4 of scores (utterances,), as `emotiontalk.sentiment_id`: ≤ −1, < 0, 0, < 1, ≥ 1."""
    scores = numpy.round(scores, 6)
    return numpy.select([scores <= -1, scores < 0, scores == 0, scores < 1], [0, 1, 2, 3], len(SENTIMENTS) - 1)


# What is summed over utterances: number, label, prediction, their squares and product, label − prediction, absolute
# error, same class, label is not zero, and of those the right signs.
MOMENTS = ("n", "y", "p", "yy", "pp", "yp", "gap", "error", "same", "signed", "right")
LEAST_VARIANCE = 1e-24  # less is the rounding of values that are all the same


def score_rates(scores: numpy.ndarray, predicted: numpy.ndarray) -> dict[str, float | None]:
    """Return the metrics of `regression`, without intervals; None where one is not defined.

    Args:
        scores, predicted: (utterances,) −2…2.
    """
    sums = moments(scores, predicted, numpy.zeros(len(scores), dtype=int)).sum(axis=0)
    return {name: _known(value) for name, value in regression(sums).items()}


def moments(scores: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray) -> numpy.ndarray:
    """Return the sums of each dialogue, (dialogues, len(MOMENTS)).

    scores, predicted: (utterances,) −2…2; dialogues: (utterances,) 0…. Labels and predictions are taken from their
    means, so that differences of large sums keep their digits.
    """
    # the paper's binary accuracy: over non-zero scores; a prediction of exactly 0 counts as negative, as MMSA has it
    signed = numpy.round(scores, 6) != 0
    right = signed & ((scores > 0) == (numpy.round(predicted, 6) > 0))
    same = sentiment_ids(scores) == sentiment_ids(predicted)
    y, p = scores - scores.mean(), predicted - predicted.mean()
    gap = scores - predicted
    columns = (numpy.ones(len(y)), y, p, y * y, p * p, y * p, gap, abs(gap), same, signed, right)
    number = int(dialogues.max(initial=-1)) + 1
    return numpy.stack([numpy.bincount(dialogues, column, number) for column in columns], axis=1)


def regression(sums: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Return MAE, Pearson, CCC, accuracy of the five classes and binary accuracy, of sums (…, len(MOMENTS)).

    MAE is in points of the score (−2…2). Pearson and CCC, Lin's concordance correlation coefficient
    2 s_yp / (s_y² + s_p² + (ȳ − p̄)²) with the population's moments, are −1…1; Pearson of constant values is NaN.
    """
    s = dict(zip(MOMENTS, numpy.moveaxis(sums, -1, 0)))
    y, p = _ratio(s["y"], s["n"]), _ratio(s["p"], s["n"])
    yy, pp = _ratio(s["yy"], s["n"]), _ratio(s["pp"], s["n"])
    variance_y, variance_p = yy - y**2, pp - p**2
    varies = (variance_y > LEAST_VARIANCE) & (variance_p > LEAST_VARIANCE)
    covariance = _ratio(s["yp"], s["n"]) - y * p
    return {
        "mae": _ratio(s["error"], s["n"]),
        "pearson": _ratio(covariance, numpy.sqrt(numpy.where(varies, variance_y * variance_p, 0))),
        "ccc": _ratio(2 * covariance, variance_y + variance_p + _ratio(s["gap"], s["n"]) ** 2),
        "accuracy_5": _ratio(s["same"], s["n"]),
        "binary_accuracy": _ratio(s["right"], s["signed"]),
    }


def _ratio(above: numpy.ndarray, below: numpy.ndarray) -> numpy.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    return numpy.divide(above, below, out=numpy.full(numpy.shape(above), numpy.nan), where=numpy.asarray(below) > 0)


def _mean(values: numpy.ndarray, kept: numpy.ndarray) -> numpy.ndarray:
    """Average over the last axis, of those that a mask keeps."""
    return _ratio(numpy.where(kept, values, 0).sum(axis=-1), kept.sum(axis=-1))


def weights(dialogues: int, resamples: int = RESAMPLES, seed: int = SEED) -> numpy.ndarray:
    """Draw dialogues with replacement: (resamples, dialogues), how many times each resample has each dialogue."""
    random = numpy.random.default_rng(seed)
    return random.multinomial(dialogues, numpy.full(dialogues, 1 / dialogues), size=resamples).astype(float)


def interval(draws: numpy.ndarray, confidence: float = CONFIDENCE) -> tuple[float | None, float | None]:
    """Return the percentile interval of a metric's values (resamples,), without those where it is undefined."""
    draws = draws[numpy.isfinite(draws)]
    if not len(draws):
        return None, None
    low, high = numpy.percentile(draws, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(low), float(high)


def _drawn(statistic: Statistic, sums: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Resample the sums of dialogues: name -> (resamples,); nothing to resample in a single dialogue."""
    if len(sums) < 2:
        return {name: numpy.empty(0) for name in statistic(sums.sum(axis=0))}
    drawn = weights(len(sums)) @ sums.reshape(len(sums), -1)
    return statistic(drawn.reshape(-1, *sums.shape[1:]))


def _known(value: float | numpy.ndarray) -> float | None:
    return float(value) if numpy.isfinite(value) else None


def estimates(statistic: Statistic, sums: numpy.ndarray) -> dict[str, Estimate]:
    """Return each metric with its interval. sums: (dialogues, …), what the statistic takes, of each dialogue."""
    drawn = _drawn(statistic, sums)
    intervals: dict[str, Estimate] = {}
    for name, value in statistic(sums.sum(axis=0)).items():
        low, high = interval(drawn[name])
        intervals[name] = {"value": _known(value), "low": low, "high": high}
    return intervals


def differences(statistic: Statistic, first: numpy.ndarray, second: numpy.ndarray) -> dict[str, Difference]:
    """Compare two systems by paired bootstrap: first − second of each metric, both on the same resampled dialogues.

    first, second: (dialogues, …) sums of the same dialogues in the same order.
    """
    drawn, drawn_second = _drawn(statistic, first), _drawn(statistic, second)
    value, value_second = statistic(first.sum(axis=0)), statistic(second.sum(axis=0))
    compared: dict[str, Difference] = {}
    for name in value:
        draws = drawn[name] - drawn_second[name]
        draws = draws[numpy.isfinite(draws)]
        low, high = interval(draws)
        share = float((draws <= 0).mean()) if len(draws) else None
        compared[name] = {
            "value": _known(value[name] - value_second[name]), "low": low, "high": high, "share_at_or_below_0": share,
        }  # fmt: skip
    return compared
