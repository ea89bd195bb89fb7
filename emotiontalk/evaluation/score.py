"""`emotiontalk score`, and `emotiontalk.score`: predictions against the labels of an official split.

Metrics with 95 % intervals by bootstrap over dialogues (`metrics`), of all utterances of the split and of the group
whose speakers validation has not seen, beside the majority-class baseline and chance. Labels are read without media.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy

from emotiontalk import choices
from emotiontalk.annotations import sentiment_id
from emotiontalk.corpus import (
    DEFAULT_SOURCE,
    EMOTIONS,
    FOUR,
    REVISION,
    SENTIMENTS,
    SPEAKER_SETS,
    SPLITS,
    __version__,
    split_of,
)
from emotiontalk.errors import redacted
from emotiontalk.evaluation import metrics
from emotiontalk.evaluation.labels import Labels, check_target, read_labels
from emotiontalk.evaluation.predictions import Given, Predictions, PredictionsError, named, read
from emotiontalk.evaluation.score_output import confusion_picture
from emotiontalk.folder import Folder, expanded, write_all, writing_to
from emotiontalk.release import check_fold
from emotiontalk.request_error import RequestError

FILES = ("score.json", "confusion.png")


class Part(TypedDict):
    """What is true of the utterances of a part of the split. Rates are fractions, 0…1.

    support: class -> utterances; baseline: metric -> that of a system which always answers the same; always: what that
    answer is; chance: metric -> the expected value of guessing each class as often as any other.
    """

    utterances: int
    dialogues: int
    support: dict[str, int]
    baseline: dict[str, float | None]
    always: dict[str, Any]
    chance: dict[str, float]


class SystemPart(TypedDict):
    """What a system reaches on a part: metrics and recalls with intervals, and counts (rows labels, columns predicted).

    Of sentiment scores, recall and confusion are those of the five classes.
    """

    metrics: dict[str, metrics.Estimate]
    recall: dict[str, metrics.Estimate]
    confusion: list[list[int]]


class Comparison(TypedDict):
    """First minus second system on a part, on the same resampled dialogues."""

    metrics: dict[str, metrics.Difference]
    recall: dict[str, metrics.Difference]


class System(TypedDict):
    """A system: the name and column of its predictions, and part -> what it reaches there."""

    predictions: str
    column: str
    parts: dict[str, SystemPart]


@dataclasses.dataclass
class Score:
    """What `score` found; `to_dict` has all of it, JSON-ready.

    parts: the split's name, and that of the group with unseen speakers, -> what is true there; systems: one or two;
    differences: part -> first minus second system, None for one system; coverage: how many utterances were
    scored, of how many, and how many ids were passed over.
    """

    settings: dict[str, Any]
    classes: list[str]
    coverage: dict[str, int]
    parts: dict[str, Part]
    systems: list[System]
    differences: dict[str, Comparison] | None

    @property
    def metrics(self) -> dict[str, metrics.Estimate]:
        """The metrics of the first system on the whole split: name -> {value, low, high}."""
        return self.systems[0]["parts"][self.settings["split"]]["metrics"]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return dataclasses.asdict(self)


def score(
    predictions: Given,
    other: Given | None = None,
    *,
    config: str = "multimodal",
    split: str = "test",
    label_set: str = "all",
    target: str = "emotion",
    fold: int | None = None,
    partial: bool = False,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
) -> Score:
    """Score predictions against the labels of a split. It needs `pip install ".[tools]"`.

    Args:
        predictions: a .csv, .tsv, .json, .jsonl or .parquet file; a dict id -> class, a list of dicts, or a DataFrame.
        other: those of a second system, to compare with.
        config: whose label: "multimodal", "audio", "text" or "video".
        split: "train", "validation" or "test".
        label_set: "all" seven emotions, or the paper's "four": utterances of the others are left out.
        target: "emotion", or "sentiment": scores −2…2, of the configs multimodal and video.
        fold: 1…5: `split` is that of a fold of cross-validation, as in `load_dataset`.
        partial: score the utterances that have a prediction; otherwise each must have one.
        out: a folder for score.json and confusion.png.
        data_dir, cache_dir, token: as in `load_dataset`. No audio or video is read, nor fetched from a URL.

    Raises:
        ValueError: predictions cannot be scored (the message names the first few), or options do not go together.
        EmotionTalkError: the release is not as it should be; see `load_dataset`.
    """
    _check(config, split, label_set, target, fold)
    if out is not None:  # before the work, so that an error is not after it
        Folder(expanded(Path(out))).refuse_foreign(*FILES)
    classes = FOUR if label_set == "four" else EMOTIONS
    given = [read(one, classes if target == "emotion" else None) for one in (predictions, other) if one is not None]
    everything = read_labels(config, split, target, data_dir, cache_dir, token, fold)
    labels = everything
    if target == "emotion":
        labels = everything.only(everything.values < len(classes))
    scored = labels.only(_places(given, labels, everything, partial))
    foreign = len(set().union(*(one.values for one in given)) - set(labels.ids))
    names = list(classes) if target == "emotion" else None
    result = evaluate(given, scored, labels, split, names, None if fold else unseen_group(split))
    result.coverage = {"scored": len(scored.ids), "of": len(labels.ids), "passed_over": foreign}
    result.settings = {
        "config": config,
        "split": split,
        "label_set": label_set,
        "target": target,
        "fold": fold,
        "partial": partial,
        "resamples": metrics.RESAMPLES,
        "resampled": "dialogues",
        "seed": metrics.SEED,
        "confidence": metrics.CONFIDENCE,
        "data_dir": redacted(data_dir or DEFAULT_SOURCE),
        "whole_release": labels.reader.release.complete,
        "archives": labels.reader.archives(),
        "loader": __version__,
        "revision": REVISION,
        "versions": {"numpy": numpy.__version__},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    if out is not None:
        write(expanded(Path(out)), result)
    return result


def _check(config: str, split: str, label_set: str, target: str, fold: int | None) -> None:
    """Raise `RequestError` for a value that an option does not have, or for options that do not go together."""
    allowed = {
        "config": (config, choices.LABELED),
        "split": (split, SPLITS),
        "label_set": (label_set, choices.LABEL_SETS),
        "target": (target, choices.TARGETS),
    }
    for name, (value, possible) in allowed.items():
        if value not in possible:
            raise RequestError(f"{name} {value!r}: choose from {', '.join(possible)}.")
    check_fold(config, [split], fold)
    check_target(config, target, label_set)


def _places(given: Sequence[Predictions], labels: Labels, everything: Labels, partial: bool) -> numpy.ndarray:
    """Return the places of the labels that every system has a prediction for. Raises `PredictionsError`.

    labels: those that are scored; everything: also those of other classes, which `label_set="four"` leaves out.
    """
    problems = []
    known, others = set(labels.ids), set(everything.ids) - set(labels.ids)
    for one in given:
        missing = [uid for uid in labels.ids if uid not in one.values]
        outside = [uid for uid in one.values if uid in others]
        foreign = [uid for uid in one.values if uid not in known and uid not in others]
        problems += [
            f"{one.name}: {what} ({named(ids)})"
            for ids, what in (
                (missing, f"no prediction for {len(missing):,} of {len(known):,} utterances"),
                (outside, f"the label is none of the four for {_ids(outside)}"),
                (foreign, f"not in this split: {_ids(foreign)}"),
            )
            if ids
        ]
    there = [n for n, uid in enumerate(labels.ids) if all(uid in one.values for one in given)]
    if problems and (not partial or not there):
        fix = "--partial (partial=True) scores those that have a label and a prediction."
        raise PredictionsError(f"{'; '.join(problems)}. {fix if there else 'Nothing is left to score.'}")
    if not there:
        raise PredictionsError("the release at hand has no utterance to score.")
    return numpy.array(there)


def _ids(ids: Sequence[str]) -> str:
    return f"{len(ids):,} id{'s' * (len(ids) != 1)}"


def unseen_group(split: str) -> str | None:
    """Return the group of test that shares no speaker with validation (nor with train), None in other splits."""
    if split != "test":
        return None
    alone = [groups[0] for groups in SPEAKER_SETS if {split_of(group) for group in groups} == {"test"}]
    return alone[0] if alone else None


def evaluate(
    given: Sequence[Predictions],
    scored: Labels,
    labels: Labels,
    split: str,
    classes: list[str] | None,
    alone: str | None = None,
) -> Score:
    """Score one or two systems; the settings are left to the caller.

    Args:
        given: the systems; each has a value for each of the labels that are scored.
        scored, labels: what is scored, and all labels, from which the constant answers of the baselines are taken.
        split: how the part with all that is scored is called.
        classes: the names of the classes; None: sentiment scores.
        alone: a group that is scored for itself, too.
    """
    masks = {split: numpy.ones(len(scored.ids), dtype=bool)}
    if alone and (scored.groups == alone).any():
        masks[alone] = scored.groups == alone
    predicted = [numpy.array([one.values[uid] for uid in scored.ids]) for one in given]
    task = _Emotion(classes, labels.values) if classes else _Sentiment(labels.values)
    parts: dict[str, Part] = {}
    systems: list[System] = [{"predictions": one.name, "column": one.column, "parts": {}} for one in given]
    differences: dict[str, Comparison] = {}
    for name, mask in masks.items():
        names, dialogues = numpy.unique(scored.dialogues[mask], return_inverse=True)
        values = scored.values[mask]
        parts[name] = task.part(values, len(names))
        sums = [task.sums(values, p[mask], dialogues) for p in predicted]
        by_class = [task.confusions(values, p[mask], dialogues) for p in predicted]
        recalls = metrics.recalls(task.classes)
        for system, of_system, counts in zip(systems, sums, by_class):
            system["parts"][name] = {
                "metrics": metrics.estimates(task.statistic, of_system),
                "recall": metrics.estimates(recalls, counts),
                "confusion": counts.sum(axis=0).astype(int).tolist(),
            }
        if len(given) == 2:
            differences[name] = {
                "metrics": metrics.differences(task.statistic, *sums),
                "recall": metrics.differences(recalls, *by_class),
            }
    return Score({"split": split}, task.classes, {}, parts, systems, differences or None)


class _Emotion:
    """Classes. labels: (utterances,) of the whole split, whose most frequent class is the baseline's answer."""

    statistic = staticmethod(metrics.classification)

    def __init__(self, classes: list[str], labels: numpy.ndarray) -> None:
        self.classes = classes
        self.most_frequent = int(numpy.bincount(labels, minlength=len(classes)).argmax())

    def confusions(self, labels: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray) -> numpy.ndarray:
        """See `metrics.confusions`."""
        return metrics.confusions(labels, predicted, dialogues, len(self.classes))

    sums = confusions

    def part(self, labels: numpy.ndarray, dialogues: int) -> Part:
        """Describe a part of the split."""
        always = numpy.full_like(labels, self.most_frequent)
        of_always = metrics.classification(self.sums(labels, always, numpy.zeros_like(labels))[0])
        counts = numpy.bincount(labels, minlength=len(self.classes)).tolist()
        return {
            "utterances": len(labels),
            "dialogues": dialogues,
            "support": dict(zip(self.classes, counts)),
            "baseline": {name: float(value) for name, value in of_always.items()},
            "always": dict.fromkeys(of_always, self.classes[self.most_frequent]),
            "chance": {"war": 1 / len(self.classes), "uar": 1 / len(self.classes)},
        }


