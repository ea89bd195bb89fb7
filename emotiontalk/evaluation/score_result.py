"""What `emotiontalk.score` returns: metrics with intervals of one or two systems, as a table and as files."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

from emotiontalk.evaluation import metrics
from emotiontalk.evaluation.summary import as_html
from emotiontalk.folder import Folder, expanded, write_all, writing_to

SCORE_FILES = ("score.json", "confusion.png")


class PartFacts(TypedDict):
    """What is true of the utterances of a part of the split. Rates are fractions, 0…1.

    Attributes:
        utterances, dialogues: how many.
        support: class -> utterances.
        baseline: metric -> that of a system which always gives the answer of train (`constant_baseline`); None where
            the release at hand has no utterance of train.
        always: metric -> what that answer is; None as above.
        chance: metric -> the expected value of guessing each class as often as any other.
    """

    utterances: int
    dialogues: int
    support: dict[str, int]
    baseline: dict[str, float | None] | None
    always: dict[str, Any] | None
    chance: dict[str, float]


class SystemPart(TypedDict):
    """What a system reaches on a part: metrics and recalls with intervals, and counts (rows labels, columns predicted).

    Of sentiment scores, recall and confusion are those of the five classes.
    """

    metrics: dict[str, metrics.Estimate]
    recall: dict[str, metrics.Estimate]
    confusion: list[list[int]]


class Comparison(TypedDict):
    """First minus second system on a part, on the same resampled dialogues."""

    metrics: dict[str, metrics.Difference]
    recall: dict[str, metrics.Difference]


class System(TypedDict):
    """A system: the name and column of its predictions, and part -> what it reaches there."""

    predictions: str
    column: str
    parts: dict[str, SystemPart]


@dataclasses.dataclass(repr=False)
class Score:
    """What `emotiontalk.score` returns. In a notebook it shows its tables.

    Attributes:
        settings: all options, and what else is needed to score again.
        classes: the names of the classes; of sentiment scores, the five that accuracy and recall are of.
        coverage: "scored": how many utterances; "of": how many have a label; "passed_over": ids without one.
        parts: the split's name, and that of the group with unseen speakers, -> what is true there.
        systems: one or two, as they were passed.
        differences: part -> first minus second system; None for one system.
    """

    settings: dict[str, Any]
    classes: list[str]
    coverage: dict[str, int]
    parts: dict[str, PartFacts]
    systems: list[System]
    differences: dict[str, Comparison] | None

    @property
    def metrics(self) -> dict[str, metrics.Estimate]:
        """The metrics of the first system on the whole split: name -> {value, low, high}."""
        return self.systems[0]["parts"][self.settings["split"]]["metrics"]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={estimate['value']}" for name, estimate in self.metrics.items())
        return f"Score({self.settings['split']}: {values})"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready: what `save` writes to score.json."""
        return {field.name: copy.deepcopy(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, a row for each part, system and metric, and for the recall of each class.

        Columns: part, system ("A" or "B"), predictions (where they are), metric, class (None but for a recall), value,
        low, high. Rates are fractions, 0…1. What is undefined is NaN.
        """
        import pandas

        columns = ["part", "system", "predictions", "metric", "class", "value", "low", "high"]
        return pandas.DataFrame(list(self._rows()), columns=columns).astype(dict.fromkeys(columns[-3:], float))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for part in self.parts:
            for letter, system in zip("AB", self.systems):
                reached = system["parts"][part]
                row = {"part": part, "system": letter, "predictions": system["predictions"], "class": None}
                for name, estimate in reached["metrics"].items():
                    yield {**row, "metric": name, **estimate}
                for label, estimate in reached["recall"].items():
                    yield {**row, "metric": "recall", "class": label, **estimate}

    def _repr_html_(self) -> str:
        return as_html(self.to_dict())

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write score.json and confusion.png to a folder, which is made. It needs matplotlib.

        Raises:
            RequestError: other files of these names are there, or there is no room.
        """
        draw = picture_drawer()
        result = self.to_dict()
        text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
        contents = (text.encode("utf-8", "backslashreplace"), draw(result))
        with writing_to(expanded(Path(folder))) as held:
            write_all(held, dict(zip(SCORE_FILES, contents)))


def check_can_save(folder: str | os.PathLike[str]) -> None:
    """Raise what `Score.save` would, before the work: `RequestError`, or `ModuleNotFoundError` of matplotlib."""
    picture_drawer()
    Folder(expanded(Path(folder))).refuse_foreign(*SCORE_FILES)


def picture_drawer() -> Callable[[dict[str, Any]], bytes]:
    """Return what draws the confusion matrix. Raises `ModuleNotFoundError` where matplotlib is not installed."""
    try:
        from emotiontalk.evaluation.confusion import confusion_picture
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        message = 'confusion.png needs matplotlib: pip install ".[tools]" in a clone of this project'
        raise ModuleNotFoundError(message, name=error.name) from None
    return confusion_picture
