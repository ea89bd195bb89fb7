"""The command line: what each command takes. What it does stands in the module of its name."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, List, Optional

import typer
import typer.core

from emotiontalk import choices
from emotiontalk.cli import evaluation as evaluation_
from emotiontalk.cli.options import CACHE_DIR, DATA_DIR, FOLD, TOKEN, Config, LabelSet, Split, home
from emotiontalk.cli.rendering import explained, flags_of, show_log, traceback_of
from emotiontalk.redaction import DISCREET, is_ambiguous, normalised_endpoint, redacted, wrong_endpoint
from emotiontalk.request_error import RequestError


class Commands(typer.core.TyperGroup):
    """The commands. What they say of wrong words on a command line quotes these, without secrets."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As in typer."""
        with _quoted_without_secrets():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """As in typer."""
        with _quoted_without_secrets():
            return super().invoke(ctx)


@contextlib.contextmanager
def _quoted_without_secrets() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # of click, which some versions of typer bring themselves
            error.message = redacted(error.message, text=True)  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    cls=Commands,
    help="Tools for EmotionTalk, the Chinese multimodal emotion corpus. `--version` prints the version.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes, whose code takes as long to import as all that --help needs besides
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


Kind = enum.Enum("Kind", {"script": "script", "parquet": "parquet"}, type=str)
FilesConfig = enum.Enum("FilesConfig", {name: name for name in choices.OF_FILES}, type=str)  # type: ignore[misc]
Toolkit = enum.Enum("Toolkit", {name: name for name in choices.TOOLKITS}, type=str)  # type: ignore[misc]
Task = enum.Enum("Task", {name: name for name in choices.TASKS}, type=str)  # type: ignore[misc]
Caption = enum.Enum("Caption", {name: name for name in choices.CAPTIONS}, type=str)  # type: ignore[misc]
Media = enum.Enum("Media", {name: name for name in choices.MEDIA}, type=str)  # type: ignore[misc]
Language = enum.Enum("Language", {name: name for name in choices.LANGUAGES}, type=str)  # type: ignore[misc]
PARQUET_CONFIGS = typer.Option(
    list(choices.EXPORTED), "--config", help="A config to write; can be given several times."
)


def run() -> None:
    """Run the command line; what the user can fix is one message, not a traceback."""
    DISCREET.always = True  # whatever is logged in this process, it is ours
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # Chinese where the terminal's encoding has none
    endpoint = normalised_endpoint(os.environ.get("HF_ENDPOINT") or "")
    if is_ambiguous(endpoint):  # `huggingface_hub` quotes it, and cannot be imported
        sys.exit(f"emotiontalk: {wrong_endpoint(endpoint)}")
    flags = flags_of(typer.main.get_command(app))
    show_log(flags)
    try:
        app(prog_name="emotiontalk")
    except Exception as error:
        message, status = explained(error, flags)
        if message is None and isinstance(error, ModuleNotFoundError):
            raise
        typer.echo(traceback_of(error) if message is None else f"emotiontalk: {message}", err=True)
        sys.exit(status)


@app.command()
def dummy(out: Path = typer.Argument(..., callback=home, help="The folder to write the four archives to.")) -> None:
    """Make synthetic sample data: four small archives, the same bytes at every run."""
    from emotiontalk.sample_data import write_sample_data

    write_sample_data(out)
    typer.echo(f"{out}: Audio.tar, Multimodal.tar, Text.tar, Video.tar: 24 utterances of synthetic sample data.")


@app.command()
def index(
    data_dir: Optional[Path] = typer.Argument(
        None, callback=home, help="The folder that holds the archives; by default what `hf download` has downloaded."
    ),
    out: Optional[Path] = typer.Option(
        None, callback=home, help="A folder to write to, to give the indexes to others; by default the cache."
    ),
    cache_dir: Optional[str] = CACHE_DIR,
) -> None:
    """Write where each archive has which member: streams of the same archives then need not look."""
    from emotiontalk.indexing import write_index

    written = write_index(data_dir, out=out, cache_dir=cache_dir)
    for name, file in written.items():
        typer.echo(f"{name}.tar: {file}")
    if not written:
        typer.echo("No archive here has an index: only a plain tar of whole groups, sorted, has one.", err=True)


@app.command()
def infos(
    path: Optional[Path] = typer.Option(
        None, callback=home, help="The file to write or check; by default that of the checkout."
    ),
    check: bool = typer.Option(
        False, "--check", help="Write nothing; status 1 if the file is not what would be written."
    ),
) -> None:
    """Make or check dataset_infos.json: features, split sizes and checksums of the pinned release."""
    from emotiontalk.hub.checkout import checkout, tool

    infos_ = tool("infos", "`infos`")
    path = path or checkout("`infos`") / "dataset_infos.json"
    if not check:
        infos_.write_dataset_infos(path)
        typer.echo(f"{path}: written.")
    elif not infos_.is_current(path):
        typer.echo(f"{path} is out of date: run `emotiontalk infos`.", err=True)
        raise typer.Exit(1)