class _Sentiment:
    """Scores −2…2. scores: (utterances,) of the whole split, from which the constant answers are taken.

    The answer is the median for MAE, the most frequent of the five classes for their accuracy, and for binary accuracy
    the more frequent sign.
    """

    statistic = staticmethod(metrics.regression)
    sums = staticmethod(metrics.moments)

    def __init__(self, scores: numpy.ndarray) -> None:
        self.classes = list(SENTIMENTS)
        self.median = float(numpy.median(scores))
        self.most_frequent = int(numpy.bincount([sentiment_id(s) for s in scores]).argmax())
        self.positive = bool((scores > 0).sum() > (scores < 0).sum())

    def confusions(self, scores: numpy.ndarray, predicted: numpy.ndarray, dialogues: numpy.ndarray) -> numpy.ndarray:
        """Return those of the five classes; see `metrics.confusions`."""
        ids = metrics.sentiment_ids(scores), metrics.sentiment_ids(predicted)
        return metrics.confusions(*ids, dialogues, len(self.classes))

    def part(self, scores: numpy.ndarray, dialogues: int) -> Part:
        """Describe a part of the split."""
        ids, signed = metrics.sentiment_ids(scores), scores[numpy.round(scores, 6) != 0]
        right = float(((signed > 0) == self.positive).mean()) if len(signed) else None
        return {
            "utterances": len(scores),
            "dialogues": dialogues,
            "support": dict(zip(self.classes, numpy.bincount(ids, minlength=len(self.classes)).tolist())),
            "baseline": {
                "mae": float(abs(scores - self.median).mean()),
                "pearson": None,
                "ccc": 0.0,
                "accuracy_5": float((ids == self.most_frequent).mean()),
                "binary_accuracy": right,
            },
            "always": {
                "mae": self.median,
                "accuracy_5": self.classes[self.most_frequent],
                "binary_accuracy": "positive" if self.positive else "negative",
            },
            "chance": {"accuracy_5": 1 / len(self.classes), "binary_accuracy": 1 / 2},
        }


def write(out: Path, result: Score) -> None:
    """Write score.json and confusion.png. Raises `RequestError` where others are."""
    text = json.dumps(result.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
    made = (text.encode("utf-8", "backslashreplace"), confusion_picture(result.to_dict()))
    with writing_to(out) as folder:
        write_all(folder, dict(zip(FILES, made)))
