"""`emotiontalk.push`: the loader, or an export of the release, to a dataset repository of the Hub.

kind="script"    NAME.py, its card and dataset_infos.json, dummy_data/: no media, nothing gated
kind="parquet"   an export of `emotiontalk parquet`: the gated media, so private unless private=False confirms it
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotiontalk.choices import check_choice
from emotiontalk.corpus import __version__
from emotiontalk.folder import expanded
from emotiontalk.hub import repository
from emotiontalk.hub.contents import check_configs, files_of_export, script_files
from emotiontalk.hub.repository import SHARD, Content, Sizes
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError

KINDS = ("script", "parquet")


@dataclasses.dataclass(frozen=True)
class PushResult(repository.Sent):
    """What was sent, or with `dry_run=True` would be. In a notebook it shows itself.

    Attributes:
        repo: the repository.
        kind: "script" or "parquet".
        private: whether the repository is private, or else nothing is sent.
        files: path in the repository -> bytes; None of a file that is not written yet.
        url: of the repository; None where nothing was sent.
        removed: shards of an earlier export that were removed.
    """

    done = "Uploaded"
    repo: str
    kind: str
    private: bool
    files: Sizes
    url: str | None = None
    removed: tuple[str, ...] = ()

    def __str__(self) -> str:
        visibility = "private, or refused" if self.private else "public where it is not there yet"
        return repository.listing(f"To the dataset repository {self.repo} ({visibility}), as {self.kind}:", self.files)


@dataclasses.dataclass(frozen=True)
class PreparedPush:
    """A push that is checked, and not sent yet.

    Attributes:
        plan: what would be sent.
        contents: path in the repository -> its content; None of a file that is not written yet.
        token: of the Hub.
    """

    plan: PushResult
    contents: Mapping[str, Content | None]
    token: str | bool | None = dataclasses.field(repr=False)

    def send(self) -> PushResult:
        """Upload the files, creating the repository.

        Raises:
            RequestError: before anything is sent, where the repository is public and must not be, holds the dataset as
                the other kind, or anything else.
        """
        plan, api = self.plan, repository.open_hub(self.token)
        info = repository.find_repository(api, plan.repo)
        if info is None:
            api.create_repo(plan.repo, repo_type="dataset", private=plan.private, exist_ok=True)
            info = repository.find_repository(api, plan.repo)
        if plan.private and (info is None or info.private is not True):
            raise RequestError(
                f"{plan.repo} is public; nothing was uploaded. Make it private in its settings, take another "
                "repository, or pass private=False if you may publish there what would go."
            )
        _check_kind(plan, info)
        # shards of an earlier export that this one has not would be loaded along with it
        stale = sorted(name for name in repository.names_in(info) - set(plan.files) if SHARD.fullmatch(name))
        with tempfile.TemporaryDirectory() as folder:
            _lay_out(Path(folder), self.contents)
            # not `upload_large_folder`: it takes no message, deletes nothing, and huggingface_hub 2.4 has none
            api.upload_folder(
                repo_id=plan.repo,
                repo_type="dataset",
                folder_path=folder,
                commit_message=f"EmotionTalk as {plan.kind}, version {__version__} of the loader",
                delete_patterns=stale or None,
            )
        return dataclasses.replace(plan, url=f"{api.endpoint}/datasets/{plan.repo}", removed=tuple(stale))


def _lay_out(folder: Path, contents: Mapping[str, Content | None]) -> None:
    """Put files where they are uploaded from; those on the disk are linked."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content:
            path.symlink_to(content.resolve())


def prepare_push(
    repo: str,
    kind: str,
    export: str | os.PathLike[str] | None,
    configs: Sequence[str],
    private: bool | None,
    dry_run: bool,
    reader: ReleaseReader,
) -> PreparedPush:
    """Check a push, and write its export where it is not there yet; nothing is sent. See `push`."""
    repository.check_name(repo)
    check_choice("kind", kind, KINDS)
    if kind == "script" and (export is not None or configs):
        raise RequestError('export= and configs= are about an export: add kind="parquet", or remove them.')
    check_configs(configs)
    contents: Mapping[str, Content | None]
    if kind == "script":
        contents = script_files(repo)
    else:
        folder = expanded(Path("emotiontalk-parquet" if export is None else export))
        contents = files_of_export(folder, configs, reader, dry_run)
    private = kind == "parquet" if private is None else private
    sizes = {name: repository.size_of(content) for name, content in contents.items()}
    return PreparedPush(PushResult(repo, kind, private, sizes), contents, reader.token)


def push(
    repo: str,
    *,
    kind: str = "script",
    export: str | os.PathLike[str] | None = None,
    configs: Sequence[str] = (),
    private: bool | None = None,
    dry_run: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
) -> PushResult:
    """Upload the loader, or an export of the release, to a dataset repository of the Hub.

    What else is in the repository stays. An export holds gated audio: whoever gets it must have accepted the terms.

    Args:
        repo: the repository, OWNER/NAME; created where it is not there.
        kind: "script", the loader with its pages and synthetic sample data, which needs a checkout of the project; or
            "parquet", an export of the release.
        export: of kind "parquet": the folder of the export, by default emotiontalk-parquet. It is written first where
            it is not there, and finished where it was stopped.
        configs: of kind "parquet": the configs of the export; by default those it has, or all but video.
        private: whether the repository must be private. By default, an export goes to private repositories only, and
            the script to a public one; private=False confirms that you may publish there what would go.
        dry_run: send and write nothing.
        data_dir, cache_dir, token: as in `load_dataset`; the token is that of the upload, too.

    Returns:
        What was sent: `result.url`, `result.files`, `result.removed`.

    Raises:
        RequestError: before anything is sent, for options that are not supported together, for a repository that is
            public and must not be, or that holds something else; and as `export_parquet`.
        EmotionTalkError: the errors of `load_dataset`.

    Example:
        >>> emotiontalk.push("me/emotiontalk", dry_run=True).files["emotiontalk.py"] > 0
        True
    """
    reader = ReleaseReader(data_dir, cache_dir, token)
    prepared = prepare_push(repo, kind, export, configs, private, dry_run, reader)
    return prepared.plan if dry_run else prepared.send()


def _check_kind(plan: PushResult, info: Any) -> None:
    """Raise `RequestError` where a repository holds the dataset as the other kind, or anything else."""
    repo, names, loader = plan.repo, repository.names_in(info), repository.loader_name(plan.repo)
    if plan.kind == "script" and any(name.endswith(".parquet") for name in names):
        raise RequestError(f"{repo} holds Parquet files, which the script would hide. Take another repository for it.")
    if plan.kind == "parquet" and loader in names:
        raise RequestError(
            f"{repo} holds {loader}, for which datasets 4 refuses a repository. Take another one for Parquet."
        )
    others = sorted(name for name in names - {".gitattributes", *plan.files} if not SHARD.fullmatch(name))
    if others and not (plan.kind == "script" and loader in names):
        raise RequestError(
            f"{repo} holds {', '.join(others[:3])}, which is not EmotionTalk's. Take another repository for it."
        )
