"""Evaluation of audio language models: one neutral JSONL a task, language and split, and the tasks of lmms-eval.

    <task>-<language>-<split>.jsonl     {"id", "audio", "prompt", "options", "answer"}
    lmms_eval/<name>.yaml, utils.py     a task each, and the group `emotiontalk`

`answer` is one of `options`, a text, or for captions the list of all references.
"""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

from emotiontalk.corpus import SENTIMENTS
from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Format
from emotiontalk.export.prompts import prompt, references
from emotiontalk.export.utterances import UtteranceRow, Utterances
from emotiontalk.folder import jsonl

LANGUAGES = ("zh", "en")
# task -> what counts its results, in assets/lmms_eval_utils.py; its metrics, and whether more is better
TASKS = {
    "emotion": ("process_choice", {"war": True, "uar": True}),
    "sentiment": ("process_choice", {"war": True, "uar": True}),
    "asr": ("process_asr", {"cer": False}),
    "caption": ("process_caption", {"cider": True}),
}


class EvaluationFormat(Format):
    """What audio language models (lmms-eval) reads."""

    name = "evaluation"
    toolkit = "audio language models (lmms-eval)"

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        names = []
        for task in _tasks(context):
            for language in LANGUAGES:
                names.append(f"emotiontalk_{task}_{language}")
                for split, rows in utterances.rows.items():
                    records = [_record(context, row, task, language) for row in rows]
                    content = jsonl(record for record in records if record)
                    context.write_file(f"evaluation/{task}-{language}-{split}.jsonl", content)
                context.write_file(f"evaluation/lmms_eval/{names[-1]}.yaml", _yaml(context, task, language))
        group = f"group: emotiontalk\ntask: {json.dumps(names)}\n"
        context.write_file("evaluation/lmms_eval/emotiontalk.yaml", group)
        functions = importlib.resources.files("emotiontalk.export") / "assets/lmms_eval_utils.py"
        context.write_file("evaluation/lmms_eval/utils.py", functions.read_bytes())
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        folder, split = context.request.out.resolve() / "evaluation", context.example_split
        return f"""\
`answer` is one of `options`, a text (`asr`), or the list of all references (`caption`). With lmms-eval:

    python -m lmms_eval --model qwen2_audio --model_args pretrained=… --batch_size 1 \\
        --include_path {folder}/lmms_eval --tasks emotiontalk

Its tasks are `emotiontalk_<task>_<language>`; they evaluate {split}. Metrics: accuracy (WAR) and mean recall
(UAR), the character error rate without punctuation, and CIDEr over characters. They were run with lmms-eval's `dummy`
model, and with no real one.
"""


def _tasks(context: WriterContext) -> list[str]:
    """Return the tasks: sentiment where the annotation condition has it."""
    return [task for task in TASKS if task != "sentiment" or context.request.config == "multimodal"]


def _options(context: WriterContext, task: str) -> tuple[str, ...]:
    return {"emotion": context.request.emotions, "sentiment": SENTIMENTS}.get(task, ())


def _record(context: WriterContext, row: UtteranceRow, task: str, language: str) -> dict[str, Any] | None:
    answers, options = references(row, task), _options(context, task)
    if not answers:
        return None
    return {
        "id": row.id,
        "audio": context.absolute_path(row),
        "prompt": prompt(task, language, options),
        "options": options,
        "answer": answers if task == "caption" else answers[0],
    }


def _yaml(context: WriterContext, task: str, language: str) -> str:
    folder = context.request.out.resolve() / "evaluation"
    files = {split: str(folder / f"{task}-{language}-{split}.jsonl") for split in context.splits}
    process, metrics = TASKS[task]
    lines = [
        f"task: emotiontalk_{task}_{language}",
        "dataset_path: json",
        f"dataset_kwargs: {json.dumps({'data_files': files}, ensure_ascii=False)}",
        f"test_split: {context.example_split}",
        "output_type: generate_until",
        "doc_to_visual: !function utils.doc_to_audio",
        "doc_to_text: !function utils.doc_to_text",
        "doc_to_target: !function utils.doc_to_target",
        f"process_results: !function utils.{process}",
        'generation_kwargs: {"max_new_tokens": 256, "temperature": 0, "do_sample": false}',
        "metric_list:",
    ]
    for name, more_is_better in metrics.items():
        lines += [f"  - metric: {name}", f"    aggregation: !function utils.{name}"]
        lines.append(f"    higher_is_better: {json.dumps(more_is_better)}")
    return "\n".join([*lines, 'lmms_eval_specific_kwargs: {"default": {"pre_prompt": "", "post_prompt": ""}}', ""])
