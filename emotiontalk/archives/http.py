"""A file behind HTTP, read by ranges of bytes: redirects, retries, rate limits, and whether it changes."""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import math
import os
import re
import time
import urllib.parse
from collections.abc import Generator, Iterator, Mapping
from typing import IO, Any

import huggingface_hub

from ..corpus import ARCHIVES, DEFAULT_SOURCE
from ..errors import EmotionTalkError, MissingArchiveError, NoConnectionError, RateLimitedError, brief, innermost_reason
from ..progress import progress_bar
from ..redaction import DISCREET, redacted, split_credentials
from .read_ahead import BlockStream
from .threads import within
from .urls import access_of, http_url, is_offline, reach, server_in_words, server_of, token_headers

HEAD_BYTES = 64 << 10  # what is read first of every file
WAITS = (0.2, 0.5, 1, 2, 4)  # seconds before each retry of a failed request; any progress starts from the first again
TIMEOUTS = (10, 60)  # seconds to connect; seconds without a byte, and until all headers of a response are there
LEAST_RATE = (32 << 10, 30)  # bytes in so many seconds: a slower connection counts as broken
LONGEST_FAILURE = 120  # seconds of retries without progress after which there is not another one
LONGEST_WAIT = 300  # seconds that a server may ask us to wait
LONGEST_SURPLUS = 1 << 30  # bytes beyond twice the release's that a response of unknown length may have
ALTERED = "A proxy or a mirror changes what it serves: take another one, or pass data_dir= with a local folder."


