"""What lmms-eval calls to run EmotionTalk: named in the YAML files next to it. Needs numpy and soundfile."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy
import soundfile

Doc = dict[str, Any]
Pair = tuple[str, str]  # right answer, predicted answer


def doc_to_audio(doc: Doc) -> list[dict[str, Any]]:
    """Return the clip of a document, one channel."""
    samples, rate = soundfile.read(doc["audio"], dtype="float32", always_2d=True)
    return [{"array": samples.mean(axis=1), "sampling_rate": rate}]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None) -> str:
    """Return the prompt, with what a model wants before and after it."""
    around = lmms_eval_specific_kwargs or {}
    return f"{around.get('pre_prompt', '')}{doc['prompt']}{around.get('post_prompt', '')}"


def doc_to_target(doc: Doc) -> str:
    """Return the answer, of several the first."""
    return doc["answer"] if isinstance(doc["answer"], str) else doc["answer"][0]


def chosen(text: str, options: list[str]) -> str:
    """Return the option that a text names; "" where it names none, or more than one."""
    text, found = text.lower(), []
    for option in sorted(options, key=len, reverse=True):  # "weakly negative" before "negative"
        left = re.sub(f"(?<![a-z]){re.escape(option)}(?![a-z])", " ", text)
        if left != text:
            found.append(option)
            text = left
    return found[0] if len(found) == 1 else ""


def process_choice(doc: Doc, results: list[str]) -> dict[str, Pair]:
    """Return what `war` and `uar` count."""
    pair = (doc["answer"], chosen(results[0], doc["options"]))
    return {"war": pair, "uar": pair}


def war(pairs: list[Pair]) -> float:
    """Return the accuracy."""
    return float(numpy.mean([answer == predicted for answer, predicted in pairs]))


def uar(pairs: list[Pair]) -> float:
    """Return the mean of the recalls of the classes."""
    classes = sorted({answer for answer, _ in pairs})
    return float(numpy.mean([war([pair for pair in pairs if pair[0] == name]) for name in classes]))


def spoken(text: str) -> str:
    """Return the letters and digits of a text, without punctuation and blanks."""
    return "".join(character for character in text.lower() if unicodedata.category(character)[0] in "LN")


def edits(one: str, other: str) -> int:
    """Return the Levenshtein distance."""
    row = list(range(len(other) + 1))
    for n, a in enumerate(one, 1):
        before, row[0] = row[0], n
        for m, b in enumerate(other, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (a != b))
    return row[-1]


def process_asr(doc: Doc, results: list[str]) -> dict[str, tuple[int, int]]:
    """Return what `cer` counts."""
    answer = spoken(doc["answer"])
    return {"cer": (edits(answer, spoken(results[0])), len(answer))}


def cer(counts: list[tuple[int, int]]) -> float:
    """Return the character error rate of all documents together."""
    return sum(wrong for wrong, _ in counts) / max(1, sum(length for _, length in counts))


def process_caption(doc: Doc, results: list[str]) -> dict[str, Doc]:
    """Return what `cider` counts."""
    return {"cider": {"id": doc["id"], "prediction": results[0], "references": doc["answer"]}}


def cider(captions: list[Doc]) -> float:
    """Return CIDEr over characters."""
    from pycocoevalcap.cider.cider import Cider

    references = {entry["id"]: [" ".join(caption) for caption in entry["references"]] for entry in captions}
    predictions = {entry["id"]: [" ".join(entry["prediction"])] for entry in captions}
    return float(Cider().compute_score(references, predictions)[0])
