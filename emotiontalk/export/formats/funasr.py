"""FunASR: lines for training SenseVoice, and the manifest of emotion2vec (`.tsv`, `.emo`)."""

from __future__ import annotations

import unicodedata

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import UtteranceRow, Utterances, untagged
from emotiontalk.folder import jsonl

RATE = 16_000  # Hz, at which SenseVoice counts


class FunASRFormat(Format):
    """What FunASR (SenseVoice, emotion2vec) read."""

    name = "funasr"
    toolkit = "FunASR (SenseVoice, emotion2vec)"

    def check(self, request: FilesRequest) -> str | None:
        """See `Format`."""
        if request.audio_format.channels == 1 and request.audio_format.rate == RATE:
            return None
        return "funasr: SenseVoice converts all audio; emotion2vec extracts features from 16 kHz, one channel, only."

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            records = (
                {
                    "key": row.id,
                    "text_language": "<|zh|>",
                    "emo_target": f"<|{row.emotion.upper()}|>",
                    "event_target": "<|Speech|>",
                    "with_or_wo_itn": "<|withitn|>" if _punctuated(text) else "<|woitn|>",
                    "target": text,
                    "source": context.absolute_path(row),
                    "target_len": len(text.split()) if " " in text else len(text),
                    "source_len": _frames(row),
                }
                for row, text in ((row, untagged(row.text)) for row in rows)
            )
            context.write_file(f"funasr/{split}.jsonl", jsonl(records))
            paths = "".join(f"{row.path}\t{row.samples}\n" for row in rows)
            context.write_file(f"funasr/{split}.tsv", f"{context.request.out.resolve()}\n{paths}")
            context.write_file(f"funasr/{split}.emo", "".join(f"{row.id}\t{row.emotion}\n" for row in rows))
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        return """SenseVoice: `train_data=funasr/train.jsonl`, `val_data=funasr/validation.jsonl` in its `finetune.sh`.
`source_len` counts frames of 10 ms, `target_len` characters, or words where the text has blanks; `with_or_wo_itn` tells
whether it has punctuation: as FunASR's `sensevoice2jsonl.py` does it.

emotion2vec: `<split>.tsv` (first line: the folder; then path and samples) and `<split>.emo` (id and label, in the same
order) are what its `iemocap_downstream` extracts features from. Its `main.py` trains on IEMOCAP alone: it knows the
four labels ang, hap, neu, sad, and five sessions by their sizes, and no official splits. Train a classifier of your own
on the features.
"""


def _punctuated(text: str) -> bool:
    return any(unicodedata.category(character)[0] in "PS" for character in text)


def _frames(row: UtteranceRow) -> int:
    """Count frames of 10 ms, rounded down, of the audio at 16 kHz: as FunASR's `sensevoice2jsonl.py`."""
    samples = -(-row.samples * RATE // row.sampling_rate)  # a resampler rounds up
    return int(samples / RATE * 1000 / 10)
