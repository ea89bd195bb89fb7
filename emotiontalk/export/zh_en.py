"""The files of the zh→en benchmark (Hearing to Translate), written from the release.

    OUT/emotiontalk/zh-en.jsonl             one record a line, sorted by id
    OUT/emotiontalk/zh-en-clean.jsonl       the same, `src_ref` without marks
    OUT/emotiontalk/audio/zh/<id>.wav       the release's own bytes
    MANIFESTS/emotiontalk/zh-en.jsonl       the manifest again, where the benchmark's scripts read it
    TRANSCRIPTS                             the texts without marks, as the benchmark's cascades take the output of ASR

OUT is the benchmark's H2T_DATADIR. Each WAV gets its name once it is complete, and the manifest once all of them are: a
stopped run resumes, and from the same archive it reads no finished clip again. A clip that was written from another
archive is compared, and written again where it differs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from emotiontalk.annotations import spoken_text
from emotiontalk.export.options import in_words
from emotiontalk.export.result import ZhEnExport
from emotiontalk.folder import Folder, bytes_of_files, check_space, jsonl, writing_to
from emotiontalk.release import ReleaseReader, SplitReader, digest_of_origin
from emotiontalk.request_error import RequestError

REQUEST = {"kind": "zh-en"}


def export_zh_en(
    out: str | os.PathLike[str],
    *,
    manifests: str | os.PathLike[str] | None = None,
    transcripts: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> ZhEnExport:
    """Write the manifest and the clips of the zh→en benchmark.

    Args:
        out: the benchmark's data folder.
        manifests: the folder `manifests` of a checkout of the benchmark: the manifest goes there, too.
        transcripts: a file for the transcripts.
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        What was written: `path`, `counts`, `files`, `to_dict()`, `to_pandas()`.

    Raises:
        RequestError: a file is in the way that emotiontalk did not write, or a folder is missing.
        EmotionTalkError: the errors of `load_dataset`.
    """
    out = Path(out)
    elsewhere = _elsewhere(out, Path(manifests) if manifests else None, Path(transcripts) if transcripts else None)
    reader = ReleaseReader(data_dir, cache_dir, token).open("zh-en")
    needed, origin = reader.media_bytes(), digest_of_origin(reader.fingerprints())
    finished = bytes_of_files(out / "emotiontalk", "*.wav")
    Folder(out / "emotiontalk").check_request(REQUEST, in_words)
    check_space(out, needed - finished, "Choose another disk.")
    with writing_to(out / "emotiontalk", needed) as folder:
        folder.record_request(REQUEST, in_words)
        folder.refuse_foreign(*(str(path.absolute()) for path in elsewhere))
        records = _write_data(folder, reader.splits["test"], origin)
        for path, transcribed in elsewhere.items():
            lines = map(_transcript, map(_clean, records)) if transcribed else records
            folder.write(str(path.absolute()), jsonl(lines).encode())
        files = [folder.path / name for name in folder.names()]
    return ZhEnExport(out, {"test": len(records)}, files)


def _write_data(folder: Folder, split: SplitReader, origin: str) -> list[dict[str, Any]]:
    """Write clips and manifests to the data folder; return the records of the manifest."""
    names = {path.stem: f"audio/zh/{path.name}" for path in (folder.path / "audio" / "zh").glob("*.wav")}
    finished = frozenset(uid for uid, name in names.items() if folder.is_own(name, origin))
    records = []
    for uid, example in split.examples_with_bar("zh-en", skip_media=finished):
        clip = example.pop("audio")["bytes"]
        if uid not in finished:
            folder.write(f"audio/zh/{uid}.wav", clip.read(), origin)
        records.append(example)
    folder.write("zh-en.jsonl", jsonl(records).encode())
    folder.write("zh-en-clean.jsonl", jsonl(map(_clean, records)).encode())
    return records


def _clean(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without marks in its transcription."""
    return {**record, "src_ref": spoken_text(record["src_ref"])}


def _elsewhere(out: Path, manifests: Path | None, transcripts: Path | None) -> dict[Path, bool]:
    """Return the files outside the data folder, and whether it is the transcripts.

    Raises `RequestError`, before the work, for what could not be written after it.
    """
    if manifests and not manifests.is_dir():
        raise RequestError(f"{manifests} is not a folder: give the folder `manifests` of a checkout of the benchmark.")
    if transcripts and (transcripts.is_dir() or not transcripts.parent.is_dir()):
        raise RequestError(f"{transcripts} cannot be written: give the name of a file in a folder that is there.")
    paths = {manifests / "emotiontalk" / "zh-en.jsonl": False} if manifests else {}
    if transcripts:
        inside = (out / "emotiontalk").resolve() in transcripts.resolve().parents
        if inside or transcripts.resolve() in [path.resolve() for path in paths]:
            raise RequestError(f"{transcripts} is where the manifests are: choose another file for the transcripts.")
        paths[transcripts] = True
    return paths


def _transcript(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the output of ASR, whose target language is the source's."""
    keys = {name: record[name] for name in ("dataset_id", "sample_id", "src_lang")}
    return {**keys, "tgt_lang": record["src_lang"], "output": record["src_ref"] or ""}