@app.command()
def published(
    labels: Path = typer.Argument(
        ..., callback=home, help="The authors' label files joined to one table (CSV, also gzip)."
    ),
    path: Optional[Path] = typer.Option(
        None, callback=home, help="The file to write; by default that of the checkout."
    ),
) -> None:
    """Make published.json: the digests of labels, scores and texts that `verify` compares with."""
    from emotiontalk.hub.checkout import checkout, tool

    default = checkout("`published`") / "emotiontalk/verification/assets/published.json"
    tool("published", "`published`").write_published(labels, path or default)


@app.command("zh-en")
def zh_en(
    out: Path = typer.Argument(..., callback=home, help="The benchmark's data folder (H2T_DATADIR)."),
    manifests: Optional[Path] = typer.Option(
        None,
        callback=home,
        help="The folder `manifests` of a checkout of the benchmark: the manifest goes there, too.",
    ),
    transcripts: Optional[Path] = typer.Option(
        None, callback=home, help="A file for the transcripts without marks, as the benchmark's cascades take them."
    ),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Write the zh→en benchmark's manifest and audio."""
    from emotiontalk.export.zh_en import export_zh_en

    export = export_zh_en(
        out, manifests=manifests, transcripts=transcripts, data_dir=data_dir, cache_dir=cache_dir, token=token
    )
    typer.echo(f"{export.counts['test']:,} records in {out / 'emotiontalk' / 'zh-en.jsonl'}")


@app.command()
def parquet(
    out: Path = typer.Argument(..., callback=home, help="The folder to write to."),
    config: List[Config] = PARQUET_CONFIGS,
    split: List[Split] = typer.Option(
        [], help="A split to write; can be given several times. All by default, test first."
    ),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
    sampling_rate: Optional[int] = typer.Option(None, help="Resample the audio, in Hz, for example 16000."),
    channels: Optional[int] = typer.Option(None, help="1 for mono."),
    format: Optional[str] = typer.Option(None, help="wav or flac."),
    labels_as_text: bool = typer.Option(
        False, "--labels-as-text", help="Labels as words (string columns), not as numbers."
    ),
    fold: Optional[int] = FOLD,
) -> None:
    """Write sharded Parquet that every version of datasets loads by itself."""
    from emotiontalk.audio_format import AudioFormat
    from emotiontalk.export.parquet import export_parquet

    splits, configs = [s.value for s in split], [c.value for c in config]
    export_parquet(
        out, configs, splits=splits, audio_format=AudioFormat(sampling_rate, channels, format), fold=fold,
        labels_as_text=labels_as_text, data_dir=data_dir, cache_dir=cache_dir, token=token,
    )  # fmt: skip
    typer.echo(f'{out}: load_dataset("{out}", "{configs[0]}", split="{splits[0] if splits else "test"}")')


def _for_speech(sampling_rate: Optional[int], channels: Optional[int], format: Optional[str]) -> Any:
    """Return the audio format that was requested; what was not, is as speech encoders take it."""
    from emotiontalk.audio_format import AudioFormat
    from emotiontalk.export.files_request import FOR_SPEECH

    return AudioFormat(
        FOR_SPEECH.sampling_rate if sampling_rate is None else sampling_rate,
        FOR_SPEECH.channels if channels is None else channels,
        FOR_SPEECH.encoding if format is None else format,
    )


@app.command()
def files(
    out: Path = typer.Argument(..., callback=home, help="The folder to write to."),
    toolkit: List[Toolkit] = typer.Option(..., "--for", help="A toolkit; can be given several times."),
    config: FilesConfig = typer.Option("audio", help="Whose labels, and which fields."),
    label_set: LabelSet = typer.Option("all", help="All seven emotions, or the paper's four."),
    split: List[Split] = typer.Option([], help="A split to write; can be given several times. All by default."),
    sampling_rate: Optional[int] = typer.Option(None, help="Of the audio, in Hz; 16000 by default."),
    channels: Optional[int] = typer.Option(None, help="1 (mono, the default) or 2."),
    format: Optional[str] = typer.Option(None, help="wav (the default) or flac."),
    original: bool = typer.Option(
        False, "--original", help="The release's own bytes: WAV, most 44.1 kHz stereo, some mono."
    ),
    task: Task = typer.Option("emotion", help="messages: what is asked."),
    caption: Caption = typer.Option("overall", help="messages, --task caption: what the caption is about."),
    media: Media = typer.Option("audio", help="messages: the audio, or the video clips with audio."),
    prompt_language: Language = typer.Option("zh", help="messages: in which language."),
    fold: Optional[int] = FOLD,
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Write what a toolkit reads: Kaldi, Lhotse, EmoBox, SpeechBrain, S3PRL, FunASR, ms-swift, …"""
    from emotiontalk.audio_format import AudioFormat
    from emotiontalk.export.files import export_files

    if original and (sampling_rate, channels, format) != (None, None, None):
        raise RequestError("--original is the audio as released: remove --sampling-rate, --channels and --format.")
    audio_format = AudioFormat() if original else _for_speech(sampling_rate, channels, format)
    export = export_files(
        out, [t.value for t in toolkit], config=config.value, label_set=label_set.value,
        splits=[s.value for s in split], audio_format=audio_format, task=task.value, caption=caption.value,
        media=media.value, prompt_language=prompt_language.value, fold=fold, data_dir=data_dir, cache_dir=cache_dir,
        token=token,
    )  # fmt: skip
    sizes = ", ".join(f"{split} {count:,}" for split, count in export.counts.items())
    readmes = {name: out / name / "README.md" for name in export.formats}
    typer.echo("\n".join(f"{out / name}: {sizes}. How to start: {readme}" for name, readme in readmes.items()))


@app.command()
def push(
    repo: str = typer.Argument(..., help="The dataset repository, OWNER/NAME; created where it is not there."),
    kind: Kind = typer.Option("script", "--as", help="The loader, or the release as Parquet (gated media)."),
    export: Optional[Path] = typer.Option(
        None,
        callback=home,
        help="Parquet: the folder of the export (default emotiontalk-parquet); written first where there is none.",
    ),
    config: List[Config] = typer.Option(
        [], help="The configs of the export; by default those it has, or all but video."
    ),
    private: Optional[bool] = typer.Option(
        None,
        "--private/--public",
        help="Parquet goes to private repositories unless --public is given; the script is public.",
    ),
    pr: bool = typer.Option(
        False, "--pr", help="Parquet: open a pull request on a repository of somebody else, which must be gated."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="List what would go, and send nothing."),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Upload the loader, or an export of the release, to the Hub."""
    from emotiontalk.hub.pull_request import prepare_pull_request
    from emotiontalk.hub.push import prepare_push
    from emotiontalk.release import ReleaseReader

    prepared: Any
    configs = [c.value for c in config]
    if pr:
        if kind is Kind.script or private is not None:
            raise RequestError("--pr is for an export: add --as parquet, and remove --private and --public.")
        if data_dir or cache_dir:
            raise RequestError("--pr is for an export that is written: remove --data-dir and --cache-dir.")
        prepared = prepare_pull_request(repo, export or "emotiontalk-parquet", configs=configs, token=token)
    else:
        prepared = prepare_push(
            repo, kind.value, export, configs, private, dry_run, ReleaseReader(data_dir, cache_dir, token)
        )
    typer.echo(prepared.plan)
    if dry_run:
        typer.echo("Nothing was sent (--dry-run).")
        return
    result = prepared.send()
    typer.echo(f"{'Opened' if pr else 'Uploaded'}: {result.url}")
    removed = getattr(result, "removed", ())
    if removed:
        typer.echo(f"Removed, of an earlier export: {', '.join(removed)}")


@app.command()
def verify(
    data_dir: Optional[str] = DATA_DIR,
    token: Optional[str] = TOKEN,
    pinned: bool = typer.Option(
        False, "--pinned", help="Compare size and SHA-256 with the pinned archives: a difference is an error."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print all findings as JSON."),
    names: int = typer.Option(5, min=0, help="How many findings of each check to name in the table."),
    quick: bool = typer.Option(
        False, "--quick", help="Compare sizes and the first bytes alone: 70 MB instead of 36 GB."
    ),
) -> None:
    """Compare a release with what is published. Status 0: all is well; 1: something is wrong; 2: nothing to look at."""
    from emotiontalk.verification.table import print_audit
    from emotiontalk.verification.verify import verify as verify_

    audit = verify_(data_dir, quick=quick, pinned=pinned, token=token)
    if as_json:
        typer.echo(json.dumps(audit.to_dict(), ensure_ascii=False, indent=1))
    else:
        print_audit(audit, names, "--names {number}, or --json")
    if not (audit.ok and audit.looked):
        raise typer.Exit(1 if audit.looked else 2)


app.command()(evaluation_.probe)
app.command()(evaluation_.score)


@app.command()
def report(
    out: Path = typer.Option("report.html", callback=home, help="The page to write."),
    clips: int = typer.Option(3, min=0, help="Utterances to listen to, for each split and emotion; 0: none."),
    language: Language = typer.Option("en", help="The language of the page."),
    data_dir: Optional[str] = DATA_DIR,
    cache_dir: Optional[str] = CACHE_DIR,
    token: Optional[str] = TOKEN,
) -> None:
    """Write one self-contained page: what is in the release, to look at and to listen to."""
    from emotiontalk.reporting.report import check_page_path
    from emotiontalk.reporting.report import report as report_

    check_page_path(out)  # before the work
    made = report_(clips=clips, language=language.value, data_dir=data_dir, cache_dir=cache_dir, token=token)
    made.save(out)
    gated = " It holds gated audio: keep it to yourself." if clips else ""
    typer.echo(f"{out}: {made.numbers['utterances']:,} utterances, {out.stat().st_size / 1e6:.1f} MB.{gated}")
