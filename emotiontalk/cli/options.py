"""Options that several commands take."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import List, Optional

import typer

from emotiontalk.choices import CONFIGS, LABEL_SETS
from emotiontalk.corpus import SPLITS
from emotiontalk.redaction import redacted
from emotiontalk.request_error import RequestError


def _expanded(path: Path) -> Path:
    from emotiontalk.folder import expanded  # it imports `datasets`

    return expanded(path)


def home(path: Optional[Path]) -> Optional[Path]:
    """Expand `~` also where no shell has done so, as in --out=~/page.html. Raises `RequestError` for a URL."""
    if path and re.match("[A-Za-z][A-Za-z0-9+.-]+:/", path.as_posix()) and not path.exists():
        raise RequestError(f"{redacted(path)} is a URL: give a path on this machine.")
    return path and _expanded(path)


def homes(paths: List[Path]) -> List[Path]:
    """As `home`, of each."""
    return [found for found in map(home, paths) if found]


def cache(folder: Optional[str]) -> Optional[str]:
    """Check that a user whose home is named is there."""
    if folder:
        _expanded(Path(folder))
    return folder


DATA_DIR = typer.Option(
    None, help="As in load_dataset: the folder or the URL that holds the archives; the Hub by default."
)
CACHE_DIR = typer.Option(None, callback=cache, help="As in load_dataset.")
FOLD = typer.Option(None, help="1 to 5: a fold of cross-validation instead of the official splits.")
TOKEN = typer.Option(None, help="A token of the Hub; by default the one that is logged in.")

Config = enum.Enum("Config", {name: name for name in CONFIGS}, type=str)  # type: ignore[misc]
Split = enum.Enum("Split", {name: name for name in SPLITS}, type=str)  # type: ignore[misc]
LabelSet = enum.Enum("LabelSet", {name: name for name in LABEL_SETS}, type=str)  # type: ignore[misc]
