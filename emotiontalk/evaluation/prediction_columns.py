"""Which columns hold the ids and the predictions, and what is in them. Nothing is guessed."""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from emotiontalk.annotations import emotion_id, number
from emotiontalk.corpus import EMOTIONS
from emotiontalk.errors import brief
from emotiontalk.evaluation.prediction_files import Record
from emotiontalk.evaluation.predictions_error import PredictionsError, name_a_few
from emotiontalk.evaluation.utterance_ids import ID_COLUMNS, is_id

PREDICTED_COLUMNS = ("pred", "prediction", "predicted", "hyp")
CLASS_COLUMNS = ("emotion", "class", "label")  # where there is one of them alone: others hold the truth in these
SCORE_COLUMNS = ("sentiment_score", "score")
PROBABILITY_COLUMNS = ("probabilities", "probs", "logits")  # a list of each row


def columns_named(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return those of the columns that have one of some names, in the order of the names."""
    return [column for name in names for column in columns if column.strip().lower() == name]


def choose_id_column(name: str, columns: list[str], first: Record) -> str:
    """Choose the column of ids: the first one that holds an id, as `id` is often a mere number beside `key`."""
    candidates = columns_named(columns, ID_COLUMNS)
    if not candidates:
        wanted = f"id, key, sample_id, utt or path; its columns are {name_a_few(columns)}"
        raise PredictionsError(f"{name} has no column of ids: {wanted}.")
    return next((column for column in candidates if is_id(first.get(column))), candidates[0])


def choose_value_column(
    name: str, columns: list[str], key: str, classes: Sequence[str] | None
) -> tuple[str, Callable[[Record], Any]]:
    """Choose what holds the predictions: (its name, the function that parses a row). Raises `PredictionsError`."""
    others = [column for column in columns if column != key]
    predicted = columns_named(others, PREDICTED_COLUMNS)
    if classes is None:
        predicted = predicted or columns_named(others, SCORE_COLUMNS)
        wanted = [*PREDICTED_COLUMNS, *SCORE_COLUMNS]
    else:
        by_class = [] if predicted else _probability_columns(name, others, classes)
        if by_class:
            return ", ".join(by_class), lambda record: _most_probable([record.get(c) for c in by_class], classes)
        predicted = predicted or columns_named(others, PROBABILITY_COLUMNS)
        if not predicted:
            predicted = columns_named(others, CLASS_COLUMNS)
            predicted += [
                column for column in others if predicted and "pred" in column.lower()
            ]  # emotion, emotion_pred
        wanted = [
            *PREDICTED_COLUMNS,
            *PROBABILITY_COLUMNS,
            *CLASS_COLUMNS,
            f"a column for each of {', '.join(classes)}",
        ]
    if not predicted:
        raise PredictionsError(
            f"{name} has no predictions: one of {', '.join(wanted)}; its columns are {name_a_few(columns)}."
        )
    column = predicted[0]
    if len(predicted) > 1:
        what = f"the columns {', '.join(predicted)}, and one of them may be the label"
        raise PredictionsError(f"{name} has {what}: call the one to score pred, and remove or rename the others.")
    if classes is None:
        return column, lambda record: _parse_score(record.get(column))
    return column, lambda record: _parse_class(record.get(column), classes)


def _probability_columns(name: str, columns: list[str], classes: Sequence[str]) -> list[str]:
    """Return the column of each class, by its name, noun or number, in order; [] where none is there."""
    by_label: dict[int, list[str]] = {}
    for column in columns:
        plain = re.sub(r"^(?:p|prob|probability)[_ ]", "", column.strip().lower())
        label = emotion_id(plain)
        label = int(plain) if label is None and re.fullmatch(r"\d", plain) else label
        if label is not None:
            by_label.setdefault(label, []).append(column)
    named = [column for same in by_label.values() for column in same]
    if named and (sorted(by_label) != list(range(len(classes))) or len(named) > len(classes)):
        wanted = f"{len(classes)} classes are scored: {', '.join(classes)}"
        raise PredictionsError(f"{name} has probabilities of {len(named)} classes ({name_a_few(named)}), and {wanted}.")
    return [by_label[label][0] for label in sorted(by_label)]


def _finite_number(value: object) -> float | None:
    """Read a finite number, also one of numpy's; None for anything else."""
    if isinstance(value, decimal.Decimal):
        value = float(value)
    return number(value.item() if isinstance(value, numpy.generic) else value)


def _parse_score(value: object) -> float:
    """Read a score. Raises `ValueError` with the value."""
    score = _finite_number(value)
    if score is None:
        raise ValueError(brief(repr(value), 60))
    return score


def _parse_class(value: object, classes: Sequence[str]) -> int:
    """Read a class: a name, a noun, a number, or a probability of each. Raises `ValueError` with the value."""
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return _most_probable(list(value), classes)
    label = emotion_id(value)
    if label is None:
        code = _finite_number(value)
        label = int(code) if code is not None and code == int(code) else None
    if label is None or not 0 <= label < len(classes):
        raise ValueError(brief(repr(value), 60))
    return label


def _most_probable(values: list[Any], classes: Sequence[str]) -> int:
    """Return the class of the highest probability, the first of equals. Raises `ValueError` with the values."""
    numbers = [_finite_number(value) for value in values]
    finite = [n for n in numbers if n is not None]
    if len(values) != len(classes):
        raise ValueError(f"{len(values)} probabilities, of {len(classes)} classes")
    if len(finite) < len(numbers):
        raise ValueError(f"a probability that is not finite, {brief(repr(values[numbers.index(None)]), 60)}")
    return int(numpy.argmax(finite))


assert len(EMOTIONS) <= 10  # the numbers of classes are one digit
