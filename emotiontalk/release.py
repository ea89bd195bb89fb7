"""A release as the commands read it: any source that the loader reads, and nothing is prepared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from emotiontalk.archives.local import find_archive, fingerprint_of
from emotiontalk.archives.locations import Location, Release, cached_file, find_remote
from emotiontalk.archives.remote import RemoteArchive
from emotiontalk.archives.urls import archive_url, full_source, is_remote
from emotiontalk.corpus import FOLD_SPLITS, FOLDS, GROUPS, SPLITS, TOTAL
from emotiontalk.errors import MissingArchiveError, redacted
from emotiontalk.loading.emotiontalk import EmotionTalk
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

GenKwargs = dict[str, Any]  # `shards` and `release` of a split
Fingerprints = dict[str, list[Any]]


def open_release(
    config: str,
    data_dir: str | os.PathLike[str] | None,
    cache_dir: str | None,
    token: str | None = None,
    splits: list[str] | None = None,
    label_set: str = "all",
    fold: int | None = None,
) -> tuple[EmotionTalk, dict[str, GenKwargs]]:
    """Open a config: (builder, {split: gen_kwargs}).

    splits: those that are wanted; None: all that are there; fold: as in `load_dataset`.

    `gen_kwargs` go to the builder's `examples`, `tables` and `utterances`. From a URL only the groups' ranges are
    read. Raises the errors of `load_dataset`, and `RequestError` for a split that a fold has not.
    """
    check_fold(config, splits or (), fold)
    options: dict[str, Any] = {"data_dir": str(data_dir)} if data_dir else {}
    options |= {"cache_dir": cache_dir, "token": token, "prepare_splits": splits, "label_set": label_set, "fold": fold}
    builder = EmotionTalk(config_name=config, **options)
    return builder, builder.open_splits()


def check_fold(config: str, splits: Iterable[str], fold: int | None) -> None:
    """Raise `RequestError` for a fold that is not there, or that the config or one of the splits has not."""
    if fold is None:
        return
    if fold not in FOLDS:
        raise RequestError(f"fold {fold!r}: choose from {', '.join(map(str, FOLDS))}.")
    if CONFIGS[config].splits != SPLITS:
        raise RequestError(f"{config} has the official test split alone: leave --fold away, or choose another config.")
    missing = [split for split in splits if split not in FOLD_SPLITS]
    if missing:
        raise RequestError(f"a fold has no {' and no '.join(missing)} split: it has {' and '.join(FOLD_SPLITS)}.")


def split_words(fold: int | None) -> str:
    """Name the splits in a message."""
    return "the official splits" if fold is None else f"fold {fold}"


def splits_in_words(fold: int | None) -> str:
    """Say which splits these are."""
    return (
        "the official ones" if fold is None else f"{split_words(fold)} of {len(FOLDS)}: no speaker of test is in train"
    )


def find_location(name: str, source: str, token: str | None = None) -> Location:
    """Find an archive below a folder or a URL, where it is read as it is.

    Raises `MissingArchiveError`, also for an archive that is in several parts at a URL.
    """
    source = full_source(source)
    if not is_remote(source):
        return Location.local(name, find_archive(name, source))
    cached = cached_file(archive_url(name, source))
    if cached:
        return Location.local(name, (cached,))
    urls = find_remote(name, source, token)
    if len(urls) > 1:
        fix = "Download them, and pass data_dir= with their folder."
        raise MissingArchiveError(f"{redacted(source)}: {name} is in {len(urls)} parts. {fix}")
    return Location(name, url=urls[0])


def groups(gen_kwargs: GenKwargs) -> list[str]:
    """Return the groups of a split."""
    return sorted({group for group, _, _ in gen_kwargs["shards"]})


def count(gen_kwargs: GenKwargs) -> int | None:
    """Count the utterances of a split where the release is whole; None where that is unknown before reading."""
    return sum(GROUPS[group] for group in groups(gen_kwargs)) if gen_kwargs["release"].complete else None


def count_all(splits: Iterable[GenKwargs]) -> int | None:
    """Count the utterances of some splits, as `count`."""
    counts = [count(kwargs) for kwargs in splits]
    known = [number for number in counts if number is not None]
    return sum(known) if len(known) == len(counts) else None


def media_bytes(builder: EmotionTalk, gen_kwargs: GenKwargs) -> int:
    """Estimate how many bytes of audio or video a split holds."""
    if not builder.spec.media:
        return 0
    name, suffix = builder.spec.media
    archive = builder.open_archives(gen_kwargs["release"])[name]
    if isinstance(archive, RemoteArchive) and not archive.indexed:  # single sizes are unknown: as a share of all
        return (archive.file.size or 0) * (count(gen_kwargs) or 0) // TOTAL
    return sum(len(member) for group in groups(gen_kwargs) for _, member in archive.media(group, suffix))


def examples(
    builder: EmotionTalk, gen_kwargs: GenKwargs, label: str, skip_media: Container[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the (id, example) of a split, sorted by id, behind a progress bar."""
    found = builder.examples(**gen_kwargs, skip_media=skip_media)
    return iter(tqdm(found, total=count(gen_kwargs), unit=" utterances", desc=label))


def parts_of(gen_kwargs: GenKwargs, number: int) -> list[GenKwargs]:
    """Divide the `gen_kwargs` of a split into `number` parts, as evenly as its shards allow."""
    shards = gen_kwargs["shards"]
    bounds = [len(shards) * n // number for n in range(number + 1)]
    return [{**gen_kwargs, "shards": shards[begin:end]} for begin, end in zip(bounds, bounds[1:])]


def even_number(most: int, gen_kwargs: GenKwargs) -> int:
    """Return in how many files a split is written: a multiple of 8, where it has so many shards."""
    number = min(most, len(gen_kwargs["shards"]))
    return number - number % 8 if number >= 8 else number


def fingerprints(release: Release, token: str | None = None) -> Fingerprints:
    """Return what tells the archives of two releases apart, JSON-ready; not where a folder of them is.

    Behind a URL: the URL and its `RemoteFile.fingerprint`.
    """
    found: Fingerprints = {}
    for name, location in release.locations.items():
        if location.paths:
            found[name] = [list(entry[1:]) for entry in fingerprint_of(location.paths)]
        else:
            file = location.file(token)
            found[name] = [file.path, *file.fingerprint()]
    return found


def is_certain(known: Fingerprints) -> bool:
    """Whether `fingerprints` tell all: a server without sizes and entity tags leaves open what is behind its URL."""
    return not any(None in fingerprint for fingerprint in known.values())


def origin(known: Fingerprints, *facts: object) -> str:
    """Return a digest of what a file is made from; where `fingerprints` do not tell all, one that no other run has."""
    if not is_certain(known):
        return os.urandom(16).hex()
    return hashlib.sha256(json.dumps([known, *facts], default=str).encode()).hexdigest()


def archives(release: Release) -> dict[str, Any]:
    """Say where each archive was read: [path, bytes] of each local tar or folder, or the URL."""
    return {
        name: [[path, size] for path, _, size, _ in location.fingerprint or ()]
        if location.paths
        else redacted(location.url)
        for name, location in release.locations.items()
    }
