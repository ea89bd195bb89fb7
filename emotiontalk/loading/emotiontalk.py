"""The builder: from the shards of a split to its examples, in the order in which `datasets` calls the hooks.

`datasets` names folders of its cache by the last part of the builder's module: this module is called as the script is,
so that both find what the other has prepared.
"""

from __future__ import annotations

import glob
import hashlib
import inspect
import itertools
import json
import os
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

import datasets
import datasets.builder
import pyarrow as pa

from ..annotations import Utterance
from ..archives.downloads import Downloads, UrlFingerprint
from ..archives.local import find_archive
from ..archives.locations import Location, Release, url_fingerprints
from ..archives.urls import checked_token, full_source, is_remote
from ..corpus import (
    ARCHIVES,
    CITATION,
    DEFAULT_SOURCE,
    HOMEPAGE,
    LICENSE,
    Shard,
    __version__,
    runs_of,
    speaker_set_of,
)
from ..disk import write_out
from ..errors import EmotionTalkError, NoUtteranceError, is_of_folder, redacted, unwritable
from ..request_error import RequestError
from ..schema import (
    CONFIGS,
    MEDIA,
    TURN_FIELDS,
    ConfigSpec,
    archives_of,
    description_of,
    features_of,
    split_sizes,
    splits_of,
)
from .code_hash import code_hash
from .options import EmotionTalkConfig
from .reading import Archives, Example, GroupReader
from .slices import SplitRuns, instruction_of, sliced_shards, split_label, split_names
from .splits import is_complete, splits_at_hand
from .tables import PREPARED_BYTES, STREAMED_BYTES, tables_of


