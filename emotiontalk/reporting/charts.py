"""The charts of `emotiontalk report`: matplotlib figures as inline SVG, in the text colour of the page.

Each is drawn in English, then its texts are put in the page's language: matplotlib's own fonts have no Chinese, the
page's have, and the Chinese is shorter.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emotiontalk.corpus import CONDITION_NAMES, EMOTIONS, SENTIMENTS, SPLITS
from emotiontalk.reporting.wording import Wording

COLOURS = dict(zip(SPLITS, ("#0072b2", "#e69f00", "#009e73")))  # Okabe and Ito: told apart by colour-blind readers, too
TEXT = "#010203"  # stands for the page's own colour, in light and dark
STYLE = {
    "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif", "text.color": TEXT, "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
ENGLISH = Wording("en")
Draw = Callable[[Axes], None]


def charts(table: pandas.DataFrame, numbers: dict[str, Any], wording: Wording) -> dict[str, str]:
    """Return {name: SVG text}. table: of a `Reading`; numbers: of `count_numbers`."""
    pen = Pen(wording)
    by_split = {split: table[table["split"] == split] for split in numbers["splits"]}
    shares = {name: _shares(counts) for name, counts in numbers["classes"].items()}
    top = 1.05 * max(max(values) for by in shares.values() for values in by.values())
    for name, adjective in CONDITION_NAMES.items():
        title = wording("labels-of", condition=wording.name(adjective))
        pen.chart(f"classes-{name}", title, pen.bars(shares[name], EMOTIONS, "share", top))
    scores = {split: part["score"] for split, part in by_split.items()}
    pen.chart("score", wording("score"), pen.histogram(scores, numpy.arange(-2.1, 2.2, 0.2), "score", "share"))
    classes = pen.bars(_shares(numbers["sentiment"]), SENTIMENTS, "share")
    pen.chart("sentiments", wording("sentiment-classes"), classes)
    seconds = {split: part["seconds"].dropna() for split, part in by_split.items()}
    longest = max((values.max() for values in seconds.values() if len(values)), default=1)
    lengths = pen.histogram(seconds, numpy.linspace(0, longest, 31), "length-axis", "share")
    pen.chart("seconds", wording("length-by-split"), lengths)
    means = [spread["mean"] or 0 for spread in numbers["seconds_by_emotion"].values()]
    pen.chart("mean-seconds", wording("mean-length"), pen.bars({"": means}, EMOTIONS, "mean-seconds"))
    speakers = numbers["speakers_by_split"]
    counts = {split: [of[split] for of in speakers.values()] for split in by_split}
    pen.chart("speakers", wording("by-speaker"), pen.stacked(counts, list(speakers), "speaker", "number-of"))
    sizes = {split: part.groupby("dialogue").size() for split, part in by_split.items()}
    most = max(values.max() for values in sizes.values())
    edges = numpy.linspace(0.5, most + 0.5, min(most, 30) + 1)
    drawn = pen.histogram(sizes, edges, "number-of", "share-of-dialogues")
    pen.chart("dialogues", wording("by-dialogue"), drawn)
    return pen.charts


def _shares(counts: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    return {split: [value / max(sum(values), 1) for value in values] for split, values in counts.items()}


class Pen:
    """Draws in English, and writes SVG in the page's language. `charts`: {name: SVG text}."""

    def __init__(self, wording: Wording) -> None:
        self.charts: dict[str, str] = {}
        self._wording = wording
        self._said: dict[str, str] = {}  # English of the charts, the page's language

    def _text(self, key: str) -> str:
        english = str(ENGLISH(key))
        self._said[english] = self._wording(key)
        return english

    def _names(self, english: Sequence[str]) -> Sequence[str]:
        self._said.update((name, self._wording.name(name)) for name in english)
        return english

    def chart(self, name: str, title: str, draw: Draw) -> None:
        """Add a chart; its title is for those who cannot see it."""
        with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
            figure = Figure(figsize=(4.6, 3), layout="constrained")
            draw(figure.subplots())
            out = io.StringIO()
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            figure.savefig(out, format="svg", transparent=True, metadata=nothing)
        svg = out.getvalue()
        svg = svg[svg.index("<svg") :].replace(TEXT, "currentColor")
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
        svg = re.sub(r' (?:width|height)="[^"]*pt"', "", svg, count=2)
        svg = re.sub(r">([^<>]+)</text>", lambda text: f">{self._said.get(text[1], text[1])}</text>", svg)
        label = self._wording("see-table", chart=title)
        self.charts[name] = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)

    def bars(
        self, values: Mapping[str, Sequence[float]], names: Sequence[str], axis: str, top: float | None = None
    ) -> Draw:
        """Draw the values of each split in grouped bars, up to `top` where several charts have one axis."""

        def draw(axes: Axes) -> None:
            width = 0.8 / len(values)
            for n, (split, heights) in enumerate(values.items()):
                at = numpy.arange(len(names)) + (n - (len(values) - 1) / 2) * width
                axes.bar(at, heights, width, label=split, color=COLOURS.get(split, COLOURS["train"]))
            axes.set_xticks(range(len(names)), self._names(names), rotation=35, ha="right", rotation_mode="anchor")
            axes.set_ylim(0, top)
            self._finish(axes, axis, values)

        return draw

    def stacked(self, counts: Mapping[str, Sequence[int]], names: Sequence[str], below: str, axis: str) -> Draw:
        """Draw the counts of each split upon one another."""

        def draw(axes: Axes) -> None:
            bottom = numpy.zeros(len(names))
            for split, heights in counts.items():
                axes.bar(range(len(names)), heights, 0.8, bottom, label=split, color=COLOURS[split])
                bottom += heights
            axes.set_xticks(range(len(names)), names, fontsize=8)
            axes.set_xlabel(self._text(below))
            self._finish(axes, axis, counts)

        return draw

    def histogram(self, values: Mapping[str, pandas.Series], edges: numpy.ndarray, below: str, axis: str) -> Draw:
        """Draw a histogram for each split, as shares of the split."""

        def draw(axes: Axes) -> None:
            for split, of_split in values.items():
                counts, _ = numpy.histogram(of_split, edges)
                axes.stairs(counts / max(len(of_split), 1), edges, label=split, color=COLOURS[split], linewidth=2)
            axes.set_xlabel(self._text(below))
            self._finish(axes, axis, values)

        return draw

    def _finish(self, axes: Axes, axis: str, splits: Mapping[str, Any]) -> None:
        """Name the axis of the values, and the colours where there are several."""
        axes.set_ylabel(self._text(axis))
        if "" not in splits:
            self._names(list(splits))
            axes.legend(frameon=False)
