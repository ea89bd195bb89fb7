"""URLs: which of them are remote or pinned, where a file of a hub is, and which token may be sent to whom."""

from __future__ import annotations

import os
import re
import urllib.parse
import urllib.request

import datasets
import huggingface_hub

from .corpus import HOMEPAGE, REPO_ID
from .errors import EmotionTalkError, brief, redacted

SEND_TOKEN = (
    f"Accept the terms at {HOMEPAGE}, and send your token: `hf auth login` (older: `huggingface-cli login`), "
    'HF_TOKEN=hf_…, or token="hf_…". Or pass data_dir= with a local folder that holds the archives.'
)

# ModelScope names no commit for this copy of the release, so it cannot be pinned: its sizes are checked, and what it
# holds now decides what is taken from the cache.
MODELSCOPE, MODELSCOPE_REVISION = "modelscope", "master"
SEND_MODELSCOPE_TOKEN = (
    f"Accept the terms at https://www.modelscope.cn/datasets/{REPO_ID}, and set MODELSCOPE_API_TOKEN (from "
    "https://www.modelscope.cn/my/myaccesstoken). Or pass data_dir= with a local folder that holds the archives."
)


def modelscope_endpoint() -> str:
    """Return the address of ModelScope, or the one that `MODELSCOPE_ENDPOINT` names, as its own SDK takes it."""
    return (os.environ.get("MODELSCOPE_ENDPOINT") or "https://www.modelscope.cn").rstrip("/")


def full_source(source: str) -> str:
    """Return `data_dir` as it is read: the path of a file:// URL; that of "modelscope", if no folder is so called."""
    if source == MODELSCOPE and not os.path.isdir(source):
        return f"{modelscope_endpoint()}/datasets/{REPO_ID}/resolve/{MODELSCOPE_REVISION}"
    return without_file_scheme(source)


def access_of(url: str) -> str:
    """Say how to get access to what is behind a URL."""
    return SEND_MODELSCOPE_TOKEN if url.startswith(modelscope_endpoint() + "/") else SEND_TOKEN


def reach(url: str) -> str:
    """Say what to do where a URL cannot be reached."""
    again = "Check the network and the URL, then run again; or pass data_dir= with a local folder."
    if not url.startswith(datasets.config.HF_ENDPOINT + "/"):
        return again
    return f'{again} Where the Hub is blocked: data_dir="{MODELSCOPE}", or HF_ENDPOINT=https://… of a mirror.'


def token_headers(url: str, token: str | bool | None) -> dict[str, str]:
    """Return the headers with the token for a URL: the Hub's for the Hub, ModelScope's for ModelScope, else none.

    Raises `ValueError` where there is none to send, or it holds characters that no token has.
    """
    headers: dict[str, str] = {}
    if url.startswith(datasets.config.HF_ENDPOINT + "/"):
        try:
            headers = dict(huggingface_hub.utils.build_hf_headers(token=token))
        except (OSError, ValueError):
            raise ValueError(f"there is no token to send. {SEND_TOKEN}") from None
    elif url.startswith(modelscope_endpoint() + "/"):
        known = os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
        # its SDK sends both: /resolve/ takes the cookie
        headers = {"authorization": f"Bearer {known}", "Cookie": f"m_session_id={known}"} if known else {}
    if not re.fullmatch(r"[ -~]*", headers.get("authorization", "")):
        where = "the token that is logged in" if "Cookie" not in headers else "MODELSCOPE_API_TOKEN"
        raise ValueError(f"{where} holds characters that no token has. {access_of(url)}")
    return headers


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
