"""What huggingface_hub and disks raise, and how it is said."""

from __future__ import annotations


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
