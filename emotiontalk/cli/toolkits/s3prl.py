"""S3PRL metadata, as the emotion task of SUPERB reads them: `<split>_meta_data.json`."""

from __future__ import annotations

import json

from ..job import Job, Rows

TOOLKIT, AUDIO = "S3PRL (SUPERB)", "files"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    labels = {name: number for number, name in enumerate(job.emotions)}
    for split, utterances in rows.items():
        records = [{"path": row.path, "label": row.emotion, "speaker": row.speaker} for row in utterances]
        content = {"labels": labels, "meta_data": records}
        job.write(f"s3prl/{split}_meta_data.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def start(job: Job) -> str:
    """See `toolkits`."""
    return """Paths are below the folder that holds `audio/`: pass it as `data_dir`, one of these files as `meta_path`.

    IEMOCAPDataset(data_dir="OUT", meta_path="OUT/s3prl/train_meta_data.json")

The task itself takes a random fifth of train to validate on; `validation_meta_data.json` is the official split.
"""
