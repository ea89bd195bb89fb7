"""What a score says, as text: metrics with their units, and tables that a terminal or a notebook draws."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from emotiontalk.corpus import CONDITION_NAMES
from emotiontalk.errors import brief
from emotiontalk.schema import CONFIGS

TITLES = {
    "war": "WAR", "uar": "UAR", "macro_f1": "macro-F1", "weighted_f1": "weighted F1", "mae": "MAE",
    "pearson": "Pearson", "ccc": "CCC", "accuracy_5": "accuracy, 5 classes", "binary_accuracy": "binary accuracy",
}  # fmt: skip
NUMBERS = ("mae", "pearson", "ccc")  # not in %
Result = Mapping[str, Any]  # as `Score.to_dict`


class TextTable(NamedTuple):
    """A table of strings. A first column of names, then numbers.

    Attributes:
        caption: above the table.
        heading: the names of the columns.
        sections: rows, with a line between two sections.
    """

    caption: str
    heading: list[str]
    sections: list[list[list[str]]]


def formatted(value: float | None, name: str) -> str:
    """Show a metric: in %, or a number with three digits; what is not defined as a dash."""
    if value is None:
        return "–"
    return f"{value:.3f}" if name in NUMBERS else f"{100 * value:.2f}"


def formatted_interval(estimate: Mapping[str, Any], name: str) -> str:
    """Show the interval of a metric, as `formatted`."""
    return f"{formatted(estimate['low'], name)} … {formatted(estimate['high'], name)}"


def unit_of(name: str) -> str:
    """Return the unit of a metric, behind its number."""
    return "" if name in NUMBERS else " %"


def label_in_words(settings: Mapping[str, Any]) -> str:
    """Say whose labels these are, in plain words."""
    if settings["target"] == "sentiment":
        return "sentiment score"
    which = {"all": "seven emotions", "four": "four emotions"}[settings["label_set"]]
    return f"{CONDITION_NAMES[CONFIGS[settings['config']].condition]} label, {which}"


def split_in_words(settings: Mapping[str, Any]) -> str:
    """Say which split this is."""
    return f"fold {settings['fold']}, {settings['split']}" if settings["fold"] else str(settings["split"])


def _part_title(result: Result, name: str) -> str:
    part = result["parts"][name]
    alone = "" if name == result["settings"]["split"] else " alone: speakers that validation has not seen"
    return f"{name}{alone}: {part['utterances']:,} utterances, {part['dialogues']} dialogues"


def heading_lines(result: Result) -> list[str]:
    """Say what was scored, and of how many utterances where these are not all."""
    settings, coverage = result["settings"], result["coverage"]
    lines = [
        f"{label_in_words(settings)}, {split_in_words(settings)}; % unless it is MAE, Pearson or CCC; "
        "intervals of 95 %, over dialogues"
    ]
    if coverage["scored"] < coverage["of"] or coverage["passed_over"]:
        share = 100 * coverage["scored"] / coverage["of"]
        lines.append(
            f"partial: {coverage['scored']:,} of {coverage['of']:,} utterances are scored ({share:.1f} %), "
            f"other ids: {coverage['passed_over']:,}. Do not compare this with results of the whole split."
        )
    return lines


def system_title(result: Result, letter: str, system: Mapping[str, Any]) -> str:
    """Name a system: where its predictions are, and in which column."""
    which = f"{letter}: " if len(result["systems"]) > 1 else ""
    return f"{which}{brief(system['predictions'])}, column {brief(system['column'], 100)}"


def tables_of(result: Result) -> Iterator[tuple[str, list[TextTable]]]:
    """Yield (title, tables): of each system a table for each part, and of a comparison, too."""
    for letter, system in zip("AB", result["systems"]):
        yield system_title(result, letter, system), [_system_table(result, system, name) for name in system["parts"]]
    for name, differences in (result["differences"] or {}).items():
        title = f"A − B, {_part_title(result, name)}; on the same resampled dialogues"
        yield title, [_difference_table(result, differences, name)]


def _system_table(result: Result, system: Mapping[str, Any], name: str) -> TextTable:
    part, reached = result["parts"][name], system["parts"][name]
    rates, recalls = [], []
    for metric, estimate in reached["metrics"].items():
        baseline = formatted((part["baseline"] or {}).get(metric), metric)
        chance = formatted(part["chance"][metric], metric) if metric in part["chance"] else ""
        value = formatted(estimate["value"], metric)
        rates.append([TITLES[metric], value, formatted_interval(estimate, metric), baseline, chance])
    for label, estimate in reached["recall"].items():
        if part["support"][label]:
            title = f"recall, {label} ({part['support'][label]:,})"
            recalls.append([title, formatted(estimate["value"], ""), formatted_interval(estimate, ""), "", ""])
    return TextTable(_part_title(result, name), ["", "", "95 % interval", "baseline", "chance"], [rates, recalls])


def _difference_table(result: Result, differences: Mapping[str, Any], name: str) -> TextTable:
    def row(title: str, difference: Mapping[str, Any], metric: str) -> list[str]:
        share = difference["share_at_or_below_0"]
        value, interval = formatted(difference["value"], metric), formatted_interval(difference, metric)
        return [title, value, interval, "–" if share is None else f"{share:.4f}"]

    support = result["parts"][name]["support"]
    rates = [row(TITLES[metric], difference, metric) for metric, difference in differences["metrics"].items()]
    recalls = [row(f"recall, {label}", d, "") for label, d in differences["recall"].items() if support[label]]
    return TextTable("", ["", "A − B", "95 % interval", "share at or below 0"], [rates, recalls])


def remarks(result: Result) -> list[str]:
    """Say what the baselines are."""
    name = result["settings"]["split"]
    part = result["parts"][name]
    answers = part["always"]
    if answers is None:
        return ["No baseline: its answer is that of train, of which the release at hand has no utterance."]
    if result["settings"]["target"] == "emotion":
        return [f"Baseline: always {answers['war']}, the most frequent class of train. Chance: any class as often."]
    right = formatted(part["baseline"]["binary_accuracy"], "")
    return [
        f"Baseline: always {answers['mae']:.1f}, the median of train (MAE); "
        f"always {answers['accuracy_5']} (5 classes).",
        f"Binary accuracy is over the scores that are not 0: always {answers['binary_accuracy']}, the more frequent "
        f"sign of train, is right for {right} % of them in {name}.",
    ]


def as_html(result: Result) -> str:
    """Return all tables as HTML, for notebooks."""
    blocks = [_paragraph(line) for line in heading_lines(result)]
    for title, tables in tables_of(result):
        blocks += [_paragraph(title), *map(_html_table, tables)]
    return "".join([*blocks, *map(_paragraph, remarks(result))])


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _html_table(table: TextTable) -> str:
    def row(cells: list[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    bodies = (f"<tbody>{''.join(row(cells, 'td') for cells in section)}</tbody>" for section in table.sections)
    return f"<table>{caption}<thead>{row(table.heading, 'th')}</thead>{''.join(bodies)}</table>"
