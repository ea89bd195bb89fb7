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
from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import UtteranceRow, Utterances
from emotiontalk.schema import CONFIGS

NAMES = {"train": "train", "validation": "dev", "test": "test"}
FILES = ("speaker", "dialogue", "turn", "transcription", "duration")


class AudformatFormat(Format):
    """What audformat (audb, nkululeko) read."""

    name = "audformat"
    toolkit = "audformat (audb, nkululeko)"

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        every = [row for rows in utterances.rows.values() for row in rows]
        tables: dict[str, dict[str, Any]] = {
            "files": {"type": "filewise", "media_id": "audio", "columns": _columns(FILES)}
        }
        for row in every:
            context.link_clip(row, f"audformat/{_file(context, row)}")
        _write(context, "files", FILES, every, lambda row: (row.speaker, row.dialogue, row.turn, row.text, _time(row)))
        scored = context.request.config == "multimodal"
        for split, rows in utterances.rows.items():
            name = NAMES[split]
            table = {"type": "filewise", "media_id": "audio", "split_id": name}
            tables[f"emotion.{name}"] = {**table, "columns": {"emotion": {"scheme_id": "emotion", "rater_id": "gold"}}}
            _write(context, f"emotion.{name}", ["emotion"], rows, lambda row: [row.emotion])
            tables[f"emotion.votes.{name}"] = {**table, "columns": _vote_columns(scored)}
            _write(context, f"emotion.votes.{name}", _vote_columns(scored), rows, lambda row: _votes(row, scored))
            if scored:
                columns = {"sentiment": {"scheme_id": "sentiment", "rater_id": "mean"}}
                tables[f"sentiment.{name}"] = {**table, "columns": columns}
                _write(context, f"sentiment.{name}", columns, rows, lambda row: [row.fields.get("sentiment_score")])
        header = json.dumps(_header(context, every, tables), ensure_ascii=False, indent=1)  # JSON is YAML
        context.write_file("audformat/db.yaml", header + "\n")
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        folder, split = context.request.out.resolve() / "audformat", NAMES[context.example_split]
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
    labels = {list(context.request.emotions)}
"""


def _file(context: WriterContext, row: UtteranceRow) -> str:
    return f"audio/{NAMES[row.split]}/{row.id}.{context.request.suffix}"


def _time(row: UtteranceRow) -> str:
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


def _votes(row: UtteranceRow, scored: bool) -> list[Any]:
    votes = {vote["annotator"]: vote for vote in row.annotations}
    values: list[Any] = []
    for annotator in ANNOTATORS:
        vote = votes.get(annotator, {"emotion": None, "confidence": None, "sentiment": None})
        values += [None if vote["emotion"] is None else EMOTIONS[vote["emotion"]], vote["confidence"]]
        values += [vote["sentiment"]] if scored else []
    return values


def _write(context: WriterContext, name: str, columns: Iterable[str], rows: list[UtteranceRow], values: Any) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *columns])
    writer.writerows([_file(context, row), *values(row)] for row in rows)
    context.write_file(f"audformat/db.{name}.csv", text.getvalue())


def _header(context: WriterContext, rows: list[UtteranceRow], tables: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"type": "audio", "format": context.request.suffix}
    if context.request.audio_format.channels and context.request.audio_format.sampling_rate:
        media |= {
            "channels": context.request.audio_format.channels,
            "sampling_rate": context.request.audio_format.sampling_rate,
        }
    sets = {row.speaker: {"set": row.fields["speaker_set"]} for row in sorted(rows, key=lambda row: row.speaker)}
    schemes: dict[str, Any] = {
        "emotion": {"dtype": "str", "labels": list(context.request.emotions)},
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
    if context.request.config == "multimodal":
        schemes["sentiment"] = {"dtype": "float", "minimum": -2, "maximum": 2}
        schemes["sentiment.vote"] = {"dtype": "int", "minimum": -2, "maximum": 2}
        raters["mean"] = {"description": "mean of the annotators", "type": "vote"}
    return {
        "name": "emotiontalk",
        "description": f"EmotionTalk, {CONDITION_NAMES[CONFIGS[context.request.config].condition]} labels",
        "source": HOMEPAGE,
        "usage": "research",
        "languages": ["zho"],
        "license": LICENSE.replace(" ", "-"),
        "media": {"audio": media},
        "raters": raters,
        "schemes": schemes,
        "splits": {NAMES[split]: {"type": NAMES[split]} for split in context.splits},
        "tables": tables,
    }
