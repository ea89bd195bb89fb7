"""Features of all utterances: extracted once by an upstream, cached in `emotiontalk-features` in that of `datasets`.

    <config>-<split>-<key>.npz       `ids`, and `x`: (utterances, dims) or (utterances, layers, dims)
    <config>-<split>-<key>.frames/   the same of single frames, in parts: 00000.npy, 00000.npz, …
    <config>-<split>-<key>.parts/    what a stopped run has finished: the next one goes on from there

The key depends on the upstream, its options and weights, and the archives. It does not depend on labels or folds.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import datasets
import numpy
from tqdm import tqdm

from emotiontalk.errors import FULL
from emotiontalk.files import writing

from . import source
from .clip_check import check_clips
from .errors import CommandError
from .labels import Corpus
from .upstreams import Item, TextTfidf, Upstream
from .written import locked

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

    name: the config, for the names of files; origin: what they are made from, see `source.origin`; ids: official split
    -> ids, sorted; read: gives the items of a split, but those whose ids are to be skipped, in the same order; check:
    raises `CommandError` for what cannot be opened.
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
        yield from tqdm(left, unit=" utterances", desc=split)

    known = source.fingerprints(corpus.labels.release, corpus.builder.token)
    ids = {split: list(texts) for split, texts in by_split.items()}
    return Inputs(corpus.builder.config.name, lambda *facts: source.origin(known, *facts), ids, read)


def media_of(config: str, corpus: Corpus, data_dir: str | None, cache_dir: str | None, token: str | None) -> Inputs:
    """Return the audio clips ("audio") or video clips ("video") of a corpus as inputs. Raises as `load_dataset`."""
    splits = sorted(set(corpus.splits.tolist()))
    builder, found = source.open_release(config, data_dir, cache_dir, token, splits)

    def read(split: str, skip: Container[str]) -> Iterator[Item]:
        for uid, example in source.examples(builder, found[split], split, skip_media=skip):
            if uid not in skip:
                yield uid, example[config]["bytes"].read()

    known = source.fingerprints(next(iter(found.values()))["release"], token)
    ids: dict[str, list[str]] = {split: [] for split in splits}
    for uid, split in zip(corpus.labels.ids, corpus.splits.tolist()):
        ids[split].append(uid)
    check = functools.partial(check_clips, builder, list(found.values()))
    return Inputs(config, lambda *facts: source.origin(known, *facts), ids, read, check)


def extract(
    upstream: Upstream, inputs: Inputs, corpus: Corpus, cache_dir: str | None, one_at_a_time: bool = False
) -> Features:
    """Extract the features of a corpus, or take them from the cache. Raises `CommandError` where some are missing.

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
    stores = {split: _Store(path, as_frames) for split, path in paths.items()}
    if not all(store.complete for store in stores.values()):
        inputs.check()
    ids, found = list[str](), list[Any]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split, store in stores.items():
            path = paths[split]
            with locked(path.with_name(f"{path.name}.lock"), f"extracts {path.name}"):
                if not store.complete:
                    store.fill(upstream, inputs, split)
                ids += store.ids
                found.append(store.rows())
    except OSError as error:
        if error.errno not in FULL:
            raise
        fix = "Make room, or choose another --cache-dir: what is there is used."
        raise CommandError(f"{folder}: there is no room left for features ({error.strerror}). {fix}") from None
    places = {uid: n for n, uid in enumerate(ids)}
    missing = [uid for uid in corpus.labels.ids if uid not in places]
    if missing:
        raise CommandError(f"{upstream.name}: no features of {len(missing):,} utterances, the first {missing[0]}.")
    order = numpy.array([places[uid] for uid in corpus.labels.ids])
    rows = _joined(found)[order] if as_frames else _rows(found, order)
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


def _joined(stores: list[tuple[list[Path], list[numpy.ndarray]]]) -> Frames:
    """Open the frames of stores that follow one another: (files, of each how many frames each utterance has)."""
    paths = [path for files, _ in stores for path in files]
    lengths = [some for _, of_files in stores for some in of_files]
    parts = [numpy.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    bounds = [numpy.concatenate([[0], numpy.cumsum(some)]) for some in lengths]
    return Frames(parts, bounds, numpy.arange(sum(map(len, lengths))))


class _Store:
    """The features of a split on disk. path: without its ending; as_frames: of single frames."""

    def __init__(self, path: Path, as_frames: bool) -> None:
        self._as_frames = as_frames
        self._parts = path.with_name(f"{path.name}{'.frames' if as_frames else '.parts'}")
        self._whole = self._parts / "complete" if as_frames else path.with_name(f"{path.name}.npz")

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self._whole.is_file()

    @property
    def ids(self) -> list[str]:
        """The ids of what is there, in order."""
        if self.complete and not self._as_frames:
            with numpy.load(self._whole, allow_pickle=False) as stored:
                return [str(uid) for uid in stored["ids"]]
        ids: list[str] = []
        for path in self._files():
            with numpy.load(path, allow_pickle=False) as stored:
                ids += map(str, stored["ids"])
        return ids

    def _files(self) -> list[Path]:
        paths = (self._parts / f"{n:05d}.npz" for n in itertools.count())
        return list(itertools.takewhile(Path.is_file, paths))

    def fill(self, upstream: Upstream, inputs: Inputs, split: str) -> None:
        """Extract what is missing."""
        self._parts.mkdir(exist_ok=True)
        number, finished = len(self._files()), frozenset(self.ids)
        pulled: list[str] = []

        def items() -> Iterator[Item]:
            for uid, content in inputs.read(split, finished):
                pulled.append(uid)
                yield uid, content

        arrays = enumerate(upstream.features(items()))
        while batch := list(itertools.islice(arrays, PART)):
            ids = [pulled[n] for n, _ in batch]
            self._write(number, ids, [_checked(uid, array) for uid, (_, array) in zip(ids, batch)])
            number += 1
        if self._as_frames:
            with writing(self._whole) as file:
                file.write(b"")
            return
        found: dict[str, list[numpy.ndarray]] = {"ids": [], "x": []}
        for path in self._files():
            with numpy.load(path, allow_pickle=False) as stored:
                for name, arrays_ in found.items():
                    arrays_.append(stored[name])
        with writing(self._whole) as file:
            numpy.savez(file, **{name: numpy.concatenate(arrays_) for name, arrays_ in found.items()})
        shutil.rmtree(self._parts)

    def _write(self, number: int, ids: list[str], arrays: list[numpy.ndarray]) -> None:
        path = self._parts / f"{number:05d}.npz"
        if self._as_frames:
            with writing(path.with_suffix(".npy")) as file:
                numpy.save(file, numpy.concatenate(arrays))
            with writing(path) as file:
                numpy.savez(file, ids=numpy.array(ids), lengths=numpy.array([len(array) for array in arrays]))
        else:
            with writing(path) as file:
                numpy.savez(file, ids=numpy.array(ids), x=numpy.stack(arrays).astype(numpy.float32))

    def rows(self) -> Any:
        """Return the features: (utterances, …), or of frames (files, lengths of each)."""
        if not self._as_frames:
            with numpy.load(self._whole, allow_pickle=False) as stored:
                return stored["x"]
        lengths = []
        for path in self._files():
            with numpy.load(path, allow_pickle=False) as stored:
                lengths.append(stored["lengths"])
        return [path.with_suffix(".npy") for path in self._files()], lengths


def _checked(uid: str, array: numpy.ndarray) -> numpy.ndarray:
    if not numpy.isfinite(array).all():
        raise CommandError(f"{uid}: its features are infinite or no numbers. Choose another layer or upstream.")
    return array
