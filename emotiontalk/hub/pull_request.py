"""`emotiontalk.open_pull_request`: an export as a pull request to somebody else's gated repository.

The shards go to a folder of their own, the configs into the YAML of the card; all other files, and the text of the
card, stay as they are.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub

from emotiontalk.corpus import __version__
from emotiontalk.errors import brief, printable, redacted
from emotiontalk.export.parquet_export import ParquetExport
from emotiontalk.folder import expanded
from emotiontalk.hub import repository
from emotiontalk.hub.card_merge import FOLDER, LOST, difference, merged_card
from emotiontalk.hub.contents import check_configs, export_files
from emotiontalk.hub.errors import network_errors
from emotiontalk.hub.repository import SHARD, Content, Sizes
from emotiontalk.request_error import RequestError

MAX_CARD = 10 * 2**20  # bytes; git at the Hub takes no larger file


@dataclasses.dataclass(frozen=True)
class PullRequest(repository.Sent):
    """A pull request that was opened, or with `dry_run=True` would be. In a notebook it shows itself.

    Attributes:
        repo: the repository.
        files: path in the repository -> bytes.
        diff: what changes in the card of the repository.
        url: of the pull request; None where nothing was sent.
    """

    done = "Opened"
    repo: str
    files: Sizes
    diff: str
    url: str | None = None

    def __str__(self) -> str:
        heading = f"To the dataset repository {self.repo} (gated, or refused), as a pull request:"
        return f"{repository.listing(heading, self.files)}\n\n{self.diff}"


@dataclasses.dataclass(frozen=True)
class PreparedPullRequest:
    """A pull request that is checked, and not sent yet.

    Attributes:
        plan: what would be sent.
        contents: path in the repository -> its content.
        parent: the commit of the repository that it is made for.
        token: of the Hub.
    """

    plan: PullRequest
    contents: Mapping[str, Content]
    parent: str
    token: str | bool | None = dataclasses.field(repr=False)

    def send(self) -> PullRequest:
        """Open the pull request. Raises `RequestError` where the Hub does not take the card."""
        operations = [
            huggingface_hub.CommitOperationAdd(name, str(content) if isinstance(content, Path) else content)
            for name, content in self.contents.items()
        ]
        try:
            commit = repository.open_hub(self.token).create_commit(
                self.plan.repo,
                operations,
                repo_type="dataset",
                create_pr=True,
                parent_commit=self.parent,
                commit_message="The release as Parquet: load_dataset works as it is",
                commit_description=f"Written by the EmotionTalk loader {__version__}. Of what was there, only the "
                f"YAML of the card is changed. {LOST}",
            )
        except ValueError as error:  # before anything is sent, the Hub is asked whether it takes the YAML of the card
            if isinstance(error, network_errors()):
                raise
            raise RequestError(
                f"{self.plan.repo}: the Hub does not take the card with our configs in it: {brief(error)}"
            ) from None
        return dataclasses.replace(self.plan, url=printable(redacted(commit.pr_url, text=True)))


def prepare_pull_request(
    repo: str,
    export: str | os.PathLike[str],
    *,
    configs: Sequence[str] = (),
    token: str | bool | None = None,
) -> PreparedPullRequest:
    """Check and prepare a pull request; nothing is sent. See `open_pull_request`."""
    repository.check_name(repo)
    check_configs(configs)
    folder, api = expanded(Path(export)), repository.open_hub(token)
    info = repository.find_repository(api, repo)
    _check_repository(repo, info)
    sent = export_files(folder, configs)
    fold = ParquetExport(folder).fold
    if fold:
        raise RequestError(
            f"{folder} holds fold {fold}, and a pull request is for the official splits: export these to a new folder."
        )
    shards = {f"{FOLDER}/{name}": path for name, path in sent.items() if name != "README.md"}
    before = _their_card(api, repo, info) if "README.md" in repository.names_in(info) else b""
    after = merged_card(before, (folder / "README.md").read_bytes(), repo)
    contents: dict[str, Content] = {**shards, "README.md": after.encode()}
    sizes = {name: repository.size_of(content) for name, content in contents.items()}
    return PreparedPullRequest(PullRequest(repo, sizes, difference(before, after)), contents, info.sha, token)


def open_pull_request(
    repo: str,
    export: str | os.PathLike[str],
    *,
    configs: Sequence[str] = (),
    dry_run: bool = False,
    token: str | bool | None = None,
) -> PullRequest:
    """Open a pull request that adds an export to a gated repository of somebody else.

    Args:
        repo: the repository, OWNER/NAME.
        export: the folder of a finished export of the official splits.
        configs: what the export must hold, where you want to be sure.
        dry_run: send nothing.
        token: of the Hub; by default the one that is logged in.

    Returns:
        What was sent: `result.url`, `result.files`, and `result.diff` of the card.

    Raises:
        RequestError: nothing is sent where the repository is not there, is not gated, has configs of these names, or a
            card that cannot be read; or where the export is not finished, or holds other configs or a fold.
    """
    prepared = prepare_pull_request(repo, export, configs=configs, token=token)
    return prepared.plan if dry_run else prepared.send()


def _check_repository(repo: str, info: Any) -> None:
    """Raise `RequestError` where an export must not go to a repository, or would not load there."""
    if info is None:
        raise RequestError(f"{repo}: no such dataset repository, or no access to it. A pull request needs one.")
    if not (info.gated or info.private):
        raise RequestError(
            f"{repo} is not gated: audio and video of EmotionTalk must not go there. Ask its owner to gate it first."
        )
    names, loader = repository.names_in(info), repository.loader_name(repo)
    if loader in names:
        raise RequestError(
            f"{repo} holds {loader}, for which datasets 4 refuses a repository: Parquet next to it would not load."
        )
    shards = (name for name in sorted(names) if name.startswith(f"{FOLDER}/"))
    foreign = [name for name in shards if not SHARD.fullmatch(name.removeprefix(f"{FOLDER}/"))]
    if foreign:
        raise RequestError(
            f"{repo} holds {foreign[0]}, which is not EmotionTalk's: {FOLDER}/ is where the shards would go."
        )


def _their_card(api: huggingface_hub.HfApi, repo: str, info: Any) -> bytes:
    path = Path(api.hf_hub_download(repo, "README.md", repo_type="dataset", revision=info.sha))
    if path.stat().st_size > MAX_CARD:
        raise RequestError(f"{repo}: README.md has {path.stat().st_size:,} bytes, too many for a card. Ask its owner.")
    return path.read_bytes()
