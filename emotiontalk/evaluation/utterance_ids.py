"""The ids of utterances in files of other people: in which columns they are, and how they are written there."""

from __future__ import annotations

import re

ID_COLUMNS = (
    "id", "key", "sample_id", "utt", "utt_id", "path", "file_path", "file_name", "filename", "file", "wav", "audio",
)  # fmt: skip
# an utterance's id, also as the name of a file, and as the metadata of EmoBox for other corpora have it
ID = re.compile(r"(?:emotiontalk-)?(G\d{5}_\d{2}_\d{2}_\d{3})(?:\.\w+)?", re.ASCII | re.IGNORECASE)


def is_id(value: object) -> bool:
    """Whether a value is an utterance id, or a path with one."""
    return ID.fullmatch(re.split(r"[/\\]", str(value).strip())[-1]) is not None


def uid_of(value: object) -> str:
    """Return the utterance id in an id or a path; the value as a string where it holds none."""
    text = str(value).strip()
    match = ID.fullmatch(re.split(r"[/\\]", text)[-1])
    return match[1].upper() if match else text
