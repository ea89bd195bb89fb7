"""The splits of the release at hand: which of their groups are there, and where each example is."""

from __future__ import annotations

import functools
from collections.abc import Container, Iterator

from ..corpus import GROUPS, OPEN_END, TOTAL, Shard, split_of
from ..errors import NoUtteranceError, warn_once
from ..members import EVERYTHING
from ..progress import progress_bar
from ..schema import MEDIA, TURN_FIELDS, splits_of
from .reading import Archives, GroupReader
from .slices import Position, SplitRuns


def is_complete(archives: Archives, source: str) -> bool:
    """Whether this is meant to be the whole release: a selection misses groups, or most of their utterances.

    Args:
        archives: by name, those that a config reads.
        source: where they are, for the warning that it is a selection.
    """
    sizes = {
        name: sum(len(archive.annotation_files(g)) for g in archive.groups) if archive.indexed else TOTAL
        for name, archive in archives.items()
    }
    every_group = all(set(GROUPS) <= set(archive.groups) for archive in archives.values())
    if every_group and min(sizes.values()) > 0.95 * TOTAL:
        return True
    counts = ", ".join(f"{name} {n:,}" for name, n in sizes.items())
    warn_once(
        f"{source} holds a part of the release ({counts} of {TOTAL:,} utterances): the sizes of its splits are not "
        "checked."
    )
    return False


def splits_at_hand(reader: GroupReader, source: str) -> dict[str, SplitRuns]:
    """Return those of the requested splits that are there; source: where, for the error.

    Raises `NoUtteranceError` where one is not, or none is.
    """
    config, splits, absent = reader.config, dict[str, SplitRuns](), []
    groups = sorted(set().union(*(archive.groups for archive in reader.archives.values())))
    for split in splits_of(config.name, config.fold):
        if config.prepare_splits and split not in config.prepare_splits:
            continue
        wanted = [group for group in (GROUPS if reader.complete else groups) if split_of(group, config.fold) == split]
        # a group without annotations may have media, of which the user is to be told
        runs = [(group, 0, max(1, reader.count(group))) for group in wanted]
        if runs:
            splits[split] = SplitRuns(split, runs, functools.partial(_positions, reader, split, runs))
        else:
            absent.append(split)
    if absent and (config.prepare_splits or not splits):
        raise NoUtteranceError(
            f"{source} holds no utterance of {', '.join(absent)}: its groups are {', '.join(groups) or 'none'}, of "
            f"{', '.join(GROUPS)}."
        )
    return splits


def _positions(reader: GroupReader, split: str, runs: list[Shard]) -> Iterator[Position]:
    """Yield where each example of a split is. Which utterances are examples is read where not each of them is."""
    config = reader.config
    if config.strict and config.label_set == "all":
        yield from ((group, number) for group, _, count in runs for number in range(count))
        return
    fields = TURN_FIELDS if config.name == "dialogues" else reader.spec.fields
    skip_media: Container[str] = ()
    if config.strict:  # audio that is bad is an error when it is read: nothing is converted to count it
        fields, skip_media = tuple(name for name in fields if name not in MEDIA), EVERYTHING
    with progress_bar(unit=" utterances", desc=f"Counting {split}, to slice it") as bar:
        for group, _, _ in runs:
            known = {unit: number for number, unit in enumerate(reader.units(group))}
            last = None
            for utterance, _ in reader.utterances((group, 0, OPEN_END), fields, skip_media, quiet=True):
                bar.update(1)
                unit = utterance.dialogue if config.name == "dialogues" else utterance.id
                if unit != last:
                    yield group, known[unit]
                last = unit
