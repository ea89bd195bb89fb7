"""Lhotse manifests: recordings, supervisions and cuts of each split, as JSONL in gzip."""

from __future__ import annotations

import gzip
from typing import Any

from emotiontalk.export.job import Job, Row, Rows, readable
from emotiontalk.folder import jsonl

TOOLKIT, AUDIO = "Lhotse", "files"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        triples = [_manifests(job, row) for row in utterances]
        for name, records in zip(("recordings", "supervisions", "cuts"), zip(*triples)):
            job.write(f"lhotse/{name}_{split}.jsonl.gz", gzip.compress(jsonl(records).encode(), mtime=0))


def _manifests(job: Job, row: Row) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    channels = list(range(row.channels))
    recording = {
        "id": row.id,
        "sources": [{"type": "file", "channels": channels, "source": job.absolute(row)}],
        "sampling_rate": row.sampling_rate,
        "num_samples": row.samples,
        "duration": row.seconds,
        "channel_ids": channels,
    }
    fields = readable(row)
    custom: dict[str, Any] = {
        "emotion": row.emotion,
        "dialogue": row.dialogue,
        "turn": row.turn,
        "group": row.group,
        "votes": fields["annotations"],
        "captions": fields.get("captions"),
        **{name: fields[name] for name in ("sentiment", "sentiment_score") if name in fields},
    }
    supervision: dict[str, Any] = {
        "id": row.id,
        "recording_id": row.id,
        "start": 0.0,
        "duration": row.seconds,
        "channel": 0 if len(channels) == 1 else channels,
        "text": row.text,
        "language": "Chinese",
        "speaker": row.speaker,
        "custom": custom,
    }
    cut: dict[str, Any] = {
        "id": row.id,
        "start": 0.0,
        "duration": row.seconds,
        "channel": supervision["channel"],
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut" if len(channels) == 1 else "MultiCut",
    }
    return recording, supervision, cut


def start(job: Job) -> str:
    """See `toolkits`."""
    return f"""    from lhotse import CutSet
    cuts = CutSet.from_file("lhotse/cuts_{job.example}.jsonl.gz")
    cuts[0].supervisions[0].custom["emotion"]

Shar, for reading in sequence; FLAC is without loss:

    os.makedirs("shar/{job.example}")
    cuts.to_shar("shar/{job.example}", fields={{"recording": "flac"}}, shard_size=1000)
    cuts = CutSet.from_shar(in_dir="shar/{job.example}")
"""
