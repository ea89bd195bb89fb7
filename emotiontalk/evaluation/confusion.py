"""The picture of the confusion matrix, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emotiontalk.errors import brief
from emotiontalk.evaluation.summary import (
    TITLES,
    Result,
    formatted,
    formatted_interval,
    label_in_words,
    split_in_words,
    unit_of,
)


def confusion_picture(result: Result) -> bytes:
    """Draw the confusion matrix of each system on the whole split, as PNG. result: as `Score.to_dict`."""
    name = result["settings"]["split"]
    systems = result["systems"]
    figure = Figure(figsize=(7 * len(systems), 6.4), layout="constrained")
    for axes, system in zip(figure.subplots(1, len(systems), squeeze=False)[0], systems):
        part = system["parts"][name]
        _draw_matrix(axes, numpy.array(part["confusion"]), result["classes"])
        rates = [
            f"{TITLES[metric]} {formatted(e['value'], metric)}{unit_of(metric)} ({formatted_interval(e, metric)})"
            for metric, e in part["metrics"].items()
            if metric in ("war", "uar", "ccc", "accuracy_5")
        ]
        sentiment = result["settings"]["target"] == "sentiment"
        label = "class of the sentiment score" if sentiment else label_in_words(result["settings"])
        utterances = f"{result['parts'][name]['utterances']:,} utterances"
        lines = [
            f"{brief(Path(system['predictions']).name, 60)}: what is predicted for each {label}",
            f"{split_in_words(result['settings'])}, {utterances}; shares of each row, and utterances",
            ", ".join(rates),
        ]
        axes.set_title("\n".join(lines), fontsize=9, parse_math=False)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name in letters that the font does not have
        figure.savefig(picture, dpi=150, format="png")
    return picture.getvalue()


def _draw_matrix(axes: Axes, counts: numpy.ndarray, classes: list[str]) -> None:
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
