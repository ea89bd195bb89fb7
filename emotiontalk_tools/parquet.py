"""`emotiontalk parquet OUT`: the release as sharded Parquet, which every version of `datasets` loads by itself.

    OUT/README.md                                     a dataset card that names every config, split and feature
    OUT/<config>/<split>-<group>-<shard>.parquet      at most 500 MB each, features embedded

The unit is the group: OUT/export.json lists the groups that are finished, so that a run that was stopped goes on with the
next one. Until all that was asked for is there, shards are called .part and there is no card: nothing of it loads.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import re
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from tqdm import tqdm

import emotiontalk

from . import source
from .errors import CommandError
from .sound import SoundError, decoded, undecodable
from .written import Folder

SHARD_BYTES = 450 << 20  # a row group more stays below 500 MB
ROW_GROUP_BYTES = 16 << 20
CONFIGS = ("multimodal", "audio", "text", "dialogues", "zh-en")  # `video` (21 GB) only where it is asked for


class Conversion:
    """How sounds are rewritten: `sampling_rate` in Hz, `channels`, `format` ("wav" or "flac"); None keeps the release's."""

    def __init__(self, sampling_rate: int | None = None, channels: int | None = None, format: str | None = None):
        if format not in (None, "wav", "flac"):
            raise CommandError(f'format={format!r}: choose "wav" or "flac".')
        if channels not in (None, 1, 2):
            raise CommandError(f"channels={channels!r}: choose 1 or 2.")
        if sampling_rate is not None and sampling_rate < 1000:
            raise CommandError(f"sampling_rate={sampling_rate!r}: give it in Hz, for example 16000.")
        self.sampling_rate, self.channels, self.format = sampling_rate, channels, format

    def __bool__(self):
        return (self.sampling_rate, self.channels, self.format) != (None, None, None)

    def __str__(self):
        if not self:
            return "as released: the bytes of the WAV files, unchanged"
        rate = f"{self.sampling_rate:,} Hz (soxr, high quality)" if self.sampling_rate else "44,100 Hz"
        channels = {1: "mono (the mean of the channels)", 2: "two channels", None: "channels as released"}[self.channels]
        return f"converted to {rate}, {channels}, 16 bit {(self.format or 'wav').upper()}"

    def __call__(self, sound: bytes) -> bytes:
        """A sound file rewritten. Raises `SoundError`."""
        samples, rate = decoded(sound, self.sampling_rate, self.channels)
        out = io.BytesIO()
        soundfile.write(out, samples, rate, format=(self.format or "wav").upper(), subtype="PCM_16")
        return out.getvalue()

    def named(self, name: str, sound: bytes) -> bytes:
        """As calling it, but what is no sound is a `CommandError` with this name."""
        try:
            return self(sound)
        except SoundError as error:
            raise undecodable(name, error) from None


def features(config: str, conversion: Conversion) -> datasets.Features:
    """The features of the export: the script's, with the rate of the converted sound."""
    given = emotiontalk.features_of(config)
    if "audio" in given and conversion.sampling_rate:
        given["audio"] = datasets.Audio(sampling_rate=conversion.sampling_rate)
    return given


def write(
    out: Path,
    configs=CONFIGS,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    conversion: Conversion | None = None,
):
    """Write the configs to `out`. Raises `CommandError` where it holds an export of another kind, or anything else."""
    conversion = conversion or Conversion()
    if conversion and not any("audio" in emotiontalk.CONFIGS[config].fields for config in configs):
        raise CommandError(f"{', '.join(configs)} has no sound: leave --sampling-rate, --channels and --format away.")
    others = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if others and not (out / "export.json").is_file():
        raise CommandError(f"{out} holds {others[0]}, and no export: choose an empty folder, or a new one.")
    out.mkdir(parents=True, exist_ok=True)
    folder, log = Folder(out), Log(out / "export.json", str(conversion))
    _check_own(folder, log, configs)
    log.ask(configs, data_dir, conversion)
    with multiprocessing.Pool() if conversion else contextlib.nullcontext() as pool:
        for config in configs:
            builder, splits = source.open_release(config, data_dir, cache_dir, token)
            log.start(config, source.state(builder, next(iter(splits.values()))["paths"]))
            builder._batch_bytes = ROW_GROUP_BYTES
            (out / config).mkdir(exist_ok=True)
            for split, kwargs in splits.items():
                for group in tqdm(kwargs["groups"], unit=" groups", desc=f"{config}, {split}"):
                    if not log.has(config, split, group):
                        rows, shards = _write_group(out / config, split, group, builder, kwargs, conversion, pool)
                        log.add(config, split, group, rows, shards)
    _name_shards(folder, log)
    write_card(folder, log, conversion)
    log.finish()


def _check_own(folder: Folder, log, configs):
    """Raise `CommandError` where a file is in the way, or would be loaded along, that no command wrote."""
    folder.refuse_foreign("README.md")
    for config in {*configs, *log.told["finished"]}:
        for path in sorted((folder.path / config).glob("*.parquet")):
            name = f"{config}/{path.name}"
            if not folder.is_own(name) and not log.told["complete"] and name not in log.shards():
                folder.refuse_foreign(name)


