"""`emotiontalk parquet OUT`: the release as sharded Parquet, which every version of `datasets` loads by itself.

    OUT/README.md                                     a dataset card that names every config, split and feature
    OUT/<config>/<split>-<shard>-of-<shards>.parquet  of even size, well below 500 MB, features embedded
    OUT/export.json                                   what was requested, and what it is made from

The number of shards is a multiple of 8, so that nodes and GPUs share them evenly. A stopped run resumes with the next
shard. Until all that is requested is there, shards are called .part and there is no card: nothing of it loads.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from emotiontalk.archives.urls import is_remote
from emotiontalk.audio import AudioFormat
from emotiontalk.choices import EXPORTED
from emotiontalk.clips import named_conversion
from emotiontalk.disk import write_out
from emotiontalk.export.parquet_card import export_features, write_card
from emotiontalk.export.parquet_export import Export
from emotiontalk.folder import LOCK, OWN_NAMES, check_space, require_utf8, writing_to
from emotiontalk.progress import progress_bar
from emotiontalk.release import ConfigReader, ReleaseReader, SplitReader, check_fold
from emotiontalk.request_error import RequestError
from emotiontalk.rows.label_names import named_table, text_features
from emotiontalk.schema import CONFIGS, splits_of
from emotiontalk.workers import Workers, workers

# Of a config with audio or video: 250 MB of train, 60 MB of the others.
FILES = {"train": 48, "validation": 24, "test": 24}
FEW_FILES = 8  # of a config without
ROW_GROUP_BYTES = 16 << 20
# Pages of so many bytes, which end where the content says, as those of `datasets` 5: small ones, which a reader can
# skip, and the same again behind an utterance that is new, so that an upload repeats little.
CHUNKING = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}
WRITING_ORDER = ("test", "validation", "train")  # the small ones can be tried first
Task = tuple[ConfigReader, SplitReader]
Shard = tuple[int, Path, SplitReader]  # its number, where it is written, what it is written from
Finished = tuple[int, str]  # its number, its SHA-256


def write(
    out: Path,
    configs: Sequence[str] = EXPORTED,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    audio_format: AudioFormat | None = None,
    splits: Sequence[str] = (),
    fold: int | None = None,
    labels_as_text: bool = False,
) -> None:
    """Write the configs to `out`: the splits that are named, or all.

    How much will be written is printed first. Raises `RequestError` where there is no room for it, and where `out`
    holds an export of another kind, or anything else.
    """
    require_utf8(out)
    audio_format = audio_format or AudioFormat()
    if audio_format and not any("audio" in CONFIGS[config].fields for config in configs):
        raise RequestError(f"{', '.join(configs)} has no audio: leave --sampling-rate, --channels and --format away.")
    for config in configs:
        check_fold(config, splits, fold)
        there = splits_of(config, fold)
        if splits and not set(splits) & set(there):
            raise RequestError(f"{config} has no {' and no '.join(splits)}: it has {', '.join(there)}.")
    _refuse(out, lambda: _check_foreign(out))
    export = Export(out, audio_format, fold, labels_as_text)
    tasks = list(_tasks(configs, splits, data_dir, cache_dir, token, fold))
    _print_sizes(tasks, export)
    _refuse(out, lambda: _check_own(Export(out, audio_format, fold, labels_as_text), configs))
    with writing_to(out) as folder:
        export = Export(out, audio_format, fold, labels_as_text, folder)  # as it is now
        _check_own(export, configs)
        export.note_request(configs, data_dir, splits)
        _write_tasks(export, tasks, token)
        begun = export.unfinished()
        if begun:
            raise RequestError(
                f"{out}: {'; '.join(begun)} of an earlier run is not finished. Run that command again: nothing here "
                "loads until then."
            )
        export.name_shards()
        write_card(export)
        export.finish()


def _write_tasks(export: Export, tasks: list[Task], token: str | None) -> None:
    """Write the shards that are missing, still without their names."""
    audio_format = export.audio_format
    with workers() if audio_format else contextlib.nullcontext() as pool:
        for reader, of_split in tasks:
            config, split, number = reader.builder.config.name, of_split.name, _number(of_split)
            export.start(config, split, number, reader.fingerprints())
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


def _tasks(
    configs: Sequence[str],
    splits: Sequence[str],
    data_dir: str | None,
    cache_dir: str | None,
    token: str | None,
    fold: int | None,
) -> Iterator[Task]:
    """Yield all that is requested, in the order in which it is written."""
    for config in configs:
        wanted = [split for split in splits_of(config, fold) if split in splits] or None
        reader = ReleaseReader(data_dir, cache_dir, token).open(config, wanted, fold=fold)
        yield from ((reader, reader.splits[split]) for split in WRITING_ORDER if split in reader.splits)


def _number(split: SplitReader) -> int:
    """Return in how many shards a split is written."""
    most = FILES["train" if split.builder.config.fold else split.name]  # each split of a fold can be the large one
    return split.even_number(most if split.builder.spec.media else FEW_FILES)


def _print_sizes(tasks: list[Task], export: Export) -> None:
    """Print how much will be written. Raises `RequestError` where there is less room."""
    needed = 0
    for config in dict.fromkeys(split.builder.config.name for _, split in tasks):
        sizes = []
        for _, split in tasks:
            if split.builder.config.name == config:
                number = _number(split)
                left = sum(not export.has(config, split.name, n, number) for n in range(number)) / number
                media = export.audio_format.estimated_bytes(split.media_bytes())
                sizes.append((split.name, int(left * (media + 4_000 * (split.count() or 1)))))
        needed += sum(size for _, size in sizes)
        print(f"{config}: {', '.join(f'{split} {size / 1e9:.2f} GB' for split, size in sizes)}", file=sys.stderr)
    advice = (
        "Choose another disk, fewer configs (--config), fewer splits (--split), or smaller audio "
        "(--sampling-rate 16000 --channels 1)."
    )
    check_space(export.path, needed, advice)


def _refuse(out: Path, check: Callable[[], None]) -> None:
    """Make a check before anything is written; where it fails, once more when no other command writes to the folder.

    The files of another command can be there already, and the list that says whose they are not yet.
    """
    try:
        check()
    except RequestError:
        if not (out / LOCK).exists():
            raise
        with writing_to(out):
            check()


def _check_foreign(out: Path) -> None:
    """Raise `RequestError` where the folder holds something, and no export."""
    there = [path.name for path in out.iterdir()] if out.is_dir() else []
    others = sorted(name for name in there if not name.startswith(OWN_NAMES))
    if others and not (out / "export.json").is_file():
        raise RequestError(f"{out} holds {others[0]}, and no export: choose an empty folder, or a new one.")


def _check_own(export: Export, configs: Sequence[str]) -> None:
    """Raise `RequestError` where a file is in the way, or would be loaded along, that no command wrote."""
    export.folder.refuse_foreign("README.md")
    for config in {*configs, *export.configs()}:
        folder = export.path / config
        for path in sorted([*folder.glob("*.parquet"), *folder.glob("*-of-?????.part")]):
            export.folder.refuse_foreign(f"{config}/{path.name}")


def resume(out: Path, data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None) -> None:
    """Finish an export that is there, from the source and with the audio_format it was begun with.

    data_dir: where the archives are now; then a finished export is compared with them, too.
    """
    export = Export(out)
    if data_dir or not export.complete:
        request = export.request
        if not data_dir and is_remote(request["data_dir"]) and "…" in request["data_dir"]:
            raise RequestError(
                f"{out} was begun from a URL with a password or a signature, which is not stored: pass --data-dir "
                "again."
            )
        audio_format = AudioFormat(*request["audio_format"])
        where = (data_dir or request["data_dir"], cache_dir, token)
        write(out, request["configs"], *where, audio_format, request["splits"], export.fold, export.labels_as_text)


def finished_files(out: Path) -> list[Path]:
    """Return card and shards of a finished export. Raises `RequestError` for one that is incomplete."""
    if not (out / "export.json").is_file():
        raise RequestError(f"{out} holds no export: run `emotiontalk parquet {out}`, or name its folder.")
    export = Export(out)
    if not export.complete:
        raise RequestError(f"{out} is not a finished export: run the command that began it again, it resumes.")
    for name in export.shards():
        if not (out / name).is_file():
            raise RequestError(f"{out / name} is gone. Delete {out} and export again.")
    return [out / "README.md", *(out / name for name in export.shards())]


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
                table = named_table(table, features)
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
