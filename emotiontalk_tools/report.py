"""`emotiontalk report`: one self-contained HTML page that shows what is in a release.

`read` goes through the release once, `numbers` counts, `write` draws and fills the template beside this file.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import itertools
import json
import math
from pathlib import Path

import jinja2
import numpy
import pandas
import sklearn.metrics
import statsmodels.stats.inter_rater
from tqdm import tqdm

import emotiontalk
from emotiontalk import ANNOTATORS, EMOTIONS, PASSES, SENTIMENTS, SPLITS

from . import plots, source
from .errors import CommandError
from .parquet import Conversion
from .sound import SoundError
from .written import refuse_foreign_file, write_file

PAPER_KAPPA = {"text": 0.66, "audio": 0.79, "video": 0.73, "multimodal": 0.78}  # Fleiss' kappa, section 3 of the paper
PAPER_HOURS = 23.6
PLAYED = Conversion(16_000, 1, "flac")  # small, and every browser plays it


@dataclasses.dataclass
class Reading:
    """What was read: `table`, an utterance a row; `votes`, pass -> (utterances with five votes, 7) counts; `clips`."""

    table: pandas.DataFrame
    votes: dict
    clips: list


def read(data_dir=None, cache_dir=None, token=None, clips: int = 3) -> Reading:
    """Read a release once.

    clips: how many utterances to listen to for each split and emotion, over groups and speakers.
    The table's columns: id, split, group, dialogue, speaker, seconds (NaN where the sound has no readable header),
    score (−2…2), sentiment (0…4) and the label 0…6 of each pass. Raises the errors of `load_dataset`.
    """
    builder, splits = source.open_release("multimodal", data_dir, cache_dir, token)
    rows, votes = [], {name: [] for name in PASSES}
    candidates = {}  # (split, emotion) -> {(group, speaker): clip}
    for split, kwargs in splits.items():
        found = builder.utterances(**kwargs)
        for utterance, _ in tqdm(found, total=source.count(kwargs), unit=" utterances", desc=split):
            labels = {name: utterance.emotion(name) for name in PASSES}
            score = utterance.score()
            rows.append(
                {
                    "id": utterance.id,
                    "split": split,
                    "group": utterance.group,
                    "dialogue": utterance.dialogue,
                    "speaker": utterance.speaker_id,
                    "seconds": utterance.seconds,
                    "score": score,
                    "sentiment": emotiontalk.sentiment_id(score),
                    **labels,
                }
            )
            for name in PASSES:
                given = [vote["emotion"] for vote in utterance.votes(name)]
                if None not in given:
                    votes[name].append(numpy.bincount(given, minlength=len(EMOTIONS)))
            first = candidates.setdefault((split, labels["multimodal"]), {})
            if clips and (utterance.group, utterance.speaker_id) not in first:
                first[utterance.group, utterance.speaker_id] = _clip(utterance, split, labels, score)
    table = pandas.DataFrame(rows)
    votes = {name: numpy.array(counts).reshape(-1, len(EMOTIONS)) for name, counts in votes.items()}
    return Reading(table, votes, _spread_out(candidates, clips))


def _spread_out(candidates, clips: int) -> list:
    """Of the candidates of each split and emotion some: the groups and speakers heard least so far come first."""
    used, chosen = collections.Counter(), []
    for _, by_voice in sorted(candidates.items()):
        left = dict(by_voice)
        for _ in range(min(clips, len(left))):
            group, speaker = min(left, key=lambda voice: (used[voice[0]], used[voice[1]], voice))
            used.update((group, speaker))
            chosen.append(left.pop((group, speaker)))
    return chosen


def _clip(utterance, split, labels, score) -> dict:
    """What the listening table shows of an utterance, its sound as a data address."""
    try:
        sound = base64.b64encode(PLAYED(utterance.media.read())).decode()
    except SoundError:
        sound = None
    votes = utterance.votes("multimodal")
    captions = utterance.captions()
    return {
        "id": utterance.id,
        "split": split,
        "emotion": EMOTIONS[labels["multimodal"]],
        "sound": sound,
        "transcription": utterance.transcription(),
        "score": score,
        "labels": {name: EMOTIONS[label] for name, label in labels.items()},
        "votes": [
            (v["annotator"], "?" if v["emotion"] is None else EMOTIONS[v["emotion"]], v["confidence"]) for v in votes
        ],
        "captions": [(name, captions[name]) for name in ("speaker", "style", "emotion") if captions[name]]
        + [("overall", text) for text in captions["overall"] if text],
    }


def numbers(reading: Reading) -> dict:
    """Every number of the page, JSON-ready: counts, shares 0…1, seconds, kappas."""
    table = reading.table
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    parts = {split: table[table["split"] == split] for split in splits}
    return {
        "utterances": len(table),
        "hours": float(table["seconds"].sum() / 3600),
        "dialogues": int(table["dialogue"].nunique()),
        "speakers": int(table["speaker"].nunique()),
        "splits": {split: len(part) for split, part in parts.items()},
        "classes": {
            name: {
                split: [int((part[name] == label).sum()) for label in range(len(EMOTIONS))]
                for split, part in parts.items()
            }
            for name in PASSES
        },
        "sentiment": {
            split: [int((part["sentiment"] == label).sum()) for label in range(len(SENTIMENTS))]
            for split, part in parts.items()
        },
        "seconds": {split: _spread(part["seconds"].dropna()) for split, part in parts.items()},
        "agreement": [_agreement(table, first, second) for first, second in itertools.combinations(PASSES, 2)],
        "kappa": {
            name: {"utterances": len(votes), "kappa": _kappa(votes), "paper": PAPER_KAPPA[name]}
            for name, votes in reading.votes.items()
        },
        "speakers_by_split": {
            speaker: {split: int((part["speaker"] == speaker).sum()) for split, part in parts.items()}
            for speaker in sorted(table["speaker"].unique())
        },
        "seconds_by_emotion": {
            name: _spread(table["seconds"][table["multimodal"] == n].dropna()) for n, name in enumerate(EMOTIONS)
        },
        "emotions_by_speaker": {
            speaker: [int((part["multimodal"] == n).sum()) for n in range(len(EMOTIONS))]
            for speaker, part in table.groupby("speaker")
        },
        "utterances_by_dialogue": {split: _spread(part.groupby("dialogue").size()) for split, part in parts.items()},
    }


def _spread(values) -> dict:
    spread = {name: getattr(values, name)() for name in ("mean", "median", "min", "max", "sum")}
    return {"n": len(values), **{name: _known(value) for name, value in spread.items()}}


def _known(value) -> float | None:
    """A number that JSON has, or None for what cannot be known."""
    return float(value) if math.isfinite(value) else None


def _agreement(table, first, second) -> dict:
    """How two passes agree: rows are the labels of `first`, columns those of `second`."""
    a, b = table[first], table[second]
    return {
        "passes": [first, second],
        "matrix": sklearn.metrics.confusion_matrix(a, b, labels=range(len(EMOTIONS))).tolist(),
        "same": float((a == b).mean()),
        "cohen": _known(sklearn.metrics.cohen_kappa_score(a, b, labels=range(len(EMOTIONS)))),
    }


def _kappa(votes) -> float | None:
    """Fleiss' kappa of (utterances, 7) counts; None where all votes are for one class, or there are none."""
    if (votes.sum(axis=0) > 0).sum() < 2:
        return None
    return float(statsmodels.stats.inter_rater.fleiss_kappa(votes))


