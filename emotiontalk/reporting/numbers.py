"""The numbers of the report: counts, lengths, agreement of annotation conditions and of annotators."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy
import pandas
import sklearn.metrics
import statsmodels.stats.inter_rater

from emotiontalk.corpus import CONDITIONS, EMOTIONS, SENTIMENTS, SPLITS
from emotiontalk.reporting.reading import Reading

PAPER_KAPPA = {"text": 0.66, "audio": 0.79, "video": 0.73, "multimodal": 0.78}  # Fleiss' kappa, section 3 of the paper


def count_numbers(reading: Reading) -> dict[str, Any]:
    """Return every number of the page, JSON-ready: counts, shares 0…1, seconds, kappas."""
    table = reading.table
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    parts = {split: table[table["split"] == split] for split in splits}
    formats = table["format"].value_counts().index.tolist()  # the most frequent one first
    return {
        "utterances": len(table),
        "hours": float(table["seconds"].sum() / 3600),
        "dialogues": int(table["dialogue"].nunique()),
        "speakers": int(table["speaker"].nunique()),
        "splits": {split: len(part) for split, part in parts.items()},
        "classes": {
            name: {
                split: [int((part[name] == label).sum()) for label in range(len(EMOTIONS))]
                for split, part in parts.items()
            }
            for name in CONDITIONS
        },
        "sentiment": {
            split: [int((part["sentiment"] == label).sum()) for label in range(len(SENTIMENTS))]
            for split, part in parts.items()
        },
        "scores": {split: _spread(part["score"]) for split, part in parts.items()},
        "formats": {
            split: {form: int((part["format"] == form).sum()) for form in formats} for split, part in parts.items()
        },
        "seconds": {split: _spread(part["seconds"].dropna()) for split, part in parts.items()},
        "agreement": [_agreement(table, first, second) for first, second in itertools.combinations(CONDITIONS, 2)],
        "kappa": {
            name: {"utterances": len(votes), "kappa": _kappa(votes), "paper": PAPER_KAPPA[name]}
            for name, votes in reading.votes.items()
        },
        "speakers_by_split": {
            speaker: {split: int((part["speaker"] == speaker).sum()) for split, part in parts.items()}
            for speaker in sorted(table["speaker"].unique())
        },
        "seconds_by_emotion": {
            name: _spread(table["seconds"][table["multimodal"] == n].dropna()) for n, name in enumerate(EMOTIONS)
        },
        "emotions_by_speaker": {
            speaker: [int((part["multimodal"] == n).sum()) for n in range(len(EMOTIONS))]
            for speaker, part in table.groupby("speaker")
        },
        "utterances_by_dialogue": {split: _spread(part.groupby("dialogue").size()) for split, part in parts.items()},
    }


def _spread(values: pandas.Series) -> dict[str, Any]:
    spread = {name: getattr(values, name)() for name in ("mean", "median", "min", "max", "sum")}
    return {"n": len(values), **{name: _known(value) for name, value in spread.items()}}


def _known(value: float) -> float | None:
    """Return a number that JSON has, or None for what cannot be known."""
    return float(value) if math.isfinite(value) else None


def _agreement(table: pandas.DataFrame, first: str, second: str) -> dict[str, Any]:
    """Compare two annotation conditions: rows are the labels of `first`, columns those of `second`."""
    a, b = table[first], table[second]
    return {
        "conditions": [first, second],
        "matrix": sklearn.metrics.confusion_matrix(a, b, labels=range(len(EMOTIONS))).tolist(),
        "same": float((a == b).mean()),
        "cohen": _known(sklearn.metrics.cohen_kappa_score(a, b, labels=range(len(EMOTIONS)))),
    }


def _kappa(votes: numpy.ndarray) -> float | None:
    """Return Fleiss' kappa of (utterances, 7) counts; None where all votes are for one class, or there are none."""
    if (votes.sum(axis=0) > 0).sum() < 2:
        return None
    return float(statsmodels.stats.inter_rater.fleiss_kappa(votes))
