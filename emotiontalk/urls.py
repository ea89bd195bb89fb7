"""URLs: which of them are remote or pinned, where a file of the Hub is, and which token may be sent."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request

import datasets
import huggingface_hub

from .corpus import HOMEPAGE
from .errors import EmotionTalkError, brief, redacted

SEND_TOKEN = (
    f"Accept the terms at {HOMEPAGE}, and send your token: `hf auth login` (older: `huggingface-cli login`), "
    'HF_TOKEN=hf_…, or token="hf_…". Or pass data_dir= with a local folder that holds the archives.'
)


def is_remote(path: object) -> bool:
    """Whether this is a URL: HTTP, of the Hub, or of any scheme of fsspec."""
    return isinstance(path, str) and bool(re.match(r"[a-z][a-z0-9+.-]+://", path))


def without_file_scheme(source: str) -> str:
    """Return the local path of a file:// URL; anything else unchanged."""
    if not source.startswith("file://"):
        return source
    return urllib.request.url2pathname(urllib.parse.urlsplit(source).path)


def is_pinned(url: str) -> bool:
    """Whether what is behind a URL cannot change: it names a commit of the Hub."""
    return bool(re.fullmatch(r"hf://datasets/[^/@]+/[^/@]+@[0-9a-f]{40}(/.*)?", url))


def checked_token(token: str | bool | None) -> str | bool | None:
    """Return a token without the blanks around it. Raises `ValueError`, which does not quote it."""
    if not isinstance(token, str):
        return token
    if not re.fullmatch(r"[!-~]+", token.strip()):
        raise ValueError("token= is empty, or holds characters that no token has: copy it again from the Hub.")
    return token.strip()


def split_hf_url(url: str) -> tuple[str, str, str]:
    """Split `hf://datasets/owner/name@revision/path` into (repository, revision, path)."""
    match = re.fullmatch(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", url)
    if not match:
        raise EmotionTalkError(f"{redacted(url)}: expected hf://datasets/OWNER/NAME@REVISION/… .")
    return match[1], urllib.parse.unquote(match[2] or "main"), match[3]


def http_url(url: str) -> str:
    """Return the HTTP URL of an `hf://datasets/` path at the endpoint that `HF_ENDPOINT` names; others unchanged."""
    if not url.startswith("hf://datasets/"):
        return url
    repo, revision, path = split_hf_url(url)
    endpoint = datasets.config.HF_ENDPOINT
    try:
        return huggingface_hub.hf_hub_url(repo, path, repo_type="dataset", revision=revision, endpoint=endpoint)
    except ValueError as error:  # no name of a repository
        raise EmotionTalkError(f"{redacted(url)}: {brief(error)}") from None


def archive_url(name: str, source: str) -> str:
    """Return the URL at which an archive is looked for first."""
    return f"{source.rstrip('/')}/{name}.tar"


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` or `HF_DATASETS_OFFLINE` is set."""
    return bool(huggingface_hub.constants.HF_HUB_OFFLINE or datasets.config.HF_DATASETS_OFFLINE)
