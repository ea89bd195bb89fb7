"""A file behind HTTP, read by ranges of bytes: redirects, retries, rate limits, and whether it changes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, TypeVar

import huggingface_hub

from ..corpus import DEFAULT_SOURCE
from ..errors import (
    EmotionTalkError,
    MissingArchiveError,
    NoConnectionError,
    RateLimitedError,
    brief,
    innermost_reason,
    warn_once,
)
from ..progress import progress_bar
from ..redaction import DISCREET, redacted, split_credentials
from .read_ahead import BlockStream
from .urls import access_of, http_url, is_offline, reach, server_in_words, server_of, token_headers

T = TypeVar("T")
HEAD_BYTES = 64 << 10  # what is read first of every file
WAITS = (0.2, 0.5, 1, 2, 4)  # seconds before each retry; any progress starts from the first again
TIMEOUTS = (10, 60)  # seconds to connect; seconds without a byte, until all headers are there, and before LEAST_RATE
LEAST_RATE = 16 << 10  # bytes a second of a response; so a block of 4 MB has at most 316 seconds
LEAST_PROGRESS = 32 << 10  # bytes after which the number of retries is reset
LONGEST_FAILURE = 120  # seconds without progress after which there is no further retry
LONGEST_WAIT = 300  # seconds that a server may ask us to wait
ALTERED = "A proxy or a mirror changes what it serves: take another one, or pass data_dir= with a local folder."


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function that may block, in a thread of its own. Raises `TimeoutError` unless it returns in time."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # whoever waits gets it
            future.set_exception(error)

    threading.Thread(target=work, name="emotiontalk-request", daemon=True).start()
    try:
        return future.result(seconds)
    except concurrent.futures.TimeoutError:
        raise TimeoutError(f"no answer in {seconds:g} seconds") from None


class Response:
    """A streamed response to a GET, by the session of `huggingface_hub` (requests, from 1.0 on httpx); no redirects.

    Raises `TimeoutError` unless its headers are there in time: they may come byte by byte, each before a timeout.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        session = huggingface_hub.utils.get_session()  # in this thread: below 1.0 each has its own
        connect, read = TIMEOUTS
        is_httpx = hasattr(session, "build_request")

        def send() -> Any:
            with DISCREET.sending():
                if is_httpx:
                    request = session.build_request("GET", url, headers=headers, timeout=(connect, read, read, read))
                    return session.send(request, stream=True, follow_redirects=False)
                is_basic = headers.get("authorization", "").startswith("Basic ")
                own = (lambda request: request) if is_basic else None  # or requests would take a .netrc instead
                return session.get(url, headers=headers, stream=True, timeout=TIMEOUTS, allow_redirects=False, auth=own)

        self._response = within(read, send)
        self.status: int = self._response.status_code
        self.headers: Mapping[str, str] = self._response.headers
        if is_httpx:
            self._body: Iterator[bytes] = self._response.iter_raw()
        else:
            read1 = getattr(self._response.raw, "read1", None)  # what has come; not in urllib3 1
            self._body = iter(lambda: read1(1 << 16), b"") if read1 else self._response.iter_content(1 << 12)

    def __iter__(self) -> Iterator[bytes]:
        """Yield what comes. Raises `ConnectionError`, also for a body that is too slow."""
        began, size = time.monotonic(), 0
        try:
            for chunk in self._body:
                size += len(chunk)
                yield chunk
                if size < (time.monotonic() - began - TIMEOUTS[1]) * LEAST_RATE:
                    raise ConnectionError(f"fewer than {LEAST_RATE:,} bytes a second")
        except Exception as error:  # what the sessions raise has no common class
            raise ConnectionError(innermost_reason(error)) from None

    def close(self) -> None:
        """End the response."""
        self._response.close()