def _name_shards(folder: Folder, log):
    """Give the shards of finished groups their names; those of an earlier run that they replace go."""
    shards = log.shards()
    for name in shards:
        partial = folder.path / name.replace(".parquet", ".part")
        if partial.is_file():
            folder.adopt(name, partial)
            os.replace(partial, folder.path / name)
        if not (folder.path / name).is_file():
            raise CommandError(f"{folder.path / name} is gone. Delete {folder.path} and export again.")
    for config in log.told["finished"]:
        for path in (folder.path / config).glob("*.parquet"):
            if f"{config}/{path.name}" not in shards and folder.is_own(f"{config}/{path.name}"):
                path.unlink()


def go_on(out: Path, data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None):
    """Finish an export that is there, from the source and with the conversion it was begun with.

    data_dir: where the archives are now; then a finished export is compared with them, too.
    """
    told = Log(out / "export.json").told
    if data_dir or not told["complete"]:
        asked = told["asked"]
        if not data_dir and "…@" in (asked["data_dir"] or ""):
            raise CommandError(f"{out} was begun from an address with a password, which is not kept: pass --data-dir again.")
        write(out, asked["configs"], data_dir or asked["data_dir"], cache_dir, token, Conversion(*asked["conversion"]))


def finished_files(out: Path) -> list[Path]:
    """Card and shards of a finished export. Raises `CommandError` for one that was stopped half way, or lacks shards."""
    if not (out / "export.json").is_file():
        raise CommandError(f"{out} holds no export: run `emotiontalk parquet {out}`, or name its folder.")
    log = Log(out / "export.json")
    if not log.told["complete"]:
        raise CommandError(f"{out} is not a finished export: run the command that began it again, it goes on where it was.")
    for name in log.shards():
        if not (out / name).is_file():
            raise CommandError(f"{out / name} is gone. Delete {out} and export again.")
    return [out / "README.md", *(out / name for name in log.shards())]


class Log:
    """What of an export is finished: config -> split -> group -> [rows, shards], in a file that is replaced as a whole."""

    def __init__(self, path: Path, sound: str | None = None):
        self.path = path
        self.told = {"sound": sound, "version": str(emotiontalk.EmotionTalk.VERSION), "asked": None, "sources": {}, "finished": {},
                     "complete": False}  # fmt: skip
        if path.is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                other = told["version"] != self.told["version"] or sound not in (None, told["sound"])
                told["asked"], told["sources"], told["finished"], told["complete"]
            except (ValueError, KeyError, TypeError):
                raise CommandError(f"{path} is not what `emotiontalk parquet` writes: choose another folder.") from None
            if other:
                raise CommandError(
                    f"{path.parent} holds an export by version {told['version']} of the loader, its sound {told['sound']}: choose another "
                    "folder."
                )
            self.told = told

    def ask(self, configs, data_dir, conversion):
        """Note what is asked for, so that a stopped run can be gone on with; saved with the first config that is started."""
        known = self.told["asked"]["configs"] if self.told["asked"] else []
        told = (conversion.sampling_rate, conversion.channels, conversion.format)
        configs = [*known, *(config for config in configs if config not in known)]
        if data_dir and emotiontalk.is_remote(data_dir):
            data_dir = data_dir if emotiontalk.shown(data_dir) == data_dir else re.sub("(?<=://)", "…@", emotiontalk.shown(data_dir), count=1)
        elif data_dir:
            data_dir = os.path.abspath(os.path.expanduser(data_dir))
        self.told["asked"] = {"configs": configs, "data_dir": data_dir, "conversion": told}

    def start(self, config, state):
        """Note what release a config is written from. Raises `CommandError` if something of another one is there."""
        for other, known in self.told["sources"].items():
            changed = [name for name in state if self.told["finished"].get(other) and known.get(name, state[name]) != state[name]]
            if changed:
                raise CommandError(
                    f"{self.path.parent} holds {other} of another release, or of a {changed[0]}.tar that has changed since: choose "
                    "another folder, or delete that one."
                )
        self.told["sources"][config] = state
        self.told["complete"] = False
        self.save()

    def has(self, config, split, group):
        return group in self.told["finished"].get(config, {}).get(split, {})

    def add(self, config, split, group, rows, shards):
        self.told["finished"].setdefault(config, {}).setdefault(split, {})[group] = [rows, shards]
        self.save()

    def shards(self):
        """The path of every shard below the folder, in order."""
        return [
            f"{config}/{split}-{group}-{n:05d}.parquet"
            for config, splits in self.told["finished"].items()
            for split, groups in splits.items()
            for group, (_, shards) in sorted(groups.items())
            for n in range(shards)
        ]

    def finish(self):
        """Note that all that was asked for is there, and the card that names it."""
        self.told["complete"] = True
        self.save()

    def save(self):
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(self.told, indent=1), encoding="utf-8")
        os.replace(partial, self.path)


