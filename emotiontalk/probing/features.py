"""Features of all utterances: extracted once by an upstream, cached in `emotiontalk-features` in that of `datasets`.

    <config>-<split>-<key>.npz       `ids`, and `x`: (utterances, dims) or (utterances, layers, dims)
    <config>-<split>-<key>.frames/   the same of single frames, in parts: 00000.npy, and 00000.npz with the `ids`, …
    <config>-<split>-<key>.parts/    what a stopped run has finished: the next one goes on from there

The key depends on the upstream, its options and weights, and the archives. It does not depend on labels or folds. Each
npz holds a digest of its arrays, and of its npy: what does not match it, or cannot be read, is extracted again.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import datasets
import numpy

from emotiontalk.disk import sha256_of, writing
from emotiontalk.errors import FULL, logger
from emotiontalk.evaluation.labels import Corpus
from emotiontalk.folder import locked
from emotiontalk.probing.arrays import UnreadableError, open_file, read_npz
from emotiontalk.probing.clip_check import check_clips
from emotiontalk.probing.upstreams.built_in import TextTfidf
from emotiontalk.probing.upstreams.upstream import Item, Upstream
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader, digest_of_origin
from emotiontalk.request_error import RequestError

PART = 256  # utterances that are stored at a time
Matrix = Any  # (utterances, dims) or (utterances, layers, dims) of numpy, or (utterances, dims) of scipy, sparse
Found = Union[Matrix, "Frames"]


class Frames(Sequence[numpy.ndarray]):
    """The features of single frames on disk: utterance -> (frames, dims) float16, read when it is wanted.

    Args:
        parts: each the frames of some utterances in one array, memory-mapped.
        bounds: of each part where each utterance begins, and the last one ends.
        places: those utterances that this is about, as places among all.
    """

    def __init__(self, parts: Sequence[numpy.ndarray], bounds: Sequence[numpy.ndarray], places: numpy.ndarray) -> None:
        self._parts, self._bounds, self._places = parts, bounds, places
        self._firsts = list(itertools.accumulate((len(some) - 1 for some in bounds), initial=0))

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


class Features:
    """What an upstream gives for the utterances of a corpus.

    name: of the upstream; settings: what its features depend on, JSON-ready; modules: the libraries that count.
    """

    def __init__(self, name: str, settings: dict[str, Any], modules: Sequence[Any], rows: Found) -> None:
        self.name, self.settings, self.modules, self._rows = name, settings, modules, rows

    def of(self, places: Mapping[str, numpy.ndarray]) -> dict[str, Found]:
        """Return the features of the utterances at these places of the corpus, for each part of it."""
        return {part: self._rows[some] for part, some in places.items()}


class TextFeatures(Features):
    """TF-IDF of the texts: fitted on train of what is asked for."""

    def __init__(self, upstream: TextTfidf, texts: Sequence[str]) -> None:
        super().__init__(upstream.name, upstream.settings(), upstream.modules(), None)
        self._upstream, self._texts = upstream, texts

    def of(self, places: Mapping[str, numpy.ndarray]) -> dict[str, Found]:
        """See `Features`."""
        return self._upstream.of_texts({part: [self._texts[n] for n in some] for part, some in places.items()})


@dataclasses.dataclass
class Inputs:
    """What an upstream reads: texts, audio or video.

    name: the config, for the names of files; origin: what they are made from, see `digest_of_origin`; ids: split
    -> ids, sorted; read: gives the items of a split, but those whose ids are to be skipped, in the same order; check:
    raises `RequestError` for what cannot be opened.
    """

    name: str
    origin: Callable[..., str]
    ids: dict[str, list[str]]
    read: Callable[[str, Container[str]], Iterable[Item]]
    check: Callable[[], None] = lambda: None


def texts_of(corpus: Corpus) -> Inputs:
    """Return the texts of a corpus as inputs."""
    by_split: dict[str, dict[str, str]] = {}
    for uid, split, text in zip(corpus.labels.ids, corpus.splits.tolist(), corpus.texts):
        by_split.setdefault(split, {})[uid] = text

    def read(split: str, skip: Container[str]) -> Iterator[Item]:
        left = [(uid, text) for uid, text in by_split[split].items() if uid not in skip]
        yield from progress_bar(left, unit=" utterances", desc=split)

    known = corpus.labels.reader.fingerprints()
    ids = {split: list(texts) for split, texts in by_split.items()}
    return Inputs(corpus.labels.reader.builder.config.name, functools.partial(digest_of_origin, known), ids, read)


def media_of(config: str, corpus: Corpus, release: ReleaseReader) -> Inputs:
    """Return the audio clips ("audio") or video clips ("video") of a corpus as inputs. Raises as `load_dataset`."""
    splits = sorted(set(corpus.splits.tolist()))
    reader = release.open(config, splits)

    def read(split: str, skip: Container[str]) -> Iterator[Item]:
        for uid, example in reader.splits[split].examples_with_bar(split, skip_media=skip):
            if uid not in skip:
                yield uid, example[config]["bytes"].read()

    known = reader.fingerprints()
    ids: dict[str, list[str]] = {split: [] for split in splits}
    for uid, split in zip(corpus.labels.ids, corpus.splits.tolist()):
        ids[split].append(uid)
    check = functools.partial(check_clips, reader)
    return Inputs(config, functools.partial(digest_of_origin, known), ids, read, check)


def extract(
    upstream: Upstream,
    inputs: Inputs,
    corpus: Corpus,
    cache_dir: str | os.PathLike[str] | None,
    one_at_a_time: bool = False,
) -> Features:
    """Extract the features of a corpus, or take them from the cache. Raises `RequestError` where some are missing.

    one_at_a_time: those of the cache are only taken if they were extracted so.
    """
    settings, modules = upstream.settings(), upstream.modules()
    facts = [upstream.name, settings, [module.__version__ for module in modules], inputs.name, one_at_a_time]
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser() / "emotiontalk-features"
    as_frames = settings.get("pooling") == "frames"
    paths = {
        split: folder / f"{inputs.name}-{split}-{inputs.origin(*facts, split, wanted)[:20]}"
        for split, wanted in inputs.ids.items()
    }
    stores = {split: _Store(path, as_frames, inputs.ids[split]) for split, path in paths.items()}
    with _in_cache(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found = {split: store.read() for split, store in stores.items()}
    left = {split: store for split, store in stores.items() if found[split] is None}
    if left:
        inputs.check()
    with _in_cache(folder):
        for split, store in left.items():
            found[split] = store.filled(upstream, inputs, split)
    stored = [one for one in found.values() if one]
    ids = [uid for one in stored for uid in one.ids]
    places = {uid: n for n, uid in enumerate(ids)}
    missing = [uid for uid in corpus.labels.ids if uid not in places]
    if missing:
        raise RequestError(f"{upstream.name}: no features of {len(missing):,} utterances, the first {missing[0]}.")
    order = numpy.array([places[uid] for uid in corpus.labels.ids])
    found.clear()  # `_rows` lets go of each array
    rows = _joined(stored)[order] if as_frames else _rows([stored.pop(0).rows for _ in stored[:]], order)
    return Features(upstream.name, settings, modules, rows)


def _rows(found: list[numpy.ndarray], order: numpy.ndarray) -> numpy.ndarray:
    """Return rows of arrays that follow one another, in this order; each array is let go of once it is copied."""
    rows = numpy.empty((len(order), *found[0].shape[1:]), found[0].dtype)
    first = 0
    while found:
        array = found.pop(0)
        here = (order >= first) & (order < first + len(array))
        rows[here] = array[order[here] - first]
        first += len(array)
    return rows


def _joined(stored: Sequence[_Stored]) -> Frames:
    """Open the frames of stores that follow one another."""
    parts = [numpy.load(path, mmap_mode="r", allow_pickle=False) for one in stored for path in one.rows]
    lengths = [some for one in stored for some in one.lengths]
    bounds = [numpy.concatenate([[0], numpy.cumsum(some)]) for some in lengths]
    return Frames(parts, bounds, numpy.arange(sum(map(len, lengths))))


@contextlib.contextmanager
def _in_cache(folder: Path) -> Iterator[None]:
    """Turn what the system says of the folder of features into a `RequestError`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            fix = "Make room, or choose another cache_dir=: what is there is used."
            raise RequestError(f"{folder}: there is no room left for features ({error.strerror}). {fix}") from None
        path = next((name for name in (error.filename2, error.filename) if name), None)
        if path is None or folder not in (Path(os.fsdecode(path)), *Path(os.fsdecode(path)).parents):
            raise
        fix = "Move it away, or choose another cache_dir=."
        raise RequestError(f"{path}: no features can be stored or read there ({error.strerror}). {fix}") from None


