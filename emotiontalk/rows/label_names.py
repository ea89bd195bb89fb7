"""`emotiontalk.label_names`: class labels as words, in a row, in rows, and in a whole dataset."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import pyarrow as pa

from emotiontalk.schema import FIELDS, MEDIA, MEDIA_FEATURE, VOTE

FEATURES = {name: field.feature for name, field in FIELDS.items()}  # of rows that do not say theirs
STRING = datasets.Value("string")
MAJOR = int(datasets.__version__.split(".")[0])  # of `datasets`


def _element(feature: Any) -> Any:
    """Return what the lists of a feature are of, however it writes lists; a feature without lists is returned as is."""
    while isinstance(feature, list) or hasattr(feature, "feature"):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return feature


def has_labels(feature: Any) -> bool:
    """Whether a feature is a class label, or has one inside."""
    feature = _element(feature)
    if isinstance(feature, dict):
        return any(map(has_labels, feature.values()))
    return isinstance(feature, datasets.ClassLabel)


def text_feature(feature: Any) -> Any:
    """Return a feature with `Value("string")` in place of each class label, at any depth."""
    if isinstance(feature, dict):
        return {name: text_feature(inner) for name, inner in feature.items()}
    if isinstance(feature, list):
        return [text_feature(feature[0])]
    if hasattr(feature, "feature"):
        return dataclasses.replace(feature, feature=text_feature(feature.feature))
    return STRING if isinstance(feature, datasets.ClassLabel) else feature


def text_features(features: datasets.Features) -> datasets.Features:
    """Return features with `Value("string")` in place of each class label."""
    return datasets.Features({name: text_feature(feature) for name, feature in features.items()})


def labels_to_names(value: Any, feature: Any) -> Any:
    """Return a value with words in place of its labels: a number, or lists, arrays and dicts of them, of any depth.

    None and words stay. Raises `ValueError` for a number that is not a class.
    """
    feature = _element(feature)
    if value is None or isinstance(value, (str, bytes)) or not has_labels(feature):
        return value
    if hasattr(value, "tolist"):  # numpy, torch: a scalar becomes a number
        value = value.tolist()
    if isinstance(feature, dict) and isinstance(value, Mapping):
        return {key: labels_to_names(inner, feature[key]) if key in feature else inner for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [labels_to_names(element, feature) for element in value]
    return _label_to_name(value, feature)


def _label_to_name(value: Any, feature: Any) -> Any:
    """Return the name of a class, None for None and NaN (which pandas has instead), a word as it is."""
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    names = getattr(feature, "names", ())
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise ValueError(
            f"{value!r} is none of the classes {', '.join(f'{n} {name}' for n, name in enumerate(names))}."
        )
    return names[number]


def table_with_names(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Return a table with words in place of its labels, by the features of its columns."""
    for position, name in enumerate(table.column_names):
        if has_labels(features.get(name)):
            field = datasets.Features({name: text_feature(features[name])}).arrow_schema.field(name)
            words = pa.array(labels_to_names(table[name].to_pylist(), features[name]), type=field.type)
            table = table.set_column(position, field, words)
    return table


def _row_with_names(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: labels_to_names(row[name], feature) for name, feature in features.items() if name in row}


def _of_dataset(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return a dataset with words; its other columns, audio among them, are neither decoded nor copied."""
    columns = [name for name, feature in dataset.features.items() if has_labels(feature)]
    if not columns:
        return dataset
    how, features = dataset.format, text_features(dataset.features)
    chosen = dataset._indices  # of shuffle, select, filter: rows of the table
    plain = datasets.Dataset(
        dataset.data, info=dataset.info.copy(), split=dataset.split, fingerprint=f"{dataset._fingerprint}-rows"
    )
    of_labels = datasets.Features({name: dataset.features[name] for name in columns})
    words = plain.select_columns(columns).map(
        functools.partial(_row_with_names, features=of_labels),
        batched=True,
        features=text_features(of_labels),
        keep_in_memory=True,
    )
    # in runs of neighbouring columns, so that their order stays, through pickle, too
    runs = [(of_words, list(run)) for of_words, run in itertools.groupby(features, key=of_labels.__contains__)]
    parts = [(words if of_words else plain).select_columns(run) for of_words, run in runs]
    joined = datasets.concatenate_datasets(parts, axis=1)
    if chosen is not None:
        joined = joined.select(chosen.column(0).to_pylist())
    return joined.with_format(how["type"], how["columns"], how["output_all_columns"], **how["format_kwargs"])


def _of_stream(stream: Any) -> Any:
    """Return a stream with words, made as it is read; its audio and video are as before."""
    features = stream.features
    if features is None:  # after `map`: they are found by their names
        return stream.map(label_names)
    labels = {name: feature for name, feature in features.items() if has_labels(feature)}
    if not labels:
        return stream
    to_names, with_text = functools.partial(_row_with_names, features=labels), text_features(features)
    if MAJOR >= 4:  # what `map` has got decoded is neither encoded nor decoded again
        return stream.map(to_names, features=with_text)
    for name in MEDIA.intersection(features):
        if getattr(features[name], "decode", False):
            stream = stream.cast_column(name, MEDIA_FEATURE)  # else it would be encoded again, as another file
    return stream.map(to_names).cast(with_text)


def label_names(rows: Any) -> Any:
    """Return a copy with the class labels as words, the nested ones of `annotations` and `turns`, too.

    Args:
        rows: a row, a batch (a dict of lists, `ds[0:5]`), a list of rows; a `Dataset`, an `IterableDataset`, or a
            dict of these. Rows have numbers as this loader gives them, with `label_set="four"`, too.

    Returns:
        The same type. Words and None stay as they are. In a dataset, the features of the labels are
        `Value("string")`. Nothing is decoded or copied but the labels; a stream stays lazy.

    Raises:
        TypeError: `rows` is none of these.
        ValueError: a label is a number that is not a class.
    """
    if isinstance(rows, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        return type(rows)({split: label_names(dataset) for split, dataset in rows.items()})
    if isinstance(rows, datasets.Dataset):
        return _of_dataset(rows)
    if isinstance(rows, datasets.IterableDataset):
        return _of_stream(rows)
    if isinstance(rows, Mapping):
        # an annotation has a `sentiment`, too: a rating, not a class
        return labels_to_names(dict(rows), VOTE if "annotator" in rows else FEATURES)
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return [label_names(row) for row in rows]
    raise TypeError(f"label_names takes a row, rows or a dataset, not {type(rows).__name__}.")