def _content_range(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Parse Content-Range: (first byte, last byte, size of the file); (-1, -1, 0) where there is none."""
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", headers.get("Content-Range", "").strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else (-1, -1, 0)


class Pace:
    """How a read gets on: retries without progress, and whether what comes is too slow.

    Attributes:
        failures: retries since the last progress.
        failing: seconds that these, and what came with them, took; not those that the server asked to wait.
    """

    def __init__(self, position: int) -> None:
        self.failures, self.failing = 0, 0.0
        self._reached, self._bytes, self._waited, self._connecting = position, 0, 0.0, 0.0

    def connected(self, seconds: float) -> None:
        """Note how long it took until the headers of a response were there."""
        self._connecting += seconds

    def came(self, size: int, seconds: float) -> None:
        """Note bytes, and how long they were waited for; 0 at the end of a response.

        Raises `ConnectionError` where fewer came than `LEAST_RATE` says. Until its end, a response that took long to
        begin may make up for it.
        """
        least, window = LEAST_RATE
        self._bytes, self._waited = self._bytes + size, self._waited + seconds
        if self._bytes >= least:
            self._bytes, self._waited, self._connecting = 0, 0.0, 0.0
        elif self._waited + (0 if size else self._connecting) > window:
            raise ConnectionError(f"fewer than {least:,} bytes in {window} seconds")

    def reached(self, position: int) -> None:
        """Note how far the read is."""
        if position - self._reached >= LEAST_RATE[0]:
            self.failures, self.failing, self._reached = 0, 0.0, position

    def failed(self, position: int, seconds: float) -> None:
        """Note a failure, and how long it was waited for."""
        took = self._waited + self._connecting + seconds
        if took > LEAST_RATE[1]:  # what came so slowly does not count as progress
            self._reached = position
        self.failing += took
        self._bytes, self._waited, self._connecting = 0, 0.0, 0.0


def _send(session: Any, url: str, headers: dict[str, str]) -> Any:
    """Send a GET by the session of `huggingface_hub` (requests, from 1.0 on httpx); no redirects."""
    with DISCREET.sending():
        if not hasattr(session, "build_request"):
            is_basic = headers.get("authorization", "").startswith("Basic ")
            own = (lambda request: request) if is_basic else None  # or requests would take a .netrc instead
            return session.get(url, headers=headers, stream=True, timeout=TIMEOUTS, allow_redirects=False, auth=own)
        connect, read = TIMEOUTS
        request = session.build_request("GET", url, headers=headers, timeout=(connect, read, read, read))
        return session.send(request, stream=True, follow_redirects=False)


class Response:
    """A streamed response to a GET. Raises `TimeoutError` unless its headers are there in time: they may come byte by
    byte, each before a timeout.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        session = huggingface_hub.utils.get_session()  # in this thread: below 1.0 each has its own
        send = functools.partial(_send, session, url, headers)
        self._response = within(TIMEOUTS[1], send, too_late=lambda response: response.close())
        self._body: Iterator[bytes]
        if hasattr(session, "build_request"):
            self._body = self._response.iter_raw()
        else:
            read1 = getattr(self._response.raw, "read1", None)  # what has come; not in urllib3 1
            self._body = iter(lambda: read1(1 << 16), b"") if read1 else self._response.iter_content(1 << 12)
        self.status: int = self._response.status_code
        self.headers: Mapping[str, str] = self._response.headers

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception as error:  # what the sessions raise has no common class
            raise ConnectionError(innermost_reason(error)) from None
        finally:
            self._response.close()

    def close(self) -> None:
        """End the response; a short body is read first, so that the connection can be reused."""
        length = self.headers.get("Content-Length", "")
        if length.isdigit() and int(length) <= 1 << 16:
            with contextlib.suppress(ConnectionError, TimeoutError):
                within(TIMEOUTS[0], lambda: collections.deque(self, maxlen=0), too_late=id)
        self._response.close()


class RemoteFile:
    """A file behind HTTP. Every response must agree with what the first one said.

    Args:
        archive: "Audio", …: what it is.
        url: its URL, http(s):// or hf://datasets/….
        token: of the Hub, sent to `HF_ENDPOINT` only.

    Attributes, after `head()`:
        size: in bytes, or None where the server does not say.
        tag: its entity tag or time of change, or None where the server does not say. See `fingerprint`.
        ranged: whether the server serves ranges.
    """

    def __init__(self, archive: str, url: str, token: str | bool | None) -> None:
        self.archive, self.path, self.token = archive, redacted(url), token
        self.url, self._password = split_credentials(http_url(url))
        self.size: int | None = None
        self.tag: str | None = None
        self.ranged: bool | None = None
        self._head = b""
        self._signed: str | None = None  # where a redirect has led: it serves more ranges, until it expires
        self._waiting = False

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
        tail = b""
        if self.ranged and self.size is not None:
            tail = self.read(max(0, self.size - HEAD_BYTES), self.size)
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
        if not self._head:
            if not re.match(r"https?://(\[[^\]/]*\]|[^\[/?#@\s])", self.url):
                raise self.missing("a URL without a host")
            head = bytearray()
            for chunk in self.chunks(0, HEAD_BYTES):
                head += chunk
                if len(head) >= HEAD_BYTES:
                    break
            self._head = bytes(head[:HEAD_BYTES])
        return self._head

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end`, or to the end of the file. Raises `EmotionTalkError`."""
        return b"".join(self.chunks(start, end))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` (None: the end), read ahead if possible. Raises `EmotionTalkError`."""
        if not self.ranged or self.size is None:
            yield from self.chunks(start)
            return
        end = self.size if end is None else min(end, self.size)
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

    def chunks(self, start: int, end: int | None = None) -> Generator[bytes, None, None]:
        """Yield the bytes from `start` to `end` as they come; a broken connection is resumed. Raises as `head`."""
        if self.ranged and start < len(self._head):
            yield self._head[start:end]
            start = len(self._head)
        if end is None or start < end:
            yield from self._chunks(start, end)

    def _chunks(self, start: int, end: int | None) -> Iterator[bytes]:
        pace = Pace(start)
        while self._lacks(start, end):
            before = time.monotonic()
            try:
                body, position, last = self._connect(start, end)
                pace.connected(time.monotonic() - before)
                before = time.monotonic()
                while (chunk := next(body, None)) is not None:
                    pace.came(len(chunk), time.monotonic() - before)
                    chunk, position = chunk[max(0, start - position) :], position + len(chunk)
                    if chunk:  # a server without ranges sends what is there already, too
                        start += len(chunk)
                        self._check_length(start)
                        yield chunk
                    before = time.monotonic()  # the time of the reader does not count
                    pace.reached(start)
                if last is None:
                    return
                if start < last:
                    raise ConnectionError("the response was cut short")
                pace.came(0, time.monotonic() - before)
            except ConnectionError as error:
                pace.failed(start, time.monotonic() - before)
                self._wait(error, pace, start)
                pace.failures += 1

    def _lacks(self, position: int, end: int | None) -> bool:
        """Whether there are bytes between a position and an end, or the end of the file."""
        until = self.size if end is None else end if self.size is None else min(end, self.size)
        return until is None or position < until

    def _check_length(self, position: int) -> None:
        """Raise `EmotionTalkError` where a response that does not say its length does not end."""
        most = 2 * ARCHIVES[self.archive][0] + LONGEST_SURPLUS
        if self.size is None and position > most:
            raise self.error(
                f"the server does not say how long the file is, and has sent more than {most:,} bytes, where the "
                f"released {self.archive}.tar has {ARCHIVES[self.archive][0]:,}. Take another mirror."
            )

    def _wait(self, error: ConnectionError, pace: Pace, position: int) -> None:
        """Wait before the next retry. Raises `NoConnectionError` where another one would not help.

        Args:
            error: why it is retried.
            pace: of the read.
            position: the next byte that is read.
        """
        if pace.failures == len(WAITS) or pace.failing > LONGEST_FAILURE:
            raise NoConnectionError(
                f"{self.path}: gave up at byte {position:,} after {pace.failures + 1} tries ({brief(error)}). "
                f"{reach(self.url)}"
            ) from None
        seconds = max(WAITS[pace.failures], getattr(error, "seconds", 0))
        if seconds > LONGEST_WAIT:
            raise NoConnectionError(
                f"{self.path}: the server limits the rate and asks to wait {seconds:,.0f} seconds ({error}), and "
                f"{LONGEST_WAIT} are the most that is waited. Run again later."
            ) from None
        if seconds < 1 or self._waiting:  # one of several threads shows that they wait
            return time.sleep(seconds)
        self._waiting = True
        try:
            label = f"{self._name}: {brief(error, 60)}, waiting"
            with progress_bar(total=math.ceil(seconds), unit="s", desc=label) as bar:
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    time.sleep(min(1, left))
                    bar.update(1)
        finally:
            self._waiting = False

    def _headers(self, url: str, start: int, end: int | None) -> dict[str, str]:
        """Return the headers of a request. A password goes to the server of its URL, to no other one."""
        address, password = split_credentials(url)
        headers = {"Accept-Encoding": "identity"}
        if not password and server_of(address) == server_of(self.url):
            password = self._password
        if password:
            headers["authorization"] = password
        if self.ranged is not False:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            return {**token_headers(address, self.token), **headers}
        except ValueError as error:
            raise self.error(str(error)) from None

    def _connect(self, start: int, end: int | None) -> tuple[Iterator[bytes], int, int | None]:
        """Request the bytes from `start` to `end`: (what comes, where it begins and ends; None: unknown).

        A server may send fewer than were requested, and say so. Raises `ConnectionError` for what a retry may solve.
        """
        if is_offline():
            raise NoConnectionError(
                f"{self.path} cannot be read: offline mode is on (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE). "
                "Unset it, or pass data_dir= with a local folder."
            )
        response, url = self._follow(start, end)
        try:
            if not self._accept(response.status, response.headers, start):
                response.close()
                return self._connect(start, end)
        except BaseException:
            response.close()
            raise
        self._signed = url if url != self.url else None
        if not self.ranged:
            return iter(response), 0, self.size
        sent_end = _content_range(response.headers)[1] + 1
        requested_end = sent_end if end is None else min(end, sent_end)
        return self._of_range(iter(response), sent_end - start, requested_end - start), start, requested_end

    def _of_range(self, body: Iterator[bytes], sent: int, requested: int) -> Iterator[bytes]:
        """Yield the requested bytes of the body of a response to a range.

        Raises `EmotionTalkError` where it holds more than its Content-Range says: then it is not that range.

        Args:
            body: of the response.
            sent: bytes that it has by its Content-Range.
            requested: bytes that were requested, from the same start.
        """
        position = 0
        for chunk in body:
            if position + len(chunk) > sent:
                raise self.error(f"the server sends more than the {sent:,} bytes of its Content-Range. {ALTERED}")
            if position < requested:
                yield chunk[: requested - position]
            position += len(chunk)
            if sent > requested and position >= requested:  # a server may send more than was requested
                return

    def _follow(self, start: int, end: int | None) -> tuple[Response, str]:
        """Follow redirects: (the last `Response`, its URL). A cached signed URL that has expired is requested again."""
        url = cached = self._signed or self.url
        until = time.monotonic() + LONGEST_FAILURE
        for _ in range(10):
            if time.monotonic() > until:
                break
            response, location = self._ask(url, start, end)
            if location:
                url = location
                continue
            if url != cached or url == self.url or response.status not in (400, 401, 403, 404, 410):
                return response, url
            response.close()
            self._signed = None if self._signed == cached else self._signed  # another thread may have a new one already
            url = cached = self._signed or self.url
        raise ConnectionError("too many redirects")

    def _ask(self, url: str, start: int, end: int | None) -> tuple[Response, str]:
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

    def _accept(self, status: int, headers: Mapping[str, str], start: int) -> bool:
        """Whether a response is what was requested; False: request again, without a range. Raises as `_connect`."""
        if status in (416, 501) and self.ranged is None:  # no ranges at all, or an empty file
            self.ranged = False
            return False
        if status == 429 or status >= 500:
            raise RateLimitedError(status, headers.get("Retry-After", "").strip())
        if status not in (200, 206):
            raise self._refusal(status, headers)
        if status == 200 and self.ranged:
            raise ConnectionError("the server no longer serves ranges")
        self._check_encoding(headers)
        content_range = headers.get("Content-Range", "") if status == 206 else ""
        if content_range.endswith("/*"):  # of unknown length: read in sequence
            if self.ranged:
                raise ConnectionError("the server no longer says how long the file is")
            self.ranged = False
            return False
        given = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", "").strip())
        size = length = int(given[0]) if given else None
        if status == 206:
            first, last, size = _content_range(headers)
            if first != start or not start <= last < size:
                raise self.error(f"the server gives another range than requested ({brief(content_range)}). Run again.")
            if length not in (None, last + 1 - first):
                raise self.error(f"the server sends {length:,} bytes as the range {brief(content_range)}. {ALTERED}")
        self._remember(status == 206, size, headers.get("ETag") or headers.get("Last-Modified"))
        return True

    def _check_encoding(self, headers: Mapping[str, str]) -> None:
        """Raise `EmotionTalkError` for a body that is not the file's bytes as they are."""
        said = {name: headers.get(name, "").strip().lower() for name in ("Content-Encoding", "Transfer-Encoding")}
        kind = headers.get("Content-Type", "").strip().lower()
        odd = [f"{name}: {value}" for name, value in said.items() if value not in ("", "identity", "chunked")]
        odd += [f"Content-Type: {kind}"] if kind.startswith("multipart/") else []
        if odd:
            raise self.error(f"the server sends the file as {brief(odd[0], 80)}, which was not requested. {ALTERED}")

    def _remember(self, ranged: bool, size: int | None, tag: str | None) -> None:
        """Remember what a response says of the file. Raises `EmotionTalkError` where it is another file than before."""
        tag = brief(tag.strip().removeprefix("W/")) if tag else None  # a weak tag is all that some servers give
        known = self.ranged is not None or self.size is not None
        if known and (self.size not in (None, size) or (None not in (tag, self.tag) and tag != self.tag)):
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
