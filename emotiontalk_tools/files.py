"""`emotiontalk files OUT --for TOOLKIT`: the files that the toolkits of the field read.

    OUT/audio/<split>/<id>.wav        the sounds, once for all toolkits
    OUT/<toolkit>/…                   what that toolkit reads, and a README.md that says what it is and how to start

The modules of `formats` say what each toolkit reads. A sound gets its name once it is whole, the small files once all
sounds are there: a run that was stopped goes on where it was. Nothing that this command did not write is replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import soundfile
from tqdm import tqdm

import emotiontalk

from . import source
from .errors import CommandError
from .formats import FORMATS
from .parquet import Conversion
from .written import Folder, check_room

TASKS = ("emotion", "caption", "asr")
AT_ONCE = 64  # sounds that are converted together


@dataclasses.dataclass
class Row:
    """An utterance as a toolkit's file needs it.

    `path` is below OUT, None where there is no sound; `seconds` and `samples` are those of the file that was written.
    """

    id: str
    split: str
    group: str
    dialogue: str
    speaker: str
    turn: int
    text: str
    transcription: str | None
    emotion: str
    annotations: list
    fields: dict
    path: str | None = None
    sampling_rate: int | None = None
    channels: int | None = None
    samples: int | None = None

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return self.samples / self.sampling_rate

    @property
    def label(self) -> int:
        """0…6, the authors' numbering."""
        return emotiontalk.EMOTIONS.index(self.emotion)


@dataclasses.dataclass
class Job:
    """What was asked for, and where the files go."""

    out: Path
    config: str
    label_set: str
    conversion: Conversion
    task: str
    prompt_language: str
    folder: Folder
    builder: object
    splits: dict  # split -> gen_kwargs
    origin: str  # see `source.origin`

    @property
    def ending(self) -> str:
        """Of the names of sounds: "wav" or "flac"."""
        return self.conversion.ending

    @property
    def example(self) -> str:
        """The split that a README takes as its example: test where it is written."""
        return "test" if "test" in self.splits else next(iter(self.splits))

    @property
    def emotions(self) -> tuple:
        """The labels of the label set, in the authors' order."""
        return emotiontalk.EMOTIONS if self.label_set == "all" else emotiontalk.FOUR

    def absolute(self, row: Row) -> str:
        """The path of a sound, for toolkits that run elsewhere."""
        return str((self.out / row.path).resolve())

    def write(self, name: str, text: str | bytes):
        """Write a small file below OUT."""
        self.folder.write(name, text.encode() if isinstance(text, str) else text)

    def link(self, row: Row, name: str):
        """Put a sound at a second place, without a second copy where the disk can do that."""
        if self.folder.is_own(name, self.origin):
            return
        self.folder.refuse_foreign(name)
        partial = self.folder.partial(name)
        partial.unlink(missing_ok=True)
        try:
            os.link(self.out / row.path, partial)
        except OSError:
            shutil.copy2(self.out / row.path, partial)
        self.folder.finish(name, self.origin)

    def about(self) -> str:
        """For a README: which pass, which labels, which sound."""
        sound = "none" if self.config == "text" else str(self.conversion)
        label_pass = emotiontalk.CONFIGS[self.config].label_pass
        loader = f"EmotionTalk loader {emotiontalk.__version__}"
        return (
            f"- Labels: those of the **{label_pass} pass**, {', '.join(self.emotions)}.\n"
            f"- Splits: the official ones ({', '.join(self.splits)}).\n"
            f"- Texts: clean, without marks.\n- Sound: {sound}.\n"
            f"- Written by the {loader} from {emotiontalk.REPO_ID}. {emotiontalk.LICENSE}: do not publish.\n"
        )


