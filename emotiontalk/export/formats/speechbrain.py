"""SpeechBrain manifests, as the recipe for IEMOCAP reads them: `{train,valid,test}.json`."""

from __future__ import annotations

import json
from pathlib import Path

from emotiontalk.audio import AudioFormat
from emotiontalk.export.formats import SHORT, require_one_channel
from emotiontalk.export.job import Job, Rows

TOOLKIT, AUDIO = "SpeechBrain", "files"


def check(out: Path, audio_format: AudioFormat) -> None:
    """See `toolkits`."""
    require_one_channel("speechbrain", audio_format)


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
    out = job.out.resolve()
    return f"""In `recipes/IEMOCAP/emotion_recognition`, which leaves `prepare_data` out with `--skip_prep True`:

    python train_with_wav2vec2.py hparams/train_with_wav2vec2.yaml --skip_prep True \\
        --data_folder {out} --out_n_neurons {len(job.emotions)} \\
        --train_annotation {out}/speechbrain/train.json \\
        --valid_annotation {out}/speechbrain/valid.json \\
        --test_annotation {out}/speechbrain/test.json

The recipe's own `dataio_prep` reads these files; its training, which downloads wav2vec 2.0, was not run with them.
"""
