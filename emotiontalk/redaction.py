"""Secrets in URLs (passwords, signatures, tokens): hidden in all that is shown, stored or logged; sent as a header."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import re
import threading
import urllib.parse
from collections.abc import Iterator

# Where a URL begins in a text. A drive (C:/) has one letter; `os.path.abspath` leaves one slash of two.
SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]+:/+")
ONE_URL = re.compile(r"\s*(?:[A-Za-z0-9+.-]+::)*(?:[A-Za-z][A-Za-z0-9+.-]+:/+|(?:https?)?//+)")  # a value that is one
LINK = r"::(?=[A-Za-z][A-Za-z0-9+.-]+:/)"  # of a chained URL, as fsspec has them: zip://x.tar::http://…
NEXT_LINK = re.compile(LINK)
NEXT_URL = re.compile(rf"\n|{LINK}|(?<=[\s'\"(<\[{{=,])(?=[A-Za-z][A-Za-z0-9+.-]+://)")  # or the end of a line
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\]|[\w.~%-]*)(?::\d+)?")
SURE_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|localhost|\d+(?:\.\d+){3}|(?:[\w-]+\.)+(?:[a-z]+|[A-Z]+))(?::\d+)?")
CONTAINER = re.compile(r"(?:abfss?|wasbs?)://[^:@/?#]*@", re.IGNORECASE)  # container@account of Azure: no user
LOCAL = re.compile(r"\s*(?:[./~\\]|[A-Za-z]:[/\\])")  # how a path begins that can only be a local one
PUNCTUATION = "'\")]}>:;,."  # what may follow a URL in a text
HIDDEN = "…@"


def redacted(value: object, text: bool = False) -> str:
    """Return a URL, or the path of a folder, as it may stand in a message or a file; text: the text of an error or log.

    User names and passwords are removed; "?…" and "#…" stand for a query and a fragment. Hosts and paths are kept.
    Where a name or password holds what ends it in a URL (`/`, `?`, `#`, `@`), too much is hidden rather than too
    little, and "…@" stands for it.
    """
    said = os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)
    if not re.search(r"[@?#]|:/", said):
        return said
    if not text and not ONE_URL.match(said):
        return _redacted_path(said)
    shown, position = [], 0
    begin = SCHEME.search(said) if text else ONE_URL.match(said)
    while begin:
        between = said[position : begin.end()]
        shown.append(_redacted_words(between) if text else between)
        url, position = _redacted_url(said, begin, text)
        shown.append(url)
        begin = SCHEME.search(said, position)
    rest = said[position:]
    return "".join([*shown, _redacted_words(rest) if text else rest])


def _redacted_path(path: str) -> str:
    """Return the path of a folder; what looks like a URL without its scheme is one."""
    if LOCAL.match(path):
        return re.sub(r"(?<=[/\\])[^/\\:@]+:[^/\\@]+@", HIDDEN, path)
    path = re.sub(r"[^/\\:@]*:.*@", HIDDEN, path, flags=re.DOTALL)
    fragment = "#" if re.search("[:@]", path) else r"#(?=[\w.~%-]*=)"
    return re.sub(rf"(\?|{fragment}).*", r"\1…", path, flags=re.DOTALL)


def _redacted_words(text: str) -> str:
    """Return a part of a text that is not a URL; what looks like one without scheme or host is redacted."""
    text = re.sub(r"(?<![^\s/\\'\"(=<\[,])[^\s/\\:@'\"(=<\[,]+:[^\s/\\@]+@", HIDDEN, text)
    return re.sub(r"\?[\w.~%-]+=[^\s'\")]*", "?…", text)


def _redacted_url(said: str, begin: re.Match[str], text: bool) -> tuple[str, int]:
    """Return (what may be shown of a URL after its scheme, where it ends)."""
    start = begin.end()
    after = (NEXT_URL if text else NEXT_LINK).search(said, start)
    end = after.start() if after else len(said)
    body = said[start:end]
    own, hidden = _credentials(begin[0].strip(), body)
    body = hidden + _without_odd_port(body[own:], text)
    start = end - len(body)  # as if nothing was removed
    query = re.search(r"[?#]", body)
    path = body[: query.start()] if query else body
    path = _redacted_words(path) if text else re.sub(r"(?<=/)[^/\\:@…]+:[^/\\@]+@", HIDDEN, path)
    if not query:
        return path, end
    if not text:
        return f"{path}{query[0]}…", end
    run = re.match(r"\S*", said[start + query.start() :])
    length = len(run[0].rstrip(PUNCTUATION)) if run else 0
    return path + (f"{query[0]}…" if length > 1 else query[0] * length), start + query.start() + length


def _credentials(scheme: str, body: str) -> tuple[int, str]:
    """Return (how many characters after the scheme are user name and password, what is shown for them)."""
    last = body.rfind("@") + 1
    if body.startswith(HIDDEN):
        return len(HIDDEN), HIDDEN
    if not last or (scheme.lower().startswith("file:") and scheme.count("/") != 2) or CONTAINER.match(scheme + body):
        return 0, ""
    authority = re.split("[/?#]", body, maxsplit=1)[0]
    own = authority.rfind("@") + 1
    host = authority[own:]
    if own and (own == last or SURE_HOST.fullmatch(host)):
        return own, ""
    if not own and HOST.fullmatch(host):
        last = re.split("[?#]", body, maxsplit=1)[0].rfind("@") + 1
        return (last, HIDDEN) if ":" in host and not SURE_HOST.fullmatch(host) and last else (0, "")
    # an @ after what ends the host: in the path, in the query, or in a password
    if re.search("[?#]", body[:last]) and HOST.fullmatch(host):
        shown = re.split("[/?#]", body[last:], maxsplit=1)[0]
        return (last, HIDDEN) if SURE_HOST.fullmatch(shown) else (len(body), HIDDEN)
    return last, HIDDEN


def _without_odd_port(body: str, text: bool) -> str:
    """Hide a port that is not a number: of user:password, where the host is missing."""
    found = re.match(r"([^/?#:\[\]\s]+):([^/?#\s]+)" if text else r"([^/?#:\[\]]+):([^/?#]+)", body)
    port = found[2].rstrip(PUNCTUATION) if found else ""
    if not found or not port or port.isdigit() or re.fullmatch("[0-9A-Fa-f:.]+", f"{found[1]}:{port}"):
        return body
    return f"{found[1]}:…{body[found.start(2) + len(port) :]}"


# --- taken out of what is requested -----------------------------------------------------------------------------------


def split_credentials(url: str) -> tuple[str, str]:
    """Split a URL of HTTP into (it without user name, password and fragment, the value of Authorization or "")."""
    found = re.fullmatch(r"(https?://)(?:([^/?#]*)@)?([^#]*)(#.*)?", url, re.DOTALL | re.IGNORECASE)
    if not found:
        return url, ""
    if not (found[2] or "").strip(":"):
        return found[1] + found[3], ""
    name, _, password = found[2].partition(":")
    DISCREET.known.add(found[2])
    both = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}".encode("utf-8", "surrogateescape")
    return found[1] + found[3], f"Basic {base64.b64encode(both).decode()}"


def normalised_endpoint(address: str, default: str = "") -> str:
    """Return an address from the environment without the blanks and slashes around it, its scheme in lower case."""
    scheme, mark, rest = (address.strip().rstrip("/ ") or default).partition("://")
    return f"{scheme.lower()}{mark}{rest}"


def wrong_endpoint(address: str) -> str:
    """Say what is wrong with an address that `HF_ENDPOINT` names; "" where nothing is."""
    found = re.match(r"https?://([^/?#]*)", split_credentials(address)[0])
    if found and found[1] and HOST.fullmatch(found[1]) and not is_ambiguous(address) and not re.search("[?#]", address):
        return ""
    return (
        f"HF_ENDPOINT={redacted(address)} is not an address of a mirror: write https://HOST, in a user name or "
        "password / as %2F, ? as %3F, # as %23, @ as %40; or unset it."
    )


def is_ambiguous(url: str) -> bool:
    """Whether it is ambiguous where a user name or password ends: what ends it must be percent-encoded."""
    links = ((SCHEME.search(link), link) for link in NEXT_LINK.split(url))
    return any(found and _credentials(found[0], link[found.end() :])[1] for found, link in links)


# --- hidden in what libraries log -------------------------------------------------------------------------------------

LIBRARIES = (
    "httpx", "httpx2",
    *(f"httpcore{n}.{part}" for n in ("", "2") for part in ("connection", "http11", "http2", "proxy", "socks")),
    *(f"urllib3.{part}" for part in ("connection", "connectionpool", "poolmanager", "response", "util.retry")),
    "huggingface_hub.utils._http", "huggingface_hub.file_download",
)  # fmt: skip
# fsspec works in a thread of its own: what it logs is never shown with a secret.
FSSPEC = ("fsspec", *(f"fsspec.{part}" for part in ("asyn", "cached", "caching", "generic", "http", "reference")))


class Discreet(logging.Filter):
    """Lets what libraries log through without secrets: while a thread sends a request of ours, or always.

    Attributes:
        always: whatever thread it is; a program sets it that is all ours.
        known: users with passwords that were met; what quotes one of them is always redacted.
    """

    def __init__(self, always: bool = False) -> None:
        super().__init__()
        self.always, self.known, self._thread = always, set[str](), threading.local()

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Hide secrets in what this thread logs meanwhile."""
        before, self._thread.sends = getattr(self._thread, "sends", False), True
        try:
            yield
        finally:
            self._thread.sends = before

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if self.always or self.known or getattr(self._thread, "sends", False):
            said = record.getMessage()
            if self.always or getattr(self._thread, "sends", False) or any(map(said.__contains__, tuple(self.known))):
                said = re.sub(r"(?i)(\bcookie: ?)[^'\"]*", r"\1…", said)
                record.msg, record.args = redacted(said, text=True), ()
        return True


DISCREET = Discreet()
for _names, _filter in ((LIBRARIES, DISCREET), (FSSPEC, Discreet(always=True))):
    for _name in _names:
        logging.getLogger(_name).addFilter(_filter)