class EmotionTalk(datasets.GeneratorBasedBuilder):
    """EmotionTalk by shards: `gen_kwargs["shards"]` is the list that `num_proc`, streams and nodes share.

    For tools, `open_splits` gives the `gen_kwargs` of each split and prepares nothing; `examples`, `tables` and
    `utterances` read from them. `_generate_examples` gives rows as loading scripts do; private hooks are overridden:

    - `_cache_dir`, `_output_dir` and `_build_cache_dir`: where rows are cached also depends on what a URL holds now.
    - `_prepare_split_single` and `_get_examples_iterable_for_split` take the Arrow tables of `_generate_tables`, as of
      an `ArrowBasedBuilder`, which is faster.
    - `as_streaming_dataset` (`_as_streaming_dataset_single`) streams slices and sums of splits, too.

    Args:
        cache_dir, token, config_name, data_dir: as in `datasets`.
        hash: of the code that `datasets` found; the loader's own hash is used instead.
        all_splits: all splits are requested, one of them of this builder; so the media are downloaded whole.
        fingerprints: of the archives behind a URL that can change; None: the server is asked when they are read.
        label_set, prepare_splits, fold, strict, sampling_rate, mono: see `EmotionTalkConfig`.

    Raises:
        RequestError: an option has a value that is not supported.
        EmotionTalkError: an archive is missing or cannot be read, or the cache cannot be written.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = EmotionTalkConfig
    BUILDER_CONFIGS = [
        EmotionTalkConfig(name=name, version=datasets.Version(__version__), description=spec.description)
        for name, spec in CONFIGS.items()
    ]
    DEFAULT_CONFIG_NAME = "multimodal"

    def __init__(
        self,
        cache_dir: Any = None,
        *args: Any,
        hash: Any = None,
        token: str | bool | None = None,
        all_splits: bool = False,
        fingerprints: dict[str, UrlFingerprint] | None = None,
        **kwargs: Any,
    ) -> None:
        token, folder = checked_token(token), str(os.path.expanduser(cache_dir or datasets.config.HF_DATASETS_CACHE))
        if "::" in folder:
            where = "cache_dir=" if cache_dir else "HF_DATASETS_CACHE="
            raise RequestError(f"{where}{redacted(folder)!r}: `datasets` takes `::` for a chained URL. Choose another.")
        if isinstance(kwargs.get("data_dir"), str):
            kwargs["data_dir"] = full_source(kwargs["data_dir"])
        self._all_splits, self._fingerprints, self._cache = all_splits, fingerprints, folder
        self._warned: set[tuple[str, str]] = set()  # (group, what was warned of)
        own_hash = (
            code_hash()
        )  # of the package and of the script of the same code: both find what the other has prepared
        try:
            super().__init__(cache_dir, *args, hash=own_hash, token=token, **kwargs)
        except OSError as error:
            if not is_of_folder(error, folder):  # such as a file of `datasets` itself that cannot be read
                raise
            raise unwritable(folder, error) from None

    @property
    def spec(self) -> ConfigSpec:
        """What the config reads and gives."""
        return CONFIGS[self.config.name]

    def _info(self) -> datasets.DatasetInfo:
        fields = "\n".join(f"- {name}: {description_of(self.config.name, name)}" for name in self.spec.fields)
        info = datasets.DatasetInfo(citation=CITATION, homepage=HOMEPAGE, license=LICENSE)
        info.description, info.features = f"{self.spec.description}\n\n{fields}\n", self._features()
        return info

    def _features(self) -> datasets.Features:
        return features_of(self.config.name, self.config.label_set, self.config.sampling_rate)

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; what a URL that can change holds now decides where in the cache its rows are."""
        self._locate_cache()
        try:
            return super().download_and_prepare(*args, **kwargs)
        except PermissionError as error:  # a lock or a folder of somebody else
            raise unwritable(self._cache_dir, error) from None

    def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`, also in a new builder of what another one has prepared from a URL.

        Raises `NoUtteranceError` where a split has none, and `datasets` cannot say why.
        """
        if not os.path.exists(self.cache_dir):  # nothing is there of what the options alone name
            self._locate_cache()
            if os.path.exists(self._cache_dir):
                self._output_dir, self.info = self._cache_dir, datasets.DatasetInfo.from_directory(self._cache_dir)
        try:
            return super().as_dataset(*args, **kwargs)
        except ValueError:
            for split in self.info.splits or {}:
                self.check_not_empty(split)
            raise

    def _locate_cache(self) -> None:
        """Let what a URL that can change holds now be a part of the cache's path."""
        fingerprints = self._url_fingerprints()
        digest = hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()[:16]
        if fingerprints and not self.config_id.endswith(digest):
            self.config_id += f"-{digest}"
            self._cache_dir = self._build_cache_dir()

    def _url_fingerprints(self) -> dict[str, UrlFingerprint]:
        if self._fingerprints is None:
            names = archives_of(self.config.name)
            self._fingerprints = url_fingerprints(names, self.config.data_dir, self.token, self._cache)
        return self._fingerprints

    def check_not_empty(self, split: str) -> None:
        """Raise `NoUtteranceError` where nothing is left of a split that was prepared."""
        if self.info.splits and not self.info.splits[split].num_examples:
            which = "of the four emotions and " if self.config.label_set == "four" else ""
            raise NoUtteranceError(
                f"{self._source}: no utterance of {split} is {which}complete. "
                "strict=False skips what is not: the warnings name it. Compare with the release."
            )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        release, splits = self._open_release(dl_manager)
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"shards": split.shards(), "release": release})
            for name, split in splits.items()
        ]

    def _open_release(self, dl_manager: Any) -> tuple[Release, dict[str, SplitRuns]]:
        """Return the release, and those of the requested splits that it has. Raises `EmotionTalkError`."""
        locations = {name: self._locate(name, dl_manager) for name in archives_of(self.config.name)}
        archives = self.open_archives(Release(locations, complete=False))
        release = Release(locations, is_complete(archives, self._source))
        splits = splits_at_hand(self._reader(archives, release.complete), self._source)
        self._expect(list(splits), release.complete)
        return release, splits

    @property
    def _source(self) -> str:
        return redacted(self.config.data_dir or DEFAULT_SOURCE)

    def _reader(self, archives: Archives, complete: bool) -> GroupReader:
        return GroupReader(self.config, archives, complete, self._warned)

    def _locate(self, name: str, dl_manager: Any) -> Location:
        """Return where an archive is read. Media that are read whole from a URL are downloaded first."""
        source = self.config.data_dir or DEFAULT_SOURCE
        if not is_remote(source):
            return Location.local(name, find_archive(name, source))
        settings = dl_manager.download_config
        downloads = Downloads(
            folder=settings.cache_dir or str(datasets.config.DOWNLOADED_DATASETS_PATH),
            force=not dl_manager.is_streaming and settings.force_download,
            check=getattr(dl_manager, "record_checksums", False),  # of verification_mode="all_checks"
        )
        all_splits = len(self.spec.splits) > 1 and (self._all_splits or self.config.prepare_splits is None)
        is_media = self.spec.media is not None and name == self.spec.media[0]
        whole = all_splits and is_media and not dl_manager.is_streaming
        known = self._url_fingerprints().get(name)
        return Location.remote(name, source, self.token, known, downloads, whole)

    def _expect(self, splits: list[str], complete: bool) -> None:
        """Leave to `datasets` the check of those split sizes that can be known, where it read dataset_infos.json."""
        if complete and self.config.label_set == "all" and self.config.strict:
            read = {} if self.config.fold else self.info.splits or {}
            sizes = {name: info.num_examples for name, info in read.items()}
            sizes = sizes or split_sizes(self.config.name, self.config.fold)
            infos = [datasets.SplitInfo(name, num_examples=size) for name, size in sizes.items() if name in splits]
            self.info.splits = datasets.SplitDict({info.name: info for info in infos})
        else:
            self.info.splits = None
        self.info.download_checksums = None  # `Downloads` has compared them, where something was downloaded

    def _generate_examples(self, shards: list[Shard], release: Release) -> Iterator[tuple[str, Example]]:
        """As `examples`, ready for `features.encode_example`: audio and video are `{bytes, path}`."""
        for key, example in self.examples(shards, release):
            for name in MEDIA.intersection(example):
                example[name] = {**example[name], "bytes": example[name]["bytes"].read()}
            yield key, example

    def _generate_tables(
        self, shards: list[Shard], release: Release, batch_bytes: int = STREAMED_BYTES
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of `_generate_examples` as Arrow tables."""
        return self.tables(shards, release, batch_bytes)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """As in `datasets`, but as Arrow tables. What is written does not crowd the archive out of the page cache.

        A `datasets` that calls this in another way prepares the same rows from `_generate_examples`.
        """
        table_kwargs = _accepted_keywords(datasets.ArrowBasedBuilder._prepare_split_single, kwargs)
        pattern, job = str(kwargs.get("fpath", "")), kwargs.get("job_id", 0)
        files = glob.escape(pattern.replace("JJJJJ", f"{job:05d}")).replace("SSSSS", "*")
        try:
            if table_kwargs and not args:
                table_kwargs["gen_kwargs"] = {**table_kwargs["gen_kwargs"], "batch_bytes": PREPARED_BYTES}
                steps = datasets.ArrowBasedBuilder._prepare_split_single(self, **table_kwargs)
            else:
                steps = super()._prepare_split_single(*args, **kwargs)
            for progress in steps:
                for path in glob.glob(files) if pattern and self.spec.media else ():
                    write_out(path)
                yield progress
        except (OSError, datasets.builder.DatasetGenerationError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(error, EmotionTalkError) or not isinstance(cause, OSError) or cause.errno is None:
                raise
            needed = ARCHIVES[self.spec.media[0]][0] if self.spec.media else None
            raise unwritable(os.path.dirname(pattern or self._cache_dir), cause, needed) from None

    def as_streaming_dataset(self, split: Any = None, base_path: str | None = None) -> Any:
        """As in `datasets`, also for slices and sums of splits: their rows, on each node and however shuffled.

        Where not every utterance is an example (`label_set="four"`, `strict=False`), those before a slice's end are
        read first, to count them. Raises `ValueError` for a split that is not there.
        """
        splits = splits_of(self.config.name, self.config.fold)
        if split is None or str(split) in splits:
            return super().as_streaming_dataset(split and str(split), base_path)
        instruction = instruction_of(split, splits)
        split_names(instruction, splits)  # before anything is opened
        release, runs = self._open_release(self._streaming_manager())
        kwargs = {"shards": sliced_shards(instruction, runs), "release": release}
        named = datasets.SplitGenerator(name=split_label(split, splits), gen_kwargs=kwargs)
        return self._as_streaming_dataset_single(named)

    def _streaming_manager(self) -> datasets.StreamingDownloadManager:
        return datasets.StreamingDownloadManager(download_config=datasets.DownloadConfig(token=self.token))

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> Any:
        """As in `datasets`, but as Arrow tables: it would encode each example, from 4 on with torchcodec."""
        return datasets.ArrowBasedBuilder._get_examples_iterable_for_split(self, split_generator)

    def open_splits(self) -> dict[str, dict[str, Any]]:
        """Return the `gen_kwargs` (`shards`, `release`) of each split. Raises `EmotionTalkError`."""
        return {split.name: split.gen_kwargs for split in self._split_generators(self._streaming_manager())}

    def open_archives(self, release: Release) -> Archives:
        """Open the archives of a release, by name. Raises `EmotionTalkError`."""
        return {name: location.open(self.token, self._cache) for name, location in release.locations.items()}

    def tables(
        self, shards: list[Shard], release: Release, batch_bytes: int = STREAMED_BYTES
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield (key, `pyarrow.Table`) for some shards, about `batch_bytes` of media each; a clip is copied once."""
        return tables_of(self.examples(shards, release), self._features().arrow_schema, batch_bytes)

    def examples(
        self, shards: list[Shard], release: Release, skip_media: Container[str] = ()
    ) -> Iterator[tuple[str, Example]]:
        """Yield (id, example) for each utterance (or dialogue) of some shards; audio and video are still a `Member`.

        Args:
            shards, release, skip_media: see `utterances`.

        Raises:
            EmotionTalkError: the release is not as it should be.
        """
        if self.config.name != "dialogues":
            for utterance, example in self.utterances(shards, release, self.spec.fields, skip_media):
                yield utterance.id, example
            return
        for run in runs_of(shards):  # in a sum of slices, a dialogue can stand in two of them
            pairs = self.utterances([run], release, TURN_FIELDS)
            for name, pairs_of in itertools.groupby(pairs, key=lambda pair: pair[0].dialogue):
                turns = sorted((turn for _, turn in pairs_of), key=lambda turn: turn["turn"])
                group = name.split("_")[0]
                keys = {"id": name, "group": group, "dialogue": name, "speaker_set": speaker_set_of(group)}
                yield name, {**keys, "turns": turns}

    def utterances(
        self, shards: list[Shard], release: Release, fields: Iterable[str] = (), skip_media: Container[str] = ()
    ) -> Iterator[tuple[Utterance, Example]]:
        """Yield (`Utterance`, dict of these fields) for each utterance of some shards, sorted by id.

        What is missing in an archive is an `EmotionTalkError`, or with `strict=False` a warning that names it.

        Args:
            shards, release: the `gen_kwargs` of a split, or some of its shards.
            fields: names in `FIELDS`.
            skip_media: ids whose audio or video is not read; from a URL it is not fetched. Reading it is an error.
        """
        reader = self._reader(self.open_archives(release), release.complete)
        for run in runs_of(shards):
            yield from reader.utterances(run, tuple(fields), skip_media)


def _accepted_keywords(method: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return those keywords that a method takes, or {} where it needs others, or has no `gen_kwargs`."""
    names = list(inspect.signature(method).parameters)[1:]
    return {name: keywords[name] for name in names} if {"gen_kwargs", *names} <= set(keywords) else {}