def _write_group(folder: Path, split, group, builder, kwargs, conversion, pool) -> tuple[int, int]:
    """Write the shards of a group, still without their names; the number of rows, and of shards."""
    schema = features(builder.config.name, conversion).arrow_schema
    small = [field.name for field in schema if field.name not in ("audio", "video")]
    partial, writer, rows, size = [], None, 0, 0
    tables = (table for _, table in builder._generate_tables(**{**kwargs, "groups": [group]}))
    if conversion and "audio" in schema.names:
        tables = _converted(tables, conversion, pool)
    for table in tables:
        table = pa.Table.from_arrays(table.columns, schema=schema)
        if writer is None or size > SHARD_BYTES:
            if writer:
                writer.close()
            partial.append(folder / f"{split}-{group}-{len(partial):05d}.writing")
            # sounds are neither compressible nor worth a dictionary or a minimum and maximum
            writer = pq.ParquetWriter(partial[-1], schema, compression="snappy" if len(small) == len(schema) else "none",
                                      use_dictionary=small, write_statistics=small)  # fmt: skip
            size = 0
        writer.write_table(table)
        emotiontalk.write_out(str(partial[-1]))
        rows += len(table)
        size += table.nbytes
    if writer:
        writer.close()
    for path in partial:
        os.replace(path, path.with_suffix(".part"))
    return rows, len(partial)


def _converted(tables, conversion, pool):
    """The tables with their sounds rewritten; the next one is read, and the one before written, meanwhile."""
    pending = None
    for table in tables:
        sounds = table["audio"].combine_chunks().field("bytes").to_pylist()
        paths = table["audio"].combine_chunks().field("path").to_pylist()
        converted = pool.starmap_async(conversion.named, zip(paths, sounds), chunksize=4)
        if pending:
            yield _with_sounds(*pending, conversion)
        pending = table, converted
    if pending:
        yield _with_sounds(*pending, conversion)


def _with_sounds(table, converted, conversion):
    position = table.column_names.index("audio")
    kind = table.schema.field("audio").type
    ending = f".{conversion.format or 'wav'}"
    paths = [path.rsplit(".", 1)[0] + ending for path in table["audio"].combine_chunks().field("path").to_pylist()]
    children = {"bytes": pa.array(converted.get(), type=pa.binary()), "path": pa.array(paths, type=pa.string())}
    return table.set_column(position, "audio", pa.StructArray.from_arrays([children[f.name] for f in kind], fields=list(kind)))


CARD = """---
pretty_name: EmotionTalk
license: cc-by-nc-sa-4.0
language:
- zh
{yaml}---

# EmotionTalk, exported

[EmotionTalk](https://arxiv.org/abs/2505.23018) as Parquet, for every version of `datasets`. The source is
[{repo}](https://huggingface.co/datasets/{repo}) at revision `{revision}`, or the copy of it that was at hand.

```python
from datasets import load_dataset

ds = load_dataset("PATH OR REPOSITORY", "{first}", split="test")
```

**Made** with `emotiontalk parquet`, version {version} of the loader. Sound: {sound}.

**Licence.** CC BY-NC-SA 4.0: no commercial use, share alike, name the authors (citation below). The media of the release
are gated: whoever loads them here must have accepted the terms at the source. Do not publish this export.

{configs}
## Citation

```bibtex
{citation}```
"""


def write_card(folder: Folder, log: Log, conversion: Conversion):
    """Write OUT/README.md: its YAML has each config's files and features, so that no version has to guess them."""
    import yaml

    out = folder.path
    finished = log.told["finished"]
    configs, infos, texts = [], [], []
    for config, splits in finished.items():
        files = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits]
        configs.append({"config_name": config, "data_files": files, **({"default": True} if config == next(iter(finished)) else {})})
        sizes = [{"name": split, "num_examples": sum(rows for rows, _ in groups.values())} for split, groups in splits.items()]
        for size in sizes:
            size["num_bytes"] = sum(f.stat().st_size for f in (out / config).glob(f"{size['name']}-*.parquet"))
        if config != "video":  # a feature that older versions do not know would keep them from reading the whole card
            given = features(config, conversion)._to_yaml_list()
            total = sum(size["num_bytes"] for size in sizes)
            infos.append({"config_name": config, "features": given, "splits": sizes, "download_size": total, "dataset_size": total})
        describe = functools.partial(emotiontalk.description_of, config)
        fields = "\n".join(
            f"| `{f}` | {f'the sound, {conversion}' if f == 'audio' and conversion else describe(f)} |" for f in emotiontalk.CONFIGS[config].fields
        )
        counts = ", ".join(f"{size['name']} {size['num_examples']:,}" for size in sizes)
        texts.append(f"## {config}\n\n{emotiontalk.CONFIGS[config].description} {counts}.\n\n| field | what it holds |\n|---|---|\n{fields}\n")
    text = CARD.format(
        yaml=yaml.safe_dump({"configs": configs, "dataset_info": infos}, allow_unicode=True, sort_keys=False),
        repo=emotiontalk.REPO_ID,
        revision=emotiontalk.REVISION,
        first=next(iter(finished)),
        version=emotiontalk.EmotionTalk.VERSION,
        sound=conversion,
        configs="\n".join(texts),
        citation=emotiontalk.CITATION,
    )
    folder.write("README.md", text.encode())
