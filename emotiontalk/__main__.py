"""`python -m emotiontalk <command>` and the console script `emotiontalk`."""

from __future__ import annotations

import contextlib
import signal
import sys

# What a library is called in an import -> the extra of pyproject.toml that installs it.
EXTRAS = {
    **dict.fromkeys(("jinja2", "joblib", "librosa", "matplotlib", "rich", "sklearn", "statsmodels", "typer"), "tools"),
    **dict.fromkeys(("torch", "transformers"), "encoders"),
}


def main() -> None:
    """Run the command line. A library that is not installed is one message, which names the extra that brings it."""
    with contextlib.suppress(ValueError):  # not in another thread than the first
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # before anything is imported: no traceback
    from emotiontalk.cli.stop import end_at_once, stopping
    from emotiontalk.corpus import __version__

    if sys.argv[1:] == ["--version"]:
        print(f"emotiontalk {__version__}")
        return
    end_at_once()
    try:
        from emotiontalk.cli.app import run

        with stopping():
            run()
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in EXTRAS:
            raise
        sys.exit(f'emotiontalk: {name} is not installed: pip install ".[{EXTRAS[name]}]" in a clone of this project')


if __name__ == "__main__":
    main()
