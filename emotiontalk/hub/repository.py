"""A dataset repository of the Hub: its name, what is in it, and the shards of an export among that."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any, ClassVar, Union

import huggingface_hub
from huggingface_hub.utils import HFValidationError, RepositoryNotFoundError, validate_repo_id

from emotiontalk.archives.urls import checked_endpoint
from emotiontalk.corpus import HOMEPAGE, LICENSE, SPLITS
from emotiontalk.redaction import split_credentials
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS

SHARD = re.compile(rf"({'|'.join(CONFIGS)})/({'|'.join(SPLITS)})-(G\d{{5}}-\d{{5}}|\d{{5}}-of-\d{{5}})\.parquet")
TERMS = f"""\
EmotionTalk is licensed under {LICENSE}: no commercial use, share alike, name the authors.
Its audio and video are gated at {HOMEPAGE}: whoever gets them must have accepted the terms there."""

Content = Union[bytes, Path]  # of a file that is sent; `Path`: a file that holds it
Sizes = dict[str, "int | None"]  # path in the repository -> bytes; None: not written yet


def check_name(repo: str) -> None:
    """Raise `RequestError` unless this is OWNER/NAME, as `datasets` and the Hub read it."""
    if not isinstance(repo, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII):
        raise RequestError(f"{repo!r}: expected OWNER/NAME, for example me/emotiontalk.")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise RequestError(f"{repo}: {error}") from None


def open_hub(token: str | bool | None) -> huggingface_hub.HfApi:
    """Open the Hub. A password in `HF_ENDPOINT` is sent as a header, not in URLs. Raises `EmotionTalkError`."""
    endpoint, password = split_credentials(checked_endpoint())
    options = {"headers": {"authorization": password}} if password else {}  # an option that older versions have not
    return huggingface_hub.HfApi(endpoint, token=token, **options)


def find_repository(api: huggingface_hub.HfApi, repo: str) -> Any:
    """Return what the Hub says of a dataset repository; None where it is not there, or not accessible."""
    try:
        return api.dataset_info(repo)
    except RepositoryNotFoundError:
        return None


def names_in(info: Any) -> set[str]:
    """Return the paths of the files of a repository that `find_repository` found."""
    return {sibling.rfilename for sibling in (info and info.siblings) or ()}


def loader_name(repo: str) -> str:
    """Return what `datasets` calls the script of a repository."""
    return f"{repo.split('/')[1]}.py"


def size_of(content: Content | None) -> int | None:
    """Return the bytes of a file that is sent; None of one that is not written yet."""
    if content is None:
        return None
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def listing(heading: str, sizes: Sizes) -> str:
    """Say what goes where: a heading, each file with its bytes, and the terms of the licence."""
    lines = [f"{'' if size is None else f'{size:,}':>15}  {name}" for name, size in sizes.items()]
    return "\n".join([heading, *lines, "", TERMS])


class Sent:
    """What was sent to a repository: a dataclass whose `url` is None where nothing was sent."""

    done: ClassVar[str]  # "Uploaded", …
    url: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        values = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def _repr_html_(self) -> str:
        end = f"{self.done}: {self.url}" if self.url else "Nothing was sent."
        return f"<pre>{html.escape(str(self))}</pre><p>{html.escape(end)}</p>"
