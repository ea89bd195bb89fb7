"""What the authors have published openly of labels, scores and texts, as digests: one for each dialogue and
annotation condition.

Their label files (NKU-HLT/EmotionTalk, folder mm-process; CC BY-NC-SA 4.0) are not in the project. published.json holds
eight hexadecimal digits for each dialogue and condition, and for its texts: enough to tell that something was changed,
and where. `emotiontalk published LABELS` makes it from the label files joined to one table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from emotiontalk.corpus import CONDITIONS

PATH = Path(__file__).with_name("assets") / "published.json"
DIGITS = 8
Label = tuple[str, "int | None", "float | None"]  # id, 0…6, sentiment score


def digest_labels(rows: Iterable[Label]) -> str:
    """Return the digest of the (id, label, score or None) of a dialogue in one annotation condition, sorted by id."""
    return _digest(f"{uid} {label}" + ("" if score is None else f" {score + 0:.2f}") for uid, label, score in rows)


def digest_texts(rows: Iterable[tuple[str, str]]) -> str:
    """Return the digest of the (id, transcription) of a dialogue, sorted by id; full-width brackets count as others."""
    return _digest(f"{uid} {text.replace('【', '[').replace('】', ']')}" for uid, text in rows)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def dialogues() -> dict[str, dict[str, int | str]]:
    """Return {dialogue: {"utterances": number, "texts": digest, and for each annotation condition: digest}}."""
    keys = (*CONDITIONS, "texts")
    by_dialogue = {}
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    del stored["sha256"]
    for dialogue, (number, digests) in stored.items():
        parts = [digests[n * DIGITS : (n + 1) * DIGITS] for n in range(len(keys))]
        by_dialogue[dialogue] = {"utterances": number, **dict(zip(keys, parts))}
    return by_dialogue
