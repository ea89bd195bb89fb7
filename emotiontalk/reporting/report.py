"""`emotiontalk report`: one self-contained HTML page that shows what is in a release.

`read` goes through the release once, `numbers` counts, `write` draws and fills the template in `assets`.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy
import pandas
import sklearn.metrics
import statsmodels.stats.inter_rater

from emotiontalk.annotations import Utterance, sentiment_id
from emotiontalk.archives.urls import full_source, is_remote
from emotiontalk.audio import AudioFormat
from emotiontalk.corpus import (
    AUDIO_FORMATS,
    CONDITION_NAMES,
    CONDITIONS,
    DEFAULT_SOURCE,
    EMOTIONS,
    HOMEPAGE,
    LICENSE,
    SENTIMENTS,
    SPLITS,
    TOTAL,
    __version__,
)
from emotiontalk.errors import AudioDecodeError, printable, redacted
from emotiontalk.folder import ZEROS, refuse_foreign_file, room, write_file
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader
from emotiontalk.reporting import charts as plots
from emotiontalk.reporting.wording import Wording
from emotiontalk.request_error import RequestError
from emotiontalk.verification.findings import format_name

PAPER_KAPPA = {"text": 0.66, "audio": 0.79, "video": 0.73, "multimodal": 0.78}  # Fleiss' kappa, section 3 of the paper
PAPER_HOURS = 23.6
PLAYED = AudioFormat(16_000, 1, "flac")  # small, and every browser plays it
MARK = b'<meta name="emotiontalk-sha256" content="'  # of a page that nobody has edited
Clip = dict[str, Any]  # what the template shows of an utterance
Voice = tuple[str, str]  # group, speaker


@dataclasses.dataclass
class Reading:
    """What was read.

    `table`: an utterance a row; `votes`: annotation condition -> (utterances with five votes, 7) counts; `clips`.
    """

    table: pandas.DataFrame
    votes: dict[str, numpy.ndarray]
    clips: list[Clip]


def read(
    data_dir: str | None = None, cache_dir: str | None = None, token: str | None = None, clips: int = 3
) -> Reading:
    """Read a release once.

    clips: how many utterances to listen to for each split and emotion, over groups and speakers.
    The table's columns: id, split, group, dialogue, speaker, seconds (NaN where the audio has no readable header),
    format, score (−2…2), sentiment (0…4) and the label 0…6 of each annotation condition. Raises the errors of
    `load_dataset`.
    """
    reader = ReleaseReader(data_dir, cache_dir, token).open("multimodal")
    rows: list[dict[str, Any]] = []
    votes: dict[str, list[numpy.ndarray]] = {name: [] for name in CONDITIONS}
    candidates: dict[tuple[str, int], dict[Voice, Clip]] = {}  # by split and emotion
    for split, of_split in reader.splits.items():
        found = of_split.utterances()
        for utterance, _ in progress_bar(found, total=of_split.count(), unit=" utterances", desc=split):
            labels = {name: utterance.emotion(name) for name in CONDITIONS}
            score = utterance.score()
            rows.append(
                {
                    "id": utterance.id,
                    "split": split,
                    "group": utterance.group,
                    "dialogue": utterance.dialogue,
                    "speaker": utterance.speaker_id,
                    "seconds": utterance.seconds,
                    "format": format_name(*utterance.wav[:3]) if utterance.wav else "",
                    "score": score,
                    "sentiment": sentiment_id(score),
                    **labels,
                }
            )
            for name in CONDITIONS:
                given = [vote["emotion"] for vote in utterance.votes(name)]
                if None not in given:
                    votes[name].append(numpy.bincount(given, minlength=len(EMOTIONS)))
            first = candidates.setdefault((split, labels["multimodal"]), {})
            if clips and (utterance.group, utterance.speaker_id) not in first:
                first[utterance.group, utterance.speaker_id] = _clip(utterance, split, labels, score)
    table = pandas.DataFrame(rows)
    counted = {name: numpy.array(counts).reshape(-1, len(EMOTIONS)) for name, counts in votes.items()}
    return Reading(table, counted, _spread_out(candidates, clips))


def _spread_out(candidates: Mapping[tuple[str, int], dict[Voice, Clip]], clips: int) -> list[Clip]:
    """Choose clips of each split and emotion: the groups and speakers that were chosen least come first."""
    used: collections.Counter[str] = collections.Counter()
    chosen = []
    for _, by_voice in sorted(candidates.items()):
        left = dict(by_voice)
        for _ in range(min(clips, len(left))):
            group, speaker = min(left, key=lambda voice: (used[voice[0]], used[voice[1]], voice))
            used.update((group, speaker))
            chosen.append(left.pop((group, speaker)))
    return chosen


def _clip(utterance: Utterance, split: str, labels: dict[str, int], score: float) -> Clip:
    """Return what the listening table shows of an utterance, its audio in Base64."""
    assert utterance.media is not None
    audio: str | None
    try:
        audio = base64.b64encode(PLAYED.convert(utterance.media.read())).decode()
    except AudioDecodeError:
        audio = None
    votes = utterance.votes("multimodal")
    captions = utterance.captions()
    return {
        "id": utterance.id,
        "split": split,
        "emotion": EMOTIONS[labels["multimodal"]],
        "audio": audio,
        "transcription": utterance.transcription(),
        "score": score,
        "labels": {CONDITION_NAMES[name]: EMOTIONS[label] for name, label in labels.items()},
        "votes": [
            (v["annotator"], None if v["emotion"] is None else EMOTIONS[v["emotion"]], v["confidence"]) for v in votes
        ],
        "captions": [(name, captions[name]) for name in ("speaker", "style", "emotion") if captions[name]]
        + [("overall", text) for text in captions["overall"] if text],
    }


def numbers(reading: Reading) -> dict[str, Any]:
    """Return every number of the page, JSON-ready: counts, shares 0…1, seconds, kappas."""
    table = reading.table
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    parts = {split: table[table["split"] == split] for split in splits}
    formats = table["format"].value_counts().index.tolist()  # the most frequent one first
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
            for name in CONDITIONS
        },
        "sentiment": {
            split: [int((part["sentiment"] == label).sum()) for label in range(len(SENTIMENTS))]
            for split, part in parts.items()
        },
        "scores": {split: _spread(part["score"]) for split, part in parts.items()},
        "formats": {
            split: {form: int((part["format"] == form).sum()) for form in formats} for split, part in parts.items()
        },
        "seconds": {split: _spread(part["seconds"].dropna()) for split, part in parts.items()},
        "agreement": [_agreement(table, first, second) for first, second in itertools.combinations(CONDITIONS, 2)],
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


def _spread(values: pandas.Series) -> dict[str, Any]:
    spread = {name: getattr(values, name)() for name in ("mean", "median", "min", "max", "sum")}
    return {"n": len(values), **{name: _known(value) for name, value in spread.items()}}


def _known(value: float) -> float | None:
    """Return a number that JSON has, or None for what cannot be known."""
    return float(value) if math.isfinite(value) else None


def _agreement(table: pandas.DataFrame, first: str, second: str) -> dict[str, Any]:
    """Compare two annotation conditions: rows are the labels of `first`, columns those of `second`."""
    a, b = table[first], table[second]
    return {
        "conditions": [first, second],
        "matrix": sklearn.metrics.confusion_matrix(a, b, labels=range(len(EMOTIONS))).tolist(),
        "same": float((a == b).mean()),
        "cohen": _known(sklearn.metrics.cohen_kappa_score(a, b, labels=range(len(EMOTIONS)))),
    }


def _kappa(votes: numpy.ndarray) -> float | None:
    """Return Fleiss' kappa of (utterances, 7) counts; None where all votes are for one class, or there are none."""
    if (votes.sum(axis=0) > 0).sum() < 2:
        return None
    return float(statsmodels.stats.inter_rater.fleiss_kappa(votes))


