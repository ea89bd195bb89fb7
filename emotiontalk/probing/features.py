"""Features of all utterances: extracted once by an upstream, and kept in the cache (see `feature_store`).

The key of what is stored depends on the upstream, its options and weights, and the archives. It does not depend on
labels or folds.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy

from emotiontalk.evaluation.labels import Corpus
from emotiontalk.probing.clip_check import check_clips
from emotiontalk.probing.feature_store import SplitStore, frames_of_files, naming_cache
from emotiontalk.probing.upstreams.built_in import TextTfidf
from emotiontalk.probing.upstreams.upstream import Item, Upstream
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader, digest_of_origin
from emotiontalk.request_error import RequestError

# What features are: an array of numpy, (utterances, dims) or (utterances, layers, dims); a sparse matrix of scipy,
# (utterances, dims); or a sequence of arrays (frames, dims), as `feature_store.Frames`.
Rows = Any


class Features:
    """What an upstream gives for the utterances of a corpus.

    Args:
        name: of the upstream.
        settings: what its features depend on, JSON-ready.
        modules: the libraries whose versions they depend on.
        rows: of the utterances, in order.
    """

    def __init__(self, name: str, settings: dict[str, Any], modules: Sequence[Any], rows: Rows) -> None:
        self.name, self.settings, self.modules, self._rows = name, settings, modules, rows

    def of(self, places: Mapping[str, numpy.ndarray]) -> dict[str, Rows]:
        """Return the features of the utterances at these places of the corpus, for each part of it."""
        return {part: self._rows[of_part] for part, of_part in places.items()}


class TextFeatures(Features):
    """TF-IDF of the texts: fitted on train of what is requested."""

    def __init__(self, upstream: TextTfidf, texts: Sequence[str]) -> None:
        super().__init__(upstream.name, upstream.settings(), upstream.modules(), None)
        self._upstream, self._texts = upstream, texts

    def of(self, places: Mapping[str, numpy.ndarray]) -> dict[str, Rows]:
        """See `Features`."""
        return self._upstream.of_texts({part: [self._texts[n] for n in some] for part, some in places.items()})


@dataclasses.dataclass
class UtteranceSource:
    """Where an upstream reads utterances: their texts, audio or video.

    Attributes:
        name: the config, for the names of files.
        origin: gives the digest of what features are made from, see `digest_of_origin`.
        ids: split -> ids, sorted.
        read: gives the items of a split, in the order of `ids`, but those whose ids are to be skipped.
        check: raises `RequestError` for what cannot be opened.
    """

    name: str
    origin: Callable[..., str]
    ids: dict[str, list[str]]
    read: Callable[[str, Container[str]], Iterable[Item]]
    check: Callable[[], None] = lambda: None


def text_source(corpus: Corpus) -> UtteranceSource:
    """Return the source of a corpus' texts."""
    by_split: dict[str, dict[str, str]] = {}
    for uid, split, text in zip(corpus.labels.ids, corpus.splits.tolist(), corpus.texts):
        by_split.setdefault(split, {})[uid] = text

    def read(split: str, skip: Container[str]) -> Iterator[Item]:
        left = [(uid, text) for uid, text in by_split[split].items() if uid not in skip]
        yield from progress_bar(left, unit=" utterances", desc=split)

    origin = functools.partial(digest_of_origin, corpus.labels.reader.fingerprints())
    ids = {split: list(texts) for split, texts in by_split.items()}
    return UtteranceSource(corpus.labels.reader.builder.config.name, origin, ids, read)


def media_source(config: str, corpus: Corpus, release: ReleaseReader) -> UtteranceSource:
    """Return the source of a corpus' audio clips ("audio") or video clips ("video"). Raises as `load_dataset`."""
    splits = sorted(set(corpus.splits.tolist()))
    reader = release.open(config, splits)

    def read(split: str, skip: Container[str]) -> Iterator[Item]:
        for uid, example in reader.splits[split].examples_with_bar(split, skip_media=skip):
            if uid not in skip:
                yield uid, example[config]["bytes"].read()

    origin = functools.partial(digest_of_origin, reader.fingerprints())
    ids: dict[str, list[str]] = {split: [] for split in splits}
    for uid, split in zip(corpus.labels.ids, corpus.splits.tolist()):
        ids[split].append(uid)
    return UtteranceSource(config, origin, ids, read, functools.partial(check_clips, reader))


def extract_cached(
    upstream: Upstream,
    source: UtteranceSource,
    corpus: Corpus,
    cache_dir: str | os.PathLike[str] | None,
    one_at_a_time: bool = False,
) -> Features:
    """Extract the features of a corpus, or take them from the cache.

    Args:
        upstream: what gives them.
        source: what it reads; all of it is extracted.
        corpus: the utterances that are wanted.
        cache_dir: as in `load_dataset`.
        one_at_a_time: those of the cache are only taken if they were extracted so.

    Raises:
        RequestError: some are missing, or the cache cannot be written.
    """
    settings, modules = upstream.settings(), upstream.modules()
    facts = [upstream.name, settings, [module.__version__ for module in modules], source.name, one_at_a_time]
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser() / "emotiontalk-features"
    as_frames = settings.get("pooling") == "frames"
    stores = {
        split: SplitStore(folder / f"{source.name}-{split}-{source.origin(*facts, split, ids)[:20]}", as_frames, ids)
        for split, ids in source.ids.items()
    }
    with naming_cache(folder):
        folder.mkdir(parents=True, exist_ok=True)
        of_splits = {split: store.read() for split, store in stores.items()}
    incomplete = {split: store for split, store in stores.items() if of_splits[split] is None}
    if incomplete:
        source.check()
    with naming_cache(folder):
        for split, store in incomplete.items():
            of_splits[split] = store.completed(upstream, functools.partial(source.read, split))
    stored = [of_split for of_split in of_splits.values() if of_split]
    places = {uid: n for n, uid in enumerate(uid for of_split in stored for uid in of_split.ids)}
    missing = [uid for uid in corpus.labels.ids if uid not in places]
    if missing:
        raise RequestError(f"{upstream.name}: no features of {len(missing):,} utterances, the first {missing[0]}.")
    order = numpy.array([places[uid] for uid in corpus.labels.ids])
    of_splits.clear()  # `_in_order` lets go of each array
    rows = frames_of_files(stored)[order] if as_frames else _in_order([stored.pop(0).rows for _ in stored[:]], order)
    return Features(upstream.name, settings, modules, rows)


def _in_order(arrays: list[numpy.ndarray], order: numpy.ndarray) -> numpy.ndarray:
    """Return rows of arrays that follow one another, in this order; each array is let go of once it is copied."""
    rows = numpy.empty((len(order), *arrays[0].shape[1:]), arrays[0].dtype)
    first = 0
    while arrays:
        array = arrays.pop(0)
        here = (order >= first) & (order < first + len(array))
        rows[here] = array[order[here] - first]
        first += len(array)
    return rows