def write(
    out: Path,
    toolkits,
    config: str = "audio",
    label_set: str = "all",
    splits=(),
    conversion: Conversion | None = None,
    task: str = "emotion",
    prompt_language: str = "zh",
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
) -> dict:
    """Write the files of some toolkits; {split: utterances}.

    Raises `CommandError` where a file is in the way that no command wrote, and where a toolkit needs sound and the
    config has none.
    """
    conversion = conversion or Conversion()
    modules = {name: importlib.import_module(f".formats.{FORMATS[name]}", __package__) for name in toolkits}
    for name, module in modules.items():
        if config == "text" and module.SOUND:
            raise CommandError(
                f"{name} needs sound, which the config text has not: choose --config audio or multimodal."
            )
    wanted = [split for split in emotiontalk.SPLITS if split in splits] or None
    builder, found = source.open_release(config, data_dir, cache_dir, token, wanted, label_set)
    origin = source.origin(source.state(next(iter(found.values()))["release"], token), str(conversion))
    job = Job(out, config, label_set, conversion, task, prompt_language, Folder(out), builder, found, origin)
    beside = config != "text" and any(module.SOUND != "inside" for module in modules.values())
    inside = any(module.SOUND == "inside" for module in modules.values())
    size = conversion.bytes_of(sum(source.media_bytes(builder, kwargs) for kwargs in found.values()))
    kept = sum(path.stat().st_size for path in (out / "audio").rglob(f"*.{job.ending}")) if beside else 0
    check_room(out, size * (beside + inside) - kept, "Choose another disk, fewer splits (--split), or a smaller sound.")
    out.mkdir(parents=True, exist_ok=True)
    rows = None
    if beside or config == "text":
        rows = {split: list(_rows(job, split, kwargs, beside)) for split, kwargs in found.items()}
    for name, module in modules.items():
        if module.SOUND == "inside":
            with multiprocessing.Pool() as pool:
                counts = module.write(job, functools.partial(sounds, pool, job))
        else:
            module.write(job, rows)
            counts = {split: len(rows[split]) for split in rows}
        text = f"# EmotionTalk for {module.TOOLKIT}\n\n{job.about()}\n{module.start(job).strip()}\n"
        job.write(f"{name}/README.md", text)
    return counts


def sounds(pool, job, shards):
    """Yield (`Row`, sound as it is to be written) of the examples of some shards."""
    job.builder.skip_media = frozenset()  # every sound, also those that stand beside
    for batch in _batches(job.builder.examples(**shards)):
        files = [example["audio"]["bytes"].read() for _, example in batch]
        if job.conversion:
            names = [f"{uid}.wav" for uid, _ in batch]
            files = pool.starmap(job.conversion.named, zip(names, files), chunksize=4)
        for (_, example), data in zip(batch, files):
            yield _row(example, emotiontalk.split_of(example["group"])), data


def _batches(examples):
    batch = []
    for example in examples:
        batch.append(example)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(job, split, kwargs, with_sound):
    """Yield the `Row` of each utterance of a split, its sound written."""
    bar = tqdm(total=source.count(kwargs) if job.label_set == "all" else None, unit=" utterances", desc=split)
    names = {path.stem: f"audio/{split}/{path.name}" for path in (job.out / "audio" / split).glob(f"*.{job.ending}")}
    kept = frozenset(uid for uid, name in names.items() if with_sound and job.folder.is_own(name, job.origin))
    job.builder.skip_media = kept if with_sound else source.EVERYTHING
    with bar, multiprocessing.Pool() if with_sound else contextlib.nullcontext() as pool:
        for batch in _batches(job.builder.examples(**kwargs)):
            rows = [_row(example, split) for _, example in batch]
            if with_sound:
                members = [example["audio"]["bytes"] for _, example in batch]
                _write_sounds(job, pool, rows, members, kept)
            yield from rows
            bar.update(len(rows))


def _write_sounds(job, pool, rows, members, kept):
    """Write the sounds of some rows, but not those that are kept; each row then says what its sound is."""
    todo = []
    for row, member in zip(rows, members):
        row.path = f"audio/{row.split}/{row.id}.{job.ending}"
        if row.id not in kept:
            job.folder.refuse_foreign(row.path)
            todo.append((job.conversion, f"{row.id}.wav", member.read(), job.folder.partial(row.path)))
    pool.starmap(_write_sound, todo, chunksize=4)
    for row in rows:
        if row.id not in kept:
            job.folder.finish(row.path, job.origin)
        info = soundfile.info(str(job.out / row.path))
        row.samples, row.sampling_rate, row.channels = info.frames, info.samplerate, info.channels


def _write_sound(conversion, name, data, path):
    path.write_bytes(conversion.named(name, data) if conversion else data)


def _row(example, split):
    return Row(
        id=example["id"],
        split=split,
        group=example["group"],
        dialogue=example["dialogue"],
        speaker=example["speaker_id"],
        turn=example["turn"],
        text=" ".join((example["text"] or "").split()),
        transcription=example["transcription"],
        emotion=emotiontalk.EMOTIONS[example["emotion"]],
        annotations=example["annotations"],
        fields={name: value for name, value in example.items() if name != "audio"},
    )


def jsonl(records) -> str:
    """Records as lines of JSON, Chinese as it is."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def readable(row: Row) -> dict:
    """All fields of a row with labels as words, ready for JSON."""
    fields = dict(row.fields)
    for name in list(fields):
        if name == "emotion" or name.startswith("emotion_"):
            fields[name] = emotiontalk.EMOTIONS[fields[name]]
    if fields.get("sentiment") is not None:
        fields["sentiment"] = emotiontalk.SENTIMENTS[fields["sentiment"]]
    fields["annotations"] = [
        {**vote, "emotion": None if vote["emotion"] is None else emotiontalk.EMOTIONS[vote["emotion"]]}
        for vote in row.annotations
    ]
    return fields
