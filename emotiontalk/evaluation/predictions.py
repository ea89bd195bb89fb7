"""Predictions of other people's systems: CSV, TSV, JSON, JSONL, Parquet, or what Python holds, as id -> class or score.

Nothing is guessed: what is no class, no number or stands twice is an error that names it.
"""

from __future__ import annotations

import csv
import dataclasses
import decimal
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy
import pyarrow as pa
import pyarrow.parquet

from emotiontalk.annotations import emotion_id, number
from emotiontalk.corpus import EMOTIONS
from emotiontalk.errors import brief
from emotiontalk.folder import expanded, require_file
from emotiontalk.request_error import RequestError

ID_COLUMNS = (
    "id", "key", "sample_id", "utt", "utt_id", "path", "file_path", "file_name", "filename", "file", "wav", "audio",
)  # fmt: skip
PREDICTED_COLUMNS = ("pred", "prediction", "predicted", "hyp")
CLASS_COLUMNS = ("emotion", "class", "label")  # where there is one of them alone: others hold the truth in these
SCORE_COLUMNS = ("sentiment_score", "score")
PROBABILITY_COLUMNS = ("probabilities", "probs", "logits")  # a list of each row
# an utterance's id, also as the name of a file, and as the metadata of EmoBox for other corpora have it
ID = re.compile(r"(?:emotiontalk-)?(G\d{5}_\d{2}_\d{2}_\d{3})(?:\.\w+)?", re.ASCII | re.IGNORECASE)
# what is said of a file, or of a DataFrame, that is not as it should be
UNREADABLE = (OSError, ValueError, ArithmeticError, MemoryError, RecursionError, csv.Error, pa.ArrowException)
NAMED = 5  # how many ids or values an error names

Record = Mapping[str, Any]
Given = Union[str, "os.PathLike[str]", Mapping[Any, Any], Sequence[Record], Any]  # the last: a pandas DataFrame


class PredictionsError(RequestError):
    """Predictions cannot be scored; the message names the first few that are in the way. Exit status 2."""


@dataclasses.dataclass
class Predictions:
    """What a system predicts. values: id (or what stands in its place) -> class 0…, or score; column: where it was."""

    name: str
    column: str
    values: dict[str, Any]


def named(values: Iterable[object]) -> str:
    """Name the first few of some values, which may come from a file, as a message does."""
    values = list(values)
    more = f", … {len(values) - NAMED:,} more" if len(values) > NAMED else ""
    return ", ".join(brief(value, 60) for value in values[:NAMED]) + more


def read(given: Given, classes: Sequence[str] | None) -> Predictions:
    """Read predictions.

    Args:
        given: the path of a .csv, .tsv, .json, .jsonl or .parquet file; or a dict id -> class, a list of dicts, a
            pandas DataFrame.
        classes: the names of the classes, the first ones of `EMOTIONS`; None: scores, finite numbers.

    Raises:
        PredictionsError: it cannot be read, an id stands twice, a class is unknown, a probability is not finite.
    """
    name, records = _records(given)
    if not records:
        raise PredictionsError(f"{name} has no predictions.")
    columns = list(dict.fromkeys(str(column) for record in records for column in record))
    key = _id_column(name, columns, records[0])
    column, parse = _value_column(name, columns, key, classes)
    values: dict[str, Any] = {}
    count, wrong, several = Counter[str](), list[str](), list[str]()
    of_ids = _first(columns, ID_COLUMNS)
    for record in records:
        uid = uid_of(record.get(key))
        count[uid] += 1
        ids = dict.fromkeys(uid_of(record.get(column)) for column in of_ids if is_id(record.get(column)))
        several += [" and ".join(ids)] if len(ids) > 1 else []
        try:
            values[uid] = parse(record)
        except (ValueError, RecursionError) as error:
            wrong.append(f"{uid}: {error}")
    problems = []
    if wrong:
        expected = "a finite number"
        if classes:
            expected = f"one of {', '.join(classes)}, 0…{len(classes) - 1}, nor finite probabilities of these"
        problems.append(f"{_many(len(wrong), 'prediction')} not {expected} ({named(wrong)})")
    twice = [uid for uid, n in count.items() if n > 1]
    if twice:
        problems.append(f"{_many(len(twice), 'id')} there more than once ({named(twice)})")
    if several:
        problems.append(f"{_many(len(several), 'row')} about more than one utterance ({named(several)})")
    if problems:
        raise PredictionsError(f"{name}, column {brief(column, 100)}: {'; '.join(problems)}.")
    return Predictions(name, column, values)


