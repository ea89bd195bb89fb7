"""SpeechBrain manifests, as the recipe for IEMOCAP reads them: `{train,valid,test}.json`."""

import json

from . import SHORT

TOOLKIT, SOUND = "SpeechBrain", "files"


def write(job, rows):
    """See `formats`."""
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


def start(job):
    """See `formats`."""
    return f"""In the recipe `IEMOCAP/emotion_recognition`, which leaves `prepare_data` out with `--skip_prep True`:

    python train_with_wav2vec2.py hparams/train_with_wav2vec2.yaml --data_folder {job.out.resolve()} --skip_prep True \\
        --train_annotation speechbrain/train.json --valid_annotation speechbrain/valid.json \\
        --test_annotation speechbrain/test.json
"""
