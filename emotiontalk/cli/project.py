"""The checkout of the project, whose files some commands read or write."""

from __future__ import annotations

from pathlib import Path

from emotiontalk.corpus import __version__

from .errors import CommandError

PACKAGE = Path(__file__).resolve().parents[2]


def find_checkout() -> Path | None:
    """Return the folder of the checkout; None where there is none.

    It is the one that the commands run from or, where the package is installed elsewhere (`pip install .`), the one
    that they are run in, if it is of the same version.
    """
    here = Path.cwd()
    return next((folder for folder in (PACKAGE, here, *here.parents) if _is_checkout(folder)), None)


def _is_checkout(folder: Path) -> bool:
    facts = folder / "emotiontalk" / "corpus.py"
    if not all(path.is_file() for path in (folder / "pyproject.toml", folder / "dataset_infos.json", facts)):
        return False
    return f'__version__ = "{__version__}"' in facts.read_text(encoding="utf-8", errors="replace")


def checkout(what: str) -> Path:
    """Return the folder of the checkout. Raises `CommandError`, which says what needs it, where there is none."""
    found = find_checkout()
    if found is None:
        raise CommandError(f"{what} needs a checkout of the project, version {__version__}: run it in one.")
    return found
