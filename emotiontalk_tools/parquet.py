"""`emotiontalk parquet OUT`: the release as sharded Parquet, which every version of `datasets` loads by itself.

    OUT/README.md                                     a dataset card that names every config, split and feature
    OUT/<config>/<split>-<shard>-of-<shards>.parquet  of even size, well below 500 MB, features embedded

The number of shards divides by 8, so that nodes and GPUs share them out. OUT/export.json lists those that are finished,
so that a run that was stopped goes on with the next one. Until all that is wanted is there, shards are called .part and
there is no card: nothing of it loads.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from tqdm import tqdm

import emotiontalk

from . import source
from .errors import CommandError
from .sound import decoded, naming
from .written import Folder, check_room

# Of a config with sound or video: 250 MB of train, 60 MB of the others.
FILES = {"train": 48, "validation": 24, "test": 24}
FEW_FILES = 8  # of a config without
ROW_GROUP_BYTES = 16 << 20
WRITING_ORDER = ("test", "validation", "train")  # the small ones can be tried first
DEFAULT_CONFIGS = ("multimodal", "audio", "text", "dialogues", "zh-en")  # `video` (21 GB) only where it is asked for


class Conversion:
    """How sounds are rewritten: `sampling_rate` in Hz, `channels`, `format` ("wav" or "flac"); None: as released."""

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

    @property
    def rate(self) -> int:
        """Of the sounds, in Hz."""
        return self.sampling_rate or 44_100

    @property
    def ending(self) -> str:
        """Of the names of sounds: "wav" or "flac"."""
        return self.format or "wav"

    def bytes_of(self, size: int) -> int:
        """About how many bytes of sound come of so many of the release, 44.1 kHz and two channels; FLAC takes fewer."""
        return int(size * self.rate / 44_100 * (self.channels or 2) / 2) if self else size

    def __str__(self):
        if not self:
            return "as released: the bytes of the WAV files, unchanged"
        rate = f"{self.sampling_rate:,} Hz (soxr, high quality)" if self.sampling_rate else "44,100 Hz"
        how_many = {1: "mono (the mean of the channels)", 2: "two channels", None: "channels as released"}
        return f"converted to {rate}, {how_many[self.channels]}, 16 bit {self.ending.upper()}"

    def __call__(self, sound: bytes) -> bytes:
        """A sound file rewritten. Raises `SoundError`."""
        samples, rate = decoded(sound, self.sampling_rate, self.channels)
        out = io.BytesIO()
        soundfile.write(out, samples, rate, format=self.ending.upper(), subtype="PCM_16")
        return out.getvalue()

    def named(self, name: str, sound: bytes) -> bytes:
        """As calling it, but what is no sound is a `CommandError` with this name."""
        with naming(name):
            return self(sound)


def features(config: str, conversion: Conversion) -> datasets.Features:
    """The features of the export: the script's, with the rate of the converted sound."""
    given = emotiontalk.features_of(config)
    if "audio" in given:
        given["audio"] = datasets.Audio(sampling_rate=conversion.rate)
    return given


def write(
    out: Path,
    configs=DEFAULT_CONFIGS,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    conversion: Conversion | None = None,
    splits=(),
):
    """Write the configs to `out`: the splits that are named, or all.

    How much will be written is said first. Raises `CommandError` where there is no room for it, and where `out` holds
    an export of another kind, or anything else.
    """
    conversion = conversion or Conversion()
    if conversion and not any("audio" in emotiontalk.CONFIGS[config].fields for config in configs):
        raise CommandError(f"{', '.join(configs)} has no sound: leave --sampling-rate, --channels and --format away.")
    for config in configs:
        there = emotiontalk.CONFIGS[config].splits
        if splits and not set(splits) & set(there):
            raise CommandError(f"{config} has no {' and no '.join(splits)}: it has {', '.join(there)}.")
    others = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if others and not (out / "export.json").is_file():
        raise CommandError(f"{out} holds {others[0]}, and no export: choose an empty folder, or a new one.")
    log = Log(out / "export.json", str(conversion))
    tasks = list(_tasks(configs, splits, data_dir, cache_dir, token))
    _tell_sizes(out, tasks, log, conversion)
    out.mkdir(parents=True, exist_ok=True)
    folder = Folder(out)
    _check_own(folder, log, configs)
    log.note_wanted(configs, data_dir, conversion, splits)
    with multiprocessing.Pool() if conversion else contextlib.nullcontext() as pool:
        for builder, split, kwargs in tasks:
            config, number = builder.config.name, _number(builder, split, kwargs)
            log.start(config, split, number, source.state(kwargs["release"], token))
            (out / config).mkdir(exist_ok=True)
            parts = source.parts_of(kwargs, number)
            for n, part in enumerate(tqdm(parts, unit=" shards", desc=f"{config}, {split}")):
                if not log.has(config, split, n):
                    path = out / config / _shard_name(split, n, number)
                    log.add(config, split, n, _write_shard(path, builder, part, conversion, pool))
    begun = log.unfinished()
    if begun:
        raise CommandError(
            f"{out}: {'; '.join(begun)} of an earlier run is not finished. Run that command again: nothing here loads "
            "until then."
        )
    _name_shards(folder, log)
    write_card(folder, log, conversion)
    log.finish()


