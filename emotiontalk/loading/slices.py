"""Slices and sums of splits, as users write them, as shards: a stream of a slice is cut by utterance, not by reader."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import datasets

from ..corpus import OPEN_END, SHARDS, Shard, shards_of
from ..request_error import RequestError

UNKNOWN_SIZE = 1 << 40  # examples of a split that were not counted yet
Position = tuple[str, int]  # group, number of an utterance (or dialogue) in the sorted group


class SplitRuns(NamedTuple):
    """A split at hand.

    Attributes:
        name: "test", …
        runs: the whole of each of its groups.
        positions: a function that yields where each of its examples is, in order.
    """

    name: str
    runs: list[Shard]
    positions: Callable[[], Iterator[Position]]

    def shards(self, first: Position | None = None, after: Position | None = None) -> list[Shard]:
        """Return the shards from one position on, before another one; None: from the beginning, to the end."""
        runs, whole = [], {}
        for group, begin, end in self.runs:
            if (first and group < first[0]) or (after and group > after[0]):
                continue
            begin = first[1] if first and group == first[0] else begin
            if after and group == after[0]:
                end = after[1]
            else:  # with strict=False a group can have more than the release
                end = whole[group] = max(end, begin + 1)
            if begin < end:
                runs.append((group, begin, end))
        # the last shard of a group holds whatever comes last in it: also media without annotation
        return [
            (group, begin, OPEN_END if end == whole.get(group) else end)
            for group, begin, end in (shards_of(runs, SHARDS[self.name]) if runs else [])
        ]


def split_label(split: Any, splits: Iterable[str]) -> str:
    """Return one split as users write it, as text; "all" is the sum of these splits."""
    return "+".join(splits) if str(split) == "all" else str(split)


def instruction_of(split: Any, splits: Iterable[str]) -> datasets.ReadInstruction:
    """Parse one split as users write it. Raises `ValueError`."""
    if isinstance(split, datasets.ReadInstruction):
        return split
    return datasets.ReadInstruction.from_spec(split_label(split, splits))


def absolute_parts(instruction: datasets.ReadInstruction, sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    """Return (split, first example, the one after the last) of each part of an instruction. Raises `ValueError`."""
    parts = instruction.to_absolute(sizes)
    return [
        (part.splitname, part.from_ or 0, sizes[part.splitname] if part.to is None else part.to)  # None below 2.15
        for part in parts
    ]


def filled_parts(instruction: datasets.ReadInstruction, sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    """As `absolute_parts`, those that have an example. Raises `RequestError` where none has."""
    parts = [part for part in absolute_parts(instruction, sizes) if part[1] < min(part[2], sizes[part[0]])]
    if not parts:
        raise RequestError(f"split={str(instruction)!r} names no example.")
    return parts


def split_names(instruction: datasets.ReadInstruction, splits: Iterable[str]) -> set[str]:
    """Return the splits that an instruction names. Raises `ValueError` for one that is not there."""
    return {name for name, _, _ in absolute_parts(instruction, dict.fromkeys(splits, UNKNOWN_SIZE))}


def sliced_shards(instruction: datasets.ReadInstruction, splits: dict[str, SplitRuns]) -> list[Shard]:
    """Return the shards that hold exactly the examples that an instruction names, in its order.

    Examples are counted as far as it needs: by percent and from the end of a split, all of them. Raises `RequestError`
    where it names none.
    """
    guess, other = (
        absolute_parts(instruction, dict.fromkeys(splits, size)) for size in (UNKNOWN_SIZE, 2 * UNKNOWN_SIZE)
    )
    sizes, positions = {}, {}
    for name in {part[0] for part in guess}:
        bounds = {pair for one, two in zip(guess, other) if one[0] == name for pair in zip(one[1:], two[1:])}
        bounds -= {(UNKNOWN_SIZE, 2 * UNKNOWN_SIZE)}  # the end of the split
        needed: int | None = max((bound for bound, _ in bounds), default=0)
        if any(bound != bound_of_more for bound, bound_of_more in bounds):  # by percent, or from the end
            needed = None
        counted = list(itertools.islice(splits[name].positions(), needed + 1 if needed else needed))
        positions[name] = counted
        sizes[name] = len(counted) if needed is None or len(counted) <= needed > 0 else UNKNOWN_SIZE
    shards: list[Shard] = []
    for name, begin, end in filled_parts(instruction, sizes):
        first = positions[name][begin] if begin else None
        group, last = positions[name][end - 1] if end != sizes[name] else ("", 0)
        after = (group, last + 1) if group else None
        shards += splits[name].shards(first, after)
    return shards
