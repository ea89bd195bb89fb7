"""Upstreams by name: one that is built in, or an encoder of `transformers`."""

from __future__ import annotations

from emotiontalk.choices import check_choice
from emotiontalk.probing.upstreams.built_in import BUILT_IN, TextTfidf
from emotiontalk.probing.upstreams.encoders import open_encoder
from emotiontalk.probing.upstreams.upstream import POOLINGS, ExtractionOptions, Upstream
from emotiontalk.request_error import RequestError


def open_upstream(name: str, options: ExtractionOptions) -> Upstream | TextTfidf:
    """Open the upstream of a name. Raises `RequestError` where there is none, or it does not have these options."""
    _check(options)
    if name in BUILT_IN:
        return BUILT_IN[name](options)
    return open_encoder(name, options)


def _check(options: ExtractionOptions) -> None:
    check_choice("pooling", options.pooling, POOLINGS)
    if not isinstance(options.layer, int) and options.layer != "all":
        raise RequestError(f'layer={options.layer!r}: give the number of a hidden state, or "all".')
    if options.layer == "all" and options.pooling == "frames":
        raise RequestError(
            'layer="all" is not supported with pooling="frames", which is too much data: choose one layer.'
        )
    if options.frames is not None and options.frames < 1:
        raise RequestError(f"frames={options.frames}: at least one is needed.")
