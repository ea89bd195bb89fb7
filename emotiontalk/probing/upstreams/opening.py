"""Upstreams by name: one that is built in, or an encoder of `transformers`."""

from __future__ import annotations

from emotiontalk.probing.upstreams.built_in import BUILT_IN, TextTfidf
from emotiontalk.probing.upstreams.encoders import open_encoder
from emotiontalk.probing.upstreams.upstream import POOLINGS, Options, Upstream
from emotiontalk.request_error import RequestError


def open_upstream(name: str, options: Options) -> Upstream | TextTfidf:
    """Open the upstream of a name. Raises `RequestError` for what there is not, or what does not go together."""
    _check(options)
    if name in BUILT_IN:
        return BUILT_IN[name](options)
    return open_encoder(name, options)


def _check(options: Options) -> None:
    if options.pooling not in POOLINGS:
        raise RequestError(f"pooling {options.pooling!r}: choose from {', '.join(POOLINGS)}.")
    if not isinstance(options.layer, int) and options.layer != "all":
        raise RequestError(f"layer {options.layer!r}: give the number of a hidden state, or all.")
    if options.layer == "all" and options.pooling == "frames":
        raise RequestError("all layers of all frames are too many numbers: choose one layer, or another pooling.")
    if options.frames is not None and options.frames < 1:
        raise RequestError(f"{options.frames} frames: at least one is needed.")
