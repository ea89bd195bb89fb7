"""Scores of one or two systems on labels: metrics with intervals, beside the baseline of train and chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from emotiontalk.corpus import SENTIMENTS, SPEAKER_SETS, split_of
from emotiontalk.evaluation import metrics
from emotiontalk.evaluation.baselines import constant_baseline
from emotiontalk.evaluation.labels import Labels
from emotiontalk.evaluation.predictions import Predictions
from emotiontalk.evaluation.score_result import Comparison, PartFacts, Score, System


def unseen_group(split: str) -> str | None:
    """Return the group of test that shares no speaker with validation (nor with train), None in other splits."""
    if split != "test":
        return None
    alone = [groups[0] for groups in SPEAKER_SETS if {split_of(group) for group in groups} == {"test"}]
    return alone[0] if alone else None


def evaluate(
    predictions: Sequence[Predictions],
    scored: Labels,
    train_values: numpy.ndarray,
    split: str,
    classes: list[str] | None,
    alone: str | None = None,
) -> Score:
    """Score one or two systems; settings (but for the split) and coverage are filled by the caller.

    Args:
        predictions: of the systems; each has a value for each of the labels that are scored.
        scored: the labels.
        train_values: the labels of train, from which the answers of the baseline are taken; none: no baseline.
        split: the name of the part with all that is scored.
        classes: the names of the classes; None: sentiment scores.
        alone: a group that is scored separately, too.
    """
    masks = {split: numpy.ones(len(scored.ids), dtype=bool)}
    if alone and (scored.groups == alone).any():
        masks[alone] = scored.groups == alone
    predicted = [numpy.array([system.values[uid] for uid in scored.ids]) for system in predictions]
    task = _EmotionTask(classes) if classes else _SentimentTask()
    parts: dict[str, PartFacts] = {}
    systems: list[System] = [{"predictions": p.name, "column": p.column, "parts": {}} for p in predictions]
    differences: dict[str, Comparison] = {}
    for name, mask in masks.items():
        names, dialogues = numpy.unique(scored.dialogues[mask], return_inverse=True)
        values = scored.values[mask]
        baseline = constant_baseline(train_values, values, classes)
        parts[name] = {
            "utterances": len(values),
            "dialogues": len(names),
            "support": dict(zip(task.classes, task.class_counts(values))),
            "baseline": baseline.metrics if baseline else None,
            "always": baseline.answers if baseline else None,
            "chance": task.chance,
        }
        sums = [task.sums(values, p[mask], dialogues) for p in predicted]
        by_class = [task.confusions(values, p[mask], dialogues) for p in predicted]
        recalls = metrics.recalls(task.classes)
        for system, of_system, counts in zip(systems, sums, by_class):
            system["parts"][name] = {
                "metrics": metrics.estimates(task.statistic, of_system),
                "recall": metrics.estimates(recalls, counts),
                "confusion": counts.sum(axis=0).astype(int).tolist(),
            }
        if len(predictions) == 2:
            differences[name] = {
                "metrics": metrics.differences(task.statistic, *sums),
                "recall": metrics.differences(recalls, *by_class),
            }
    return Score({"split": split}, task.classes, {}, parts, systems, differences or None)


class _EmotionTask:
    """What is counted and estimated of classes."""

    statistic = staticmethod(metrics.classification)

    def __init__(self, classes: list[str]) -> None:
        self.classes = classes
        self.chance = {"war": 1 / len(classes), "uar": 1 / len(classes)}

    def confusions(self, labels: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray) -> numpy.ndarray:
        """See `metrics.confusions`."""
        return metrics.confusions(labels, predicted, dialogues, len(self.classes))

    sums = confusions

    def class_counts(self, labels: numpy.ndarray) -> list[int]:
        """Count the utterances of each class."""
        return numpy.bincount(labels, minlength=len(self.classes)).tolist()


class _SentimentTask:
    """What is counted and estimated of scores −2…2; recalls are those of the five classes."""

    statistic = staticmethod(metrics.regression)
    sums = staticmethod(metrics.moments)

    def __init__(self) -> None:
        self.classes = list(SENTIMENTS)
        self.chance = {"accuracy_5": 1 / len(self.classes), "binary_accuracy": 1 / 2}

    def confusions(self, scores: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray) -> numpy.ndarray:
        """Return those of the five classes; see `metrics.confusions`."""
        ids = metrics.sentiment_ids(scores), metrics.sentiment_ids(predicted)
        return metrics.confusions(*ids, dialogues, len(self.classes))

    def class_counts(self, scores: numpy.ndarray) -> list[int]:
        """Count the utterances of each of the five classes."""
        return numpy.bincount(metrics.sentiment_ids(scores), minlength=len(self.classes)).tolist()
