"""The checkout of the project, whose files and tools some commands use."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from emotiontalk.corpus import __version__
from emotiontalk.request_error import RequestError

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
    """Return the folder of the checkout. Raises `RequestError`, which says what needs it, where there is none."""
    folder = find_checkout()
    if folder is None:
        raise RequestError(f"{what} needs a checkout of the project, version {__version__}: run it in one.")
    return folder


def tool(name: str, what: str) -> ModuleType:
    """Import a module of the checkout's `tools`, which the wheel does not have. Raises as `checkout`."""
    spec = importlib.util.spec_from_file_location(f"emotiontalk_tools_{name}", checkout(what) / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
