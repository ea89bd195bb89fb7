"""SpeechBrain manifests, as the recipe for IEMOCAP reads them: `{train,valid,test}.json`."""

from __future__ import annotations

import json

from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import SHORT, Format
from emotiontalk.export.utterances import Utterances


class SpeechBrainFormat(Format):
    """What SpeechBrain reads."""

    name = "speechbrain"
    toolkit = "SpeechBrain"
    one_channel = True

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            records = {
                row.id: {
                    "wav": f"{{data_root}}/{row.path}",
                    "length": row.seconds,
                    "emo": row.emotion,
                    "spk_id": row.speaker,
                    "text": row.text,
                }
                for row in rows
            }
            context.write_file(
                f"speechbrain/{SHORT[split]}.json", json.dumps(records, ensure_ascii=False, indent=2) + "\n"
            )
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        out = context.request.out.resolve()
        return f"""In `recipes/IEMOCAP/emotion_recognition`, which leaves `prepare_data` out with `--skip_prep True`:

    python train_with_wav2vec2.py hparams/train_with_wav2vec2.yaml --skip_prep True \\
        --data_folder {out} --out_n_neurons {len(context.request.emotions)} \\
        --train_annotation {out}/speechbrain/train.json \\
        --valid_annotation {out}/speechbrain/valid.json \\
        --test_annotation {out}/speechbrain/test.json

The recipe's own `dataio_prep` reads these files; its training, which downloads wav2vec 2.0, was not run with them.
"""
