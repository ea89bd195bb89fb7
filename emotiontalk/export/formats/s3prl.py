"""S3PRL metadata, where the emotion task of SUPERB looks: `Session1/{train,validation,test}_meta_data.json`."""

from __future__ import annotations

import json

from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import Utterances


class S3PRLFormat(Format):
    """What S3PRL (SUPERB) reads."""

    name = "s3prl"
    toolkit = "S3PRL (SUPERB)"
    one_channel = True

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        labels = {name: number for number, name in enumerate(context.request.emotions)}
        for split, rows in utterances.rows.items():
            records = [{"path": row.path, "label": row.emotion, "speaker": row.speaker} for row in rows]
            content = {"labels": labels, "meta_data": records}
            context.write_file(
                f"s3prl/Session1/{split}_meta_data.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n"
            )
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        reads = "" if context.request.fold else "It does not read `validation_meta_data.json`, the official split.\n"
        out, datarc = context.request.out.resolve(), "config.downstream_expert.datarc"
        return f"""In `s3prl/` of a checkout of S3PRL; `fold1` is what it calls `Session1`:

    python3 run_downstream.py -n ExpName -m train -u fbank -d emotion -c downstream/emotion/config.yaml -o \\
        "{datarc}.root='{out}',,{datarc}.meta_data='{out}/s3prl',,{datarc}.test_fold='fold1'"

The task takes a random fifth of train to validate on.
{reads}Its `DownstreamExpert` reads these files; the training was not run with them.
"""
