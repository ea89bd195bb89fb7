"""The command line of `probe` and `score`: what they take."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import List, Optional, Union

import typer

from emotiontalk import choices
from emotiontalk.cli.options import CACHE_DIR, DATA_DIR, FOLD, TOKEN, LabelSet, Split, home, homes
from emotiontalk.cli.rendering import command_line
from emotiontalk.request_error import RequestError

LabeledConfig = enum.Enum("LabeledConfig", {name: name for name in choices.LABELED}, type=str)  # type: ignore[misc]
Target = enum.Enum("Target", {name: name for name in choices.TARGETS}, type=str)  # type: ignore[misc]
Head = enum.Enum("Head", {name: name for name in choices.HEADS}, type=str)  # type: ignore[misc]
Pooling = enum.Enum("Pooling", {name: name for name in choices.POOLINGS}, type=str)  # type: ignore[misc]
Fusion = enum.Enum("Fusion", {name: name for name in choices.FUSIONS}, type=str)  # type: ignore[misc]


def _layer(text: Optional[str]) -> Optional[Union[int, str]]:
    """Return a layer as it was typed. Raises `RequestError`."""
    if text is None or text in ("all", "weighted"):
        return text
    try:
        return int(text)
    except ValueError:
        raise RequestError(f"--layer {text}: give the number of a hidden state, all, or weighted.") from None


def probe(
    upstream: List[str] = typer.Option(
        [],
        help="text-tfidf (the default), logmel, egemaps, or an encoder of transformers (text, audio, image, video) by "
        "name or path; several are fused.",
    ),
    config: LabeledConfig = typer.Option("multimodal", help="The config whose label is predicted."),
    label_set: LabelSet = typer.Option("all", help="All seven emotions, or the paper's four."),
    target: Target = typer.Option("emotion", help="emotion, or sentiment: scores −2…2, by ridge regression."),
    head: Head = typer.Option("linear", help="What is trained: one linear layer, or the head of a published recipe."),
    layer: Optional[str] = typer.Option(
        None, help="Encoders: which hidden state; all: each by itself; weighted: learned weights (--head superb)."
    ),
    pooling: Pooling = typer.Option("mean", help="Over time, for --head linear."),
    features: List[Path] = typer.Option(
        [], callback=homes, help="Features of yours, id to vector: .npz, .parquet, or a folder of .npy files."
    ),
    fusion: Fusion = typer.Option("concat", help="Of several upstreams: their features, or their predictions."),
    fold: Optional[int] = FOLD,
    folds: bool = typer.Option(False, "--folds", help="All five folds, and their mean."),
    seeds: int = typer.Option(5, min=1, help="How many times the head is trained."),
    frames: Optional[int] = typer.Option(None, min=1, help="Of a video clip, evenly spaced; 8 by default."),
    device: Optional[str] = typer.Option(None, help="Encoders: cpu, cuda, …; by default cuda where there is one."),
    one_at_a_time: bool = typer.Option(False, "--one-at-a-time", help="Encoders: no batches, to check them."),
    out: Optional[Path] = typer.Option(
        None, callback=home, help="A folder for result.json, predictions.jsonl and confusion.png."
    ),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Train a head on features of a frozen upstream; WAR and UAR on the official splits or folds, with intervals."""
    from emotiontalk.probing.probe import run_and_write
    from emotiontalk.probing.request import ProbeRequest

    request = ProbeRequest(
        upstreams=upstream or ([] if features else ["text-tfidf"]),
        config=config.value,
        label_set=label_set.value,
        seeds=seeds,
        target=target.value,
        head=head.value,
        layer=_layer(layer),
        pooling=pooling.value,
        fusion=fusion.value,
        features=features,
        fold=fold,
        folds=folds,
        frames=frames,
        device=device,
        one_at_a_time=one_at_a_time,
        data_dir=data_dir,
        cache_dir=cache_dir,
        token=token,
    )
    typer.echo(str(run_and_write(request, out, command_line(sys.argv[1:]))))
    if out:
        typer.echo(f"  {out / 'result.json'}, {out / ('fold_1' if folds else '') / 'confusion.png'}")


def score(
    predictions: List[Path] = typer.Argument(
        ..., callback=homes, help="CSV, TSV, JSON, JSONL or Parquet: id and class; two files are compared."
    ),
    config: LabeledConfig = typer.Option("multimodal", help="The config whose label is predicted."),
    split: Split = typer.Option("test", help="The split that is predicted."),
    label_set: LabelSet = typer.Option("all", help="All seven emotions, or the paper's four."),
    target: Target = typer.Option("emotion", help="emotion, or sentiment: scores −2…2."),
    fold: Optional[int] = FOLD,
    partial: bool = typer.Option(False, "--partial", help="Score those utterances that have a prediction."),
    out: Optional[Path] = typer.Option(None, callback=home, help="A folder for score.json and confusion.png."),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Score predictions: WAR, UAR, F1 or MAE, CCC, with intervals over dialogues. Status 2: they cannot be scored."""
    from emotiontalk.evaluation import score as score_
    from emotiontalk.evaluation.tables import print_tables

    if len(predictions) > 2:
        raise typer.BadParameter("give one file, or two to compare.", param_hint="PREDICTIONS")
    result = score_.score(
        *predictions,
        config=config.value,
        split=split.value,
        label_set=label_set.value,
        target=target.value,
        fold=fold,
        partial=partial,
        out=out,
        data_dir=data_dir,
        cache_dir=cache_dir,
        token=token,
    )
    print_tables(result.to_dict())
    if out:
        typer.echo(f"{out / 'score.json'}, {out / 'confusion.png'}")
