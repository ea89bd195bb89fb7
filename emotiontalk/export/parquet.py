"""The release as sharded Parquet, which every version of `datasets` loads by itself.

    OUT/README.md                                     a dataset card that names every config, split and feature
    OUT/<config>/<split>-<shard>-of-<shards>.parquet  of even size, well below 500 MB, features embedded

The number of shards is a multiple of 8, so that nodes and GPUs share them evenly. A stopped run resumes with the next
shard. Until all that is requested is there, shards have temporary names and there is no card: nothing of it loads.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from emotiontalk.archives.urls import is_remote
from emotiontalk.audio_format import AudioFormat
from emotiontalk.choices import EXPORTED, WITHOUT_FOLDS
from emotiontalk.clips import named_conversion
from emotiontalk.disk import write_out
from emotiontalk.errors import logger
from emotiontalk.export.options import as_sequence
from emotiontalk.export.parquet_card import export_features, write_card
from emotiontalk.export.parquet_export import ParquetExport, ParquetRequest
from emotiontalk.export.shards import number_of_shards
from emotiontalk.folder import LOCK, check_space, require_utf8, writing_to
from emotiontalk.manifest import OWN_NAMES
from emotiontalk.progress import progress_bar
from emotiontalk.release import ConfigReader, Fingerprints, ReleaseReader, SplitReader
from emotiontalk.request_error import RequestError
from emotiontalk.rows.label_names import table_with_names, text_features
from emotiontalk.schema import splits_of
from emotiontalk.workers import Workers, workers

ROW_GROUP_BYTES = 16 << 20
# Pages of so many bytes, which end where the content says, as those of `datasets` 5: small ones, which a reader can
# skip, and the same again behind an utterance that is new, so that an upload repeats little.
CHUNKING = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}
WRITING_ORDER = ("test", "validation", "train")  # the small ones can be tried first
Task = tuple[ConfigReader, SplitReader]
Shard = tuple[int, Path, SplitReader]  # its number, where it is written, what it is written from
Finished = tuple[int, str]  # its number, its SHA-256


def export_parquet(
    out: str | os.PathLike[str],
    configs: str | Sequence[str] = EXPORTED,
    *,
    splits: str | Sequence[str] = (),
    audio_format: AudioFormat | None = None,
    fold: int | None = None,
    labels_as_text: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> ParquetExport:
    """Write configs as sharded Parquet, with a dataset card.

    A second call with the same arguments continues where a stopped one was; one with other configs or splits adds these
    to the export.

    Args:
        out: the folder; made where it is not there.
        configs: to write. With `fold`, the default is without `zh-en`, which has no folds.
        splits: to write; none: all.
        audio_format: to convert the audio to; None: as released.
        fold: of cross-validation; None: the official splits.
        labels_as_text: whether labels are words, not numbers.
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        The export: `path`, `files()`, `to_dict()`, `to_pandas()`.

    Raises:
        RequestError: there is no room, or `out` holds an export of another request, or anything else.
        EmotionTalkError: the errors of `load_dataset`.
    """
    configs = as_sequence(configs)
    if fold is not None and configs == EXPORTED:
        configs = tuple(config for config in configs if config not in WITHOUT_FOLDS)
    request = ParquetRequest(configs, as_sequence(splits), audio_format or AudioFormat(), fold, labels_as_text)
    return _write_export(Path(out), request, ReleaseReader(data_dir, cache_dir, token))


def resume_parquet(
    out: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> ParquetExport:
    """Finish an export that is there, from the source and with the options it was begun with.

    data_dir: where the archives are now; then a finished export is compared with them, too. Raises as
    `export_parquet`.
    """
    export = ParquetExport(Path(out))
    if not export.exists:
        export.files()  # which says so
    if export.complete and not data_dir:
        return export
    source = data_dir or export.source
    if not data_dir and source and is_remote(str(source)) and "…" in str(source):
        raise RequestError(
            f"{out} was begun from a URL with a password or a signature, which is not stored: pass data_dir= again."
        )
    return _write_export(export.path, export.request(), ReleaseReader(source, cache_dir, token))


def _write_export(out: Path, request: ParquetRequest, reader: ReleaseReader) -> ParquetExport:
    """Write what is missing of a request, and publish all of it."""
    require_utf8(out)
    request.check()
    _check_twice(out, lambda: _check_folder(out, request))
    tasks = list(_tasks(request, reader))
    readers = {config.builder.config.name: config for config, _ in tasks}
    sources = {name: config.fingerprints() for name, config in readers.items()}
    _log_sizes(tasks, request, ParquetExport(out))
    with writing_to(out) as folder:
        export = ParquetExport(out, folder)  # as it is now
        export.check(request)
        export.check_sources(sources)
        export.record(request, None if reader.data_dir is None else os.fspath(reader.data_dir))
        _write_tasks(export, tasks, sources)
        begun = export.unfinished()
        if begun:
            raise RequestError(
                f"{out}: {'; '.join(begun)} of an earlier run is not finished. Run that command again: nothing here "
                "loads until then."
            )
        export.publish()
        write_card(export)
        export.finish()
    return export


def _write_tasks(export: ParquetExport, tasks: list[Task], sources: Mapping[str, Fingerprints]) -> None:
    """Write the shards that are missing, still without their names."""
    audio_format = export.audio_format
    with workers() if audio_format else contextlib.nullcontext() as pool:
        for reader, of_split in tasks:
            config, split, number = reader.builder.config.name, of_split.name, number_of_shards(of_split)
            export.start(config, split, number, sources[config])
            parts = of_split.parts(number)
            left = [n for n in range(number) if not export.has(config, split, n)]
            todo = [(n, export.partial(config, split, n), parts[n]) for n in left]
            write_shard = functools.partial(_write_shard, audio_format, export.labels_as_text)
            # converting takes processors, each of which writes a shard of its own; without it the disk is what counts
            finished = _as_completed(pool, write_shard, todo) if pool else map(write_shard, todo)
            bar = progress_bar(
                finished, total=number, initial=number - len(todo), unit=" shards", desc=f"{config}, {split}"
            )
            for n, sha256 in bar:
                export.add(config, split, n, sha256)


def _as_completed(pool: Workers, write_shard: Callable[[Shard], Finished], shards: list[Shard]) -> Iterator[Finished]:
    """Yield the number and the digest of each shard as it is finished."""
    for future in concurrent.futures.as_completed([pool.submit(write_shard, shard) for shard in shards]):
        yield future.result()


def _tasks(request: ParquetRequest, reader: ReleaseReader) -> Iterator[Task]:
    """Yield all that is requested, in the order in which it is written."""
    for name in request.configs:
        wanted = [split for split in splits_of(name, request.fold) if split in request.splits] or None
        config = reader.open(name, wanted, fold=request.fold)
        yield from ((config, config.splits[split]) for split in WRITING_ORDER if split in config.splits)


def _log_sizes(tasks: list[Task], request: ParquetRequest, export: ParquetExport) -> None:
    """Log how much will be written. Raises `RequestError` where there is less room."""
    needed = 0
    for config in dict.fromkeys(split.builder.config.name for _, split in tasks):
        sizes = []
        for _, split in tasks:
            if split.builder.config.name == config:
                number = number_of_shards(split)
                left = sum(not export.has(config, split.name, n, number) for n in range(number)) / number
                media = request.audio_format.estimated_bytes(split.media_bytes())
                sizes.append((split.name, int(left * (media + 4_000 * (split.count() or 1)))))
        needed += sum(size for _, size in sizes)
        logger.info(f"{config}: {', '.join(f'{split} {size / 1e9:.2f} GB' for split, size in sizes)}")
    advice = (
        "Choose another disk, fewer configs (configs=), fewer splits (splits=), or smaller audio "
        "(sampling_rate=16000, channels=1)."
    )
    check_space(export.path, needed, advice)


def _check_twice(out: Path, check: Callable[[], None]) -> None:
    """Make a check before anything is written; where it fails, once more when no other command writes to the folder.

    The files of another command can be there already, and the manifest that says whose they are not yet.
    """
    try:
        check()
    except RequestError:
        if not (out / LOCK).exists():
            raise
        with writing_to(out):
            check()


def _check_folder(out: Path, request: ParquetRequest) -> None:
    """Raise `RequestError` where the folder holds something, and no export, or an export of another request."""
    export = ParquetExport(out)
    there = [path.name for path in out.iterdir()] if out.is_dir() else []
    others = sorted(name for name in there if not name.startswith(OWN_NAMES))
    if others and not export.folder.request:
        raise RequestError(f"{out} holds {others[0]}, and no export: choose an empty folder, or a new one.")
    export.check(request)


def _write_shard(audio_format: AudioFormat, labels_as_text: bool, shard: Shard) -> Finished:
    """Write a shard, still without its name."""
    number, path, split = shard
    features = export_features(split.builder.config.name, audio_format)
    schema = (text_features(features) if labels_as_text else features).arrow_schema
    small = [field.name for field in schema if field.name not in ("audio", "video")]
    # audio is neither compressible nor worth a dictionary or a minimum and maximum
    compression = "snappy" if len(small) == len(schema) else "none"
    options: dict[str, Any] = {"compression": compression, "use_dictionary": small, "write_statistics": small}
    options |= layout()
    digest = hashlib.sha256()
    with open(path, "rb") as file, pq.ParquetWriter(path, schema, **options) as writer:
        if "use_content_defined_chunking" in options:  # by this key the Hub knows it
            writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKING)})
        for _, table in split.tables(ROW_GROUP_BYTES):
            if audio_format and "audio" in schema.names:
                table = _converted(table, audio_format)
            if labels_as_text:
                table = table_with_names(table, features)
            writer.write_table(pa.Table.from_arrays(table.columns, schema=schema))
            _add_rest(digest, file)  # while it is in memory
            write_out(path)
        writer.close()
        _add_rest(digest, file)
    return number, digest.hexdigest()


def _add_rest(digest: Any, file: IO[bytes]) -> None:
    while data := file.read(1 << 20):
        digest.update(data)


def layout() -> dict[str, Any]:
    """Return the options of pyarrow's writer, where it has them, with which readers can skip pages."""
    known = inspect.signature(pq.ParquetWriter.__init__).parameters
    wanted = {"write_page_index": True, "use_content_defined_chunking": CHUNKING}
    return {name: value for name, value in wanted.items() if name in known}


def _converted(table: pa.Table, audio_format: AudioFormat) -> pa.Table:
    """Return a table with its audio rewritten."""
    position, kind = table.column_names.index("audio"), table.schema.field("audio").type
    audio = table["audio"].combine_chunks()
    files, paths = audio.field("bytes"), audio.field("path").to_pylist()
    names = [f"{path.rsplit('.', 1)[0]}.{audio_format.suffix}" for path in paths]
    # one after the other, straight from the buffer: no second copy of all
    rewritten = [named_conversion(audio_format, path, memoryview(file.as_buffer())) for path, file in zip(paths, files)]
    children = {"bytes": pa.array(rewritten, type=pa.binary()), "path": pa.array(names, type=pa.string())}
    arrays = pa.StructArray.from_arrays([children[field.name] for field in kind], fields=list(kind))
    return table.set_column(position, "audio", arrays)