def _many(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"


def is_id(value: object) -> bool:
    """Whether a value is an utterance id, or a path with one."""
    return ID.fullmatch(re.split(r"[/\\]", str(value).strip())[-1]) is not None


def uid_of(value: object) -> str:
    """Return the utterance id in an id or a path; the value as a string where it holds none."""
    text = str(value).strip()
    found = ID.fullmatch(re.split(r"[/\\]", text)[-1])
    return found[1].upper() if found else text


# --- rows, from whatever holds them


def _records(given: Given) -> tuple[str, list[Record]]:
    """Return (a name for messages, the rows). Raises `PredictionsError`."""
    if isinstance(given, (str, os.PathLike)):
        path = expanded(Path(given))
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise PredictionsError(f"{path}: give a file whose name ends in {', '.join(READERS)}.")
        try:
            require_file(path)
            return str(given), _rows(reader(path), str(path))
        except PredictionsError:
            raise
        except UNREADABLE as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise PredictionsError(f"{path} cannot be read: {brief(reason)}.") from None
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        return "the DataFrame", _rows(_frame(given), "the DataFrame")
    return "the predictions", _rows(given, "the predictions")


def _frame(frame: Any) -> Any:
    """Return the rows of a DataFrame, whose index has the ids where no column has. Raises `PredictionsError`."""
    try:
        _require_one_of_each(map(str, frame.columns))
        if not {str(column).lower() for column in frame.columns} & set(ID_COLUMNS):
            frame = frame.rename_axis(index="id").reset_index()
        return frame.to_dict("records")
    except (TypeError, AttributeError, *UNREADABLE) as error:
        raise PredictionsError(f"the DataFrame cannot be read: {brief(error)}.") from None


def _require_one_of_each(columns: Iterable[str]) -> None:
    """Raise `ValueError` for a name that two columns have: one of them would be passed over."""
    twice = [column for column, n in Counter(columns).items() if n > 1]
    if twice:
        raise ValueError(f"two columns have one name ({named(twice)})")


def _rows(held: Any, name: str) -> list[Record]:
    """Return rows of a list of dicts, or of a dict id -> class, probabilities or row. Raises `PredictionsError`."""
    if isinstance(held, Mapping):
        held = [_keyed(uid, value, name) for uid, value in held.items()]
    rows: list[Any] = list(held) if isinstance(held, Iterable) and not isinstance(held, (str, bytes)) else [None]
    if not all(isinstance(row, Mapping) for row in rows):
        raise PredictionsError(f"{name}: it must hold a list of dicts, or one dict of id -> class.")
    for row in rows:
        if len(set(map(str, row))) < len(row):
            raise PredictionsError(f"{name}: two columns have one name ({named(row)}).")
    return [{str(column): value for column, value in row.items()} for row in rows]


def _keyed(uid: Any, value: Any, name: str) -> Record:
    """Return a row of a dict id -> class, probabilities or row. Raises `PredictionsError` where the row has another id.

    A key that is no utterance's, as the number of a row, says nothing where the row has an id.
    """
    if not isinstance(value, Mapping):
        return {"id": uid, "pred": value}
    inner = value.get("id")
    if is_id(uid) and is_id(inner) and uid_of(uid) != uid_of(inner):
        raise PredictionsError(f"{name}: the row of the key {named([uid])} has the id {named([inner])}.")
    return {"id": uid, **{key: held for key, held in value.items() if key != "id" or not is_id(uid)}}


def _table(path: Path) -> list[Record]:
    """Read CSV or TSV, with a first line that names the columns. Raises `ValueError`."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        heading = [cell.strip() for cell in next(lines, [])]
        _require_one_of_each(heading)
        rows: list[Record] = []
        for row in lines:
            if row and len(row) != len(heading):
                raise ValueError(f"line {lines.line_num} has {len(row)} columns, and the first line {len(heading)}")
            if row:
                rows.append(dict(zip(heading, row)))
        return rows


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object. Raises `ValueError` for a key that stands twice, which Python would pass over."""
    twice = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"{_many(len(twice), 'key')} there more than once ({named(twice)})")
    return dict(pairs)


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes(), object_pairs_hook=_unique)


def _json_lines(path: Path) -> Any:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [json.loads(line, object_pairs_hook=_unique) for line in lines if line.strip()]


def _parquet(path: Path) -> Any:
    """Read the columns that can hold an id or a prediction: no audio."""
    schema = pyarrow.parquet.read_schema(path)
    _require_one_of_each(schema.names)
    kept = [field.name for field in schema if _is_plain(field.type)]
    return pyarrow.parquet.read_table(path, columns=kept, partitioning=None).to_pylist()


