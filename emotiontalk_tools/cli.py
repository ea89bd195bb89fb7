"""The command line: what each command takes. What it does stands in the module of its name."""

from __future__ import annotations

from pathlib import Path

import typer

from . import demo as demo_
from . import dummy as dummy_
from . import infos as infos_

PROJECT = Path(__file__).resolve().parent.parent

app = typer.Typer(help="Tools for EmotionTalk, the Chinese multimodal emotion corpus.", no_args_is_help=True)


@app.command()
def demo(
    data_dir: Path = typer.Option(PROJECT / "dummy_data", help="The folder that holds the archives."),
    config: str = typer.Option("multimodal", help="The config to load."),
):
    """Load a release (the bundled miniature) through `load_dataset` and show it."""
    demo_.show(PROJECT / "emotiontalk.py", data_dir, config)


@app.command()
def dummy(out: Path = typer.Argument(..., help="The folder to write the four archives to.")):
    """Make the miniature release: the same bytes at every run."""
    dummy_.write(out)


@app.command()
def infos(
    path: Path = typer.Option(PROJECT / "dataset_infos.json", help="The file to write or check."),
    check: bool = typer.Option(False, "--check", help="Write nothing; status 1 if the file is not what would be written."),
):
    """Make or check dataset_infos.json: features, split sizes and checksums of the pinned release."""
    if not check:
        infos_.write(path)
    elif not infos_.is_current(path):
        typer.echo(f"{path} is out of date: run `emotiontalk infos`.", err=True)
        raise typer.Exit(1)