def _tasks(configs, splits, data_dir, cache_dir, token):
    """Yield (builder, split, gen_kwargs) of all that is asked for, in the order in which it is written."""
    for config in configs:
        wanted = [split for split in emotiontalk.CONFIGS[config].splits if split in splits] or None
        builder, found = source.open_release(config, data_dir, cache_dir, token, wanted)
        yield from ((builder, split, found[split]) for split in WRITING_ORDER if split in found)


def _number(builder, split, kwargs):
    """How many shards a split is written in."""
    return source.even_number(FILES[split] if builder.spec.media else FEW_FILES, kwargs)


def _shard_name(split, n, number):
    return f"{split}-{n:05d}-of-{number:05d}.parquet"


def _tell_sizes(out, tasks, log, conversion):
    """Tell how much will be written. Raises `CommandError` where there is less room."""
    needed = 0
    for config in dict.fromkeys(builder.config.name for builder, _, _ in tasks):
        sizes = []
        for builder, split, kwargs in tasks:
            if builder.config.name == config:
                number = _number(builder, split, kwargs)
                left = sum(not log.has(config, split, n) for n in range(number)) / number
                media = conversion.bytes_of(source.media_bytes(builder, kwargs))
                sizes.append((split, int(left * (media + 4_000 * (source.count(kwargs) or 1)))))
        needed += sum(size for _, size in sizes)
        print(f"{config}: {', '.join(f'{split} {size / 1e9:.2f} GB' for split, size in sizes)}", file=sys.stderr)
    advice = (
        "Choose another disk, fewer configs (--config), fewer splits (--split), or a smaller sound "
        "(--sampling-rate 16000 --channels 1)."
    )
    check_room(out, needed, advice)


def _check_own(folder: Folder, log, configs):
    """Raise `CommandError` where a file is in the way, or would be loaded along, that no command wrote."""
    folder.refuse_foreign("README.md")
    shards = set(log.shards())
    for config in {*configs, *log.content["finished"]}:
        for path in sorted((folder.path / config).glob("*.parquet")):
            if f"{config}/{path.name}" not in shards:
                folder.refuse_foreign(f"{config}/{path.name}")


def _name_shards(folder: Folder, log):
    """Give the finished shards their names; those of an earlier run that they replace go."""
    shards = log.shards()
    for name in shards:
        partial = folder.path / name.replace(".parquet", ".part")
        if partial.is_file():
            folder.adopt(name, partial)
            os.replace(partial, folder.path / name)
        if not (folder.path / name).is_file():
            raise CommandError(f"{folder.path / name} is gone. Delete {folder.path} and export again.")
    for config in log.content["finished"]:
        for path in (folder.path / config).glob("*.parquet"):
            if f"{config}/{path.name}" not in shards and folder.is_own(f"{config}/{path.name}"):
                path.unlink()


def go_on(out: Path, data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None):
    """Finish an export that is there, from the source and with the conversion it was begun with.

    data_dir: where the archives are now; then a finished export is compared with them, too.
    """
    content = Log(out / "export.json").content
    if data_dir or not content["complete"]:
        wanted = content["asked"]
        if not data_dir and "…@" in (wanted["data_dir"] or ""):
            raise CommandError(
                f"{out} was begun from an address with a password, which is not kept: pass --data-dir again."
            )
        conversion = Conversion(*wanted["conversion"])
        write(out, wanted["configs"], data_dir or wanted["data_dir"], cache_dir, token, conversion, wanted["splits"])


