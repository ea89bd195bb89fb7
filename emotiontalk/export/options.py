"""Options of exports: what they can be, and how a message names a value that differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emotiontalk.audio_format import AudioFormat
from emotiontalk.choices import OF_FILES
from emotiontalk.corpus import SPLITS
from emotiontalk.release import name_of_splits

KINDS = {"parquet": "a Parquet export", "files": "files of toolkits", "zh-en": "the files of the zh→en benchmark"}
LABELS = {"all": "all seven emotions", "four": "the four emotions"}


def labels_in_words(as_text: bool) -> str:
    """Name what labels are, in the card of an export."""
    return "text (--labels-as-text)" if as_text else "numbers"


def in_words(option: str, value: Any) -> str:
    """Name the value that an option has in the manifest of an export."""
    if option == "fold":
        return name_of_splits(value)
    if option == "labels_as_text":
        return f"labels as {'text' if value else 'numbers'}"
    if option == "audio_format":
        return "no audio" if value is None else f"audio {AudioFormat(*value)}"
    if option == "label_set":
        return LABELS.get(value, str(value))
    if option == "kind":
        return KINDS.get(value, str(value))
    if option == "config" and value in OF_FILES:
        return f"the config {value}"
    return f"{option} {value}"


def as_sequence(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return names, each once; a string is one name."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def ordered_splits(splits: Sequence[str]) -> list[str] | None:
    """Return splits in the order of the corpus; None, which means all of them, for none."""
    return [split for split in SPLITS if split in splits] or None
