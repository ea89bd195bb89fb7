"""The error of predictions that cannot be scored, and how it names what is in the way."""

from __future__ import annotations

from collections.abc import Iterable

from emotiontalk.errors import brief
from emotiontalk.request_error import RequestError

FEW = 5  # how many ids or values a message names


class PredictionsError(RequestError):
    """Predictions cannot be scored; the message names the first few that are in the way. Exit status 2."""


def name_a_few(values: Iterable[object]) -> str:
    """Name the first few of some values, which may come from a file, and count the others."""
    values = list(values)
    more = f", … {len(values) - FEW:,} more" if len(values) > FEW else ""
    return ", ".join(brief(value, 60) for value in values[:FEW]) + more


def count_with_verb(number: int, noun: str) -> str:
    """Return "1 id is", "2 ids are", …"""
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"
