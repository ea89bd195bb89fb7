"""Conversations for large audio and video models, as ms-swift and LLaMA-Factory read them, one a line.

<task>-<split>.jsonl               the conversations; of video clips: <task>-video-<split>.jsonl
dataset_info.json                  all of them, for LLaMA-Factory
references-<task>-<split>.json     captions, but for train: {id: [reference, …]}, all five of the whole one
"""

from __future__ import annotations

import json
from typing import Any

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Audio, Format
from emotiontalk.export.prompts import prompt, references, task_name
from emotiontalk.export.utterances import UtteranceRow, Utterances, untagged
from emotiontalk.folder import jsonl

INFO = "messages/dataset_info.json"


class MessagesFormat(Format):
    """What ms-swift and LLaMA-Factory read."""

    name = "messages"
    toolkit = "ms-swift and LLaMA-Factory"
    audio = Audio.FILES_IF_ANY

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        task = _task(context.request)
        question = prompt(task, context.request.prompt_language, context.request.emotions, context.request.media)
        infos = {}
        if context.folder.is_own(INFO):  # of other tasks
            infos = json.loads((context.request.out / INFO).read_text(encoding="utf-8"))
        for split, rows in utterances.rows.items():
            records = [_record(context, row, question, task) for row in rows]
            name = f"{_stem(context)}-{split}"
            context.write_file(f"messages/{name}.jsonl", jsonl(record for record in records if record))
            columns = (
                {"messages": "messages"}
                if context.request.config == "text"
                else {"messages": "messages", _column(context): _column(context)}
            )
            infos[f"emotiontalk_{name.replace('-', '_')}"] = {
                "file_name": f"{name}.jsonl",
                "formatting": "sharegpt",
                "columns": columns,
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                },
            }
            if context.request.task == "caption" and split != "train":
                answers = {row.id: references(row, task) for row in rows}
                text = json.dumps({uid: texts for uid, texts in answers.items() if texts}, ensure_ascii=False, indent=1)
                context.write_file(f"messages/references-{task}-{split}.json", text + "\n")
        context.write_file(INFO, json.dumps(infos, indent=2) + "\n")
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        stem, split = _stem(context), "validation" if "validation" in context.splits else context.example_split
        told = f"""One line an utterance; for `caption` and `asr`, utterances without a caption or a text are left out.

    swift sft --model … --dataset messages/{stem}-train.jsonl --val_dataset messages/{stem}-{split}.jsonl
    llamafactory-cli train … --dataset_dir messages --dataset emotiontalk_{stem.replace("-", "_")}_train
"""
        if context.request.task == "caption":
            name, split = f"references-{_task(context.request)}", context.example_split
            told += f"""
`{name}-<split>.json` has all references of an utterance. pycocoevalcap's scorers
and aac-metrics count what stands between blanks: put one between characters, or between words of a segmenter.

    references = json.load(open("messages/{name}-{split}.json"))
    references = {{uid: [" ".join(caption) for caption in captions] for uid, captions in references.items()}}
    pycocoevalcap.cider.cider.Cider().compute_score(references, predictions)    # predictions: {{uid: ["你 好"]}}
"""
        return told


def _task(request: FilesRequest) -> str:
    return task_name(request.task, request.caption)


def _stem(context: WriterContext) -> str:
    return _task(context.request) + ("-video" if context.request.media == "video" else "")


def _column(context: WriterContext) -> str:
    return f"{context.request.media}s"


def _record(context: WriterContext, row: UtteranceRow, question: str, task: str) -> dict[str, Any] | None:
    answers = references(row, task)
    if not answers:
        return None
    asked = (
        f"{question}\n{untagged(row.text)}"
        if context.request.config == "text"
        else f"<{context.request.media}>{question}"
    )
    record = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": untagged(answers[0])}]}
    if context.request.config == "text":
        return record
    path = row.video if context.request.media == "video" else row.path
    return {**record, _column(context): [str((context.request.out / str(path)).resolve())]}