def _is_plain(kind: pa.DataType) -> bool:
    """Whether values of a type are words or numbers, or lists of these: no audio, nor dates, which Python may lack."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if _is_any(kind, "list", "large_list", "fixed_size_list", "list_view", "large_list_view"):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_any(kind, "string", "large_string", "string_view", "integer", "floating", "decimal", "boolean", "null")


def _is_any(kind: pa.DataType, *names: str) -> bool:
    """Whether a type is one of some, of which this version of pyarrow may not know all."""
    return any(getattr(pa.types, f"is_{name}", lambda _: False)(kind) for name in names)


READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _table, ".tsv": _table, ".json": _json, ".jsonl": _json_lines, ".parquet": _parquet,
}  # fmt: skip


# --- which columns, and what stands in them


def _first(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return those of the columns that have one of some names, in the order of the names."""
    return [column for name in names for column in columns if column.strip().lower() == name]


def _id_column(name: str, columns: list[str], first: Record) -> str:
    """Choose the column of ids: the first one that holds an id, as `id` is often a mere number beside `key`."""
    there = _first(columns, ID_COLUMNS)
    if not there:
        wanted = f"id, key, sample_id, utt or path; there are {named(columns)}"
        raise PredictionsError(f"{name} has no column of ids: {wanted}.")
    return next((column for column in there if is_id(first.get(column))), there[0])


def _value_column(
    name: str, columns: list[str], key: str, classes: Sequence[str] | None
) -> tuple[str, Callable[[Record], Any]]:
    """Choose what holds the predictions: (its name, the function that parses a row). Raises `PredictionsError`."""
    others = [column for column in columns if column != key]
    predicted = _first(others, PREDICTED_COLUMNS)
    if classes is None:
        predicted = predicted or _first(others, SCORE_COLUMNS)
        wanted = [*PREDICTED_COLUMNS, *SCORE_COLUMNS]
    else:
        by_class = [] if predicted else _probability_columns(name, others, classes)
        if by_class:
            return ", ".join(by_class), lambda record: _most_probable([record.get(c) for c in by_class], classes)
        predicted = predicted or _first(others, PROBABILITY_COLUMNS)
        if not predicted:
            predicted = _first(others, CLASS_COLUMNS)
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
        raise PredictionsError(f"{name} has no predictions: one of {', '.join(wanted)}; there are {named(columns)}.")
    column = predicted[0]
    if len(predicted) > 1:
        what = f"the columns {', '.join(predicted)}, and one of them may be the label"
        raise PredictionsError(f"{name} has {what}: call the one to score pred, and leave away or rename the others.")
    if classes is None:
        return column, lambda record: _score(record.get(column))
    return column, lambda record: _class(record.get(column), classes)


def _probability_columns(name: str, columns: list[str], classes: Sequence[str]) -> list[str]:
    """Return the column of each class, by its name, noun or number, in order; [] where none is there."""
    found: dict[int, list[str]] = {}
    for column in columns:
        plain = re.sub(r"^(?:p|prob|probability)[_ ]", "", column.strip().lower())
        label = emotion_id(plain)
        label = int(plain) if label is None and re.fullmatch(r"\d", plain) else label
        if label is not None:
            found.setdefault(label, []).append(column)
    there = [column for same in found.values() for column in same]
    if there and (sorted(found) != list(range(len(classes))) or len(there) > len(classes)):
        wanted = f"{len(classes)} classes are scored: {', '.join(classes)}"
        raise PredictionsError(f"{name} has probabilities of {len(there)} classes ({named(there)}), and {wanted}.")
    return [found[label][0] for label in sorted(found)]


def _float(value: object) -> float | None:
    """Read a finite number, also one of numpy's; None for anything else."""
    if isinstance(value, decimal.Decimal):
        value = float(value)
    return number(value.item() if isinstance(value, numpy.generic) else value)


def _score(value: object) -> float:
    """Read a score. Raises `ValueError` with the value."""
    found = _float(value)
    if found is None:
        raise ValueError(brief(repr(value), 60))
    return found


def _class(value: object, classes: Sequence[str]) -> int:
    """Read a class: a name, a noun, a number, or a probability of each. Raises `ValueError` with the value."""
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return _most_probable(list(value), classes)
    label = emotion_id(value)
    if label is None:
        found = _float(value)
        label = int(found) if found is not None and found == int(found) else None
    if label is None or not 0 <= label < len(classes):
        raise ValueError(brief(repr(value), 60))
    return label


def _most_probable(values: list[Any], classes: Sequence[str]) -> int:
    """Return the class of the highest probability, the first of equals. Raises `ValueError` with the values."""
    numbers = [_float(value) for value in values]
    finite = [n for n in numbers if n is not None]
    if len(values) != len(classes):
        raise ValueError(f"{len(values)} probabilities, of {len(classes)} classes")
    if len(finite) < len(numbers):
        raise ValueError(f"a probability that is not finite, {brief(repr(values[numbers.index(None)]), 60)}")
    return int(numpy.argmax(finite))


assert len(EMOTIONS) <= 10  # the numbers of classes are one digit
