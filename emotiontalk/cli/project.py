"""The checkout of the project, whose files some commands read or write."""

from __future__ import annotations

from pathlib import Path

from .errors import CommandError

ROOT = Path(__file__).resolve().parents[2]


def is_checkout() -> bool:
    """Whether the commands run from a checkout, not from an installed wheel."""
    return (ROOT / "pyproject.toml").is_file() and (ROOT / "dataset_infos.json").is_file()


def checkout(what: str) -> Path:
    """Return the folder of the checkout. Raises `CommandError`, which says what needs it, where there is none."""
    if not is_checkout():
        raise CommandError(f"{what} needs a checkout of the project: run it there, after `pip install -e .`.")
    return ROOT
