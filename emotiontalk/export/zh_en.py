"""`emotiontalk zh-en OUT`: the files of the zh→en benchmark (Hearing to Translate), written from the release.

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

from pathlib import Path
from typing import Any

from emotiontalk.annotations import spoken_text
from emotiontalk.folder import Folder, bytes_of_files, check_space, jsonl, writing_to
from emotiontalk.release import ReleaseReader, SplitReader, digest_of_origin
from emotiontalk.request_error import RequestError


def write(
    out: Path,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    manifests: Path | None = None,
    transcripts: Path | None = None,
) -> int:
    """Write the manifest and the clips; return the number of records.

    Args:
        out: the benchmark's data folder.
        data_dir, cache_dir, token: as in `load_dataset`.
        manifests: the folder `manifests` of a checkout of the benchmark.
        transcripts: a file for the transcripts.

    Raises:
        RequestError: a file is in the way that no command wrote, or a folder is missing.
        EmotionTalkError: the errors of `load_dataset`.
    """
    elsewhere = _elsewhere(out, manifests, transcripts)
    reader = ReleaseReader(data_dir, cache_dir, token).open("zh-en")
    needed, origin = reader.media_bytes(), digest_of_origin(reader.fingerprints())
    finished = bytes_of_files(out / "emotiontalk", "*.wav")
    check_space(out, needed - finished, "Choose another disk.")
    with writing_to(out / "emotiontalk", needed) as folder:
        folder.refuse_foreign(*(str(path.absolute()) for path in elsewhere))
        records = _write(folder, reader.splits["test"], origin)
        for path, transcribed in elsewhere.items():
            given = map(_transcript, map(_clean, records)) if transcribed else records
            folder.write(str(path.absolute()), jsonl(given).encode())
    return len(records)


def _write(folder: Folder, split: SplitReader, origin: str) -> list[dict[str, Any]]:
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
        raise RequestError(f"{manifests} is no folder: give the folder `manifests` of a checkout of the benchmark.")
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
