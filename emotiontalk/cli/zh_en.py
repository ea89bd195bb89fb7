"""`emotiontalk zh-en OUT`: the files of the zh→en benchmark (Hearing to Translate), written from the release.

    OUT/emotiontalk/zh-en.jsonl             one record a line, sorted by id
    OUT/emotiontalk/audio/zh/<id>.wav       the release's own bytes

OUT is the benchmark's H2T_DATADIR. Each WAV gets its name once it is complete, and the manifest once all of them are: a
stopped run resumes, and from the same archive it reads no finished clip again. A clip that was written from another
archive is compared, and written again where it differs.
"""

from __future__ import annotations

import json
from pathlib import Path

from emotiontalk.builder import EmotionTalk

from . import source
from .written import Folder, check_space, writing_to


def write(out: Path, data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None) -> int:
    """Write the manifest and the clips; return the number of records.

    Raises the errors of `load_dataset`, and `CommandError` where a file is in the way that no command wrote.
    """
    builder, splits = source.open_release("zh-en", data_dir, cache_dir, token)
    needed = source.media_bytes(builder, splits["test"])
    origin = source.origin(source.fingerprints(splits["test"]["release"], token))
    finished = sum(path.stat().st_size for path in (out / "emotiontalk").rglob("*.wav"))
    check_space(out, needed - finished, "Choose another disk.")
    with writing_to(out / "emotiontalk", needed):
        return _write(out, builder, splits["test"], origin)


def _write(out: Path, builder: EmotionTalk, kwargs: source.GenKwargs, origin: str) -> int:
    folder = Folder(out / "emotiontalk")
    names = {path.stem: f"audio/zh/{path.name}" for path in (folder.path / "audio" / "zh").glob("*.wav")}
    finished = frozenset(uid for uid, name in names.items() if folder.is_own(name, origin))
    lines = []
    for uid, example in source.examples(builder, kwargs, "zh-en", skip_media=finished):
        clip = example.pop("audio")["bytes"]
        if uid not in finished:
            folder.write(f"audio/zh/{uid}.wav", clip.read(), origin)
        lines.append(json.dumps(example, ensure_ascii=False) + "\n")
    folder.write("zh-en.jsonl", "".join(lines).encode())
    return len(lines)
