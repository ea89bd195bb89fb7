"""Features that other programs have extracted: npz, a folder of npy files, or Parquet, each id -> array.

file.npz         an array for each id; or `ids`, and `x` with a row for each
folder/          <id>.npy, also in folders below it
file.parquet     a column of ids, and one of lists: `features`, `vector`, `embedding`, or the only one

An array is (dims,) of an utterance, (frames, dims) of its frames, or (layers, frames, dims). Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.parquet

from emotiontalk.disk import sha256_of
from emotiontalk.errors import brief, logger, printable
from emotiontalk.evaluation.labels import Corpus
from emotiontalk.evaluation.predictions_error import name_a_few
from emotiontalk.evaluation.utterance_ids import ID_COLUMNS, uid_of
from emotiontalk.probing.arrays import Npz, open_file, read_npy, reading
from emotiontalk.probing.features import Features
from emotiontalk.request_error import RequestError

COLUMNS = ("features", "feature", "vector", "embedding", "embeddings", "x")
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
LARGEST = 1e18  # whose square is still a float32
SHAPES = {1: "(dims,)", 2: "(frames, dims)", 3: "(layers, frames, dims)"}


class _Arrays(Sequence[numpy.ndarray]):
    """Arrays by id, read when they are wanted, for some utterances."""

    def __init__(self, read: Any, ids: numpy.ndarray) -> None:
        self._read, self._ids = read, ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, n: Any) -> Any:
        if isinstance(n, (numpy.ndarray, slice)):
            return _Arrays(self._read, self._ids[n])
        return self._read(self._ids[int(n)])


def open_features(path: Path, inputs: str, pooling: str, corpus: Corpus) -> Features:
    """Open the features of a corpus.

    Args:
        path: the file or folder.
        inputs: what the head takes: "vectors", "layers", or "frames".
        pooling: of frames to vectors: "mean" or "mean+std".
        corpus: the utterances that must be there; others are passed over.

    Raises:
        RequestError: it cannot be read, an utterance is missing, shapes differ, or a number is not finite.
    """
    with reading(path):
        arrays = _by_id(path)
        digest = _digest(path)
    wanted = corpus.labels.ids
    missing = [uid for uid in wanted if uid not in arrays]
    if missing:
        raise RequestError(
            f"{path}: no features of {len(missing):,} of {len(wanted):,} utterances ({name_a_few(missing)})."
        )
    first = _checked(path, wanted[0], arrays[wanted[0]])
    shape, types = first.shape, {first.dtype}
    seen: set[str] = set()

    def read(uid: str) -> numpy.ndarray:
        array = arrays[uid] if uid in seen else _checked(path, uid, arrays[uid])
        seen.add(uid)
        # only the number of frames, the last but one, may differ
        if array.ndim != len(shape) or array.shape[-1] != shape[-1] or array.shape[:-2] != shape[:-2]:
            raise RequestError(f"{path}: the shape of {uid} is {array.shape}, that of {wanted[0]} {shape}.")
        if array.dtype not in types:
            types.add(array.dtype)
            logger.warning(
                f"{path}: {uid} has numbers of type {array.dtype.str}, and {wanted[0]} of {first.dtype.str}. "
                "Is one of them damaged?"
            )
        return _as(path, array, inputs, pooling).astype(numpy.float32, copy=False)

    pooled = inputs == "vectors" and len(shape) == 2
    if pooling != "mean" and not pooled:
        raise RequestError(f"{path}: arrays of {SHAPES[len(shape)]} are not pooled: remove pooling=.")
    settings: dict[str, Any] = {"features": printable(str(path)), **digest, "shape": SHAPES[len(shape)]}
    settings["pooling"] = pooling if pooled else None
    rows: Any = _Arrays(read, numpy.array(wanted, dtype=object))
    with reading(path):
        if inputs != "frames":
            rows = numpy.stack(list(rows))
        else:
            for uid in wanted:  # before anything is trained
                read(uid)
    return Features(printable(path.name), settings, [], rows)


def _as(path: Path, array: numpy.ndarray, inputs: str, pooling: str) -> numpy.ndarray:
    """Return an array as the head takes it."""
    if inputs == "layers":
        if array.ndim != 3:
            raise RequestError(
                f"{path}: arrays of {SHAPES[array.ndim]} have no layers to weigh, (layers, frames, dims) have: choose "
                "another head=."
            )
        mean: numpy.ndarray = array.mean(axis=1, dtype=numpy.float64)
        return mean
    if array.ndim == 3:
        raise RequestError(f"{path}: arrays of (layers, frames, dims) are for head='superb'. Choose one layer of them.")
    if inputs == "frames" or array.ndim == 1:
        return array
    parts = [array.mean(axis=0, dtype=numpy.float64)]
    if pooling == "mean+std":
        parts.append(array.std(axis=0, dtype=numpy.float64))
    return numpy.concatenate(parts)


def _checked(path: Path, uid: str, array: numpy.ndarray) -> numpy.ndarray:
    if array.dtype.kind not in "fiu" or array.ndim not in SHAPES or not array.size:
        raise RequestError(f"{path}: {uid} has {array.dtype} of shape {array.shape}, and no numbers of {SHAPES[1]}.")
    with numpy.errstate(over="ignore"):
        finite = bool(numpy.isfinite(array.astype(numpy.float32, copy=False)).all())
    if not finite:
        raise RequestError(f"{path}: the features of {uid} are infinite or no numbers.")
    if max(abs(float(array.max())), abs(float(array.min()))) > LARGEST:
        raise RequestError(f"{path}: the features of {uid} are larger than {LARGEST:g}. Is the file damaged?")
    return array


def _by_id(path: Path) -> Mapping[str, numpy.ndarray]:
    """Return id -> array, read when it is wanted. Raises `RequestError`, and what libraries raise for damaged files."""
    if path.is_dir():
        return _Folder(path)
    if path.suffix.lower() == ".npz":
        return _npz(path)
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    raise RequestError(f"{path}: give a file .npz or .parquet, or a folder of .npy files.")


def _unique(path: Path, ids: Sequence[str]) -> None:
    twice = [uid for uid, n in Counter(ids).items() if n > 1]
    if twice:
        raise RequestError(f"{path}: {len(twice):,} ids are there more than once ({name_a_few(twice)}).")


class _Folder(Mapping[str, numpy.ndarray]):
    """The npy files below a folder, by id."""

    def __init__(self, path: Path) -> None:
        found = sorted(path.rglob("*.npy"))
        if not found:
            raise RequestError(f"{path} has no .npy files.")
        ids = [uid_of(file.name) for file in found]
        _unique(path, ids)
        self._files = dict(zip(ids, found))

    def __getitem__(self, uid: str) -> numpy.ndarray:
        return read_npy(self._files[uid])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _Npz(Mapping[str, numpy.ndarray]):
    """The arrays of an npz file, by id, read when they are wanted."""

    def __init__(self, path: Path) -> None:
        self._stored = Npz(path)
        ids = [uid_of(name) for name in self._stored.names]
        _unique(path, ids)
        self._places = {uid: n for n, uid in enumerate(ids)}

    def __getitem__(self, uid: str) -> numpy.ndarray:
        return self._stored[self._places[uid]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _npz(path: Path) -> Mapping[str, numpy.ndarray]:
    found = _Npz(path)
    if not {"ids", "x"} <= set(found):
        return found
    x = numpy.atleast_1d(found["x"])
    ids = [uid_of(uid.decode() if isinstance(uid, bytes) else uid) for uid in numpy.atleast_1d(found["ids"]).tolist()]
    if len(ids) != len(x):
        raise RequestError(f"{path} has {len(ids):,} ids and {len(x):,} rows.")
    _unique(path, ids)
    return dict(zip(ids, x))


def _parquet(path: Path) -> Mapping[str, numpy.ndarray]:
    with open_file(path) as file:
        schema = pyarrow.parquet.read_schema(file)
        keys = [name for wanted in ID_COLUMNS for name in schema.names if name.lower() == wanted]
        lists = [f.name for f in schema if any(kind(f.type) for kind in LISTS)]
        chosen = [name for wanted in COLUMNS for name in lists if name.lower() == wanted] or lists
        if not keys or not chosen or (len(chosen) > 1 and chosen is lists):
            raise RequestError(
                f"{path}: it needs a column of ids (id), and one of lists (features); "
                f"there are {name_a_few(schema.names)}."
            )
        _numbers(path, chosen[0], schema.field(chosen[0]).type)
        known = inspect.signature(pyarrow.parquet.read_table).parameters
        checks = {"page_checksum_verification": True} if "page_checksum_verification" in known else {}
        file.seek(0)
        table = pyarrow.parquet.read_table(file, columns=[keys[0], chosen[0]], partitioning=None, **checks)
    ids = [uid_of(uid) for uid in table[keys[0]].to_pylist()]
    _unique(path, ids)
    arrays = (numpy.array(row, dtype=numpy.float32) for row in table[chosen[0]].to_pylist())
    return dict(zip(ids, arrays))


def _numbers(path: Path, column: str, kind: pa.DataType) -> None:
    """Raise `RequestError` for lists of anything but numbers: texts would be read as such."""
    while any(of(kind) for of in LISTS):
        kind = kind.value_type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise RequestError(f"{path}: the lists of the column {brief(column, 60)} are of {kind}, and not of numbers.")


def _digest(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file; of a folder that of the names, sizes and times of its files."""
    if path.is_file():
        return {"sha256": sha256_of(path)}
    there = (file for file in path.rglob("*.npy") if file.exists())  # not links that lead nowhere
    files = sorted((file.relative_to(path).as_posix(), file.stat()) for file in there)
    facts = [(name, stat.st_size, int(stat.st_mtime)) for name, stat in files]
    return {"sha256_of_names_sizes_times": hashlib.sha256(repr(facts).encode()).hexdigest()}
