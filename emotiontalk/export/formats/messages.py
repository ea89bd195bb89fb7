"""Conversations for large audio and video models, as ms-swift and LLaMA-Factory read them, one a line.

<task>-<split>.jsonl               the conversations; of video clips: <task>-video-<split>.jsonl
dataset_info.json                  all of them, for LLaMA-Factory
references-<task>-<split>.json     captions, but for train: {id: [reference, …]}, all five of the whole one
"""

from __future__ import annotations

import json
from typing import Any

from emotiontalk.export.job import Job, Row, Rows, untagged
from emotiontalk.export.prompts import prompt, references, task_name
from emotiontalk.folder import jsonl

TOOLKIT, AUDIO = "ms-swift and LLaMA-Factory", None
INFO = "messages/dataset_info.json"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    task = task_name(job.task, job.caption)
    question = prompt(task, job.prompt_language, job.emotions, job.media)
    infos = {}
    if job.folder.is_own(INFO):  # of other tasks
        infos = json.loads((job.out / INFO).read_text(encoding="utf-8"))
    for split, utterances in rows.items():
        records = [_record(job, row, question, task) for row in utterances]
        name = f"{_stem(job)}-{split}"
        job.write(f"messages/{name}.jsonl", jsonl(record for record in records if record))
        columns = (
            {"messages": "messages"} if job.config == "text" else {"messages": "messages", _column(job): _column(job)}
        )
        infos[f"emotiontalk_{name.replace('-', '_')}"] = {
            "file_name": f"{name}.jsonl",
            "formatting": "sharegpt",
            "columns": columns,
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        }
        if job.task == "caption" and split != "train":
            found = {row.id: references(row, task) for row in utterances}
            text = json.dumps({uid: said for uid, said in found.items() if said}, ensure_ascii=False, indent=1)
            job.write(f"messages/references-{task}-{split}.json", text + "\n")
    job.write(INFO, json.dumps(infos, indent=2) + "\n")


def _stem(job: Job) -> str:
    return task_name(job.task, job.caption) + ("-video" if job.media == "video" else "")


def _column(job: Job) -> str:
    return f"{job.media}s"


def _record(job: Job, row: Row, question: str, task: str) -> dict[str, Any] | None:
    answers = references(row, task)
    if not answers:
        return None
    asked = f"{question}\n{untagged(row.text)}" if job.config == "text" else f"<{job.media}>{question}"
    record = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": untagged(answers[0])}]}
    if job.config == "text":
        return record
    path = row.video if job.media == "video" else row.path
    return {**record, _column(job): [str((job.out / str(path)).resolve())]}


def start(job: Job) -> str:
    """See `toolkits`."""
    stem, split = _stem(job), "validation" if "validation" in job.splits else job.example
    told = f"""One line an utterance; for `caption` and `asr`, utterances without a caption or a text are left out.

    swift sft --model … --dataset messages/{stem}-train.jsonl --val_dataset messages/{stem}-{split}.jsonl
    llamafactory-cli train … --dataset_dir messages --dataset emotiontalk_{stem.replace("-", "_")}_train
"""
    if job.task == "caption":
        told += f"""
`references-{task_name(job.task, job.caption)}-<split>.json` has all references of an utterance. pycocoevalcap's scorers
and aac-metrics count what stands between blanks: put one between characters, or between words of a segmenter.

    references = json.load(open("messages/references-{task_name(job.task, job.caption)}-{job.example}.json"))
    references = {{uid: [" ".join(caption) for caption in captions] for uid, captions in references.items()}}
    pycocoevalcap.cider.cider.Cider().compute_score(references, predictions)    # predictions: {{uid: ["你 好"]}}
"""
    return told
