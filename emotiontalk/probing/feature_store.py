"""The features of a split on disk, in the folder `emotiontalk-features` of the cache.

    <config>-<split>-<key>.npz       `ids`, and `x`: (utterances, dims) or (utterances, layers, dims)
    <config>-<split>-<key>.frames/   the same of single frames, in parts: 00000.npy, and 00000.npz with the `ids`, …
    <config>-<split>-<key>.parts/    what a stopped run has finished: the next one goes on from there

Each npz holds a digest of its arrays, and of its npy: what does not match it, or cannot be read, is extracted again.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from emotiontalk.disk import sha256_of, writing
from emotiontalk.errors import FULL, logger
from emotiontalk.folder import locked
from emotiontalk.probing.arrays import UnreadableError, open_file, read_npz
from emotiontalk.probing.upstreams.upstream import Item, Upstream
from emotiontalk.request_error import RequestError

PART = 256  # utterances that are stored at a time


class Frames(Sequence[numpy.ndarray]):
    """The features of single frames on disk: utterance -> (frames, dims) float16, read when it is wanted.

    Args:
        parts: each the frames of some utterances in one array, memory-mapped.
        bounds: of each part where each utterance begins, and the last one ends.
        places: those utterances that this is about, as places among all.
    """

    def __init__(self, parts: Sequence[numpy.ndarray], bounds: Sequence[numpy.ndarray], places: numpy.ndarray) -> None:
        self._parts, self._bounds, self._places = parts, bounds, places
        self._firsts = list(itertools.accumulate((len(of_part) - 1 for of_part in bounds), initial=0))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, n: Any) -> Any:
        """Return the frames of an utterance, or for an array of places the `Frames` of these."""
        if isinstance(n, (numpy.ndarray, slice)):
            return Frames(self._parts, self._bounds, self._places[n])
        place = int(self._places[n])
        part = bisect.bisect_right(self._firsts, place) - 1
        begin, end = self._bounds[part][place - self._firsts[part] :][:2]
        return self._parts[part][begin:end]


@dataclasses.dataclass
class StoredFeatures:
    """Features on disk.

    Attributes:
        ids: of the utterances.
        rows: an array with a row for each of them; of frames, the npy files.
        lengths: of each npy file how many frames each utterance has.
    """

    ids: list[str]
    rows: Any
    lengths: list[numpy.ndarray]


def frames_of_files(stored: Sequence[StoredFeatures]) -> Frames:
    """Open the frames of several splits, one after another."""
    parts = [numpy.load(path, mmap_mode="r", allow_pickle=False) for split in stored for path in split.rows]
    lengths = [of_part for split in stored for of_part in split.lengths]
    bounds = [numpy.concatenate([[0], numpy.cumsum(of_part)]) for of_part in lengths]
    return Frames(parts, bounds, numpy.arange(sum(map(len, lengths))))


@contextlib.contextmanager
def naming_cache(folder: Path) -> Iterator[None]:
    """Turn what the system says of the folder of features into a `RequestError`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            fix = "Make room, or choose another cache_dir=: what is finished is kept."
            raise RequestError(f"{folder}: no room is left for features ({error.strerror}). {fix}") from None
        path = next((name for name in (error.filename2, error.filename) if name), None)
        if path is None or folder not in (Path(os.fsdecode(path)), *Path(os.fsdecode(path)).parents):
            raise
        fix = "Move it away, or choose another cache_dir=."
        raise RequestError(f"{path}: no features can be stored or read there ({error.strerror}). {fix}") from None


