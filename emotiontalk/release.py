"""A release as everything after loading reads it: any source that the loader reads, and nothing is prepared.

reader = ReleaseReader("RELEASE").open("audio", ["test"])
for uid, example in reader.splits["test"].examples():
    ...
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator
from typing import Any

import pyarrow as pa

from emotiontalk.annotations import Utterance
from emotiontalk.archives.downloads import cached_file
from emotiontalk.archives.local import find_archive, fingerprint_of
from emotiontalk.archives.locations import Location, Release
from emotiontalk.archives.remote import RemoteArchive
from emotiontalk.archives.remote_files import find_remote
from emotiontalk.archives.urls import archive_url, full_source, is_remote
from emotiontalk.corpus import DEFAULT_SOURCE, FOLD_SPLITS, FOLDS, GROUPS, SPLITS, TOTAL, Shard
from emotiontalk.errors import MissingArchiveError, redacted
from emotiontalk.loading.emotiontalk import EmotionTalk
from emotiontalk.progress import progress_bar
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

Fingerprints = dict[str, list[Any]]
Example = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class SplitReader:
    """A split of a config, or a part of it. It can be pickled, for worker processes.

    Attributes:
        name: of the split.
        builder: of the config.
        shards: what is read, in order.
        release: where the archives are.
    """

    name: str
    builder: EmotionTalk
    shards: list[Shard]
    release: Release

    @property
    def groups(self) -> list[str]:
        """The groups of the split, sorted."""
        return sorted({group for group, _, _ in self.shards})

    def count(self) -> int | None:
        """Count the utterances where the release is whole; None where that is unknown before reading."""
        return sum(GROUPS[group] for group in self.groups) if self.release.complete else None

    def media_bytes(self) -> int:
        """Estimate how many bytes of audio or video the split holds."""
        spec = self.builder.spec
        if not spec.media:
            return 0
        name, suffix = spec.media
        archive = self.builder.open_archives(self.release)[name]
        if isinstance(archive, RemoteArchive) and not archive.indexed:  # single sizes are unknown: as a share of all
            return (archive.file.size or 0) * (self.count() or 0) // TOTAL
        return sum(len(member) for group in self.groups for _, member in archive.media(group, suffix))

    def examples(self, skip_media: Container[str] = ()) -> Iterator[tuple[str, Example]]:
        """Yield (id, example), sorted by id. skip_media: ids whose audio or video is neither read nor fetched."""
        return self.builder.examples(self.shards, self.release, skip_media=skip_media)

    def examples_with_bar(self, label: str, skip_media: Container[str] = ()) -> Iterator[tuple[str, Example]]:
        """As `examples`, with a progress bar of this label."""
        return iter(progress_bar(self.examples(skip_media), total=self.count(), unit=" utterances", desc=label))

    def utterances(self, **options: Any) -> Iterator[tuple[Utterance, Example]]:
        """Yield (`Utterance`, example), sorted by id. options: `fields`, `skip_media`; see the builder."""
        return self.builder.utterances(self.shards, self.release, **options)

    def tables(self, batch_bytes: int) -> Iterator[tuple[str, pa.Table]]:
        """Yield (key, Arrow table of about `batch_bytes`) of the examples."""
        return self.builder.tables(self.shards, self.release, batch_bytes)

    def parts(self, number: int) -> list[SplitReader]:
        """Divide the split into `number` parts, as evenly as its shards allow."""
        bounds = [len(self.shards) * n // number for n in range(number + 1)]
        return [dataclasses.replace(self, shards=self.shards[a:b]) for a, b in zip(bounds, bounds[1:])]

    def even_number(self, most: int) -> int:
        """Return in how many files the split is written: a multiple of 8, where it has so many shards."""
        number = min(most, len(self.shards))
        return number - number % 8 if number >= 8 else number


@dataclasses.dataclass(frozen=True)
class ConfigReader:
    """A config of a release, opened.

    Attributes:
        builder: of the config.
        splits: name -> `SplitReader`, of those that are wanted and there.
    """

    builder: EmotionTalk
    splits: dict[str, SplitReader]

    @property
    def release(self) -> Release:
        """Where the archives of the config are."""
        return next(iter(self.splits.values())).release

    def count(self) -> int | None:
        """Count the utterances of all splits; None where that is unknown before reading."""
        counts = [split.count() for split in self.splits.values()]
        known = [number for number in counts if number is not None]
        return sum(known) if len(known) == len(counts) else None

    def media_bytes(self) -> int:
        """Estimate how many bytes of audio or video the splits hold."""
        return sum(split.media_bytes() for split in self.splits.values())

    def fingerprints(self) -> Fingerprints:
        """Return what tells the archives of two releases apart, JSON-ready; not where a folder of them is.

        Behind a URL: the URL and its `RemoteFile.fingerprint`.
        """
        found: Fingerprints = {}
        for name, location in self.release.locations.items():
            if location.paths:
                found[name] = [list(entry[1:]) for entry in fingerprint_of(location.paths)]
            else:
                file = location.file(self.builder.token)
                found[name] = [file.path, *file.fingerprint()]
        return found

    def archives(self) -> dict[str, Any]:
        """Return where each archive is read: [path, bytes] of each local tar or folder, or the URL."""
        return {
            name: [[path, size] for path, _, size, _ in location.fingerprint or ()]
            if location.paths
            else redacted(location.url)
            for name, location in self.release.locations.items()
        }


def digest_of_origin(known: Fingerprints, *facts: object) -> str:
    """Return a digest of what a file is made from: archives by their fingerprints, and other facts.

    Where a server gives neither sizes nor entity tags, what is behind its URL is unknown: then the digest is one that
    no other run has.
    """
    if any(None in fingerprint for fingerprint in known.values()):
        return os.urandom(16).hex()
    return hashlib.sha256(json.dumps([known, *facts], default=str).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class ReleaseReader:
    """Where a release is, and what is needed to get there.

    Args:
        data_dir, cache_dir, token: as in `load_dataset`.
    """

    data_dir: str | os.PathLike[str] | None = None
    cache_dir: str | os.PathLike[str] | None = None
    token: str | bool | None = dataclasses.field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"ReleaseReader({self.source!r})"

    @property
    def source(self) -> str:
        """The folder or URL of the release, without secrets."""
        return redacted(self.data_dir or DEFAULT_SOURCE)

    def open(
        self, config: str, splits: list[str] | None = None, *, label_set: str = "all", fold: int | None = None
    ) -> ConfigReader:
        """Open a config. From a URL only the ranges of the groups that are read are fetched.

        Args:
            config: its name.
            splits: those that are wanted; None: all that are there.
            label_set, fold: as in `load_dataset`.

        Raises:
            RequestError: a fold has no such split.
            EmotionTalkError: the errors of `load_dataset`.
        """
        check_fold(config, splits or (), fold)
        options: dict[str, Any] = {"data_dir": os.fspath(self.data_dir)} if self.data_dir else {}
        options |= {"cache_dir": os.fspath(self.cache_dir) if self.cache_dir else None, "token": self.token}
        options |= {"prepare_splits": splits, "label_set": label_set, "fold": fold}
        builder = EmotionTalk(config_name=config, **options)
        opened = builder.open_splits().items()
        return ConfigReader(builder, {name: SplitReader(name, builder, **kwargs) for name, kwargs in opened})

    def find_archive(self, name: str) -> Location:
        """Find an archive where it is read as it is.

        Raises `MissingArchiveError`, also for an archive that is in several parts at a URL.
        """
        source = full_source(os.fspath(self.data_dir or DEFAULT_SOURCE))
        if not is_remote(source):
            return Location.local(name, find_archive(name, source))
        cached = cached_file(archive_url(name, source))
        if cached:
            return Location.local(name, (cached,))
        urls = find_remote(name, source, self.token)
        if len(urls) > 1:
            fix = "Download them, and pass data_dir= with their folder."
            raise MissingArchiveError(f"{redacted(source)}: {name} is in {len(urls)} parts. {fix}")
        return Location(name, url=urls[0])


def check_fold(config: str, splits: Iterable[str], fold: int | None) -> None:
    """Raise `RequestError` for a fold that is not there, or that the config or one of the splits has not."""
    if fold is None:
        return
    if fold not in FOLDS:
        raise RequestError(f"fold={fold!r}: choose from {', '.join(map(str, FOLDS))}.")
    if CONFIGS[config].splits != SPLITS:
        raise RequestError(f"{config} has the official test split alone: remove fold=, or choose another config.")
    missing = [split for split in splits if split not in FOLD_SPLITS]
    if missing:
        raise RequestError(f"a fold has no {' and no '.join(missing)} split: it has {' and '.join(FOLD_SPLITS)}.")


def name_of_splits(fold: int | None) -> str:
    """Name the splits in a message."""
    return "the official splits" if fold is None else f"fold {fold}"


def splits_in_words(fold: int | None) -> str:
    """Say which splits these are."""
    if fold is None:
        return "the official ones"
    return f"{name_of_splits(fold)} of {len(FOLDS)}: no speaker of test is in train"
