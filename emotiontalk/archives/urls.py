"""URLs: which of them are remote or pinned, where a file of a hub is, and which token may be sent to whom."""

from __future__ import annotations

import os
import re
import urllib.parse
import urllib.request

import datasets
import huggingface_hub

from ..corpus import HOMEPAGE, REPO_ID
from ..errors import EmotionTalkError, MissingArchiveError, brief
from ..redaction import HOST, is_ambiguous, normalised_endpoint, redacted, split_credentials, wrong_endpoint

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


DEFAULT_ENDPOINT = "https://huggingface.co"
# How a URL begins, chained ones (simplecache::ftp://) too. Schemes are case-insensitive.
REMOTE = re.compile(r"(?:[a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+://", re.IGNORECASE)
CHAINED = re.compile(r"::(?=(?:[a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+://)", re.IGNORECASE)  # where the next link begins


def hub_endpoint() -> str:
    """Return the address of the Hub, or the one that `HF_ENDPOINT` names."""
    return normalised_endpoint(datasets.config.HF_ENDPOINT, DEFAULT_ENDPOINT)


def checked_endpoint() -> str:
    """As `hub_endpoint`. Raises `EmotionTalkError` where `HF_ENDPOINT` is not a URL."""
    address = hub_endpoint()
    wrong = wrong_endpoint(address)
    if wrong:
        raise EmotionTalkError(wrong)
    return address


def modelscope_endpoint() -> str:
    """Return the address of ModelScope, or the one that `MODELSCOPE_ENDPOINT` names, as its own SDK takes it."""
    return normalised_endpoint(os.environ.get("MODELSCOPE_ENDPOINT") or "", "https://www.modelscope.cn")


def full_source(source: str) -> str:
    """Return `data_dir` as it is read: the path of a file:// URL; that of "modelscope", if no folder is so called.

    Raises `EmotionTalkError` for a URL that can be read in two ways, and for a path that is neither a folder nor a URL.
    """
    if source == MODELSCOPE and not os.path.isdir(source):
        return f"{modelscope_endpoint()}/datasets/{REPO_ID}/resolve/{MODELSCOPE_REVISION}"
    url = source.strip()
    if not is_remote(url):
        if redacted(source) != source and not os.path.exists(os.path.expanduser(source)):
            raise MissingArchiveError(f"{redacted(source)}: there is no such folder; a URL begins with https:// or so.")
        return source
    if is_ambiguous(url):
        raise EmotionTalkError(
            f"{redacted(url)}: this URL can be read in two ways. In a user name or password write / as %2F, ? as %3F, "
            "# as %23, and any other @ than that before the host as %40."
        )
    links = [link.partition("://") for link in CHAINED.split(url)]
    return without_file_scheme("::".join(f"{scheme.lower()}{mark}{rest}" for scheme, mark, rest in links))


def server_of(url: str) -> tuple[str, str, int | None] | None:
    """Return (scheme, host, port) of a URL of HTTP; None for what is none."""
    found = re.match(r"(https?)://([^/?#]*)", split_credentials(url)[0], re.IGNORECASE)
    if not found or not found[2] or not HOST.fullmatch(found[2]):
        return None
    scheme, (host, colon, port) = found[1].lower(), found[2].lower().rpartition(":")
    if not colon or "]" in port:
        host, port = found[2].lower(), ""
    return scheme, host, int(port or {"http": 80, "https": 443}[scheme])


def server_in_words(url: str) -> str:
    """Name the server of a URL."""
    return redacted("".join(re.findall(r"^[^/?#]*//[^/?#]*", split_credentials(url)[0])))


def is_below(url: str, address: str) -> bool:
    """Whether a URL is one of a server, or of a folder there: same scheme, host and port, and below its path."""
    server = server_of(url)
    if server is None or server != server_of(address):
        return False
    folder, path = (
        re.sub(r"^https?://[^/?#]*|[?#].*", "", split_credentials(u)[0], flags=re.I) for u in (address, url)
    )
    if not folder.strip("/"):
        return True
    steps = re.split(r"[/\\]", urllib.parse.unquote(path))
    return f"{path}/".startswith(folder.rstrip("/") + "/") and not {".", ".."} & set(steps)