class SplitStore:
    """The features of a split on disk.

    Args:
        path: without its ending.
        as_frames: whether they are of single frames.
        wanted: the ids that must be there.
    """

    def __init__(self, path: Path, as_frames: bool, wanted: Sequence[str]) -> None:
        self._path, self._as_frames, self._wanted = path, as_frames, wanted
        self._parts = path.with_name(f"{path.name}{'.frames' if as_frames else '.parts'}")
        self._whole = path.with_name(f"{path.name}.npz")

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._path.with_name(f"{self._path.name}.lock"), f"extracts {self._path.name}")

    def read(self) -> StoredFeatures | None:
        """Read what is stored; None where it is not all there. What is damaged is removed, with a warning."""
        with self._locked():
            return self._read()

    def completed(
        self, upstream: Upstream, read_items: Callable[[Container[str]], Iterable[Item]]
    ) -> StoredFeatures | None:
        """Extract what is missing, and read all.

        Args:
            upstream: what turns items into features.
            read_items: gives the items of the split, in order, but those whose ids it is called with.
        """
        with self._locked():
            return self._read() or self._extract(upstream, read_items)

    def _read(self) -> StoredFeatures | None:
        stored = self._read_parts() if self._as_frames else self._read_whole()
        return stored if stored and set(stored.ids) >= set(self._wanted) else None

    def _read_whole(self) -> StoredFeatures | None:
        arrays = self._intact(self._whole) if self._whole.is_file() else None
        return StoredFeatures(list(map(str, arrays["ids"])), arrays["x"], []) if arrays else None

    def _read_parts(self) -> StoredFeatures | None:
        """Read the parts that are intact; each utterance counts once."""
        stored, rows, seen = StoredFeatures([], [], []), list[numpy.ndarray](), set[str]()
        for path in self._part_files():
            arrays = self._intact(path)
            if arrays is None:
                continue
            ids = list(map(str, arrays["ids"]))
            if not seen.isdisjoint(ids):  # of two runs, on a disk that knows no locks
                continue
            seen.update(ids)
            stored.ids += ids
            if self._as_frames:
                stored.rows.append(path.with_suffix(".npy"))
                stored.lengths.append(arrays["lengths"])
            else:
                rows.append(arrays["x"])
        if rows:
            stored.rows = numpy.concatenate(rows)
        return stored if stored.ids else None

    def _part_files(self) -> list[Path]:
        return sorted(path for path in self._parts.glob("[0-9]*.npz") if path.stem.isdecimal())

    def _intact(self, path: Path) -> dict[str, Any] | None:
        """Return the arrays of an npz file; None, after it is removed with a warning, where it is damaged."""
        try:
            arrays = read_npz(path)
            stated = str(arrays.pop("digest")) if "digest" in arrays else None
            if stated is None:
                raise UnreadableError(f"{path} has no digest, as those of earlier versions.")
            if stated != self._digest(arrays):
                raise UnreadableError(f"{path} is damaged: it does not match its digest.")
            frames = path.with_suffix(".npy")
            if self._as_frames and arrays["frames"] != _sha256(frames):
                raise UnreadableError(f"{frames} is damaged: it does not match its digest.")
            return arrays
        except UnreadableError as error:
            logger.warning(f"{error} Its features are extracted again.")
        for damaged in (path, *([path.with_suffix(".npy")] if self._as_frames else [])):
            damaged.unlink(missing_ok=True)
        return None

    def _digest(self, arrays: Mapping[str, numpy.ndarray]) -> str:
        """Return a digest of the arrays of a file: as those of this store, and of no other."""
        digest = hashlib.sha256(self._path.name.encode())
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(numpy.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _extract(
        self, upstream: Upstream, read_items: Callable[[Container[str]], Iterable[Item]]
    ) -> StoredFeatures | None:
        """Extract what is missing, a part after the other."""
        self._parts.mkdir(exist_ok=True)
        files, finished = self._part_files(), self._read_parts()
        number = int(files[-1].stem) + 1 if files else 0
        pulled: list[str] = []

        def items() -> Iterator[Item]:
            for uid, content in read_items(frozenset(finished.ids if finished else ())):
                pulled.append(uid)
                yield uid, content

        arrays = enumerate(upstream.features(items()))
        while batch := list(itertools.islice(arrays, PART)):
            ids = [pulled[n] for n, _ in batch]
            self._write_part(number, ids, [_finite(uid, array) for uid, (_, array) in zip(ids, batch)])
            number += 1
        stored = self._read_parts()
        if stored and not self._as_frames:
            self._write_npz(self._whole, ids=numpy.array(stored.ids), x=stored.rows)
            shutil.rmtree(self._parts)
        return stored

    def _write_part(self, number: int, ids: list[str], arrays: list[numpy.ndarray]) -> None:
        path = self._parts / f"{number:05d}.npz"
        if self._as_frames:
            frames, lengths = path.with_suffix(".npy"), numpy.array([len(array) for array in arrays])
            with writing(frames) as file:
                numpy.save(file, numpy.concatenate(arrays))
            self._write_npz(path, ids=numpy.array(ids), lengths=lengths, frames=numpy.array(_sha256(frames)))
        else:
            self._write_npz(path, ids=numpy.array(ids), x=numpy.stack(arrays).astype(numpy.float32))

    def _write_npz(self, path: Path, **arrays: numpy.ndarray) -> None:
        with writing(path) as file:
            numpy.savez(file, digest=numpy.array(self._digest(arrays)), **arrays)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file. Raises as `open_file`."""
    open_file(path).close()
    return sha256_of(path)


def _finite(uid: str, array: numpy.ndarray) -> numpy.ndarray:
    """Return an array. Raises `RequestError` where it has a number that is not finite."""
    if not numpy.isfinite(array).all():
        raise RequestError(f"{uid}: its features are infinite or not numbers. Choose another layer or upstream.")
    return array