def finished_files(out: Path) -> list[Path]:
    """Card and shards of a finished export. Raises `CommandError` for one that was stopped, or lacks shards."""
    if not (out / "export.json").is_file():
        raise CommandError(f"{out} holds no export: run `emotiontalk parquet {out}`, or name its folder.")
    log = Log(out / "export.json")
    if not log.content["complete"]:
        raise CommandError(
            f"{out} is not a finished export: run the command that began it again, it goes on where it was."
        )
    for name in log.shards():
        if not (out / name).is_file():
            raise CommandError(f"{out / name} is gone. Delete {out} and export again.")
    return [out / "README.md", *(out / name for name in log.shards())]


class Log:
    """What of an export is finished, in a file that is replaced as a whole.

    config -> split -> {"of": how many shards, "rows": {number of a finished shard: its rows}}
    """

    def __init__(self, path: Path, sound: str | None = None):
        self.path = path
        version = str(emotiontalk.EmotionTalk.VERSION)
        self.content = {
            "sound": sound,
            "version": version,
            "asked": None,
            "sources": {},
            "finished": {},
            "complete": False,
        }
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                other = found["version"] != version or sound not in (None, found["sound"])
                found["asked"], found["sources"], found["finished"], found["complete"]
            except (ValueError, KeyError, TypeError):
                raise CommandError(f"{path} is not what `emotiontalk parquet` writes: choose another folder.") from None
            if other:
                raise CommandError(
                    f"{path.parent} holds an export by version {found['version']} of the loader, its sound "
                    f"{found['sound']}: choose another folder."
                )
            self.content = found

    def note_wanted(self, configs, data_dir, conversion, splits):
        """Note what is wanted, so that a stopped run can be gone on with; saved with the first config."""
        before = self.content["asked"] or {"configs": [], "splits": splits}
        if data_dir and not emotiontalk.is_remote(data_dir):
            data_dir = os.path.abspath(os.path.expanduser(data_dir))
        elif data_dir and emotiontalk.shown(data_dir) != data_dir:  # a password is not kept
            data_dir = emotiontalk.shown(data_dir).replace("://", "://…@", 1)
        self.content["asked"] = {
            "configs": list(dict.fromkeys([*before["configs"], *configs])),
            "data_dir": data_dir,
            "conversion": (conversion.sampling_rate, conversion.channels, conversion.format),
            # of no names all are wanted, then and from then on
            "splits": list(dict.fromkeys([*before["splits"], *splits])) if before["splits"] and splits else [],
        }

    def start(self, config, split, number, state):
        """Note what release a config is written from. Raises `CommandError` if something of another one is there."""
        for other, known in self.content["sources"].items():
            changed = [name for name in state if known.get(name, state[name]) != state[name]]
            if changed and self.content["finished"].get(other):
                raise CommandError(
                    f"{self.path.parent} holds {other} of another release, or of a {changed[0]}.tar that has changed "
                    "since: choose another folder, or delete that one."
                )
        self.content["sources"][config] = state
        splits = self.content["finished"].setdefault(config, {})
        if splits.setdefault(split, {"of": number, "rows": {}})["of"] != number:
            splits[split] = {"of": number, "rows": {}}
        self.content["complete"] = False
        self.save()

    def has(self, config, split, n) -> bool:
        """Whether a shard is finished."""
        return str(n) in self.content["finished"].get(config, {}).get(split, {}).get("rows", {})

    def add(self, config, split, n, rows):
        """Note that a shard is finished."""
        self.content["finished"][config][split]["rows"][str(n)] = rows
        self.save()

    def unfinished(self) -> list[str]:
        """What was begun, as "config, split", and lacks shards."""
        return [
            f"{config}, {split}"
            for config, splits in self.content["finished"].items()
            for split, shards in splits.items()
            if len(shards["rows"]) < shards["of"]
        ]

    def shards(self) -> list[str]:
        """The path of every finished shard below the folder, in order."""
        return [
            f"{config}/{_shard_name(split, n, finished['of'])}"
            for config, splits in self.content["finished"].items()
            for split, finished in splits.items()
            for n in sorted(map(int, finished["rows"]))
        ]

    def finish(self):
        """Note that all that was asked for is there, and the card that names it."""
        self.content["complete"] = True
        self.save()

    def save(self):
        """Write the file."""
        with emotiontalk.writing(self.path) as file:
            file.write(json.dumps(self.content, indent=1).encode())


