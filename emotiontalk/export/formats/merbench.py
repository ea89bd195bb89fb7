"""MERBench and the authors' own training code: `audio/`, `label-<config>.npz`, `transcription.csv`."""

from __future__ import annotations

import csv
import io

import numpy

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import Utterances
from emotiontalk.request_error import RequestError

NAMES = {"train": "train_corpus", "validation": "val_corpus", "test": "test_corpus"}
NO_SCORE = -10  # the authors' own value in the label files of conditions without a score; 0 is a real score


class MERBenchFormat(Format):
    """What MERTools (MERBench) reads."""

    name = "merbench"
    toolkit = "MERTools (MERBench)"
    one_channel = True

    def check(self, request: FilesRequest) -> str | None:
        """See `Format`."""
        super().check(request)
        if (request.audio_format.rate, request.audio_format.suffix) != (16_000, "wav"):
            raise RequestError("merbench reads WAV of 16 kHz: remove sampling_rate= and encoding= for it.")
        return None

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        corpora: dict[str, dict[str, dict[str, float]]] = {name: {} for name in NAMES.values()}
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["name", "chinese", "english"])
        for split, rows in utterances.rows.items():
            for row in rows:
                context.link_clip(row, f"merbench/audio/{row.id}.{context.request.suffix}")
                # its classes are numbered 0…; `val` is the sentiment score, which the audio-visual condition alone has
                score = row.fields.get("sentiment_score")
                corpora[NAMES[split]][row.id] = {
                    "emo": context.request.emotions.index(row.emotion),
                    "val": NO_SCORE if score is None else float(score),
                }
                writer.writerow([row.id, row.text, ""])
        data = io.BytesIO()
        numpy.savez(data, **{name: numpy.array(corpus, dtype=object) for name, corpus in corpora.items()})
        context.write_file(f"merbench/label-{context.request.config}.npz", data.getvalue())
        context.write_file("merbench/transcription.csv", table.getvalue())
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        val = (
            "the sentiment score, −2…2"
            if context.request.config == "multimodal"
            else f"{NO_SCORE}, as in the authors' files: the audio-visual condition alone has the score"
        )
        corpus = NAMES[context.example_split]
        return f"""In `config.py` of MERTools, or of the authors' code: `PATH_TO_RAW_AUDIO`, `PATH_TO_LABEL`,
`PATH_TO_TRANSCRIPTIONS`. `emo` numbers the labels as above from 0 on;
`val` is {val}.

    numpy.load("merbench/label-{context.request.config}.npz", allow_pickle=True)["{corpus}"].tolist()

Utterances stand in the order of their ids, and so by dialogue and speaker. The authors' files, too, are grouped by
dialogue and speaker, but in the order in which their disk listed the files, which cannot be derived. Their loader does
not shuffle train. To train in their order, take the ids from the label file in their repository:

    ours = numpy.load("merbench/label-{context.request.config}.npz", allow_pickle=True)["{corpus}"].tolist()
    theirs = numpy.load("mm_label.npz", allow_pickle=True)["{corpus}"].tolist()
    {{uid: ours[uid] for uid in theirs if uid in ours}}
"""
