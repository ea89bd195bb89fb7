"""An audformat database, the format of audb and nkululeko, with the audio in it: paths are relative.

db.yaml                                    header: schemes, raters, splits, tables
db.files.csv                               speaker, dialogue, turn, transcription, duration
db.emotion.{train,dev,test}.csv            the label of the corpus: the gold standard
db.emotion.votes.{train,dev,test}.csv      the single votes, a column an annotator, with confidences
db.sentiment.{train,dev,test}.csv          the mean rating, where the annotation condition has it
audio/<split>/<id>.wav
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from emotiontalk.corpus import ANNOTATORS, CONDITION_NAMES, EMOTIONS, HOMEPAGE, LICENSE, SPEAKER_SETS
from emotiontalk.export.job import Job, Row, Rows
from emotiontalk.schema import CONFIGS

TOOLKIT, AUDIO = "audformat (audb, nkululeko)", "files"
NAMES = {"train": "train", "validation": "dev", "test": "test"}
FILES = ("speaker", "dialogue", "turn", "transcription", "duration")


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    every = [row for utterances in rows.values() for row in utterances]
    tables: dict[str, dict[str, Any]] = {"files": {"type": "filewise", "media_id": "audio", "columns": _columns(FILES)}}
    for row in every:
        job.link(row, f"audformat/{_file(job, row)}")
    _write(job, "files", FILES, every, lambda row: (row.speaker, row.dialogue, row.turn, row.text, _time(row)))
    scored = job.config == "multimodal"
    for split, utterances in rows.items():
        name = NAMES[split]
        table = {"type": "filewise", "media_id": "audio", "split_id": name}
        tables[f"emotion.{name}"] = {**table, "columns": {"emotion": {"scheme_id": "emotion", "rater_id": "gold"}}}
        _write(job, f"emotion.{name}", ["emotion"], utterances, lambda row: [row.emotion])
        tables[f"emotion.votes.{name}"] = {**table, "columns": _vote_columns(scored)}
        _write(job, f"emotion.votes.{name}", _vote_columns(scored), utterances, lambda row: _votes(row, scored))
        if scored:
            columns = {"sentiment": {"scheme_id": "sentiment", "rater_id": "mean"}}
            tables[f"sentiment.{name}"] = {**table, "columns": columns}
            _write(job, f"sentiment.{name}", columns, utterances, lambda row: [row.fields.get("sentiment_score")])
    header = json.dumps(_header(job, every, tables), ensure_ascii=False, indent=1)  # JSON is YAML
    job.write("audformat/db.yaml", header + "\n")


def _file(job: Job, row: Row) -> str:
    return f"audio/{NAMES[row.split]}/{row.id}.{job.suffix}"


def _time(row: Row) -> str:
    return f"0 days 00:{int(row.seconds) // 60:02d}:{row.seconds % 60:012.9f}"


def _columns(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"scheme_id": name} for name in names}


def _vote_columns(scored: bool) -> dict[str, Any]:
    # a scheme of their own: what asks a database for all of `emotion` gets the gold standard, and no conflict
    schemes = {"": "emotion.vote", ".confidence": "confidence", **({".sentiment": "sentiment.vote"} if scored else {})}
    return {
        f"{annotator}{suffix}": {"scheme_id": scheme, "rater_id": annotator}
        for annotator in ANNOTATORS
        for suffix, scheme in schemes.items()
    }


def _votes(row: Row, scored: bool) -> list[Any]:
    votes = {vote["annotator"]: vote for vote in row.annotations}
    values: list[Any] = []
    for annotator in ANNOTATORS:
        vote = votes.get(annotator, {"emotion": None, "confidence": None, "sentiment": None})
        values += [None if vote["emotion"] is None else EMOTIONS[vote["emotion"]], vote["confidence"]]
        values += [vote["sentiment"]] if scored else []
    return values


def _write(job: Job, name: str, columns: Iterable[str], rows: list[Row], values: Any) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *columns])
    writer.writerows([_file(job, row), *values(row)] for row in rows)
    job.write(f"audformat/db.{name}.csv", text.getvalue())


def _header(job: Job, rows: list[Row], tables: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"type": "audio", "format": job.suffix}
    if job.audio_format.channels and job.audio_format.sampling_rate:
        media |= {"channels": job.audio_format.channels, "sampling_rate": job.audio_format.sampling_rate}
    sets = {row.speaker: {"set": row.fields["speaker_set"]} for row in sorted(rows, key=lambda row: row.speaker)}
    schemes: dict[str, Any] = {
        "emotion": {"dtype": "str", "labels": list(job.emotions)},
        "emotion.vote": {"dtype": "str", "labels": list(EMOTIONS)},
        "confidence": {"dtype": "float", "minimum": 0, "maximum": 1},
        "speaker": {
            "description": f"set: 1…{len(SPEAKER_SETS)}, no speaker is in two of these sets of groups",
            "dtype": "str",
            "labels": sets,
        },
        "dialogue": {"dtype": "str"},
        "turn": {"description": "number in the dialogue, over both speakers", "dtype": "int"},
        "transcription": {"description": "without marks", "dtype": "str"},
        "duration": {"dtype": "time"},
    }
    raters = {"gold": {"description": "the label of the corpus: the votes, some overruled by experts", "type": "vote"}}
    raters |= {
        letter: {"description": f"annotator {letter} of the utterance", "type": "human"} for letter in ANNOTATORS
    }
    if job.config == "multimodal":
        schemes["sentiment"] = {"dtype": "float", "minimum": -2, "maximum": 2}
        schemes["sentiment.vote"] = {"dtype": "int", "minimum": -2, "maximum": 2}
        raters["mean"] = {"description": "mean of the annotators", "type": "vote"}
    return {
        "name": "emotiontalk",
        "description": f"EmotionTalk, {CONDITION_NAMES[CONFIGS[job.config].condition]} labels",
        "source": HOMEPAGE,
        "usage": "research",
        "languages": ["zho"],
        "license": LICENSE.replace(" ", "-"),
        "media": {"audio": media},
        "raters": raters,
        "schemes": schemes,
        "splits": {NAMES[split]: {"type": NAMES[split]} for split in job.splits},
        "tables": tables,
    }


def start(job: Job) -> str:
    """See `toolkits`."""
    folder, split = job.out.resolve() / "audformat", NAMES[job.example]
    return f"""The folder `audformat` is the database: it can be moved.

    db = audformat.Database.load("audformat")
    db["emotion.{split}"].get(), db["files"].get(), db["emotion.votes.{split}"].get()

In an experiment of nkululeko; its `Dataset` loads and splits these files, the training was not run with them:

    [EXP]
    traindevtest = True
    [DATA]
    databases = ['emotiontalk']
    emotiontalk = {folder}
    emotiontalk.split_strategy = specified
    emotiontalk.train_tables = ['emotion.train']
    emotiontalk.dev_tables = ['emotion.dev']
    emotiontalk.test_tables = ['emotion.test']
    target = emotion
    labels = {list(job.emotions)}
"""
