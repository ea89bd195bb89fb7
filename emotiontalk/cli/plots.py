"""The charts of `emotiontalk report`: matplotlib figures as inline SVG, in the text colour of the page."""

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

from emotiontalk.corpus import CONDITION_NAMES, EMOTIONS, SPLITS

COLOURS = dict(zip(SPLITS, ("#0072b2", "#e69f00", "#009e73")))  # Okabe and Ito: told apart by colour-blind readers, too
TEXT = "#010203"  # stands for the page's own colour, in light and dark
STYLE = {
    "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif", "text.color": TEXT, "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def charts(table: pandas.DataFrame, numbers: dict[str, Any]) -> dict[str, str]:
    """Return {name: SVG text}. table: as `report.Reading`; numbers: as `report.numbers`."""
    splits = list(numbers["splits"])
    drawn = {
        f"classes-{name}": _bars(numbers["classes"][name], EMOTIONS, f"{adjective.capitalize()} labels")
        for name, adjective in CONDITION_NAMES.items()
    }
    by_split = {split: table[table["split"] == split] for split in splits}
    drawn["score"] = _histogram(
        {s: p["score"] for s, p in by_split.items()}, numpy.arange(-2.1, 2.2, 0.2), "Sentiment score"
    )
    seconds = {s: p["seconds"].dropna() for s, p in by_split.items()}
    longest = max((values.max() for values in seconds.values() if len(values)), default=1)
    drawn["seconds"] = _histogram(seconds, numpy.linspace(0, longest, 31), "Length of an utterance, seconds")
    sizes = {s: p.groupby("dialogue").size() for s, p in by_split.items()}
    most = max(values.max() for values in sizes.values())
    drawn["dialogues"] = _histogram(
        sizes, numpy.linspace(0.5, most + 0.5, min(most, 30) + 1), "Utterances of a dialogue", "share of dialogues"
    )
    return drawn


def _svg(label: str, draw: Callable[[Axes], None]) -> str:
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=(4.6, 3), layout="constrained")
        draw(figure.subplots())
        out = io.StringIO()
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].replace(TEXT, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    return re.sub(r' (?:width|height)="[^"]*pt"', "", svg, count=2).replace(
        "<svg", f'<svg role="img" aria-label="{label}; the table below has the numbers"', 1
    )


def _bars(counts: Mapping[str, Sequence[int]], names: Sequence[str], label: str) -> str:
    """Draw the shares of each split in grouped bars."""

    def draw(axes: Axes) -> None:
        width = 0.8 / len(counts)
        for n, (split, values) in enumerate(counts.items()):
            shares = numpy.array(values) / max(sum(values), 1)
            axes.bar(
                numpy.arange(len(names)) + (n - (len(counts) - 1) / 2) * width,
                shares,
                width,
                label=split,
                color=COLOURS[split],
            )
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
        axes.set_ylabel("share of the split")
        axes.legend(frameon=False)

    return _svg(label, draw)


def _histogram(
    values: Mapping[str, pandas.Series], edges: numpy.ndarray, label: str, of: str = "share of utterances"
) -> str:
    """Draw a histogram for each split, as shares of the split."""

    def draw(axes: Axes) -> None:
        for split, given in values.items():
            counts, _ = numpy.histogram(given, edges)
            axes.stairs(counts / max(len(given), 1), edges, label=split, color=COLOURS[split], linewidth=2)
        axes.set_xlabel(label)
        axes.set_ylabel(of)
        axes.legend(frameon=False)

    return _svg(label, draw)
