"""Rows of predictions, whatever holds them: CSV, TSV, JSON, JSONL, Parquet, or a dict, a list or a DataFrame."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import pyarrow as pa
import pyarrow.parquet

from emotiontalk.errors import brief
from emotiontalk.evaluation.predictions_error import PredictionsError, count_with_verb, name_a_few
from emotiontalk.evaluation.utterance_ids import ID_COLUMNS, is_id, uid_of
from emotiontalk.folder import expanded, require_file

# what can be wrong with a file, or with a DataFrame
UNREADABLE = (OSError, ValueError, ArithmeticError, MemoryError, RecursionError, csv.Error, pa.ArrowException)

Record = Mapping[str, Any]
# the last: a pandas DataFrame
PredictionsSource = Union[str, "os.PathLike[str]", Mapping[Any, Any], Sequence[Record], Any]


def read_records(source: PredictionsSource) -> tuple[str, list[Record]]:
    """Return (a name for messages, the rows), whatever holds them. Raises `PredictionsError`."""
    if isinstance(source, (str, os.PathLike)):
        path = expanded(Path(source))
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise PredictionsError(f"{path}: give a file whose name ends in {', '.join(READERS)}.")
        try:
            require_file(path)
            return str(source), _records(reader(path), str(path))
        except PredictionsError:
            raise
        except UNREADABLE as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise PredictionsError(f"{path} cannot be read: {brief(reason)}.") from None
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return "the DataFrame", _records(_rows_of_frame(source), "the DataFrame")
    return "the predictions", _records(source, "the predictions")


def _rows_of_frame(frame: Any) -> Any:
    """Return the rows of a DataFrame, whose index has the ids where no column has. Raises `PredictionsError`."""
    try:
        _refuse_duplicate_columns(map(str, frame.columns))
        if not {str(column).lower() for column in frame.columns} & set(ID_COLUMNS):
            frame = frame.rename_axis(index="id").reset_index()
        return frame.to_dict("records")
    except (TypeError, AttributeError, *UNREADABLE) as error:
        raise PredictionsError(f"the DataFrame cannot be read: {brief(error)}.") from None


def _refuse_duplicate_columns(columns: Iterable[str]) -> None:
    """Raise `ValueError` for a name that two columns have: one of them would be ignored."""
    twice = [column for column, n in Counter(columns).items() if n > 1]
    if twice:
        raise ValueError(f"two columns have one name ({name_a_few(twice)})")


def _records(held: Any, name: str) -> list[Record]:
    """Return rows of a list of dicts, or of a dict id -> class, probabilities or row. Raises `PredictionsError`."""
    if isinstance(held, Mapping):
        held = [_row_of_key(uid, value, name) for uid, value in held.items()]
    rows: list[Any] = list(held) if isinstance(held, Iterable) and not isinstance(held, (str, bytes)) else [None]
    if not all(isinstance(row, Mapping) for row in rows):
        raise PredictionsError(f"{name}: it must hold a list of dicts, or one dict of id -> class.")
    for row in rows:
        if len(set(map(str, row))) < len(row):
            raise PredictionsError(f"{name}: two columns have one name ({name_a_few(row)}).")
    return [{str(column): value for column, value in row.items()} for row in rows]


def _row_of_key(uid: Any, value: Any, name: str) -> Record:
    """Return a row of a dict id -> class, probabilities or row. Raises `PredictionsError` where the row has another id.

    A key that is not an utterance's, such as the number of a row, says nothing where the row has an id.
    """
    if not isinstance(value, Mapping):
        return {"id": uid, "pred": value}
    inner = value.get("id")
    if is_id(uid) and is_id(inner) and uid_of(uid) != uid_of(inner):
        raise PredictionsError(f"{name}: the row of the key {name_a_few([uid])} has the id {name_a_few([inner])}.")
    return {"id": uid, **{key: held for key, held in value.items() if key != "id" or not is_id(uid)}}


def _read_table(path: Path) -> list[Record]:
    """Read CSV or TSV, with a first line that names the columns. Raises `ValueError`."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        heading = [cell.strip() for cell in next(lines, [])]
        _refuse_duplicate_columns(heading)
        rows: list[Record] = []
        for row in lines:
            if row and len(row) != len(heading):
                raise ValueError(f"line {lines.line_num} has {len(row)} columns, and the first line {len(heading)}")
            if row:
                rows.append(dict(zip(heading, row)))
        return rows


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object. Raises `ValueError` for a duplicate key, which Python would accept."""
    twice = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"{count_with_verb(len(twice), 'key')} there more than once ({name_a_few(twice)})")
    return dict(pairs)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_bytes(), object_pairs_hook=_object_without_duplicates)


def _read_json_lines(path: Path) -> Any:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [json.loads(line, object_pairs_hook=_object_without_duplicates) for line in lines if line.strip()]


def _read_parquet(path: Path) -> Any:
    """Read the columns that can hold an id or a prediction: no audio."""
    schema = pyarrow.parquet.read_schema(path)
    _refuse_duplicate_columns(schema.names)
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
    ".csv": _read_table,
    ".tsv": _read_table,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}
