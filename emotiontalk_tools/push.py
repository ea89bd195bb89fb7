"""`emotiontalk push REPO`: the loader, or an export of the release, to a dataset repository of the Hub.

    --as script      NAME.py, its card and dataset_infos.json, dummy_data/: no media, nothing gated
    --as parquet     an export of `emotiontalk parquet`: the gated media, so private unless it is asked otherwise
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import huggingface_hub
from huggingface_hub.utils import HFValidationError, RepositoryNotFoundError, validate_repo_id

import emotiontalk

from . import dummy, parquet
from .errors import CommandError
from .project import checkout

SHARD = re.compile(rf"({'|'.join(emotiontalk.CONFIGS)})/({'|'.join(emotiontalk.SPLITS)})-G\d{{5}}-\d{{5}}\.parquet")

TERMS = f"""\
EmotionTalk is licensed under {emotiontalk.LICENSE}: no commercial use, share alike, name the authors.
Its sound and video are gated at {emotiontalk.HOMEPAGE}: whoever gets them must have accepted the terms there."""


def check_name(repo: str):
    """Raise `CommandError` unless this is OWNER/NAME, as `datasets` and the Hub read it."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII):
        raise CommandError(f"{repo!r}: expected OWNER/NAME, for example me/emotiontalk.")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise CommandError(f"{repo}: {error}") from None


def script_files(repo: str) -> dict:
    """The script dataset: path in the repository -> content in bytes.

    `datasets` runs the script that is called as its repository is, so it is renamed; the card says what to type there.
    Raises `CommandError` for a name that it cannot run.
    """
    if "." in repo:
        raise CommandError(f"{repo}: `datasets` cannot import a script from a repository with a dot in its name or its owner's.")
    project = checkout("`push` of the script, with its card,")
    card = (project / "README.md").read_text(encoding="utf-8").replace('"./emotiontalk.py"', f'"{repo}"')
    files = {f"{repo.split('/')[1]}.py": (project / "emotiontalk.py").read_bytes(), "README.md": card.encode()}
    others = {name: (project / name).read_bytes() for name in ("dataset_infos.json", "benchmarks/README.md")}
    # made anew, not read: whatever stands in dummy_data/ here, nothing but what is made up goes to a public place
    return {**files, **others, **{f"dummy_data/{name}": data for name, data in dummy.files().items()}}


def export_files(export: Path, configs=()) -> dict:
    """A finished export: path in the repository -> `Path`. configs: what it must hold, where the user named them.

    Raises `CommandError` for an export that is not finished, or holds other configs: it goes as a whole.
    """
    files = {path.relative_to(export).as_posix(): path for path in parquet.finished_files(export)}
    there = {name.split("/")[0] for name in files if "/" in name}
    if configs and there != set(configs):
        raise CommandError(
            f"{export} holds {', '.join(sorted(there))}: an export is pushed as a whole. Export {', '.join(configs)} to a folder "
            "of its own (--export), or leave --config away."
        )
    return files


def expected_files(configs) -> list[str]:
    """Path patterns of what an export that is not written yet will hold."""
    splits = [(config, split) for config in configs for split in emotiontalk.CONFIGS[config].splits]
    return ["README.md", *(f"{config}/{split}-GROUP-SHARD.parquet" for config, split in splits)]


def plan(repo: str, kind: str, files: dict, private: bool) -> str:
    """What would be sent where, as text: each file with its size in bytes, and the terms of the licence."""
    lines = [f"{_size(content):>15}  {name}" for name, content in files.items()]
    visibility = "private, or refused" if private else "public where it is not there yet"
    return "\n".join([f"To the dataset repository {repo} ({visibility}), as {kind}:", *lines, "", TERMS])


def _size(content) -> str:
    if content is None:
        return ""
    return f"{len(content) if isinstance(content, bytes) else content.stat().st_size:,}"


def push(repo: str, kind: str, files: dict, private: bool, token: str | None = None) -> tuple[str, list[str]]:
    """Upload files (path in the repository -> content, or the `Path` of it), creating the repository.

    Returns its address, and the shards of an earlier export that were removed. private: the repository is made private,
    and one that is there already must be. Raises `CommandError`, before anything is sent, where it is public, holds the
    dataset as the other kind, or anything else.
    """
    api = huggingface_hub.HfApi(token=token)
    present = _info(api, repo)
    if present is None:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        present = _info(api, repo)
    if private and (present is None or present.private is not True):
        raise CommandError(
            f"{repo} is public; nothing was uploaded. Make it private in its settings, take another repository, or "
            "pass --public if you may publish there what would go."
        )
    _check_kind(repo, present, kind, files)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content) if isinstance(content, bytes) else path.symlink_to(content.resolve())
        # shards of an earlier export that this one has not would be loaded along with it
        stale = sorted(name for name in _names(present) - set(files) if SHARD.fullmatch(name))
        message = f"EmotionTalk as {kind}, version {emotiontalk.EmotionTalk.VERSION} of the loader"
        api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder, commit_message=message, delete_patterns=stale or None)
    return f"{api.endpoint}/datasets/{repo}", stale


def _info(api, repo):
    try:
        return api.dataset_info(repo)
    except RepositoryNotFoundError:
        return None


def _names(info):
    return {sibling.rfilename for sibling in (info and info.siblings) or ()}


def _check_kind(repo, info, kind, files):
    names = _names(info)
    script = f"{repo.split('/')[1]}.py"
    if kind == "script" and any(name.endswith(".parquet") for name in names):
        raise CommandError(f"{repo} holds Parquet files, which the script would hide. Take another repository for it.")
    if kind == "parquet" and script in names:
        raise CommandError(f"{repo} holds {script}, for which datasets 4 refuses a repository. Take another one for Parquet.")
    others = sorted(name for name in names - {".gitattributes", *files} if not SHARD.fullmatch(name))
    if others and not (kind == "script" and script in names):
        raise CommandError(f"{repo} holds {', '.join(others[:3])}, which is not EmotionTalk's. Take another repository for it.")
