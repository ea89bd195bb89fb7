"""What `emotiontalk probe` shows, and the files that it writes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotiontalk.corpus import CONDITION_NAMES, FOLDS
from emotiontalk.evaluation.confusion import confusion_picture
from emotiontalk.evaluation.summary import TITLES, formatted, formatted_interval
from emotiontalk.folder import Folder, jsonl, write_all
from emotiontalk.probing.result import FILES, FoldsResult, Result, mean
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS


def files(folds: bool) -> list[str]:
    """Return the names of the files that are written."""
    return [FILES[0], *(f"fold_{fold}/{name}" for fold in FOLDS for name in FILES)] if folds else list(FILES)


def write(folder: Folder, result: Result | FoldsResult) -> None:
    """Write result.json, and but for folds (see `write_fold`) predictions.jsonl, for `score`, and confusion.png.

    What an earlier run of the other kind has written is removed. Raises `RequestError` where others are, or where there
    is no room.
    """
    of_folds = isinstance(result, FoldsResult)
    folder.refuse_foreign(*files(of_folds))
    for name in set(files(not of_folds)) - set(files(of_folds)):
        folder.discard(name)
    write_all(folder, {FILES[0]: _json(result.to_dict())} if isinstance(result, FoldsResult) else _made("", result))


def write_fold(folder: Folder, fold: int, result: Result) -> None:
    """Write the three files of a fold to a folder of its own. Raises as `write`."""
    folder.discard(FILES[0])  # of an earlier run, whose folds these are not
    write_all(folder, _made(f"fold_{fold}/", result))


def check_folder(out: Path, folds: bool) -> None:
    """Raise `RequestError` where the files cannot be written."""
    if out.exists() and not out.is_dir():
        raise RequestError(f"{out} is a file: give the name of a folder.")
    Folder(out).refuse_foreign(*files(folds))


def _made(where: str, result: Result) -> dict[str, bytes]:
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
        confusion_picture(score),
    )
    return {where + name: data for name, data in zip(FILES, made)}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "backslashreplace")


def summary(result: Result | FoldsResult) -> str:
    """Return the result as text."""
    if isinstance(result, FoldsResult):
        return _of_folds(result)
    where = f", fold {result.settings['fold']}" if result.settings["fold"] else ""
    return "\n".join([f"{_what(result)}{where}: {_sizes(result)}", *_lines(result)])


def _what(result: Result) -> str:
    s = result.settings
    condition = CONDITION_NAMES[CONFIGS[s["config"]].condition]
    label = "sentiment score" if s["target"] == "sentiment" else f"{condition} label, {s['label_set']}"
    seeds = f", {len(s['seeds'])} seed{'s' * (len(s['seeds']) > 1)}" if s["seeds"] else ""
    fusion = f", {s['fusion']}" if s["fusion"] else ""
    return f"{s['upstream']}, {s['head']} head{fusion}, {label}{seeds}"


def _sizes(result: Result) -> str:
    return ", ".join(f"{part} {size:,}" for part, size in result.sizes.items()) + " utterances"


def _rate(values: Sequence[float | None], name: str) -> str:
    known = [value for value in values if value is not None]
    spread = f" ± {formatted(statistics.pstdev(known), name)}" if len(known) > 1 else ""
    return f"{formatted(mean(values), name)}{spread}"


def _chosen(chosen: Mapping[str, Any]) -> str:
    """Say what validation has decided."""
    words = []
    for name, value in chosen.items():
        if name == "upstreams":
            return "each upstream: " + "; ".join(_chosen(one) for one in value)
        words.append(f"{name} {', '.join(map(str, value)) if isinstance(value, list) else f'{value:g}'}")
    return f"{', '.join(words)}, chosen on validation"


def _lines(result: Result) -> list[str]:
    if result.settings["target"] == "sentiment":
        return _sentiment_lines(result)
    lines = [
        f"  WAR       {_rate(result.rates['war'], 'war')} %    UAR    {_rate(result.rates['uar'], 'uar')} %    "
        f"({_chosen(result.chosen)})",
        f"  baseline  {formatted(result.baseline['war'], '')} %           {formatted(result.baseline['uar'], '')} %    "
        f"(always {result.baseline['emotion']})",
        *_intervals(result, ("war", "uar")),
        "  recall " + ", ".join(f"{name} {100 * recall:.1f}" for name, recall in result.recalls.items()),
        *_layers(result),
    ]
    if result.at_baseline:
        lines.append(
            "  WAR is at the majority-class baseline, and UAR at chance: these features say nothing of the label."
        )
    return lines


def _sentiment_lines(result: Result) -> list[str]:
    rates = ", ".join(f"{TITLES[name]} {_rate(values, name)}" for name, values in result.rates.items())
    return [
        f"  {rates}    ({_chosen(result.chosen)})",
        f"  baseline  MAE {formatted(result.baseline['mae'], 'mae')}    (always {result.baseline['score']:.1f})",
        *_intervals(result, ("mae", "ccc")),
        *_layers(result),
    ]


def _intervals(result: Result, names: tuple[str, str]) -> list[str]:
    """Give the intervals of the first seed."""
    lines = []
    for part, found in result.score.systems[0]["parts"].items():
        both = ", ".join(
            f"{TITLES[name]} {formatted(one['value'], name)} ({formatted_interval(one, name)})"
            for name, one in found["metrics"].items()
            if name in names
        )
        lines.append(f"  {part}: {both}")
    first = f", seed {result.settings['seeds'][0]}" if result.settings["seeds"] else ""
    return [f"  95 % intervals, over dialogues{first}:", *(f"  {line}" for line in lines)]


def _layers(result: Result) -> list[str]:
    """Give the rates of each layer, where each was probed, or the weights that were learned."""
    lines = []
    for one in result.details.get("layers", ()):
        rates = "    ".join(
            f"{TITLES[name]} {_rate(values, name)}"
            for name, values in one.items()
            if name in ("war", "uar", "mae", "ccc")
        )
        lines.append(f"  layer {one['layer']:>2}  {rates}    validation {one['validation']:.4f}")
    weights = (result.details.get("layer_weights") or [None])[0]
    if weights:
        lines.append("  weights of the layers " + ", ".join(f"{n}: {100 * w:.1f} %" for n, w in enumerate(weights)))
    return lines


def _of_folds(result: FoldsResult) -> str:
    first = next(iter(result.folds.values()))
    names = ("mae", "ccc") if first.settings["target"] == "sentiment" else ("war", "uar")
    unit = "" if names[0] == "mae" else " %"
    means = "    ".join(f"{TITLES[name]}  {formatted(result.means[name], name)}{unit}" for name in names)
    lines = [f"{_what(first)}, five folds", f"  mean      {means}"]
    for fold, one in result.folds.items():
        lines += [f"fold {fold}: {_sizes(one)}", *_lines(one)]
    return "\n".join(lines)
