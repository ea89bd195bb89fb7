"""What `emotiontalk score` shows: tables on the terminal, and the picture of the confusion matrix."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import rich.console
import rich.table
import rich.text
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emotiontalk.corpus import CONDITION_NAMES
from emotiontalk.errors import brief
from emotiontalk.schema import CONFIGS

TITLES = {
    "war": "WAR", "uar": "UAR", "macro_f1": "macro-F1", "weighted_f1": "weighted F1", "mae": "MAE",
    "pearson": "Pearson", "ccc": "CCC", "accuracy_5": "accuracy, 5 classes", "binary_accuracy": "binary accuracy",
}  # fmt: skip
NUMBERS = ("mae", "pearson", "ccc")  # not in %
Result = dict[str, Any]  # as `Score.to_dict`


def formatted(value: float | None, name: str) -> str:
    """Show a metric: in %, or a number with three digits; what is not defined as a dash."""
    if value is None:
        return "–"
    return f"{value:.3f}" if name in NUMBERS else f"{100 * value:.2f}"


def interval(estimate: Mapping[str, Any], name: str) -> str:
    """Show the interval of a metric, as `formatted`."""
    return f"{formatted(estimate['low'], name)} … {formatted(estimate['high'], name)}"


def _unit(name: str) -> str:
    return "" if name in NUMBERS else " %"


def _what(settings: dict[str, Any]) -> str:
    """Say whose labels these are, in plain words."""
    if settings["target"] == "sentiment":
        return "sentiment score"
    which = {"all": "seven emotions", "four": "four emotions"}[settings["label_set"]]
    return f"{CONDITION_NAMES[CONFIGS[settings['config']].condition]} label, {which}"


def _where(settings: dict[str, Any]) -> str:
    return f"fold {settings['fold']}, {settings['split']}" if settings["fold"] else str(settings["split"])


def _part_title(result: Result, name: str) -> str:
    part = result["parts"][name]
    alone = "" if name == result["settings"]["split"] else " alone: speakers that validation has not seen"
    return f"{name}{alone}: {part['utterances']:,} utterances, {part['dialogues']} dialogues"


def print_tables(result: Result) -> None:
    """Print a table for each system and part, and one for each comparison. result: as `Score.to_dict`."""
    console = rich.console.Console(highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        console.print(rich.text.Text(text))

    settings, coverage = result["settings"], result["coverage"]
    say(f"{_what(settings)}, {_where(settings)}; % unless it is MAE, Pearson or CCC; intervals of 95 %, over dialogues")
    if coverage["scored"] < coverage["of"] or coverage["passed_over"]:
        share = 100 * coverage["scored"] / coverage["of"]
        say(
            f"partial: {coverage['scored']:,} of {coverage['of']:,} utterances are scored ({share:.1f} %), "
            f"other ids: {coverage['passed_over']:,}. Do not compare this with results of the whole split."
        )
    for letter, system in zip("AB", result["systems"]):
        which = f"{letter}: " if len(result["systems"]) > 1 else ""
        say(f"\n{which}{brief(system['predictions'])}, column {brief(system['column'], 100)}")
        for name in system["parts"]:
            say(_part_title(result, name))
            console.print(_system_table(result, system, name))
    for name, differences in (result["differences"] or {}).items():
        say(f"\nA − B, {_part_title(result, name)}; on the same resampled dialogues")
        console.print(_difference_table(result, differences, name))
    for line in _remarks(result):
        say(line)


def _table(*titles: str) -> rich.table.Table:
    first, *others = titles
    return rich.table.Table(first, *(rich.table.Column(title, justify="right") for title in others))


def _system_table(result: Result, system: dict[str, Any], name: str) -> rich.table.Table:
    part, of_system = result["parts"][name], system["parts"][name]
    table = _table("", "", "95 % interval", "baseline", "chance")
    for metric, estimate in of_system["metrics"].items():
        baseline = formatted(part["baseline"].get(metric), metric)
        chance = formatted(part["chance"][metric], metric) if metric in part["chance"] else ""
        table.add_row(
            TITLES[metric], formatted(estimate["value"], metric), interval(estimate, metric), baseline, chance
        )
    table.add_section()
    for label, estimate in of_system["recall"].items():
        if part["support"][label]:
            table.add_row(
                f"recall, {label} ({part['support'][label]:,})",
                formatted(estimate["value"], ""),
                interval(estimate, ""),
            )
    return table


def _difference_table(result: Result, differences: dict[str, Any], name: str) -> rich.table.Table:
    table = _table("", "A − B", "95 % interval", "share at or below 0")

    def add(title: str, difference: dict[str, Any], metric: str) -> None:
        share = difference["share_at_or_below_0"]
        shown = "–" if share is None else f"{share:.4f}"
        table.add_row(title, formatted(difference["value"], metric), interval(difference, metric), shown)

    for metric, difference in differences["metrics"].items():
        add(TITLES[metric], difference, metric)
    table.add_section()
    for label, difference in differences["recall"].items():
        if result["parts"][name]["support"][label]:
            add(f"recall, {label}", difference, "")
    return table


def _remarks(result: Result) -> list[str]:
    """Say what the baselines are."""
    name = result["settings"]["split"]
    part = result["parts"][name]
    always = part["always"]
    if result["settings"]["target"] == "emotion":
        return [f"Baseline: always {always['war']}, the most frequent class of {name}. Chance: any class as often."]
    right = formatted(part["baseline"]["binary_accuracy"], "")
    return [
        f"Baseline: always {always['mae']:.1f}, the median (MAE); always {always['accuracy_5']} (5 classes).",
        f"Binary accuracy is over the scores that are not 0: always {always['binary_accuracy']} is right for {right} % "
        f"of them in {name}.",
    ]


def confusion_picture(result: Result) -> bytes:
    """Draw the confusion matrix of each system on the whole split, as PNG. result: as `Score.to_dict`."""
    name = result["settings"]["split"]
    systems = result["systems"]
    figure = Figure(figsize=(7 * len(systems), 6.4), layout="constrained")
    for axes, system in zip(figure.subplots(1, len(systems), squeeze=False)[0], systems):
        part = system["parts"][name]
        _matrix(axes, numpy.array(part["confusion"]), result["classes"])
        rates = [
            f"{TITLES[metric]} {formatted(e['value'], metric)}{_unit(metric)} ({interval(e, metric)})"
            for metric, e in part["metrics"].items()
            if metric in ("war", "uar", "ccc", "accuracy_5")
        ]
        sentiment = result["settings"]["target"] == "sentiment"
        of = "class of the sentiment score" if sentiment else _what(result["settings"])
        utterances = f"{result['parts'][name]['utterances']:,} utterances"
        lines = [
            f"{brief(Path(system['predictions']).name, 60)}: what is predicted for each {of}",
            f"{_where(result['settings'])}, {utterances}; shares of each row, and utterances",
            ", ".join(rates),
        ]
        axes.set_title("\n".join(lines), fontsize=9, parse_math=False)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name in letters that the font does not have
        figure.savefig(picture, dpi=150, format="png")
    return picture.getvalue()


def _matrix(axes: Axes, counts: numpy.ndarray, classes: list[str]) -> None:
    """Draw counts (classes, classes) as shares of each row, with both numbers in each cell."""
    shares = counts / numpy.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in numpy.ndenumerate(shares):
        colour = "white" if share > 0.6 else "black"
        text = f"{100 * share:.0f} %\n{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