class RemoteFile:
    """A file behind HTTP. Every response must agree with what the first one said.

    Args:
        archive: "Audio", …: what it is.
        url: its URL, http(s):// or hf://datasets/….
        token: of the Hub, sent to `HF_ENDPOINT` only.

    Attributes, after `head()`:
        size: in bytes; -1 before.
        tag: its entity tag or time of change, or None where the server does not say. See `fingerprint`.
        ranged: whether the server serves ranges.
    """

    def __init__(self, archive: str, url: str, token: str | bool | None) -> None:
        self.archive, self.path, self.token = archive, redacted(url), token
        self.url, self._password = split_credentials(http_url(url))
        self.size = -1
        self.tag: str | None = None
        self.ranged: bool | None = None
        self._head: bytes | None = None
        self._signed: str | None = None  # where a redirect has led: it serves more ranges, until it expires

    @property
    def _name(self) -> str:
        return os.path.basename(re.split("[?#]", self.path, maxsplit=1)[0])

    def fingerprint(self) -> list[Any]:
        """Return what tells this file from another, ready for JSON; its head has been read. Raises `EmotionTalkError`.

        [size, entity tag], or [size, None, a digest of its first and last 64 KiB] where there is no tag: then another
        file with the same size and the same ends is not noticed. Without ranges, of its first 64 KiB alone.
        """
        if self.tag is not None:
            return [self.size, self.tag]
        tail = self.get_range(max(0, self.size - HEAD_BYTES), self.size) if self.ranged else b""
        return [self.size, None, hashlib.sha256(self.head() + tail).hexdigest()]

    def error(self, what: str) -> EmotionTalkError:
        """Make an error about this file."""
        return EmotionTalkError(f"{self.path}: {what}")

    def missing(self, what: str) -> MissingArchiveError:
        """Make the error for a file that does not exist."""
        fix = f"data_dir= is the URL of the folder with {self.archive}.tar; the release is {DEFAULT_SOURCE}."
        return MissingArchiveError(f"{self.path}: {what}. {fix}")

    def head(self) -> bytes:
        """Read the first bytes, at most `HEAD_BYTES`, once. Raises `EmotionTalkError`."""
        if self._head is None:
            if not re.match(r"https?://(\[[^\]/]*\]|[^\[/?#@\s])", self.url):
                raise self.missing("a URL without a host")
            self._head = bytes(self.get_range(0, HEAD_BYTES))
        return self._head

    def get_range(self, start: int, end: int) -> bytearray:
        """Read the bytes from `start` to `end`, or to the end of the file. Raises `EmotionTalkError`."""
        data = bytearray()
        for chunk in self._chunks(start, end):
            data += chunk
        return data

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` (None: the end), read ahead if possible. Raises `EmotionTalkError`."""
        end = self.size if end is None else min(end, self.size)
        if not self.ranged:
            yield from self._chunks(start, end)
            return
        with contextlib.closing(BlockStream(self, start, end)) as stream:
            while stream.position < end:
                yield stream.read(min(1 << 20, end - stream.position))

    def save(self, file: IO[bytes]) -> None:
        """Write the whole file to an open one, from its present length on. Raises `EmotionTalkError`."""
        start, label = file.seek(0, os.SEEK_END), f"Downloading {self._name}"
        with progress_bar(total=self.size, initial=start, unit="B", unit_scale=True, desc=label) as bar:
            for data in self.pieces(start):
                file.write(data)
                bar.update(len(data))
        file.flush()

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` as they come; what is missing is requested again."""
        if self._head is not None and self.ranged and start < len(self._head):
            yield self._head[start:end]
            start = len(self._head)
        tries, since, reached = 0, time.monotonic(), start
        while self._lacks(start, end):
            error = ConnectionError("the response was cut short")
            try:
                for chunk in self._body(start, end):
                    yield chunk
                    start += len(chunk)
            except ConnectionError as failed:
                error = failed
            if start - reached >= LEAST_PROGRESS:
                tries, since, reached = 0, time.monotonic(), start
            elif self._lacks(start, end):
                since += self._wait(error, tries, time.monotonic() - since, start)
                tries += 1

    def _lacks(self, start: int, end: int) -> bool:
        return self.size < 0 or start < min(end, self.size)

    def _wait(self, error: ConnectionError, tries: int, failing: float, position: int) -> float:
        """Wait before a retry; return the seconds that the server asked for. Raises `NoConnectionError` in the end."""
        if tries == len(WAITS) or failing > LONGEST_FAILURE:
            raise NoConnectionError(
                f"{self.path}: gave up at byte {position:,} after {tries + 1} tries ({brief(error)}). {reach(self.url)}"
            ) from None
        asked = getattr(error, "seconds", 0.0)
        if asked > LONGEST_WAIT:
            raise NoConnectionError(
                f"{self.path}: the server limits the rate and asks to wait {asked:,.0f} seconds ({error}), and "
                f"{LONGEST_WAIT} are the most that is waited. Run again later."
            ) from None
        if asked > 0:
            warn_once(f"{self._name}: {brief(error, 60)}, waiting {asked:.1f} seconds, as the server asks.")
        time.sleep(max(WAITS[tries], asked))
        return asked

    def _body(self, start: int, end: int) -> Iterator[bytes]:
        """Request bytes once, and yield what comes: all, or fewer. Raises `ConnectionError` to be asked again."""
        if is_offline():
            raise NoConnectionError(
                f"{self.path} cannot be read: offline mode is on (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE). "
                "Unset it, or pass data_dir= with a local folder."
            )
        response, url = self._follow(start, end)
        try:
            sent = self._accept(response.status, response.headers, start)
            self._signed = url if url != self.url else None
            position = start if self.ranged else 0
            for chunk in response:
                if position + len(chunk) > sent:
                    said = f"the {sent - start:,} bytes of its Content-Range"
                    raise self.error(f"the server sends more than {said}. {ALTERED}")
                yield chunk[max(0, start - position) : max(0, end - position)]
                position += len(chunk)
                if position >= end and sent > end:
                    break
        finally:
            response.close()

    def _follow(self, start: int, end: int) -> tuple[Response, str]:
        """Follow redirects: (the last `Response`, its URL). A signed URL that has expired is requested again."""
        url = signed = self._signed or self.url
        for _ in range(10):
            response, location = self._ask(url, start, end)
            if location:
                url = location
            elif url == signed != self.url and response.status in (400, 401, 403, 404, 410):
                response.close()
                self._signed = None if self._signed == signed else self._signed  # another thread may have a new one
                url = signed = self._signed or self.url
            else:
                return response, url
        raise ConnectionError("too many redirects")

    def _ask(self, url: str, start: int, end: int) -> tuple[Response, str]:
        """Send one request: (the `Response`, where it redirects to or ""). Raises `ConnectionError`."""
        headers = self._headers(url, start, end)
        try:
            response = Response(split_credentials(url)[0], headers)
            if response.status not in (301, 302, 303, 307, 308) or not response.headers.get("Location"):
                return response, ""
            response.close()
            return response, urllib.parse.urljoin(url, response.headers["Location"])
        except Exception as error:  # a bad response, URL or redirect: the sessions' errors have no common class
            reason = innermost_reason(error)
        where = ""
        if url != self.url:
            where = f" to {server_in_words(url)}, where {server_in_words(self.url)} redirects"
        raise ConnectionError(f"no connection{where}: {reason}")  # not within `except`: what failed quotes secrets

    def _headers(self, url: str, start: int, end: int) -> dict[str, str]:
        """Return the headers of a request. A password goes to the server of its URL, to no other one."""
        address, password = split_credentials(url)
        if not password and server_of(address) == server_of(self.url):
            password = self._password
        headers = {"Accept-Encoding": "identity", **({"authorization": password} if password else {})}
        if self.ranged is not False:
            headers["Range"] = f"bytes={start}-{end - 1}"
        try:
            return {**token_headers(address, self.token), **headers}
        except ValueError as error:
            raise self.error(str(error)) from None

    def _accept(self, status: int, headers: Mapping[str, str], start: int) -> int:
        """Check a response; return where in the file its body ends.

        Raises `ConnectionError` for what a retry may solve, `EmotionTalkError` for anything else.
        """
        given = headers.get("Content-Range", "").strip() if status == 206 else ""
        if self.ranged is None and (status in (416, 501) or given.endswith("/*")):  # no ranges, or an empty file
            self.ranged = False
            raise ConnectionError("no ranges")
        if status == 429 or status >= 500:
            raise RateLimitedError(status, headers.get("Retry-After", "").strip())
        if status not in (200, 206):
            raise self._refusal(status, headers)
        if status == 200 and self.ranged:
            raise ConnectionError("the server no longer serves ranges")
        self._check_encoding(headers)
        length = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", "").strip())
        size = end = int(length[0]) if length else None
        if status == 206:
            found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", given)
            first, last, size = map(int, found.groups()) if found else (-1, -1, 0)
            end = last + 1
            if first != start or not start < end <= size:
                raise self.error(f"the server gives another range than requested ({brief(given)}). Run again.")
            if length and int(length[0]) != end - first:
                raise self.error(f"the server sends {int(length[0]):,} bytes as the range {brief(given)}. {ALTERED}")
        if size is None or end is None:
            raise self.error("the server does not say how long the file is. Take another mirror, or download it.")
        self._remember(status == 206, size, headers.get("ETag") or headers.get("Last-Modified"))
        return end

    def _check_encoding(self, headers: Mapping[str, str]) -> None:
        """Raise `EmotionTalkError` for a body that is not the file's bytes as they are."""
        said = {name: headers.get(name, "").strip().lower() for name in ("Content-Encoding", "Transfer-Encoding")}
        kind = headers.get("Content-Type", "").strip().lower()
        odd = [f"{name}: {value}" for name, value in said.items() if value not in ("", "identity", "chunked")]
        odd += [f"Content-Type: {kind}"] if kind.startswith("multipart/") else []
        if odd:
            raise self.error(f"the server sends the file as {brief(odd[0], 80)}, which was not requested. {ALTERED}")

    def _remember(self, ranged: bool, size: int, tag: str | None) -> None:
        """Remember what a response says of the file. Raises `EmotionTalkError` where it is another file than before."""
        tag = brief(tag.strip().removeprefix("W/")) if tag else None  # a weak tag is all that some servers give
        if self.size >= 0 and (self.size != size or (None not in (tag, self.tag) and tag != self.tag)):
            raise self.error("this is another file than before: it has changed while it was read. Run again.")
        self.ranged, self.size, self.tag = ranged, size, tag or self.tag

    def _refusal(self, status: int, headers: Mapping[str, str]) -> EmotionTalkError:
        code = brief(re.sub(r"[^\w ]", "", headers.get("X-Error-Code", "")), 40)
        if status in (401, 403):
            return self.error(f"no access (HTTP status {status}{', ' + code if code else ''}). {access_of(self.url)}")
        if status == 404:
            names = {"RevisionNotFound": "no such revision", "RepoNotFound": "no such repository"}
            return self.missing(f"{names.get(code, 'no such file')} (HTTP status 404 for {redacted(self.url)})")
        return self.error(f"HTTP status {status} for {redacted(self.url)}.")
