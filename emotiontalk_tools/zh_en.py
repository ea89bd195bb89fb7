"""`emotiontalk zh-en OUT`: the files of the zh→en benchmark (Hearing to Translate), written from the release.

    OUT/emotiontalk/zh-en.jsonl             one record a line, sorted by id
    OUT/emotiontalk/audio/zh/<id>.wav       the release's own bytes

OUT is the benchmark's H2T_DATADIR. Each WAV gets its name once it is whole, and the manifest once all of them are:
a run that was stopped goes on where it was, and reads no finished sound again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from . import source


def write(out: Path, data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None) -> int:
    """Write the manifest and the sounds; the number of records. Raises the errors of `load_dataset`."""
    builder, splits = source.open_release("zh-en", data_dir, cache_dir, token)
    manifest = out / "emotiontalk" / "zh-en.jsonl"
    sounds = out / "emotiontalk" / "audio" / "zh"
    sounds.mkdir(parents=True, exist_ok=True)
    builder.unread = finished = frozenset(path.stem for path in sounds.glob("*.wav"))
    written = 0
    with open(_partial(manifest), "w", encoding="utf-8", newline="\n") as file:
        for uid, example in source.examples(builder, splits["test"], "zh-en"):
            sound = example.pop("audio")["bytes"]
            if uid not in finished:
                path = sounds / f"{uid}.wav"
                _partial(path).write_bytes(sound.read())
                os.replace(_partial(path), path)
            file.write(json.dumps(example, ensure_ascii=False) + "\n")
            written += 1
    os.replace(_partial(manifest), manifest)
    return written


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".part")
