"""Errors that the user of a command can fix."""

from __future__ import annotations

import huggingface_hub

# What huggingface_hub lets through (httpx has a base class of its own, the errors of requests are OSErrors), and disks.
NETWORK_ERRORS = (OSError, huggingface_hub.utils.HfHubHTTPError.__bases__[0])


class CommandError(ValueError):
    """A command cannot do what was asked; the message says what to do instead, and is all that is printed."""


def network_message(error: Exception) -> str:
    """Say what one of `NETWORK_ERRORS` was: whether a server (or the disk) answered at all, and what it said."""
    answered = isinstance(error, huggingface_hub.utils.HfHubHTTPError) or getattr(error, "errno", None)
    return f"{'' if answered else 'no connection: '}{error}"
