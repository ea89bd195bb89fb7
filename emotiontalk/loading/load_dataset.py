"""`emotiontalk.load_dataset`: one call on every version of `datasets`, from 2.14 on."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import numbers
import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import datasets

from ..archives.locations import url_fingerprints
from ..archives.urls import checked_token, full_source
from ..errors import NoUtteranceError, Path, logger
from ..request_error import RequestError
from ..schema import MEDIA, MEDIA_FEATURE, archives_of, splits_of
from .emotiontalk import EmotionTalk
from .options import INSTEAD, EmotionTalkConfig
from .slices import absolute_parts, filled_parts, instruction_of, split_label, split_names

MAJOR = int(datasets.__version__.split(".")[0])  # of `datasets`


def _named(wanted: Iterable[Any], splits: Iterable[str], fold: int | None) -> list[str]:
    """Return the splits that some of `split=` name, in order. Raises `ValueError` for one that is not there."""
    try:
        named = set().union(*(split_names(instruction_of(part or "all", splits), splits) for part in wanted))
    except ValueError as error:
        if fold is None or "validation" not in str(error):
            raise
        raise RequestError(
            f"fold={fold} has no validation split: it has train and test. Take every tenth dialogue of train: "
            'sorted(set(train["dialogue"]))[9::10].'
        ) from None
    return [name for name in splits if name in named]


def _prepare(
    builder: Callable[..., EmotionTalk], names: list[str], all_splits: bool, download_mode: Any, **options: Any
) -> dict[str, EmotionTalk]:
    """Prepare splits.

    Args:
        builder: makes the builder of a split.
        names: the splits.
        all_splits: every split is requested, so one of them may have no utterance.
        download_mode: as in `datasets`.
        options: of `download_and_prepare`.

    Returns:
        Split -> the builder that has prepared it.

    Raises:
        NoUtteranceError: a requested split, or every one, has no utterance.
    """
    prepared: dict[str, EmotionTalk] = {}
    absent: NoUtteranceError | None = None
    for name in names:
        of_split = builder(prepare_splits=[name], all_splits=all_splits)
        try:
            of_split.download_and_prepare(download_mode=download_mode, **options)
            of_split.check_not_empty(name)
        except NoUtteranceError as error:
            if not all_splits:
                raise
            absent = error
            continue
        prepared[name] = of_split
        if download_mode and datasets.DownloadMode(download_mode) == datasets.DownloadMode.FORCE_REDOWNLOAD:
            download_mode = datasets.DownloadMode.REUSE_CACHE_IF_EXISTS  # once is enough
    if absent and not prepared:
        raise absent
    return prepared


def _read_prepared(
    builders: dict[str, EmotionTalk], keep_in_memory: bool | None, splits: Iterable[str], split: Any
) -> datasets.Dataset:
    """Read one split as users write it."""
    instruction = instruction_of(split, splits)

    def read(name: str, instruction: datasets.ReadInstruction) -> datasets.Dataset:
        builder, in_memory = builders[name], keep_in_memory
        if in_memory is None:
            in_memory = datasets.utils.info_utils.is_small_dataset(builder.info.dataset_size)
        return builder.as_dataset(split=instruction, in_memory=in_memory)

    sizes = {name: builder.info.splits[name].num_examples for name, builder in builders.items()}
    parts = filled_parts(instruction, sizes)
    if len({name for name, _, _ in parts}) == 1 and parts == absolute_parts(instruction, sizes):
        return read(parts[0][0], instruction)
    absolute = functools.partial(datasets.ReadInstruction, unit="abs")
    pieces = [read(name, absolute(name, from_=begin, to=end)) for name, begin, end in parts]
    return datasets.concatenate_datasets(pieces, split=datasets.Split(split_label(split, splits)))


@functools.cache
def _can_decode(name: str) -> bool:
    """Whether this `datasets` can decode "audio" or "video" here; if not, warn why, once in a process."""
    below_4 = {"audio": (["librosa", "soundfile"], "librosa"), "video": (["torchvision.io"], "torchvision")}[name]
    needed, install = below_4 if MAJOR < 4 else (["torchcodec.decoders"], "torchcodec (and FFmpeg)")
    try:
        for module in needed:
            importlib.import_module(module)
    except Exception as error:  # a library that is installed and does not load has errors of any kind
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        use = 'use emotiontalk.decode_audio(row["audio"], sampling_rate=16000, mono=True)'
        use = use if name == "audio" else "read them yourself"
        logger.warning(
            f"datasets {datasets.__version__} cannot decode {name} here ({reason}): the rows have it as "
            f"{{bytes, path}}. Install {install} to have it decoded, or {use}."
        )
        return False
    return True


def _decodable(dataset: Any) -> Any:
    """Give audio and video as plain `{bytes, path}` where `datasets` cannot decode them.

    Not as `Audio(decode=False)`: from 4 on, what removes or renames a column of a stream encodes it again, which needs
    torchcodec, too. A prepared table is not copied.
    """
    names = [name for name in dataset.features if name in MEDIA and getattr(dataset.features[name], "decode", False)]
    plain = {name: MEDIA_FEATURE for name in names if not _can_decode(name)}
    if not plain:
        return dataset
    if isinstance(dataset, datasets.IterableDataset):
        for name, feature in plain.items():
            dataset = dataset.cast_column(name, feature)
        return dataset
    info = dataset.info.copy()
    info.features = datasets.Features({**info.features, **plain})
    known = f"{dataset._fingerprint} plain {sorted(plain)}"  # the same in each process: `map` finds what it has made
    fingerprint = hashlib.sha256(known.encode()).hexdigest()[:16]
    table = dataset.data.cast(info.features.arrow_schema)
    return datasets.Dataset(table, info=info, split=dataset.split, fingerprint=fingerprint)


def load_dataset(
    name: str = "multimodal", data_dir: Path | None = None, *, split: Any = None, cache_dir: Path | None = None,
    streaming: bool = False, num_proc: int | None = None, token: str | bool | None = None, download_mode: Any = None,
    verification_mode: Any = None, keep_in_memory: bool | None = None, label_set: str = "all", strict: bool = True,
    sampling_rate: int | None = None, mono: bool = False, fold: int | None = None, **others: Any,
) -> Any:  # fmt: skip
    """Load EmotionTalk as `datasets.load_dataset` would, on every version of `datasets` from 2.14 on.

    Only the splits that `split` names are prepared; later calls find them in the cache of `datasets`.

    Args:
        name: the config: "multimodal", "audio", "text", "video", "dialogues" or "zh-en".
        data_dir: a local folder that holds the archives, its URL (hf://, https://, s3://, …), or "modelscope"; None:
            the Hub.
        split: as in `datasets`: "test", "train[:5]", "train+validation[:10%]", a `ReadInstruction`, or a list or dict
            of these; None: all splits.
        streaming: give examples as they are read; nothing is prepared or cached.
        cache_dir, num_proc, token, download_mode, verification_mode, keep_in_memory: as in `datasets`.
        label_set, strict, sampling_rate, mono, fold: see `EmotionTalkConfig`; for example 16000, True and 5.

    Returns:
        A `DatasetDict` of all splits, or for `split` a `Dataset` (for a list a list, for a dict a `DatasetDict`); with
        `streaming=True` iterable ones. Where `datasets` cannot decode audio or video here, the rows have it as
        `{bytes, path}`, after one warning (see `decode_audio`).

    Raises:
        RequestError: an option is unknown, or its value is not supported. It is a `ValueError`.
        ValueError: a split is unknown.
        EmotionTalkError: the release is not as it should be.
    """
    for keyword in others:
        if keyword in INSTEAD:
            raise RequestError(f"{keyword}= is not supported: {INSTEAD[keyword]}.")
        near = difflib.get_close_matches(keyword, load_dataset.__kwdefaults__ or (), 1)
        fix = f" Did you mean {near[0]}=?" if near else ""
        raise RequestError(f"{keyword}= is not an option of emotiontalk.load_dataset.{fix}")
    if streaming and num_proc is not None:
        raise NotImplementedError("num_proc= is not supported with streaming=True. Use num_workers= of a DataLoader.")
    if num_proc is not None and (
        isinstance(num_proc, bool) or not isinstance(num_proc, numbers.Integral) or num_proc < 1
    ):
        raise RequestError(f"num_proc={num_proc!r}: choose a whole number from 1 on, or None.")
    name, token = name or "multimodal", checked_token(token)
    folder = os.fspath(cache_dir) if cache_dir is not None else None
    source = full_source(os.fspath(data_dir)) if data_dir is not None else None
    how_rows_are: dict[str, Any] = {
        "label_set": label_set, "strict": strict, "sampling_rate": sampling_rate, "mono": mono, "fold": fold,
    }  # fmt: skip
    checked = EmotionTalkConfig(name=name, **how_rows_are)
    checked.check()  # before any work
    fold = checked.fold
    how_rows_are |= {"fold": fold, "sampling_rate": checked.sampling_rate}  # plain integers
    splits = splits_of(name, fold)
    wanted = list(split.values() if isinstance(split, dict) else split if isinstance(split, (list, tuple)) else [split])
    names = _named(wanted, splits, fold)
    options: dict[str, Any] = {"config_name": name, "cache_dir": folder, "token": token}
    options |= {"data_dir": source} if source is not None else {}
    cached_in = os.path.expanduser(folder or datasets.config.HF_DATASETS_CACHE)
    fingerprints = url_fingerprints(archives_of(name), source, token, cached_in)
    builder = functools.partial(EmotionTalk, **options, **how_rows_are, fingerprints=fingerprints)
    if streaming:
        source_builder = builder(prepare_splits=names if split else None)
        by_name = source_builder.as_streaming_dataset() if split is None else {}
        read = by_name.get if split is None else source_builder.as_streaming_dataset
    else:
        how = {"verification_mode": verification_mode, "num_proc": num_proc and int(num_proc)}
        by_name = _prepare(builder, names, split is None, download_mode, **how)
        read = functools.partial(_read_prepared, by_name, keep_in_memory, splits)

    def dataset_of(part: Any) -> Any:
        return _decodable(read(part))

    if split is None or isinstance(split, dict):
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        parts = split or {name: name for name in splits if name in by_name}
        return kind({key: dataset_of(part) for key, part in parts.items()})
    return type(split)(map(dataset_of, split)) if isinstance(split, (list, tuple)) else dataset_of(split)


class PickledByName(types.ModuleType):
    """`emotiontalk` (the package, or the script where it is imported), pickled by its name.

    `map` pickles the function that it is given, and with it the modules that it names. `dill` pickles those outside
    site-packages, as in a clone, with all that is in them: locks and open connections, too, so that it fails.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)


if __name__.split(".")[0] == "emotiontalk":  # not where `datasets` runs the script
    sys.modules["emotiontalk"].__class__ = PickledByName
