"""NeMo manifests: `{train,validation,test}.jsonl`, for recognition (`text`) and classification (`label`)."""

from __future__ import annotations

from pathlib import Path

from emotiontalk.audio import AudioFormat
from emotiontalk.export.job import Job, Rows
from emotiontalk.folder import jsonl

TOOLKIT, AUDIO = "NVIDIA NeMo", "files"


def check(out: Path, audio_format: AudioFormat) -> str | None:
    """See `toolkits`."""
    if audio_format.channels == 1:
        return None
    return "nemo: NeMo takes one channel: give its datasets channel_selector=average, or write audio of one channel."


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        records = (
            {
                "audio_filepath": job.absolute(row),
                "duration": row.seconds,
                "text": row.text,
                "emotion": row.emotion,
                "label": row.emotion,
                "speaker": row.speaker,
                "lang": "zh",
            }
            for row in utterances
        )
        job.write(f"nemo/{split}.jsonl", jsonl(records))


def start(job: Job) -> str:
    """See `toolkits`."""
    folder = job.out.resolve() / "nemo"
    return f"""`label` is the emotion again: it is what the classification models of NeMo read. In a checkout of NeMo:

    python examples/asr/speech_classification/speech_to_label.py --config-path=../conf/matchboxnet \\
        --config-name=matchboxnet_3x1x64_v1 model.labels=[{",".join(job.emotions)}] \\
        model.train_ds.manifest_filepath={folder}/train.jsonl \\
        model.validation_ds.manifest_filepath={folder}/validation.jsonl \\
        model.test_ds.manifest_filepath={folder}/test.jsonl

NeMo's own manifest collections read these files; the training was not run with them.
"""
