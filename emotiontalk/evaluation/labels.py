"""The labels of a release, and the texts, without any media: what is scored, and what a probe learns from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy

from emotiontalk.corpus import FOLD_SPLITS, SPLITS, split_of
from emotiontalk.members import EVERYTHING
from emotiontalk.progress import progress_bar
from emotiontalk.release import ConfigReader, ReleaseReader
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

SENTIMENT = "sentiment_score"


@dataclasses.dataclass
class Labels:
    """The labels of utterances, sorted by id.

    Attributes:
        ids: of the utterances.
        dialogues, groups: (utterances,) the dialogue and the group of each.
        values: (utterances,) classes 0…, or scores −2…2.
        reader: where they come from.
    """

    ids: list[str]
    dialogues: numpy.ndarray
    groups: numpy.ndarray
    values: numpy.ndarray
    reader: ConfigReader

    def only(self, kept: numpy.ndarray) -> Labels:
        """Return those at some places, or where a mask is true."""
        ids = numpy.array(self.ids, dtype=object)[kept].tolist()
        return Labels(ids, self.dialogues[kept], self.groups[kept], self.values[kept], self.reader)


def check_target(config: str, target: str, label_set: str) -> None:
    """Raise `RequestError` where the config has no sentiment score, or a label set is requested for scores."""
    if target == "sentiment" and SENTIMENT not in CONFIGS[config].fields:
        raise RequestError(f"config={config!r} has no sentiment score: choose multimodal or video.")
    if target == "sentiment" and label_set == "four":
        raise RequestError("label_set='four' is not supported with target='sentiment'.")


def read_labels(
    reader: ReleaseReader, config: str, split: str, target: str = "emotion", fold: int | None = None
) -> Labels:
    """Read all labels of a split, and no audio or video.

    Args:
        reader: the release.
        config: whose labels.
        split: one that the release has.
        target: "emotion" or "sentiment".
        fold: as in `load_dataset`.

    Raises:
        EmotionTalkError: the errors of `load_dataset`.
    """
    opened = reader.open(config, [split], fold=fold)
    field = SENTIMENT if target == "sentiment" else "emotion"
    utterances = opened.splits[split].utterances(fields=(field,), skip_media=EVERYTHING)
    with progress_bar(utterances, total=opened.count(), unit=" labels", desc=f"labels of {split}") as bar:
        rows = sorted((u.id, u.dialogue, u.group, example[field]) for u, example in bar)
    ids, dialogues, groups, values = zip(*rows) if rows else ((), (), (), ())
    return Labels(list(ids), numpy.array(dialogues), numpy.array(groups), numpy.array(values), opened)


@dataclasses.dataclass
class Corpus:
    """All utterances of a config, sorted by id: labels and texts.

    labels: classes, or scores; splits: (utterances,) the official split of each.
    """

    labels: Labels
    splits: numpy.ndarray
    texts: list[str]

    def only(self, kept: numpy.ndarray) -> Corpus:
        """Return those at some places, or where a mask is true."""
        texts = numpy.array(self.texts, dtype=object)[kept].tolist()
        return Corpus(self.labels.only(kept), self.splits[kept], texts)

    def parts(self, fold: int | None) -> dict[str, numpy.ndarray]:
        """Return the places of the utterances of train, validation and test.

        In a fold, which has no validation split, every tenth dialogue of train is taken for it, by the order of their
        names. Raises `RequestError` where one of the three has no utterance.
        """
        if fold is None:
            where = {split: numpy.flatnonzero(self.splits == split) for split in SPLITS}
        else:
            of_fold = numpy.array([split_of(group, fold) for group in self.labels.groups.tolist()])
            train, test = (numpy.flatnonzero(of_fold == split) for split in FOLD_SPLITS)
            held_out = numpy.isin(self.labels.dialogues[train], tenth(self.labels.dialogues[train]))
            where = {"train": train[~held_out], "validation": train[held_out], "test": test}
        empty = [split for split, places in where.items() if not len(places)]
        if empty:
            of = f" of fold {fold}" if fold else ""
            raise RequestError(f"no utterance of {', '.join(empty)}{of} has one of these labels.")
        return where


def tenth(dialogues: numpy.ndarray) -> numpy.ndarray:
    """Return every tenth of the dialogues, by the order of their names."""
    return numpy.unique(dialogues)[9::10]


def read_corpus(reader: ReleaseReader, config: str, target: str) -> Corpus:
    """Read labels and texts of all splits, and no audio or video. Raises the errors of `load_dataset`."""
    opened = reader.open(config)
    field = SENTIMENT if target == "sentiment" else "emotion"
    rows: list[tuple[Any, ...]] = []
    with progress_bar(total=opened.count(), unit=" labels", desc="labels") as bar:
        for split, of_split in opened.splits.items():
            fields = (field, "text")
            for u, example in of_split.utterances(fields=fields, skip_media=EVERYTHING):
                rows.append((u.id, u.dialogue, u.group, example[field], split, example["text"] or ""))
                bar.update()
    ids, dialogues, groups, values, splits, texts = zip(*sorted(rows)) if rows else ((), (), (), (), (), ())
    labels = Labels(list(ids), numpy.array(dialogues), numpy.array(groups), numpy.array(values), opened)
    return Corpus(labels, numpy.array(splits), list(texts))
