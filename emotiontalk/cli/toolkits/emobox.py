"""EmoBox metadata: one fold, the official splits, as JSONL and JSON, and the map of the labels."""

from __future__ import annotations

import json

from ..job import Job, Rows, jsonl
from . import SHORT

TOOLKIT, AUDIO = "EmoBox", "files"
LABELS = {
    "neutral": "Neutral",
    "happy": "Happy",
    "sad": "Sad",
    "angry": "Angry",
    "surprised": "Surprise",
    "disgusted": "Disgust",
    "fearful": "Fear",
}


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        name = f"emobox/fold_1/emotiontalk_{SHORT[split]}_fold_1"
        records = [
            {
                "key": row.id,
                "dataset": "emotiontalk",
                "wav": job.absolute(row),
                "type": "raw",
                "sample_rate": row.sampling_rate,
                "num_frame": row.samples,
                "task": "category",
                "length": row.seconds,
                "emo": row.emotion,
                "channel": row.channels,
            }
            for row in utterances
        ]
        short = {r["key"]: {name: r[name] for name in ("wav", "length", "emo", "dataset", "channel")} for r in records}
        job.write(f"{name}.jsonl", jsonl(records))
        job.write(f"{name}.json", json.dumps(short, ensure_ascii=False, indent=4) + "\n")
    job.write("emobox/label_map.json", json.dumps({name: LABELS[name] for name in job.emotions}, indent=4) + "\n")


def start(job: Job) -> str:
    """See `toolkits`."""
    return """Copy `emobox` to `data/emotiontalk` of an EmoBox checkout: the dataset `emotiontalk` has one fold.

    EmoDataset("emotiontalk", "./", "data/", fold=1, split="train")
"""
