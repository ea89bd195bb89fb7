"""The command line: what each command takes. What it does stands in the module of its name."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import typer

from . import demo as demo_
from . import dummy as dummy_
from . import infos as infos_
from . import parquet as parquet_
from . import zh_en as zh_en_

PROJECT = Path(__file__).resolve().parent.parent

app = typer.Typer(help="Tools for EmotionTalk, the Chinese multimodal emotion corpus.", no_args_is_help=True, pretty_exceptions_enable=False)

DATA_DIR = typer.Option(None, help="As in load_dataset: the folder or the address that holds the archives; the Hub by default.")
CACHE_DIR = typer.Option(None, help="As in load_dataset.")
TOKEN = typer.Option(None, help="A token of the Hub; by default the one that is logged in.")



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


@app.command("zh-en")
def zh_en(
    out: Path = typer.Argument(..., help="The benchmark's data folder (H2T_DATADIR)."),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
):
    """Write the zh→en benchmark's manifest and sounds."""
    records = zh_en_.write(out, data_dir, cache_dir, token)
    typer.echo(f"{records:,} records in {out / 'emotiontalk' / 'zh-en.jsonl'}")


@app.command()
def parquet(
    out: Path = typer.Argument(..., help="The folder to write to."),
    config: List[str] = typer.Option(list(parquet_.CONFIGS), help="A config to write; can be given several times."),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
    sampling_rate: Optional[int] = typer.Option(None, help="Resample the sound, in Hz, for example 16000."),
    channels: Optional[int] = typer.Option(None, help="1 for mono."),
    format: Optional[str] = typer.Option(None, help="wav or flac."),
):
    """Write sharded Parquet that every version of datasets loads by itself."""
    conversion = parquet_.Conversion(sampling_rate, channels, format)
    parquet_.write(out, config, data_dir, cache_dir, token, conversion)
    typer.echo(f"{out}: load_dataset({str(out)!r}, {config[0]!r}, split=\"test\")")