def without_secrets(url: str) -> str:
    """Return a URL as it may decide what a file in the cache is called: without user name, password and query.

    What a query selects is told by what is there: see `RemoteFile.fingerprint`.
    """
    links = (split_credentials(link)[0] for link in CHAINED.split(url))
    return "::".join(
        re.sub(r"(?s)\?.*", "", link) if link.startswith("http") else re.sub("(?<=://)[^/@]*:[^/]*@", "", link)
        for link in links
    )


def access_of(url: str) -> str:
    """Say how to get access to what is behind a URL."""
    return SEND_MODELSCOPE_TOKEN if is_below(url, modelscope_endpoint()) else SEND_TOKEN


def reach(url: str) -> str:
    """Say what to do where a URL cannot be reached."""
    again = "Check the network and the URL, then run again; or pass data_dir= with a local folder."
    if not is_below(url, hub_endpoint()):
        return again
    if hub_endpoint() == DEFAULT_ENDPOINT:
        return f'{again} Where the Hub is blocked: data_dir="{MODELSCOPE}", or HF_ENDPOINT=https://… of a mirror.'
    return f'{again} HF_ENDPOINT names {redacted(hub_endpoint())}: unset it, or pass data_dir="{MODELSCOPE}".'


def token_headers(url: str, token: str | bool | None) -> dict[str, str]:
    """Return the headers with the token for a URL: the Hub's for the Hub, ModelScope's for ModelScope, else none.

    Raises `ValueError` where there is none to send, or it holds characters that no token has.
    """
    headers: dict[str, str] = {}
    if is_below(url, hub_endpoint()):
        try:
            headers = dict(huggingface_hub.utils.build_hf_headers(token=token))
        except (OSError, ValueError):
            raise ValueError(f"there is no token to send. {SEND_TOKEN}") from None
    elif is_below(url, modelscope_endpoint()):
        known = os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
        # its SDK sends both: /resolve/ takes the cookie
        headers = {"authorization": f"Bearer {known}", "Cookie": f"m_session_id={known}"} if known else {}
    if not re.fullmatch(r"[ -~]*", headers.get("authorization", "")):
        where = "the token that is logged in" if "Cookie" not in headers else "MODELSCOPE_API_TOKEN"
        raise ValueError(f"{where} holds characters that no token has. {access_of(url)}")
    return headers


def is_remote(path: object) -> bool:
    """Whether this is a URL: HTTP, of the Hub, or of any scheme of fsspec, also of several (`zip://…::s3://…`)."""
    return isinstance(path, str) and bool(REMOTE.match(path))


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
    endpoint = checked_endpoint()
    try:
        return huggingface_hub.hf_hub_url(repo, path, repo_type="dataset", revision=revision, endpoint=endpoint)
    except ValueError as error:  # no name of a repository
        raise EmotionTalkError(f"{redacted(url)}: {brief(error)}") from None


def below(source: str, path: str) -> str:
    """Return the URL of a file below that of a folder: before the query of HTTP, and where several URLs are chained, in
    the first.
    """
    links = CHAINED.split(source)
    first = next((n for n, link in enumerate(links) if "://" in link), 0)
    folder, mark, query = links[first], "", ""
    if folder.startswith(("http://", "https://")):
        folder, mark, query = folder.partition("#")[0].partition("?")
    links[first] = f"{folder.rstrip('/')}/{path}{mark}{query}"
    return "::".join(links)


def archive_url(name: str, source: str) -> str:
    """Return the URL at which an archive is looked for first."""
    return below(source, f"{name}.tar")


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` or `HF_DATASETS_OFFLINE` is set."""
    return bool(huggingface_hub.constants.HF_HUB_OFFLINE or datasets.config.HF_DATASETS_OFFLINE)