def write(out: Path, data_dir=None, cache_dir=None, token=None, clips: int = 3) -> dict:
    """Write the page; its numbers."""
    refuse_foreign_file(out, _is_report)
    out.parent.mkdir(parents=True, exist_ok=True)
    reading = read(data_dir, cache_dir, token, clips)
    if not len(reading.table):
        raise CommandError("the release at hand has no utterances.")
    counted = numbers(reading)
    whole = counted["utterances"] == emotiontalk.TOTAL
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html").render(
        numbers=counted,
        as_json=json.dumps(counted, allow_nan=False).replace("<", "\\u003c"),
        clips=reading.clips,
        emotions=EMOTIONS,
        sentiments=SENTIMENTS,
        annotators=ANNOTATORS,
        passes=list(PASSES),
        charts=plots.charts(reading.table, counted),
        source=_where(data_dir),
        date=datetime.date.today().isoformat(),
        paper_hours=PAPER_HOURS if whole else None,
        version=str(emotiontalk.EmotionTalk.VERSION),
        license=emotiontalk.LICENSE,
        homepage=emotiontalk.HOMEPAGE,
        shared=[s for s, n in counted["speakers_by_split"].items() if n.get("validation") and n.get("test")],
    )
    write_file(out, page.encode("utf-8", "backslashreplace"), _is_report)
    return counted


def _where(data_dir) -> str:
    """Where a release was read, without the path of a folder of the reader's own."""
    if emotiontalk.is_remote(data_dir):
        return emotiontalk.shown(data_dir)
    return "a local folder" if data_dir else emotiontalk.DEFAULT_SOURCE


def _is_report(data: bytes) -> bool:
    return b'<meta name="generator" content="emotiontalk report">' in data[:2_000]
