"""The files that the toolkits of the field read.

    OUT/audio/<split>/<id>.wav        the audio, once for all formats
    OUT/video/<split>/<id>.mp4        the video clips, where messages are about these
    OUT/<format>/…                    what that format's toolkit reads, and a README.md that says how to start

The modules of `formats` say what each toolkit reads. A clip gets its name once it is complete, the small files once
all clips are there: a stopped run resumes. Nothing that emotiontalk did not write is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from emotiontalk.audio_format import AudioFormat
from emotiontalk.errors import logger
from emotiontalk.export.clips import Videos, read_rows
from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FOR_SPEECH, FilesRequest
from emotiontalk.export.format import Audio, Format
from emotiontalk.export.formats import FORMATS
from emotiontalk.export.options import as_sequence, in_words, ordered_splits
from emotiontalk.export.result import FilesExport
from emotiontalk.export.utterances import Utterances
from emotiontalk.folder import Folder, bytes_of_files, check_space, writing_to
from emotiontalk.release import ConfigReader, ReleaseReader, digest_of_origin
from emotiontalk.request_error import RequestError


def export_files(
    out: str | os.PathLike[str],
    formats: str | Sequence[str],
    *,
    config: str = "audio",
    label_set: str = "all",
    splits: str | Sequence[str] = (),
    audio_format: AudioFormat = FOR_SPEECH,
    task: str = "emotion",
    caption: str = "overall",
    media: str = "audio",
    prompt_language: str = "zh",
    fold: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> FilesExport:
    """Write the files that toolkits read: Kaldi, Lhotse, EmoBox, SpeechBrain, S3PRL, FunASR, ms-swift, ….

    A second call with the same arguments continues where a stopped one was; one with other formats or splits adds these
    to the folder.

    Args:
        out: the folder; made where it is not there.
        formats: names of `formats.FORMATS`, for example "kaldi".
        config: "audio", "multimodal" or "text": whose labels, and which fields.
        label_set: "all", or "four" of the paper.
        splits: to write; none: all.
        audio_format: of the audio files; by default what speech encoders take, 16 kHz mono WAV. `AudioFormat()`: the
            release's own bytes.
        task: messages: "emotion", "caption" or "asr": what is asked.
        caption: messages about captions: "overall", "speaker", "style" or "emotion".
        media: messages: "audio", or "video" with audio.
        prompt_language: messages: "zh" or "en".
        fold: of cross-validation; None: the official splits.
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        What was written: `path`, `counts`, `files`, `to_dict()`, `to_pandas()`.

    Raises:
        RequestError: a format cannot hold what is asked for, something is in the way that emotiontalk did not write,
            there is no room, or `out` holds the files of another request.
        EmotionTalkError: the errors of `load_dataset`.
    """
    request = FilesRequest(
        Path(out), as_sequence(formats), config, label_set, as_sequence(splits), audio_format, fold, task, caption,
        media, prompt_language,
    )  # fmt: skip
    return _write_export(request, ReleaseReader(data_dir, cache_dir, token))


def _write_export(request: FilesRequest, reader: ReleaseReader) -> FilesExport:
    request.check()
    formats = [FORMATS[name] for name in request.formats]
    _check_formats(formats, request)
    opened = reader.open(request.config, ordered_splits(request.splits), label_set=request.label_set, fold=request.fold)
    Folder(request.out).check_request(request.fixed(), in_words)
    videos = Videos(request.out, list(opened.splits), reader, request.fold) if request.media == "video" else None
    needed = _check_space(request, formats, opened, videos)
    with writing_to(request.out, needed) as folder:
        folder.record_request(request.fixed(), in_words)
        origin = digest_of_origin(opened.fingerprints(), str(request.audio_format))
        context = WriterContext(request, folder, tuple(opened.splits), origin, _others(folder, request))
        utterances = Utterances(request, opened.splits)
        counts = _write_formats(context, utterances, formats, videos)
        files = _files_of(folder, request)
    if utterances.replaced:
        logger.warning(
            f"{len(utterances.replaced):,} utterances hold characters that XML, CSV and Kaldi have no place for: "
            f"U+FFFD is written for each. The first: {next(iter(utterances.replaced))}."
        )
    return FilesExport(request.out, counts, files, request.formats)


def _check_formats(formats: Sequence[Format], request: FilesRequest) -> None:
    """Raise `RequestError` where a format cannot hold what is asked for; log what is to be known of a toolkit."""
    for each in formats:
        if request.config == "text" and each.audio is not Audio.FILES_IF_ANY:
            raise RequestError(
                f'{each.name} needs audio, which the config text has not: choose config="audio" or "multimodal".'
            )
        if request.fold and each.own_folds:
            raise RequestError(
                f"{each.name} gets all five folds where all official splits are written: remove fold= for it."
            )
        warning = each.check(request)
        if warning:
            logger.warning(warning)


def _audio_as_files(request: FilesRequest, formats: Sequence[Format]) -> bool:
    """Whether audio files are written: not for formats that pack it, nor for messages about video alone."""
    of_files = [each.name for each in formats if each.audio is not Audio.PACKED]
    return request.config != "text" and of_files != (["messages"] if request.media == "video" else [])


def _check_space(request: FilesRequest, formats: Sequence[Format], reader: ConfigReader, videos: Videos | None) -> int:
    """Return how many bytes are to be written, about. Raises `RequestError` where there is less room."""
    out, as_files = request.out, _audio_as_files(request, formats)
    size = request.audio_format.estimated_bytes(reader.media_bytes())
    packed = any(each.audio is Audio.PACKED for each in formats)
    finished = bytes_of_files(out / "audio", f"*.{request.suffix}") if as_files else 0
    needed = size * (as_files + packed) - finished + (videos.bytes_left() if videos else 0)
    check_space(out, needed, "Choose another disk, fewer splits (splits=), or smaller audio.")
    return needed


def _others(folder: Folder, request: FilesRequest) -> tuple[str, ...]:
    """Return the formats of the folder that are not asked for and refer to its audio files."""
    there = {name.split("/")[0] for name in folder.names()}
    return tuple(
        name
        for name, each in FORMATS.items()
        if name in there and name not in request.formats and each.audio is not Audio.PACKED
    )


def _write_formats(
    context: WriterContext, utterances: Utterances, formats: Sequence[Format], videos: Videos | None
) -> dict[str, int]:
    """Write the files of formats, and a README for each; return {split: utterances}."""
    if any(each.audio is not Audio.PACKED for each in formats):
        read_rows(context, utterances, with_audio=_audio_as_files(context.request, formats))
    if videos:
        videos.write_clips(context.folder, utterances.rows)
    counts: dict[str, int] = {}
    for each in formats:
        counts = each.write(context, utterances)
        start = each.how_to_start(context, utterances).strip("\n")  # which may begin with code, and so with blanks
        text = f"# EmotionTalk for {each.toolkit}\n\n{context.about(each.name)}\n{start}\n"
        context.write_file(f"{each.name}/README.md", text)
    return counts


def _files_of(folder: Folder, request: FilesRequest) -> list[Path]:
    """Return the files of the formats, and the clips that these share."""
    rooms = {"audio", "video", *request.formats}
    return [folder.path / name for name in folder.names() if name.split("/")[0] in rooms]
