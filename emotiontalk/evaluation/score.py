"""`emotiontalk.score`: predictions against the labels of an official split, or of a fold.

Metrics with 95 % intervals by bootstrap over dialogues (`metrics`), of all utterances of the split and of the group
whose speakers validation has not seen, beside the baseline of train and chance. Labels are read without media.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence

import numpy

from emotiontalk import choices
from emotiontalk.corpus import EMOTIONS, FOUR, REVISION, SPLITS, __version__
from emotiontalk.errors import NoUtteranceError
from emotiontalk.evaluation import metrics
from emotiontalk.evaluation.evaluate import evaluate, unseen_group
from emotiontalk.evaluation.labels import Labels, check_target, read_labels
from emotiontalk.evaluation.prediction_files import PredictionsSource
from emotiontalk.evaluation.predictions import Predictions, read_predictions
from emotiontalk.evaluation.predictions_error import PredictionsError, name_a_few
from emotiontalk.evaluation.score_result import Score, check_can_save
from emotiontalk.release import ReleaseReader, check_fold


def score(
    predictions: PredictionsSource,
    other: PredictionsSource | None = None,
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
    """Score predictions against the labels of a split, with 95 % intervals.

    Args:
        predictions: a .csv, .tsv, .json, .jsonl or .parquet file; a dict id -> class, a list of dicts, or a DataFrame.
        other: those of a second system, to compare with.
        config: whose label: "multimodal", "audio", "text" or "video".
        split: "train", "validation" or "test".
        label_set: "all" seven emotions, or the paper's "four": utterances of the others are left out.
        target: "emotion", or "sentiment": scores −2…2, of the configs multimodal and video.
        fold: 1…5: `split` is that of a fold of cross-validation, as in `load_dataset`.
        partial: score the utterances that have a prediction; otherwise each must have one.
        out: a folder for score.json and confusion.png, as `Score.save`; it needs matplotlib.
        data_dir, cache_dir, token: as in `load_dataset`. No audio or video is read, nor fetched from a URL.

    Returns:
        Metrics with intervals of each system, beside the baseline of train and chance.

    Raises:
        PredictionsError: predictions cannot be scored; the message names the first few that are in the way.
        RequestError: an option has no such value, or options exclude each other. Both are a `ValueError`.
        EmotionTalkError: the release is not as it should be; see `load_dataset`.
    """
    _check_options(config, split, label_set, target, fold)
    if out is not None:  # before the work, so that an error is not after it
        check_can_save(out)
    reader = ReleaseReader(data_dir, cache_dir, token)
    classes = list(FOUR if label_set == "four" else EMOTIONS) if target == "emotion" else None
    systems = [read_predictions(source, classes) for source in (predictions, other) if source is not None]
    everything = read_labels(reader, config, split, target, fold)
    labels = everything.only(everything.values < len(classes)) if classes else everything
    scored = labels.only(_scored_places(systems, labels, everything, partial))
    train_values = labels.values if split == "train" else _train_values(reader, config, target, fold, classes)
    result = evaluate(systems, scored, train_values, split, classes, None if fold else unseen_group(split))
    foreign = len(set().union(*(system.values for system in systems)) - set(labels.ids))
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
        "data_dir": reader.source,
        "whole_release": labels.reader.release.complete,
        "archives": labels.reader.archives(),
        "loader": __version__,
        "revision": REVISION,
        "versions": {"numpy": numpy.__version__},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    if out is not None:
        result.save(out)
    return result


def _check_options(config: str, split: str, label_set: str, target: str, fold: int | None) -> None:
    """Raise `RequestError` for a value that an option does not have, or for options that exclude each other."""
    choices.check_choice("config", config, choices.LABELED)
    choices.check_choice("split", split, SPLITS)
    choices.check_choice("label_set", label_set, choices.LABEL_SETS)
    choices.check_choice("target", target, choices.TARGETS)
    check_fold(config, [split], fold)
    check_target(config, target, label_set)


def _train_values(
    reader: ReleaseReader, config: str, target: str, fold: int | None, classes: Sequence[str] | None
) -> numpy.ndarray:
    """Read the labels of train, for the baseline; none where the release at hand has no utterance of train."""
    try:
        values = read_labels(reader, config, "train", target, fold).values
    except NoUtteranceError:
        return numpy.empty(0, dtype=int)
    return values[values < len(classes)] if classes else values


def _scored_places(systems: Sequence[Predictions], labels: Labels, everything: Labels, partial: bool) -> numpy.ndarray:
    """Return the places of the labels that every system has a prediction for. Raises `PredictionsError`.

    labels: those that are scored; everything: also those of other classes, which `label_set="four"` leaves out.
    """
    problems = []
    known, excluded = set(labels.ids), set(everything.ids) - set(labels.ids)
    for system in systems:
        missing = [uid for uid in labels.ids if uid not in system.values]
        outside = [uid for uid in system.values if uid in excluded]
        foreign = [uid for uid in system.values if uid not in known and uid not in excluded]
        problems += [
            f"{system.name}: {what} ({name_a_few(ids)})"
            for ids, what in (
                (missing, f"no prediction for {len(missing):,} of {len(known):,} utterances"),
                (outside, f"the label is none of the four for {_count_ids(outside)}"),
                (foreign, f"not in this split: {_count_ids(foreign)}"),
            )
            if ids
        ]
    places = [n for n, uid in enumerate(labels.ids) if all(uid in system.values for system in systems)]
    if problems and (not partial or not places):
        fix = "partial=True scores those that have a label and a prediction."
        raise PredictionsError(f"{'; '.join(problems)}. {fix if places else 'Nothing is left to score.'}")
    if not places:
        raise PredictionsError("the release at hand has no utterance to score.")
    return numpy.array(places)


def _count_ids(ids: Sequence[str]) -> str:
    return f"{len(ids):,} id{'s' * (len(ids) != 1)}"