def write(
    out: Path,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
    clips: int = 3,
    language: str = "en",
) -> dict[str, Any]:
    """Write the page in a language of `report_texts.LANGUAGES`; return its numbers."""
    refuse_foreign_file(out, mark=MARK)  # before the work
    with room(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    reading = read(data_dir, cache_dir, token, clips)
    if not len(reading.table):
        raise RequestError("the release at hand has no utterances.")
    counted = numbers(reading)
    whole = counted["utterances"] == TOTAL
    reported = {format_name(*form, 16): n for form, n in AUDIO_FORMATS.items()} if whole else {}
    wording = Wording(language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("assets")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html").render(
        t=wording,
        numbers=counted,
        as_json=json.dumps(counted, allow_nan=False).replace("<", "\\u003c"),
        clips=reading.clips,
        emotions=EMOTIONS,
        sentiments=SENTIMENTS,
        conditions=CONDITION_NAMES,
        charts=plots.charts(reading.table, counted, wording),
        source=_where(data_dir, wording),
        date=datetime.date.today().isoformat(),
        paper_hours=PAPER_HOURS if whole else None,
        format_counts=_format_counts(counted["formats"], reported),
        reported=reported,
        version=__version__,
        digest=ZEROS.decode(),
        license=LICENSE,
        homepage=HOMEPAGE,
        shared=[s for s, n in counted["speakers_by_split"].items() if n.get("validation") and n.get("test")],
    )
    visible = "\n".join(map(printable, page.split("\n")))  # a browser and a terminal would obey the rest
    write_file(out, visible.encode(), MARK)
    return counted


def _format_counts(by_split: dict[str, dict[str, int]], reported: dict[str, int]) -> dict[str, list[int]]:
    """Return the counts of each format: of each split, then of all; also of those that are reported but not found."""
    names = dict.fromkeys([name for counts in by_split.values() for name in counts] + list(reported))
    counted = {name: [counts.get(name, 0) for counts in by_split.values()] for name in names}
    return {name: [*counts, sum(counts)] for name, counts in counted.items()}


def _where(data_dir: str | None, wording: Wording) -> str:
    """Say where a release was read, without the path of a folder of the reader's own."""
    if data_dir and is_remote(full_source(data_dir)):
        return redacted(full_source(data_dir))
    return wording("local") if data_dir else DEFAULT_SOURCE