@dataclasses.dataclass
class _Stored:
    """Features on disk: ids; of each rows, an array, or of frames (npy files), and lengths, of each npy how many
    frames each utterance has.
    """

    ids: list[str]
    rows: Any
    lengths: list[numpy.ndarray]


class _Store:
    """The features of a split on disk. path: without its ending; as_frames: of single frames; wanted: all ids."""

    def __init__(self, path: Path, as_frames: bool, wanted: Sequence[str]) -> None:
        self._path, self._as_frames, self._wanted = path, as_frames, wanted
        self._parts = path.with_name(f"{path.name}{'.frames' if as_frames else '.parts'}")
        self._whole = path.with_name(f"{path.name}.npz")

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._path.with_name(f"{self._path.name}.lock"), f"extracts {self._path.name}")

    def read(self) -> _Stored | None:
        """Read what is there; None where it is not all there. What is damaged is removed, with a warning."""
        with self._locked():
            return self._read()

    def filled(self, upstream: Upstream, inputs: Inputs, split: str) -> _Stored | None:
        """Extract what is missing, and read all."""
        with self._locked():
            return self._read() or self._fill(upstream, inputs, split)

    def _read(self) -> _Stored | None:
        found = self._read_parts() if self._as_frames else self._read_whole()
        return found if found and set(found.ids) >= set(self._wanted) else None

    def _read_whole(self) -> _Stored | None:
        stored = self._intact(self._whole) if self._whole.is_file() else None
        return _Stored(list(map(str, stored["ids"])), stored["x"], []) if stored else None

    def _read_parts(self) -> _Stored | None:
        """Read the parts that are intact; each utterance counts once."""
        found, arrays, seen = _Stored([], [], []), list[numpy.ndarray](), set[str]()
        for path in self._files():
            stored = self._intact(path)
            if stored is None:
                continue
            ids = list(map(str, stored["ids"]))
            if not seen.isdisjoint(ids):  # of two runs, on a disk that knows no locks
                continue
            seen.update(ids)
            found.ids += ids
            if self._as_frames:
                found.rows.append(path.with_suffix(".npy"))
                found.lengths.append(stored["lengths"])
            else:
                arrays.append(stored["x"])
        if arrays:
            found.rows = numpy.concatenate(arrays)
        return found if found.ids else None

    def _files(self) -> list[Path]:
        return sorted(path for path in self._parts.glob("[0-9]*.npz") if path.stem.isdecimal())

    def _intact(self, path: Path) -> dict[str, Any] | None:
        """Return the arrays of an npz file; None, after it is removed with a warning, where it is damaged."""
        try:
            stored = read_npz(path)
            known = str(stored.pop("digest")) if "digest" in stored else None
            if known is None:
                raise UnreadableError(f"{path} has no digest, as those of earlier versions.")
            if known != self._digest(stored):
                raise UnreadableError(f"{path} is damaged: it does not match its digest.")
            frames = path.with_suffix(".npy")
            if self._as_frames and stored["frames"] != _sha256(frames):
                raise UnreadableError(f"{frames} is damaged: it does not match its digest.")
            return stored
        except UnreadableError as error:
            logger.warning(f"{error} Its features are extracted again.")
        for one in (path, *([path.with_suffix(".npy")] if self._as_frames else [])):
            one.unlink(missing_ok=True)
        return None

    def _digest(self, arrays: Mapping[str, numpy.ndarray]) -> str:
        """Return a digest of the arrays of a file: as those of this store, and of no other."""
        digest = hashlib.sha256(self._path.name.encode())
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(numpy.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _fill(self, upstream: Upstream, inputs: Inputs, split: str) -> _Stored | None:
        """Extract what is missing."""
        self._parts.mkdir(exist_ok=True)
        files, there = self._files(), self._read_parts()
        number = int(files[-1].stem) + 1 if files else 0
        finished = frozenset(there.ids if there else ())
        pulled: list[str] = []

        def items() -> Iterator[Item]:
            for uid, content in inputs.read(split, finished):
                pulled.append(uid)
                yield uid, content

        arrays = enumerate(upstream.features(items()))
        while batch := list(itertools.islice(arrays, PART)):
            ids = [pulled[n] for n, _ in batch]
            self._write_part(number, ids, [_checked(uid, array) for uid, (_, array) in zip(ids, batch)])
            number += 1
        found = self._read_parts()
        if found and not self._as_frames:
            self._write(self._whole, ids=numpy.array(found.ids), x=found.rows)
            shutil.rmtree(self._parts)
        return found

    def _write_part(self, number: int, ids: list[str], arrays: list[numpy.ndarray]) -> None:
        path = self._parts / f"{number:05d}.npz"
        if self._as_frames:
            frames, lengths = path.with_suffix(".npy"), numpy.array([len(array) for array in arrays])
            with writing(frames) as file:
                numpy.save(file, numpy.concatenate(arrays))
            self._write(path, ids=numpy.array(ids), lengths=lengths, frames=numpy.array(_sha256(frames)))
        else:
            self._write(path, ids=numpy.array(ids), x=numpy.stack(arrays).astype(numpy.float32))

    def _write(self, path: Path, **arrays: numpy.ndarray) -> None:
        with writing(path) as file:
            numpy.savez(file, digest=numpy.array(self._digest(arrays)), **arrays)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file. Raises as `open_file`."""
    open_file(path).close()
    return sha256_of(path)


def _checked(uid: str, array: numpy.ndarray) -> numpy.ndarray:
    if not numpy.isfinite(array).all():
        raise RequestError(f"{uid}: its features are infinite or no numbers. Choose another layer or upstream.")
    return array
