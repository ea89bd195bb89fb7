"""MERBench and the authors' own training code: `audio/`, `label-<config>.npz`, `transcription.csv`."""

from __future__ import annotations

import csv
import io

import numpy

from ..job import Job, Rows

TOOLKIT, AUDIO = "MERTools (MERBench)", "files"
NAMES = {"train": "train_corpus", "validation": "val_corpus", "test": "test_corpus"}


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    corpora: dict[str, dict[str, dict[str, float]]] = {name: {} for name in NAMES.values()}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["name", "chinese", "english"])
    for split, utterances in rows.items():
        for row in utterances:
            job.link(row, f"merbench/audio/{row.id}.{job.suffix}")
            # its classes are numbered 0…; `val` is the sentiment score, which the audio-visual condition alone has
            score = row.fields.get("sentiment_score")
            corpora[NAMES[split]][row.id] = {
                "emo": job.emotions.index(row.emotion),
                "val": 0.0 if score is None else float(score),
            }
            writer.writerow([row.id, row.text, ""])
    data = io.BytesIO()
    numpy.savez(data, **{name: numpy.array(corpus, dtype=object) for name, corpus in corpora.items()})
    job.write(f"merbench/label-{job.config}.npz", data.getvalue())
    job.write("merbench/transcription.csv", table.getvalue())


def start(job: Job) -> str:
    """See `toolkits`."""
    val = (
        "the sentiment score, −2…2"
        if job.config == "multimodal"
        else "0: the audio-visual condition alone has the score (`--config multimodal`)"
    )
    return f"""In MERTools' `config.py`: `PATH_TO_RAW_AUDIO`, `PATH_TO_LABEL`, `PATH_TO_TRANSCRIPTIONS`. `emo` numbers
the labels as above from 0 on; `val` is {val}.

    numpy.load("merbench/label-{job.config}.npz", allow_pickle=True)["train_corpus"].tolist()
"""
