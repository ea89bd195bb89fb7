"""What is sent to the Hub: the loader with its pages and sample data, or an export of the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotiontalk import sample_data
from emotiontalk.choices import EXPORTED
from emotiontalk.export.parquet import export_parquet, resume_parquet
from emotiontalk.export.parquet_export import ParquetExport
from emotiontalk.hub.checkout import checkout, tool
from emotiontalk.hub.repository import Content, loader_name
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

# The card of a checkout, and what it leads to.
PAGES = (
    "README.md", "README.zh.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "dataset_infos.json",
    "benchmarks/README.md",
)  # fmt: skip


def script_files(repo: str) -> dict[str, Content]:
    """Return the script dataset: {path in the repository: content}.

    `datasets` runs the script that is called as its repository is, so it is renamed. The card and the pages that it
    leads to go along. Raises `RequestError` for a name that `datasets` cannot run, and where there is no checkout.
    """
    if "." in repo:
        raise RequestError(
            f"{repo}: `datasets` cannot import a script from a repository with a dot in its name or its owner's."
        )
    project = checkout("pushing the script")
    # built again, not read: whatever stands in dummy_data/ here, nothing but synthetic data goes to a public place
    script = tool("build_script", "pushing the script").build()
    samples = {f"dummy_data/{name}": data for name, data in sample_data.files().items()}
    return {loader_name(repo): script.encode(), **_pages(project, repo), **samples}


def _pages(project: Path, repo: str) -> dict[str, bytes]:
    """Return `PAGES`, docs/ in both languages and examples/; they say what to type for this repository."""
    pages = {}
    examples = (path for path in (project / "examples").iterdir() if path.suffix in (".py", ".ipynb"))
    for path in (*(project / name for name in PAGES), *sorted((project / "docs").rglob("*.md")), *sorted(examples)):
        text = path.read_text(encoding="utf-8").replace('"./emotiontalk.py"', f'"{repo}"')
        pages[path.relative_to(project).as_posix()] = text.encode()
    return pages


def export_files(export: Path, configs: Sequence[str] = ()) -> dict[str, Path]:
    """Return a finished export: {path in the repository: `Path`}.

    configs: what it must hold, where the user named them. Raises `RequestError` for an export that is not
    finished, or holds other configs: it goes as a whole.
    """
    files = {path.relative_to(export).as_posix(): path for path in ParquetExport(export).files()}
    configs_there = {name.split("/")[0] for name in files if "/" in name}
    if configs and configs_there != set(configs):
        raise RequestError(
            f"{export} holds {', '.join(sorted(configs_there))}: an export is pushed as a whole. Remove configs=, or "
            f"export {', '.join(configs)} to another folder, and pass export= with it."
        )
    return files


def expected_files(configs: Sequence[str]) -> list[str]:
    """Return path patterns of what an export that is not written yet will hold."""
    splits = [(config, split) for config in configs for split in CONFIGS[config].splits]
    return ["README.md", *(f"{config}/{split}-SHARD-of-SHARDS.parquet" for config, split in splits)]


def check_configs(configs: Sequence[str]) -> None:
    """Raise `RequestError` for a config that is not there."""
    unknown = [config for config in configs if config not in CONFIGS]
    if isinstance(configs, str) or unknown:
        raise RequestError(f"configs={configs!r}: give a list of some of {', '.join(CONFIGS)}.")


def files_of_export(
    export: Path, configs: Sequence[str], reader: ReleaseReader, dry_run: bool
) -> Mapping[str, Content | None]:
    """As `export_files`; an export that is not there is written first, one that was stopped is finished.

    dry_run: nothing is written, and of an export that is not there patterns of paths are given, with None.
    """
    source: dict[str, Any] = {"data_dir": reader.data_dir, "cache_dir": reader.cache_dir, "token": reader.token}
    if not export.exists():
        if dry_run:
            return dict.fromkeys(expected_files(configs or EXPORTED))
        export_parquet(export, configs or EXPORTED, **source)
    elif not dry_run and ParquetExport(export).exists:
        resume_parquet(export, **source)
    return export_files(export, configs)
