"""The device that torch computes on."""

from __future__ import annotations

from emotiontalk.request_error import RequestError


def usable(device: str | None) -> str:
    """Return the device, by default a GPU where there is one. Raises `RequestError` where it cannot be used."""
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise RequestError(f"device={device!r} cannot be used: {str(error).splitlines()[0]}") from None
    return device
