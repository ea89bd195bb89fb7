"""Conversations for large audio models, as ms-swift and LLaMA-Factory read them, one a line."""

from __future__ import annotations

import json
from typing import Any

from ..job import Job, Row, Rows, jsonl, untagged

TOOLKIT, AUDIO = "ms-swift and LLaMA-Factory", None
PROMPTS = {
    ("emotion", "zh"): "这段话表达了哪种情感？只回答一个词：{labels}。",
    ("emotion", "en"): "Which emotion does this utterance express? Answer with one word: {labels}.",
    ("caption", "zh"): "请用一句话描述这段语音的说话人、风格和情感。",
    ("caption", "en"): "Describe the speaker, the style and the emotion of this utterance in one sentence.",
    ("asr", "zh"): "请逐字转写这段语音。",
    ("asr", "en"): "Transcribe this utterance word by word.",
}
INFO = "messages/dataset_info.json"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    labels = "、".join(job.emotions) if job.prompt_language == "zh" else ", ".join(job.emotions)
    prompt = PROMPTS[job.task, job.prompt_language].format(labels=labels)
    infos = {}
    if job.folder.is_own(INFO):  # of other tasks
        infos = json.loads((job.out / INFO).read_text(encoding="utf-8"))
    for split, utterances in rows.items():
        records = [_record(job, row, prompt) for row in utterances]
        name = f"{job.task}-{split}.jsonl"
        job.write(f"messages/{name}", jsonl(record for record in records if record))
        columns = {"messages": "messages"} if job.config == "text" else {"messages": "messages", "audios": "audios"}
        infos[f"emotiontalk_{job.task}_{split}"] = {
            "file_name": name,
            "formatting": "sharegpt",
            "columns": columns,
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        }
    job.write(INFO, json.dumps(infos, indent=2) + "\n")


def _record(job: Job, row: Row, prompt: str) -> dict[str, Any] | None:
    text = untagged(row.text)
    answer = {"emotion": row.emotion, "asr": text or None, "caption": _caption(row)}[job.task]
    if answer is None:
        return None
    question = f"{prompt}\n{text}" if job.config == "text" else f"<audio>{prompt}"
    record = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
    return record if job.config == "text" else {**record, "audios": [job.absolute(row)]}


def _caption(row: Row) -> str | None:
    overall = (row.fields.get("captions") or {}).get("overall", [])
    return next((untagged(caption) for caption in overall if caption), None)


def start(job: Job) -> str:
    """See `toolkits`."""
    return f"""One line an utterance; for `caption` and `asr`, utterances without a caption or a text are left out.

    swift sft --model … --dataset messages/{job.task}-train.jsonl --val_dataset messages/{job.task}-validation.jsonl
    llamafactory-cli train … --dataset_dir messages --dataset emotiontalk_{job.task}_train
"""
