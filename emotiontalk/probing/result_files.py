"""The files of a probe's result: result.json, predictions.jsonl, confusion.png."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotiontalk.corpus import FOLDS
from emotiontalk.evaluation.score_result import picture_drawer
from emotiontalk.folder import Folder, jsonl, write_all
from emotiontalk.request_error import RequestError

FILES = ("result.json", "predictions.jsonl", "confusion.png")


def file_names(folds: bool) -> list[str]:
    """Return the names of the files that are written."""
    return [FILES[0], *(f"fold_{fold}/{name}" for fold in FOLDS for name in FILES)] if folds else list(FILES)


def write_result(folder: Folder, result: Any) -> None:
    """Write result.json, and but for folds (see `write_fold`) predictions.jsonl, for `score`, and confusion.png.

    What an earlier run of the other kind has written is removed. Raises `RequestError` where others are, or where there
    is no room.
    """
    of_folds = hasattr(result, "folds")
    folder.refuse_foreign(*file_names(of_folds))
    for name in set(file_names(not of_folds)) - set(file_names(of_folds)):
        folder.discard(name)
    write_all(folder, {FILES[0]: _json(result.to_dict())} if of_folds else _made("", result))


def write_fold(folder: Folder, fold: int, result: Any) -> None:
    """Write the three files of a fold to a folder of its own. Raises as `write_result`."""
    folder.discard(FILES[0])  # of an earlier run, whose folds these are not
    write_all(folder, _made(f"fold_{fold}/", result))


def check_folder(out: Path, folds: bool) -> None:
    """Raise `RequestError` where the files cannot be written, or `ModuleNotFoundError` without matplotlib."""
    picture_drawer()
    if out.exists() and not out.is_dir():
        raise RequestError(f"{out} is a file: give the name of a folder.")
    Folder(out).refuse_foreign(*file_names(folds))


def _made(where: str, result: Any) -> dict[str, bytes]:
    """Return the three files of a result, by their names."""
    pairs = zip(result.ids, result.predicted)
    settings, score = result.settings, result.score.to_dict()
    score["settings"] = {name: settings[name] for name in ("config", "label_set", "target", "fold")} | {"split": "test"}
    score["systems"][0]["predictions"] = f"{settings['upstream']}, {settings['head']} head"
    if settings["seeds"]:
        score["systems"][0]["predictions"] += f", seed {settings['seeds'][0]}"
    made = (
        _json(result.to_dict()),
        jsonl({"id": uid, "pred": value} for uid, value in pairs).encode(),
        picture_drawer()(score),
    )
    return {where + name: data for name, data in zip(FILES, made)}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "backslashreplace")
