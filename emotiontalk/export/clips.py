"""The audio and the video clips of an export to files: each gets its name once it is complete."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import cast

import soundfile

from emotiontalk.audio_format import AudioFormat
from emotiontalk.clips import named_conversion
from emotiontalk.export.context import WriterContext
from emotiontalk.export.utterances import Rows, UtteranceRow, Utterances, batches
from emotiontalk.folder import Folder, bytes_of_files
from emotiontalk.members import EVERYTHING, Member
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader, digest_of_origin
from emotiontalk.workers import Workers, workers


def read_rows(context: WriterContext, utterances: Utterances, with_audio: bool) -> None:
    """Make the rows of all splits. with_audio: their audio is written, too, where it is not there yet."""
    for split in context.splits:
        utterances.rows[split] = list(_rows_of_split(context, utterances, split, with_audio))


def _rows_of_split(
    context: WriterContext, utterances: Utterances, split: str, with_audio: bool
) -> Iterator[UtteranceRow]:
    request, reader, folder = context.request, utterances.readers[split], context.folder
    total = reader.count() if request.label_set == "all" else None
    bar = progress_bar(total=total, unit=" utterances", desc=split)
    there = (request.out / "audio" / split).glob(f"*.{request.suffix}")
    names = {path.stem: f"audio/{split}/{path.name}" for path in there}
    finished: Container[str] = EVERYTHING
    if with_audio:
        finished = frozenset(uid for uid, name in names.items() if folder.is_own(name, context.origin))
    with bar, workers() if with_audio else contextlib.nullcontext() as pool:
        for batch in batches(reader.examples(skip_media=finished)):
            rows = [utterances.row(example, split) for _, example in batch]
            if pool:
                members = [example["audio"]["bytes"] for _, example in batch]
                _write_clips(context, pool, rows, members, finished)
            yield from rows
            bar.update(len(rows))


def _write_clips(
    context: WriterContext, pool: Workers, rows: list[UtteranceRow], members: list[Member], finished: Container[str]
) -> None:
    """Write the clips of some rows, but not the finished ones; each row then says what its audio is."""
    request, folder, todo = context.request, context.folder, []
    for row, member in zip(rows, members):
        row.path = f"audio/{row.split}/{row.id}.{request.suffix}"
        if row.id not in finished:
            folder.refuse_foreign(row.path)
            todo.append((request.audio_format, f"{row.id}.wav", member.read(), folder.partial(row.path)))
    digests = iter(pool.results(_write_clip, todo))
    for row in rows:
        if row.id not in finished:
            context.finish_clip(str(row.path), next(digests))
        info = soundfile.info(str(request.out / str(row.path)))
        row.samples, row.sampling_rate, row.channels = info.frames, info.samplerate, info.channels


def _write_clip(audio_format: AudioFormat, name: str, data: bytes, path: Path) -> str:
    """Write a clip to a file that is there; return its digest."""
    data = named_conversion(audio_format, name, data) if audio_format else data
    with open(path, "r+b") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


class _Without:
    """All ids but some."""

    def __init__(self, wanted: Container[str]) -> None:
        self._wanted = wanted

    def __contains__(self, uid: object) -> bool:
        return uid not in self._wanted


class Videos:
    """The video clips of some splits, as released: `video/<split>/<id>.mp4`.

    Args:
        out: the folder of the export.
        splits: which splits.
        reader: of the release.
        fold: of cross-validation.

    Raises:
        EmotionTalkError: the errors of `load_dataset`.
    """

    def __init__(self, out: Path, splits: list[str], reader: ReleaseReader, fold: int | None) -> None:
        self._out = out
        # all labels: those of the silent video do not decide which utterances are written
        self._reader = reader.open("video", splits, fold=fold)
        self._origin = digest_of_origin(self._reader.fingerprints(), "video")

    def bytes_left(self) -> int:
        """Estimate how many bytes are still to be written."""
        return self._reader.media_bytes() - bytes_of_files(self._out / "video", "*.mp4")

    def write_clips(self, folder: Folder, rows: Rows) -> None:
        """Write the clips of rows, but those that are finished; each row then says where its video is."""
        for split, utterances in rows.items():
            self._write_split(folder, split, {row.id: row for row in utterances})

    def _write_split(self, folder: Folder, split: str, rows: dict[str, UtteranceRow]) -> None:
        for uid, row in rows.items():
            row.video = f"video/{split}/{uid}.mp4"
        todo = {uid for uid, row in rows.items() if not folder.is_own(str(row.video), self._origin)}
        folder.refuse_foreign(*(str(rows[uid].video) for uid in sorted(todo)))
        if not todo:
            return
        skip = cast("Container[str]", _Without(todo))
        with progress_bar(total=len(todo), unit=" videos", desc=f"{split}, video") as bar:
            for uid, example in self._reader.splits[split].examples(skip_media=skip):
                if uid in todo:
                    folder.write(str(rows[uid].video), example["video"]["bytes"].read(), self._origin)
                    bar.update()
