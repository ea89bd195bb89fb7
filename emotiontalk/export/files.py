"""`emotiontalk files OUT --for TOOLKIT`: the files that the toolkits of the field read.

    OUT/audio/<split>/<id>.wav        the audio, once for all toolkits
    OUT/video/<split>/<id>.mp4        the video clips, where messages are about these
    OUT/<toolkit>/…                   what that toolkit reads, and a README.md that says what it is and how to start

The modules of `toolkits` say what each toolkit reads. A clip gets its name once it is complete, the small files once
all clips are there: a stopped run resumes. Nothing that this command did not write is replaced.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile

from emotiontalk.audio import AudioFormat
from emotiontalk.clips import named_conversion
from emotiontalk.corpus import EMOTIONS, SPLITS, split_of
from emotiontalk.errors import logger
from emotiontalk.export.formats import TOOLKITS
from emotiontalk.export.job import Job, Row, Rows, storable
from emotiontalk.export.videos import Videos
from emotiontalk.folder import Folder, bytes_of_files, check_space, require_utf8, writing_to
from emotiontalk.members import EVERYTHING, Member
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader, SplitReader, digest_of_origin, name_of_splits
from emotiontalk.request_error import RequestError
from emotiontalk.workers import Workers, workers

OF_THE_RELEASED_CLIP = ("audio", "duration", "sampling_rate", "channels")  # a row has those of the file it writes
OF_TEXT = frozenset({"text", "transcription", "captions"})
REQUEST = ".emotiontalk-splits"  # in OUT: which splits its files are of, and what else they have in common
AT_ONCE = 64  # clips that are converted together
Examples = list[tuple[str, dict[str, Any]]]


def write(
    out: Path,
    toolkits: Sequence[str],
    config: str = "audio",
    label_set: str = "all",
    splits: Sequence[str] = (),
    audio_format: AudioFormat | None = None,
    task: str = "emotion",
    prompt_language: str = "zh",
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    media: str = "audio",
    caption: str = "overall",
    fold: int | None = None,
) -> dict[str, int]:
    """Write the files of some toolkits; return {split: utterances}.

    Raises `RequestError` where a file is in the way that no command wrote, where a toolkit needs audio and the config
    has none, where a toolkit could not read the files, and where `out` holds the files of another request.
    """
    require_utf8(out)
    audio_format = audio_format or AudioFormat()
    modules = {name: _module(name) for name in toolkits}
    for name, module in modules.items():
        if config == "text" and module.AUDIO:
            raise RequestError(
                f"{name} needs audio, which the config text has not: choose --config audio or multimodal."
            )
        if fold and getattr(module, "OWN_FOLDS", False):
            raise RequestError(
                f"{name} gets all five folds where all official splits are written: leave --fold away for it."
            )
        warning = module.check(out, audio_format) if hasattr(module, "check") else None
        if warning:
            print(warning, file=sys.stderr)
    wanted = [split for split in SPLITS if split in splits] or None
    reader = ReleaseReader(data_dir, cache_dir, token).open(config, wanted, label_set=label_set, fold=fold)
    origin = digest_of_origin(reader.fingerprints(), str(audio_format))
    about = (Folder(out), reader.splits, origin, media, caption, fold)
    job = Job(out, config, label_set, audio_format, task, prompt_language, *about)
    _check_request(job)
    videos = Videos(job, data_dir, cache_dir, token) if media == "video" else None
    of_files = [name for name, module in modules.items() if module.AUDIO != "inside"]
    as_files = config != "text" and of_files != (["messages"] if videos else [])
    inside = any(module.AUDIO == "inside" for module in modules.values())
    size = audio_format.estimated_bytes(reader.media_bytes())
    finished = bytes_of_files(out / "audio", f"*.{audio_format.suffix}") if as_files else 0
    advice = "Choose another disk, fewer splits (--split), or smaller audio."
    needed = size * (as_files + inside) - finished + (videos.bytes_left() if videos else 0)
    check_space(out, needed, advice)
    with writing_to(out, needed) as job.folder:  # as it is now
        _check_request(job)
        job.write(REQUEST, _first_line(job) + json.dumps(_shared(job)) + "\n")
        job.others = [name for name in _toolkits(job) if name not in modules and _module(name).AUDIO != "inside"]
        counts = _write(job, modules, as_files, videos)
    if job.replaced:
        logger.warning(
            f"{len(job.replaced):,} utterances hold characters that XML, CSV and Kaldi have no place for: U+FFFD is "
            f"written for each. The first: {next(iter(job.replaced))}."
        )
    return counts


def _module(toolkit: str) -> Any:
    return importlib.import_module(f"emotiontalk.export.formats.{TOOLKITS[toolkit]}")


def _toolkits(job: Job) -> list[str]:
    """Return whose files the folder holds."""
    there = {name.split("/")[0] for name in job.folder.names()}
    return [name for name in TOOLKITS if name in there]


def _first_line(job: Job) -> str:
    return f"{name_of_splits(job.fold)}\n" if job.fold else "official\n"


def _shared(job: Job) -> dict[str, str]:
    """Return what the files of all toolkits have in common, beside the splits, in words."""
    labels = {"all": "all seven emotions", "four": "the four emotions"}[job.label_set]
    audio = {} if job.config == "text" else {"audio": f"audio {job.audio_format}"}
    return {"config": f"the config {job.config}", "label_set": labels, **audio}


def _check_request(job: Job) -> None:
    """Raise `RequestError` where the folder holds files of another request: what they share would change under them."""
    of_toolkits = [name for name in job.folder.names() if name.split("/")[0] in {"audio", "video", *TOOLKITS}]
    if not of_toolkits:
        return
    first, shared = "official\n", dict[str, str]()  # of a version before 1.4
    if job.folder.is_own(REQUEST):
        first, *rest = (job.out / REQUEST).read_text(encoding="utf-8").splitlines(keepends=True)
        shared = json.loads(rest[0]) if rest else {}  # without: of version 1.4
    if first != _first_line(job):
        what = name_of_splits(None) if first == "official\n" else first.strip()
        raise RequestError(f"{job.out} holds the files of {what}: choose another folder.")
    for key, wanted in _shared(job).items() if shared else ():
        if shared.get(key) != wanted:
            raise RequestError(f"{job.out} holds files with {shared.get(key)}: choose another folder for {wanted}.")
    audio = [name for name in of_toolkits if name.startswith("audio/")]
    if not shared and not all(job.folder.is_own(name, job.origin) for name in audio):
        raise RequestError(
            f"{job.out} holds audio of an earlier version, or of another request: choose another folder."
        )


def _write(job: Job, modules: Mapping[str, Any], as_files: bool, videos: Videos | None) -> dict[str, int]:
    """Write the files of these modules; return {split: utterances}."""
    rows: Rows = {}
    if any(module.AUDIO != "inside" for module in modules.values()):
        rows = {split: list(_rows(job, reader, as_files)) for split, reader in job.splits.items()}
    if videos:
        videos.write(rows)
    counts: dict[str, int] = {}
    for name, module in modules.items():
        if module.AUDIO == "inside":
            with workers() as pool:
                counts = module.write(job, functools.partial(clips, pool, job))
        else:
            module.write(job, rows)
            counts = {split: len(rows[split]) for split in rows}
        start = module.start(job).strip("\n")  # which may begin with code, and so with blanks
        text = f"# EmotionTalk for {module.TOOLKIT}\n\n{job.about(name)}\n{start}\n"
        job.write(f"{name}/README.md", text)
    return counts


def clips(pool: Workers, job: Job, split: SplitReader) -> Iterator[tuple[Row, bytes]]:
    """Yield (`Row`, audio file as it is to be written) of the examples of some shards."""
    for batch in _batches(split.examples()):
        files = [example["audio"]["bytes"].read() for _, example in batch]
        if job.audio_format:
            names = [f"{uid}.wav" for uid, _ in batch]
            files = pool.results(functools.partial(named_conversion, job.audio_format), zip(names, files))
        for (_, example), data in zip(batch, files):
            yield _row(job, example, split_of(example["group"], job.fold)), data


def _batches(examples: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Examples]:
    batch = []
    for example in examples:
        batch.append(example)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(job: Job, reader: SplitReader, with_audio: bool) -> Iterator[Row]:
    """Yield the `Row` of each utterance of a split, its clip written."""
    split = reader.name
    bar = progress_bar(total=reader.count() if job.label_set == "all" else None, unit=" utterances", desc=split)
    names = {path.stem: f"audio/{split}/{path.name}" for path in (job.out / "audio" / split).glob(f"*.{job.suffix}")}
    finished: Container[str] = EVERYTHING
    if with_audio:
        finished = frozenset(uid for uid, name in names.items() if job.folder.is_own(name, job.origin))
    with bar, workers() if with_audio else contextlib.nullcontext() as pool:
        for batch in _batches(reader.examples(skip_media=finished)):
            rows = [_row(job, example, split) for _, example in batch]
            if pool:
                members = [example["audio"]["bytes"] for _, example in batch]
                _write_clips(job, pool, rows, members, finished)
            yield from rows
            bar.update(len(rows))


def _write_clips(job: Job, pool: Workers, rows: list[Row], members: list[Member], finished: Container[str]) -> None:
    """Write the clips of some rows, but not the finished ones; each row then says what its audio is."""
    todo = []
    for row, member in zip(rows, members):
        row.path = f"audio/{row.split}/{row.id}.{job.suffix}"
        if row.id not in finished:
            job.folder.refuse_foreign(row.path)
            todo.append((job.audio_format, f"{row.id}.wav", member.read(), job.folder.partial(row.path)))
    digests = iter(pool.results(_write_clip, todo))
    for row in rows:
        if row.id not in finished:
            job.finish_shared(str(row.path), next(digests))
        info = soundfile.info(str(job.out / str(row.path)))
        row.samples, row.sampling_rate, row.channels = info.frames, info.samplerate, info.channels


def _write_clip(audio_format: AudioFormat, name: str, data: bytes, path: Path) -> str:
    """Write a clip to a file that is there; return its digest."""
    data = named_conversion(audio_format, name, data) if audio_format else data
    with open(path, "r+b") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def _row(job: Job, example: dict[str, Any], split: str) -> Row:
    texts = {name: example[name] for name in OF_TEXT.intersection(example)}
    clean = storable(texts)
    if clean != texts:
        job.replaced[example["id"]] = None
    example = {**example, **clean}
    return Row(
        id=example["id"],
        split=split,
        group=example["group"],
        dialogue=example["dialogue"],
        speaker=example["speaker_id"],
        turn=example["turn"],
        text=" ".join((example["text"] or "").split()),
        transcription=example["transcription"],
        emotion=EMOTIONS[example["emotion"]],
        annotations=example["annotations"],
        fields={name: value for name, value in example.items() if name not in OF_THE_RELEASED_CLIP},
    )