def _write_shard(path: Path, builder, kwargs, conversion, pool) -> int:
    """Write a shard, still without its name; the number of its rows."""
    schema = features(builder.config.name, conversion).arrow_schema
    small = [field.name for field in schema if field.name not in ("audio", "video")]
    writing, rows = path.with_suffix(".writing"), 0
    tables = (table for _, table in builder.tables(**kwargs, batch_bytes=ROW_GROUP_BYTES))
    if conversion and "audio" in schema.names:
        tables = _converted(tables, conversion, pool)
    # sounds are neither compressible nor worth a dictionary or a minimum and maximum
    compression = "snappy" if len(small) == len(schema) else "none"
    with pq.ParquetWriter(
        writing, schema, compression=compression, use_dictionary=small, write_statistics=small
    ) as writer:
        for table in tables:
            writer.write_table(pa.Table.from_arrays(table.columns, schema=schema))
            emotiontalk.write_out(str(writing))
            rows += len(table)
    os.replace(writing, path.with_suffix(".part"))
    return rows


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
    paths = [
        f"{path.rsplit('.', 1)[0]}.{conversion.ending}"
        for path in table["audio"].combine_chunks().field("path").to_pylist()
    ]
    children = {"bytes": pa.array(converted.get(), type=pa.binary()), "path": pa.array(paths, type=pa.string())}
    return table.set_column(
        position, "audio", pa.StructArray.from_arrays([children[f.name] for f in kind], fields=list(kind))
    )


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

ds = load_dataset("PATH OR REPOSITORY", "{first}", split="{split}")
```

**Made** with `emotiontalk parquet`, version {version} of the loader. Sound: {sound}.

**Licence.** CC BY-NC-SA 4.0: no commercial use, share alike, name the authors (citation below). The media of the
release are gated: whoever loads them here must have accepted the terms at the source. Do not publish this export.

{configs}
## Citation

```bibtex
{citation}```
"""


def write_card(folder: Folder, log: Log, conversion: Conversion):
    """Write OUT/README.md: its YAML has each config's files and features, so that no version has to guess them."""
    import yaml

    finished = log.content["finished"]
    configs, infos, texts = [], [], []
    for config, shards in finished.items():
        sizes = [
            {
                "name": split,
                "num_examples": sum(shards[split]["rows"].values()),
                "num_bytes": sum(f.stat().st_size for f in (folder.path / config).glob(f"{split}-*.parquet")),
            }
            for split in emotiontalk.SPLITS
            if split in shards
        ]
        files = [{"split": size["name"], "path": f"{config}/{size['name']}-*.parquet"} for size in sizes]
        configs.append({"config_name": config, "data_files": files})
        if config != "video":  # a feature that older versions do not know would keep them from reading the whole card
            given = features(config, conversion)._to_yaml_list()
            sums = dict.fromkeys(("download_size", "dataset_size"), sum(size["num_bytes"] for size in sizes))
            infos.append({"config_name": config, "features": given, "splits": sizes, **sums})
        texts.append(_text_of(config, sizes, conversion))
    first = configs[0]
    first["default"] = True
    text = CARD.format(
        yaml=yaml.safe_dump({"configs": configs, "dataset_info": infos}, allow_unicode=True, sort_keys=False),
        repo=emotiontalk.REPO_ID,
        revision=emotiontalk.REVISION,
        first=first["config_name"],
        split=first["data_files"][-1]["split"],  # test, or the smallest there is
        version=emotiontalk.EmotionTalk.VERSION,
        sound=conversion,
        configs="\n".join(texts),
        citation=emotiontalk.CITATION,
    )
    folder.write("README.md", text.encode())


def _text_of(config: str, sizes: list[dict], conversion: Conversion) -> str:
    """What the card says of a config: its splits and its fields."""
    spec, lines = emotiontalk.CONFIGS[config], []
    for field in spec.fields:
        converted = field == "audio" and conversion
        what = f"the sound, {conversion}" if converted else emotiontalk.description_of(config, field)
        lines.append(f"| `{field}` | {what} |\n")
    counts = ", ".join(f"{size['name']} {size['num_examples']:,}" for size in sizes)
    return f"## {config}\n\n{spec.description} {counts}.\n\n| field | what it holds |\n|---|---|\n{''.join(lines)}"
