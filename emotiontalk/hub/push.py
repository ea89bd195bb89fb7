"""`emotiontalk push REPO`: the loader, or an export of the release, to a dataset repository of the Hub.

--as script      NAME.py, its card and dataset_infos.json, dummy_data/: no media, nothing gated
--as parquet     an export of `emotiontalk parquet`: the gated media, so private unless it is asked otherwise
--pr             the export as a pull request to somebody else's gated repository, whose files and card's text stay
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import huggingface_hub
from huggingface_hub.utils import HFValidationError, RepositoryNotFoundError, validate_repo_id

from emotiontalk import sample_data
from emotiontalk.archives.urls import checked_endpoint
from emotiontalk.choices import EXPORTED
from emotiontalk.corpus import HOMEPAGE, LICENSE, SPLITS, __version__
from emotiontalk.errors import brief, printable, redacted
from emotiontalk.export.parquet import export_parquet, resume_parquet
from emotiontalk.export.parquet_export import ParquetExport
from emotiontalk.hub.card_merge import FOLDER, difference, merged_card
from emotiontalk.hub.checkout import checkout, tool
from emotiontalk.hub.errors import network_errors
from emotiontalk.redaction import split_credentials
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

SHARD = re.compile(rf"({'|'.join(CONFIGS)})/({'|'.join(SPLITS)})-(G\d{{5}}-\d{{5}}|\d{{5}}-of-\d{{5}})\.parquet")

Content = Union[bytes, Path]  # of a file that is sent; `Path`: a file that holds it

# The card of a checkout, and what it leads to.
PAGES = (
    "README.md", "README.zh.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "dataset_infos.json",
    "benchmarks/README.md",
)  # fmt: skip

TERMS = f"""\
EmotionTalk is licensed under {LICENSE}: no commercial use, share alike, name the authors.
Its audio and video are gated at {HOMEPAGE}: whoever gets them must have accepted the terms there."""


def check_name(repo: str) -> None:
    """Raise `RequestError` unless this is OWNER/NAME, as `datasets` and the Hub read it."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII):
        raise RequestError(f"{repo!r}: expected OWNER/NAME, for example me/emotiontalk.")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise RequestError(f"{repo}: {error}") from None


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
    return {f"{repo.split('/')[1]}.py": script.encode(), **_pages(project, repo), **samples}


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
    there = {name.split("/")[0] for name in files if "/" in name}
    if configs and there != set(configs):
        raise RequestError(
            f"{export} holds {', '.join(sorted(there))}: an export is pushed as a whole. Export {', '.join(configs)} "
            "to another folder (--export), or leave --config away."
        )
    return files


def expected_files(configs: Sequence[str]) -> list[str]:
    """Return path patterns of what an export that is not written yet will hold."""
    splits = [(config, split) for config in configs for split in CONFIGS[config].splits]
    return ["README.md", *(f"{config}/{split}-SHARD-of-SHARDS.parquet" for config, split in splits)]


def files_to_send(
    export: Path,
    configs: Sequence[str],
    dry_run: bool,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    token: str | None = None,
) -> Mapping[str, Content | None]:
    """As `export_files`; an export that is not there is written first, one that was stopped is finished.

    dry_run: nothing is written, and of an export that is not there patterns of paths are given, with None.
    """
    if not export.exists():
        if dry_run:
            return dict.fromkeys(expected_files(configs or EXPORTED))
        export_parquet(export, configs or EXPORTED, data_dir=data_dir, cache_dir=cache_dir, token=token)
    elif not dry_run and ParquetExport(export).exists:
        resume_parquet(export, data_dir=data_dir, cache_dir=cache_dir, token=token)
    return export_files(export, configs)


def plan(repo: str, kind: str, files: Mapping[str, Content | None], private: bool | None) -> str:
    """Say what would be sent where: each file with its size in bytes, and the terms of the licence."""
    lines = [f"{_size(content):>15}  {name}" for name, content in files.items()]
    visibility = {True: "private, or refused", False: "public where it is not there yet", None: "gated, or refused"}
    return "\n".join([f"To the dataset repository {repo} ({visibility[private]}), as {kind}:", *lines, "", TERMS])


def _size(content: Content | None) -> str:
    if content is None:
        return ""
    return f"{len(content) if isinstance(content, bytes) else content.stat().st_size:,}"


def push(
    repo: str, kind: str, files: Mapping[str, Content | None], private: bool, token: str | None = None
) -> tuple[str, list[str]]:
    """Upload files ({path in the repository: content}), creating the repository.

    Returns its URL, and the shards of an earlier export that were removed. private: the repository is made private,
    and one that is there already must be. Raises `RequestError`, before anything is sent, where it is public, holds the
    dataset as the other kind, or anything else.
    """
    api = _api(token)
    present = _info(api, repo)
    if present is None:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        present = _info(api, repo)
    if private and (present is None or present.private is not True):
        raise RequestError(
            f"{repo} is public; nothing was uploaded. Make it private in its settings, take another repository, or "
            "pass --public if you may publish there what would go."
        )
    _check_kind(repo, present, kind, files)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content:
                path.symlink_to(content.resolve())
        # shards of an earlier export that this one has not would be loaded along with it
        stale = sorted(name for name in _names(present) - set(files) if SHARD.fullmatch(name))
        message = f"EmotionTalk as {kind}, version {__version__} of the loader"
        # not `upload_large_folder`: it takes no message, deletes nothing, and huggingface_hub 2.4 has none
        api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=folder, commit_message=message, delete_patterns=stale or None
        )
    return f"{api.endpoint}/datasets/{repo}", stale


