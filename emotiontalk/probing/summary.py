"""A probe's result as text."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from emotiontalk.corpus import CONDITION_NAMES
from emotiontalk.evaluation.summary import TITLES, formatted, formatted_interval
from emotiontalk.schema import CONFIGS


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where one of them is not defined."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def summary(result: Any) -> str:
    """Return the result as text."""
    if hasattr(result, "folds"):
        return _of_folds(result)
    where = f", fold {result.settings['fold']}" if result.settings["fold"] else ""
    return "\n".join([f"{_what(result)}{where}: {_sizes(result)}", *_lines(result)])


def _what(result: Any) -> str:
    s = result.settings
    condition = CONDITION_NAMES[CONFIGS[s["config"]].condition]
    label = "sentiment score" if s["target"] == "sentiment" else f"{condition} label, {s['label_set']}"
    seeds = f", {len(s['seeds'])} seed{'s' * (len(s['seeds']) > 1)}" if s["seeds"] else ""
    fusion = f", {s['fusion']}" if s["fusion"] else ""
    return f"{s['upstream']}, {s['head']} head{fusion}, {label}{seeds}"


def _sizes(result: Any) -> str:
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


def _lines(result: Any) -> list[str]:
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


def _sentiment_lines(result: Any) -> list[str]:
    rates = ", ".join(f"{TITLES[name]} {_rate(values, name)}" for name, values in result.rates.items())
    return [
        f"  {rates}    ({_chosen(result.chosen)})",
        f"  baseline  MAE {formatted(result.baseline['mae'], 'mae')}    (always {result.baseline['score']:.1f})",
        *_intervals(result, ("mae", "ccc")),
        *_layers(result),
    ]


def _intervals(result: Any, names: tuple[str, str]) -> list[str]:
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


def _layers(result: Any) -> list[str]:
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


def _of_folds(result: Any) -> str:
    first = next(iter(result.folds.values()))
    names = ("mae", "ccc") if first.settings["target"] == "sentiment" else ("war", "uar")
    unit = "" if names[0] == "mae" else " %"
    means = "    ".join(f"{TITLES[name]}  {formatted(result.means[name], name)}{unit}" for name in names)
    lines = [f"{_what(first)}, five folds", f"  mean      {means}"]
    for fold, one in result.folds.items():
        lines += [f"fold {fold}: {_sizes(one)}", *_lines(one)]
    return "\n".join(lines)
