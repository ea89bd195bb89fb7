"""The baseline of `score` and `probe`: a system that gives every utterance the same answer, chosen on train."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy

from emotiontalk.corpus import SENTIMENTS
from emotiontalk.evaluation import metrics


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What a constant answer reaches.

    Attributes:
        metrics: name -> value, a fraction 0…1, or of sentiment scores as `metrics.regression`; None: undefined.
        answers: name of a metric -> the answer: a class, a score, or a sign.
    """

    metrics: dict[str, float | None]
    answers: dict[str, Any]


def constant_baseline(
    train_values: numpy.ndarray, values: numpy.ndarray, classes: Sequence[str] | None = None
) -> Baseline | None:
    """Score the constant answers of train.

    For classes, the answer is the most frequent class, the first of equals. For sentiment scores, it is the median for
    MAE, Pearson and CCC, the most frequent of the five classes for their accuracy, and for the binary accuracy the more
    frequent sign.

    Args:
        train_values: the labels of train, from which the answers are chosen: classes 0…, or scores −2…2.
        values: the labels that are scored.
        classes: the names of the classes; None: sentiment scores.

    Returns:
        The baseline; None where train has no label.
    """
    if not len(train_values):
        return None
    if classes is None:
        return _of_scores(train_values, values)
    answer = int(numpy.bincount(train_values, minlength=len(classes)).argmax())
    rates = metrics.rates(values, numpy.full_like(values, answer), len(classes))
    return Baseline(rates, dict.fromkeys(rates, classes[answer]))


def _of_scores(train_scores: numpy.ndarray, scores: numpy.ndarray) -> Baseline:
    median = float(numpy.median(train_scores))
    most_frequent = int(numpy.bincount(metrics.sentiment_ids(train_scores)).argmax())
    positive = bool((train_scores > 0).sum() > (train_scores < 0).sum())
    signed = scores[numpy.round(scores, 6) != 0]
    return Baseline(
        {
            "mae": float(abs(scores - median).mean()),
            "pearson": None,
            "ccc": 0.0,
            "accuracy_5": float((metrics.sentiment_ids(scores) == most_frequent).mean()),
            "binary_accuracy": float(((signed > 0) == positive).mean()) if len(signed) else None,
        },
        {
            "mae": median,
            "accuracy_5": SENTIMENTS[most_frequent],
            "binary_accuracy": "positive" if positive else "negative",
        },
    )