MAX_CARD = 10 * 2**20  # bytes; git at the Hub takes no larger file


def pull_request(
    repo: str, export: Path, configs: Sequence[str] = (), token: str | None = None
) -> tuple[dict[str, Content], str, str]:
    """Prepare a pull request; nothing is sent.

    Returns ({path in the repository: content}, the diff of the card, the commit that it is made for).
    The shards go to a folder; `configs` and `dataset_info` of the export are merged into the card's YAML.
    configs: as in `export_files`. Raises `RequestError` where the repository is not there, not gated, or has configs of
    these names, and as `export_files` and `merged_card`.
    """
    api = _api(token)
    present = _info(api, repo)
    if present is None:
        raise RequestError(f"{repo}: no such dataset repository, or no access to it. --pr is for one that is there.")
    if not (present.gated or present.private):
        raise RequestError(
            f"{repo} is not gated: audio and video of EmotionTalk must not go there. Ask its owner to gate it first."
        )
    loader = f"{repo.split('/')[1]}.py"
    if loader in _names(present):
        raise RequestError(
            f"{repo} holds {loader}, for which datasets 4 refuses a repository: Parquet next to it would not load."
        )
    there = sorted(name for name in _names(present) if name.startswith(f"{FOLDER}/"))
    foreign = [name for name in there if not SHARD.fullmatch(name.removeprefix(f"{FOLDER}/"))]
    if foreign:
        raise RequestError(
            f"{repo} holds {foreign[0]}, which is not EmotionTalk's: {FOLDER}/ is where the shards would go."
        )
    sent = export_files(export, configs)
    fold = ParquetExport(export).fold
    if fold:
        raise RequestError(
            f"{export} holds fold {fold}: --pr is for the official splits. Export these to a new folder."
        )
    files = {f"{FOLDER}/{name}": path for name, path in sent.items() if name != "README.md"}
    before = _their_card(api, repo, present) if "README.md" in _names(present) else b""
    after = merged_card(before, (export / "README.md").read_bytes(), repo)
    return {**files, "README.md": after.encode()}, difference(before, after), present.sha


def _their_card(api: huggingface_hub.HfApi, repo: str, present: Any) -> bytes:
    path = Path(api.hf_hub_download(repo, "README.md", repo_type="dataset", revision=present.sha))
    if path.stat().st_size > MAX_CARD:
        raise RequestError(f"{repo}: its README.md has {path.stat().st_size:,} bytes, which is no card. Ask its owner.")
    return path.read_bytes()


def send_pull_request(repo: str, files: Mapping[str, Content], parent: str, token: str | None = None) -> str:
    """Open a pull request with these files; return its URL."""
    api = _api(token)
    operations = [
        huggingface_hub.CommitOperationAdd(name, str(f) if isinstance(f, Path) else f) for name, f in files.items()
    ]
    try:
        commit = api.create_commit(
            repo, operations, repo_type="dataset", create_pr=True, parent_commit=parent,
            commit_message="The release as Parquet: load_dataset works as it is",
            commit_description=f"Written by the EmotionTalk loader {__version__}. Of what was there, only the "
            "YAML of the card is changed.",
        )  # fmt: skip
    except ValueError as error:  # before anything is sent, the Hub is asked whether it takes the YAML of the card
        if isinstance(error, network_errors()):
            raise
        raise RequestError(f"{repo}: the Hub does not take the card with our configs in it: {brief(error)}") from None
    return printable(redacted(commit.pr_url, text=True))


def _api(token: str | None) -> huggingface_hub.HfApi:
    """Open the Hub. A password in `HF_ENDPOINT` is sent as a header, not in URLs. Raises `EmotionTalkError`."""
    endpoint, password = split_credentials(checked_endpoint())
    options = {"headers": {"authorization": password}} if password else {}  # an option that older versions have not
    return huggingface_hub.HfApi(endpoint, token=token, **options)


def _info(api: huggingface_hub.HfApi, repo: str) -> Any:
    try:
        return api.dataset_info(repo)
    except RepositoryNotFoundError:
        return None


def _names(info: Any) -> set[str]:
    return {sibling.rfilename for sibling in (info and info.siblings) or ()}


def _check_kind(repo: str, info: Any, kind: str, files: Mapping[str, object]) -> None:
    names = _names(info)
    loader = f"{repo.split('/')[1]}.py"
    if kind == "script" and any(name.endswith(".parquet") for name in names):
        raise RequestError(f"{repo} holds Parquet files, which the script would hide. Take another repository for it.")
    if kind == "parquet" and loader in names:
        raise RequestError(
            f"{repo} holds {loader}, for which datasets 4 refuses a repository. Take another one for Parquet."
        )
    others = sorted(name for name in names - {".gitattributes", *files} if not SHARD.fullmatch(name))
    if others and not (kind == "script" and loader in names):
        raise RequestError(
            f"{repo} holds {', '.join(others[:3])}, which is not EmotionTalk's. Take another repository for it."
        )
