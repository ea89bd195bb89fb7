"""S3PRL metadata, where the emotion task of SUPERB looks: `Session1/{train,validation,test}_meta_data.json`."""

from __future__ import annotations

import json
from pathlib import Path

from emotiontalk.audio import AudioFormat
from emotiontalk.export.formats import require_one_channel
from emotiontalk.export.job import Job, Rows

TOOLKIT, AUDIO = "S3PRL (SUPERB)", "files"


def check(out: Path, audio_format: AudioFormat) -> None:
    """See `toolkits`."""
    require_one_channel("s3prl", audio_format)


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    labels = {name: number for number, name in enumerate(job.emotions)}
    for split, utterances in rows.items():
        records = [{"path": row.path, "label": row.emotion, "speaker": row.speaker} for row in utterances]
        content = {"labels": labels, "meta_data": records}
        job.write(f"s3prl/Session1/{split}_meta_data.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def start(job: Job) -> str:
    """See `toolkits`."""
    reads = "" if job.fold else "It does not read `validation_meta_data.json`, the official split.\n"
    out, datarc = job.out.resolve(), "config.downstream_expert.datarc"
    return f"""In `s3prl/` of a checkout of S3PRL; `fold1` is what it calls `Session1`:

    python3 run_downstream.py -n ExpName -m train -u fbank -d emotion -c downstream/emotion/config.yaml -o \\
        "{datarc}.root='{out}',,{datarc}.meta_data='{out}/s3prl',,{datarc}.test_fold='fold1'"

The task takes a random fifth of train to validate on.
{reads}Its `DownstreamExpert` reads these files; the training was not run with them.
"""
