"""`emotiontalk.context`: the turns of a dialogue, each with those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Turn = dict[str, Any]  # of a row of the config `dialogues`, in its field `turns`


def dicts_of(values: Any) -> list[dict[str, Any]]:
    """Return a list of dicts: given as such, or as the dict of lists that `datasets` makes of a sequence of dicts."""
    if isinstance(values, Mapping):
        return [dict(zip(values, row)) for row in zip(*values.values())]
    return list(values)


def context(turns: Iterable[Turn] | Mapping[str, Any], k: int) -> list[list[Turn]]:
    """Return, for each turn of a dialogue, the turn and the k before it, of both speakers.

    Args:
        turns: the field `turns` of a row of `dialogues`: dicts in turn order, or a dict of lists.
        k: how many preceding turns, 0 or more.

    Returns:
        As many windows as turns, in their order. A window is a list of 1 to k + 1 turns, the oldest first: the last
        one is the turn itself. Windows at the beginning are shorter. A turn number that is missing in the release is no
        gap: the turn before counts, whatever its number. The turns are the given dicts, not copies.

    Raises:
        TypeError: `turns` are not turns, or k is not a whole number.
        ValueError: k is negative.
    """
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k={k!r}: give a whole number of turns.")
    if k < 0:
        raise ValueError(f"k={k}: give 0 or more turns.")
    if isinstance(turns, Mapping) and "turns" in turns:
        raise TypeError('context takes the turns of one dialogue: context(row["turns"], k).')
    if isinstance(turns, (str, bytes)) or not isinstance(turns, Iterable):
        raise TypeError(f'context takes the turns of a dialogue, row["turns"], not {type(turns).__name__}.')
    dialogue = dicts_of(turns)
    return [dialogue[max(0, n - k) : n + 1] for n in range(len(dialogue))]
