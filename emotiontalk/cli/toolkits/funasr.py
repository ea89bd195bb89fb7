"""FunASR: lines for training SenseVoice, and the manifest of emotion2vec (`.tsv`, `.emo`)."""

from __future__ import annotations

from ..job import Job, Rows, jsonl, untagged

TOOLKIT, AUDIO = "FunASR (SenseVoice, emotion2vec)", "files"
FRAMES = 100  # of a second, as SenseVoice counts `source_len`


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        records = (
            {
                "key": row.id,
                "text_language": "<|zh|>",
                "emo_target": f"<|{row.emotion.upper()}|>",
                "event_target": "<|Speech|>",
                "with_or_wo_itn": "<|withitn|>",
                "target": text,
                "source": job.absolute(row),
                "target_len": len(text),
                "source_len": round(row.seconds * FRAMES),
            }
            for row, text in ((row, untagged(row.text)) for row in utterances)
        )
        job.write(f"funasr/{split}.jsonl", jsonl(records))
        paths = "".join(f"{row.path}\t{row.samples}\n" for row in utterances)
        job.write(f"funasr/{split}.tsv", f"{job.out.resolve()}\n{paths}")
        job.write(f"funasr/{split}.emo", "".join(f"{row.id}\t{row.emotion}\n" for row in utterances))


def start(job: Job) -> str:
    """See `toolkits`."""
    return """SenseVoice: `train_data=funasr/train.jsonl`, `val_data=funasr/validation.jsonl` in its `finetune.sh`.
`source_len` counts frames of 10 ms, `target_len` characters. emotion2vec: `<split>.tsv` (first line: the folder; then
path and samples) and `<split>.emo` (id and label, in the same order) are what its `iemocap_downstream` extracts
features from.
"""
