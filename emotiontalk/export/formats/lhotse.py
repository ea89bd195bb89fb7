"""Lhotse manifests: recordings, supervisions and cuts of each split, as JSONL in gzip."""

from __future__ import annotations

import gzip
from typing import Any

from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import UtteranceRow, Utterances
from emotiontalk.folder import jsonl


class LhotseFormat(Format):
    """What Lhotse reads."""

    name = "lhotse"
    toolkit = "Lhotse"

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            triples = [_manifests(context, row) for row in rows]
            for name, records in zip(("recordings", "supervisions", "cuts"), zip(*triples)):
                context.write_file(f"lhotse/{name}_{split}.jsonl.gz", gzip.compress(jsonl(records).encode(), mtime=0))
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        return f"""    from lhotse import CutSet
    cuts = CutSet.from_file("lhotse/cuts_{context.example_split}.jsonl.gz")
    cuts[0].supervisions[0].custom["emotion"]

Shar, for reading in sequence; FLAC is without loss:

    os.makedirs("shar/{context.example_split}")
    cuts.to_shar("shar/{context.example_split}", fields={{"recording": "flac"}}, shard_size=1000)
    cuts = CutSet.from_shar(in_dir="shar/{context.example_split}")
"""


def _manifests(context: WriterContext, row: UtteranceRow) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    channels = list(range(row.channels))
    recording = {
        "id": row.id,
        "sources": [{"type": "file", "channels": channels, "source": context.absolute_path(row)}],
        "sampling_rate": row.sampling_rate,
        "num_samples": row.samples,
        "duration": row.seconds,
        "channel_ids": channels,
    }
    fields = row.named_fields()
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
