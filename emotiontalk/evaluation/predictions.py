"""Predictions of other people's systems, as id -> class or score.

Nothing is guessed: an unknown class, what is not a number, or a duplicate id is an error that names it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from emotiontalk.errors import brief
from emotiontalk.evaluation.prediction_columns import choose_id_column, choose_value_column, columns_named
from emotiontalk.evaluation.prediction_files import PredictionsSource, read_records
from emotiontalk.evaluation.predictions_error import PredictionsError, count_with_verb, name_a_few
from emotiontalk.evaluation.utterance_ids import ID_COLUMNS, is_id, uid_of


@dataclasses.dataclass
class Predictions:
    """What a system predicts.

    Attributes:
        name: of the file, or what else held them.
        column: the one that holds them.
        values: id (or what is in its place) -> class 0…, or score.
    """

    name: str
    column: str
    values: dict[str, Any]


def read_predictions(source: PredictionsSource, classes: Sequence[str] | None) -> Predictions:
    """Read predictions.

    Args:
        source: the path of a .csv, .tsv, .json, .jsonl or .parquet file; or a dict id -> class, a list of dicts, a
            pandas DataFrame.
        classes: the names of the classes, the first ones of `EMOTIONS`; None: scores, finite numbers.

    Raises:
        PredictionsError: it cannot be read, there is a duplicate id, a class is unknown, a probability is not finite.
    """
    name, records = read_records(source)
    if not records:
        raise PredictionsError(f"{name} has no predictions.")
    columns = list(dict.fromkeys(str(column) for record in records for column in record))
    key = choose_id_column(name, columns, records[0])
    column, parse = choose_value_column(name, columns, key, classes)
    values: dict[str, Any] = {}
    count, wrong, several = Counter[str](), list[str](), list[str]()
    of_ids = columns_named(columns, ID_COLUMNS)
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
        problems.append(f"{count_with_verb(len(wrong), 'prediction')} not {expected} ({name_a_few(wrong)})")
    twice = [uid for uid, n in count.items() if n > 1]
    if twice:
        problems.append(f"{count_with_verb(len(twice), 'id')} there more than once ({name_a_few(twice)})")
    if several:
        problems.append(f"{count_with_verb(len(several), 'row')} about more than one utterance ({name_a_few(several)})")
    if problems:
        raise PredictionsError(f"{name}, column {brief(column, 100)}: {'; '.join(problems)}.")
    return Predictions(name, column, values)
