"""`emotiontalk published LABELS`: published.json, which `verify` compares with, from the authors' label files."""

from __future__ import annotations

import collections
import csv
import gzip
import json
from pathlib import Path

from emotiontalk.annotations import emotion_id
from emotiontalk.corpus import CONDITIONS
from emotiontalk.folder import ZEROS, write_file
from emotiontalk.verification.published import Label, digest_labels, digest_texts

MARK = b'"sha256": "'  # before the digest of the file, by which an edit is known


def write_published(labels: Path, path: Path) -> None:
    """Make the file from a table (CSV, also gzip): id, emotion_text, …, sentiment_score, transcription."""
    opener = gzip.open if labels.suffix == ".gz" else open
    with opener(labels, "rt", encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["id"])
    by_dialogue = collections.defaultdict(list)
    for row in rows:
        by_dialogue[row["id"][:9]].append(row)
    published = {}
    for dialogue, utterances in by_dialogue.items():
        digests = [digest_labels(_label(row, condition) for row in utterances) for condition in CONDITIONS]
        digests.append(digest_texts((row["id"], row["transcription"]) for row in utterances))
        published[dialogue] = [len(utterances), "".join(digests)]
    lines = ",\n".join(f"{json.dumps(dialogue)}: {json.dumps(facts)}" for dialogue, facts in published.items())
    write_file(path, b"{\n" + MARK + ZEROS + f'",\n{lines}\n}}\n'.encode(), MARK)


def _label(row: dict[str, str], condition: str) -> Label:
    score = float(row["sentiment_score"]) if condition == "multimodal" else None
    return row["id"], emotion_id(row[f"emotion_{condition}"]), score
