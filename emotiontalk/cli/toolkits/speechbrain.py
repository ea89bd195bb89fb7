"""SpeechBrain manifests, as the recipe for IEMOCAP reads them: `{train,valid,test}.json`."""

from __future__ import annotations

import json

from ..job import Job, Rows
from . import SHORT

TOOLKIT, AUDIO = "SpeechBrain", "files"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        records = {
            row.id: {
                "wav": f"{{data_root}}/{row.path}",
                "length": row.seconds,
                "emo": row.emotion,
                "spk_id": row.speaker,
                "text": row.text,
            }
            for row in utterances
        }
        job.write(f"speechbrain/{SHORT[split]}.json", json.dumps(records, ensure_ascii=False, indent=2) + "\n")


def start(job: Job) -> str:
    """See `toolkits`."""
    return f"""In the recipe `IEMOCAP/emotion_recognition`, which leaves `prepare_data` out with `--skip_prep True`:

    python train_with_wav2vec2.py hparams/train_with_wav2vec2.yaml --data_folder {job.out.resolve()} --skip_prep True \\
        --train_annotation speechbrain/train.json --valid_annotation speechbrain/valid.json \\
        --test_annotation speechbrain/test.json
"""
