"""What an upstream is: its options, and what it gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, Protocol, Union

import numpy

POOLINGS = ("mean", "mean+std", "frames")
Layer = Union[int, str]
Item = tuple[str, Any]  # id, and text, or the bytes of an audio file or an MP4


@dataclasses.dataclass(frozen=True)
class ExtractionOptions:
    """How features are extracted.

    Args:
        layer: the hidden state, 0 (embeddings) … N, or -1 (the last) …; "all": all of them stacked.
        pooling: over time: "mean", "mean+std", or "frames": not pooled, for heads that pool themselves.
        frames: of a video clip, evenly spaced; None: 8, or what a video encoder was made for.
        device: of encoders; None: cuda where there is one, else cpu.
        one_at_a_time: no batches and no automatic mixed precision: to check the others by.
    """

    layer: Layer = -1
    pooling: str = "mean"
    frames: int | None = None
    device: str | None = None
    one_at_a_time: bool = False


class Upstream(Protocol):
    """What turns each utterance into an array.

    Attributes:
        name: as it was requested.
        modality: of what it reads: "text", "audio" or "video".
    """

    name: str
    modality: str

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`; JSON-ready."""
        ...

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        ...

    def features(self, items: Iterable[Item]) -> Iterator[numpy.ndarray]:
        """Yield an array for each (id, text | audio file | MP4), in order; read ahead by no more than a window.

        The arrays are (dims,) float32, with layer="all" (layers, dims) float32, with pooling="frames" (frames, dims)
        float16. Raises `RequestError` with the id of a clip that cannot be decoded.
        """
        ...
