"""`emotiontalk.probe`: linear probing, and the heads of published recipes, on features of frozen upstreams."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from emotiontalk.folder import expanded, holding
from emotiontalk.probing.request import ProbeRequest
from emotiontalk.probing.result import FoldsResult, ProbeResult
from emotiontalk.probing.result_files import check_folder, write_fold, write_result
from emotiontalk.probing.run import run


def probe(
    upstream: str | os.PathLike[str] | Sequence[str] | None = None,
    *,
    config: str = "multimodal",
    label_set: str = "all",
    target: str = "emotion",
    head: str = "linear",
    layer: int | str | None = None,
    pooling: str = "mean",
    features: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    fusion: str = "concat",
    fold: int | None = None,
    folds: bool = False,
    seeds: int = 5,
    frames: int | None = None,
    device: str | None = None,
    one_at_a_time: bool = False,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> ProbeResult | FoldsResult:
    """Train a head on features of a frozen upstream, and test it. It needs `pip install ".[tools]"`.

    Args:
        upstream: "text-tfidf" (the default, where there are no `features`), "logmel", "egemaps", or an encoder of
            `transformers` by name or path; several are fused.
        config: whose label: "multimodal", "audio", "text" or "video".
        label_set: "all" seven emotions, or the paper's "four".
        target: "emotion", or "sentiment": scores −2…2, by ridge regression.
        head: "linear" (one layer), or a published recipe: "emobox", "superb" or "emotion2vec".
        layer: of an encoder: the number of a hidden state; "all": each by itself; "weighted": learned weights.
        pooling: over time, for the linear head: "mean" or "mean+std".
        features: files of your own, id to vector: .npz, .parquet, or a folder of .npy files.
        fusion: of several upstreams: "concat" (features) or "mean-of-probabilities".
        fold: 1…5, a fold of cross-validation instead of the official splits.
        folds: all five folds, and their mean.
        seeds: how many times the head is trained.
        frames: of a video clip, evenly spaced; None: 8.
        device: of encoders and recipes; None: cuda where there is one.
        one_at_a_time: encode without batches, to check them.
        out: a folder for result.json, predictions.jsonl and confusion.png.
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        A `ProbeResult`, or with `folds=True` a `FoldsResult`.

    Raises:
        RequestError: options cannot be combined, or features cannot be used.
        EmotionTalkError: the release is not as it should be; see `load_dataset`.
    """
    upstreams = [upstream] if isinstance(upstream, (str, os.PathLike)) else list(upstream or ())
    files = [features] if isinstance(features, (str, os.PathLike)) else list(features)
    request = ProbeRequest(
        upstreams=[os.fspath(name) for name in upstreams] or ([] if files else ["text-tfidf"]),
        config=config,
        label_set=label_set,
        seeds=seeds,
        target=target,
        head=head,
        layer=layer,
        pooling=pooling,
        fusion=fusion,
        features=[expanded(Path(path)) for path in files],
        fold=fold,
        folds=folds,
        frames=frames,
        device=device,
        one_at_a_time=one_at_a_time,
        data_dir=os.fspath(data_dir) if data_dir else None,
        cache_dir=os.fspath(cache_dir) if cache_dir else None,
        token=token,
    )
    return run_and_write(request, out)


def run_and_write(
    request: ProbeRequest, out: str | os.PathLike[str] | None, command: Sequence[str] | None = None
) -> ProbeResult | FoldsResult:
    """Run a probe, and write its files where `out` is a folder. See `run` for `command` and errors."""
    request.check()
    if out is None:
        return run(request, command=command)
    folder = expanded(Path(out))
    check_folder(folder, request.folds)  # before the work, so that an error is not after it
    with holding(folder) as held:  # all the time: what is there at the end is of one run
        check_folder(folder, request.folds)
        result = run(request, functools.partial(write_fold, held), command)
        write_result(held, result)
    return result
