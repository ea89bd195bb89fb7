"""Errors that the user of a command can fix."""

from __future__ import annotations

from pathlib import Path


class CommandError(ValueError):
    """A command cannot do what was asked; the message says what to do instead, and is all that is printed."""


def expanded(path: Path) -> Path:
    """Expand `~` and `~user`. Raises `CommandError` for a user who is not there."""
    try:
        return path.expanduser()
    except RuntimeError:
        fix = "no home folder is known for it. Give the whole path, or ./ before a name that begins with ~."
        raise CommandError(f"{path}: {fix}") from None


def require_file(path: Path) -> None:
    """Raise `OSError` for what is no regular file: a FIFO may never say anything, and a device never end."""
    if path.exists() and not path.is_file():
        raise OSError("it is a folder" if path.is_dir() else "it is no regular file, but a FIFO, a socket or a device")


def network_errors() -> tuple[type[Exception], ...]:
    """Return what huggingface_hub lets through, and the errors of disks.

    httpx has a base class of its own, the errors of requests are OSErrors.
    """
    import huggingface_hub  # half a second: not for --help

    return OSError, huggingface_hub.utils.HfHubHTTPError.__bases__[0]


def network_message(error: Exception) -> str:
    """Say what one of `network_errors` was: whether a server (or the disk) answered at all, and what it said."""
    import huggingface_hub

    answered = isinstance(error, huggingface_hub.utils.HfHubHTTPError) or getattr(error, "errno", None)
    return f"{'' if answered else 'no connection: '}{error}"
