"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`: the loading script.

On every version of `datasets` from 2.14 on:   import emotiontalk; emotiontalk.load_dataset("audio", split="test")
Below 4 also:   datasets.load_dataset("./emotiontalk.py", "audio", split="test", trust_remote_code=True)

Built from the package `emotiontalk/` by `make script`: change the modules there, not this file. Each part has the name
of its module. They go from facts to rows: what is in the corpus, errors, one clip, one annotation, the fields; then
archives, from a tar on disk to ranges of a URL; last the builder, whose hooks stand in the order in which `datasets`
calls them (`_info`, `_split_generators`, `_generate_examples`), and `load_dataset`.
"""

from __future__ import annotations

import ast
import base64
import bisect
import bz2
import collections
import concurrent.futures
import contextlib
import dataclasses
import datasets
import datasets.builder
import difflib
import email.utils
import enum
import errno
import filelock
import fsspec
import fsspec.asyn
import fsspec.core
import functools
import glob
import gzip
import hashlib
import huggingface_hub
import importlib
import inspect
import io
import itertools
import json
import logging
import lzma
import math
import multiprocessing.pool
import numbers
import numpy as np
import operator
import os
import pyarrow as pa
import re
import secrets
import shutil
import struct
import sys
import tarfile
import tempfile
import threading
import time
import types
import unicodedata
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, IO, NamedTuple, Protocol, TypeVar, Union, cast


# === emotiontalk/corpus.py ============================================================================================
# The facts about EmotionTalk: its release, groups, splits, speakers and labels. Nothing here is guessed.

__version__ = "1.7.0"

REPO_ID = "BAAI/Emotiontalk"
REVISION = "adbc17fc944e8cf2873643906160c6ca0259ab61"
DEFAULT_SOURCE = f"hf://datasets/{REPO_ID}@{REVISION}"
HOMEPAGE = "https://huggingface.co/datasets/" + REPO_ID
LICENSE = "CC BY-NC-SA 4.0"
CITATION = """\
@inproceedings{sun2026emotiontalk,
  title     = {EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich Annotations},
  author    = {Sun, Haoqin and Zhao, Jinghua and Wang, Xuechen and Zhao, Shiwan and Zhou, Jiaming and
               Wang, Hui and Yang, Xi and Wang, Yequan and Lin, Yonghua},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2026},
  pages     = {9054--9071},
  year      = {2026},
  url       = {https://aclanthology.org/2026.findings-acl.440}
}

@article{sun2025emotiontalk,
  title   = {EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich Annotations},
  author  = {Sun, Haoqin and Wang, Xuechen and Zhao, Jinghua and Zhao, Shiwan and Zhou, Jiaming and
             Wang, Hui and He, Jiabei and Kong, Aobo and Yang, Xi and Wang, Yequan and Lin, Yonghua and Qin, Yong},
  journal = {arXiv preprint arXiv:2505.23018},
  year    = {2025}
}
"""

# The archives at the pinned revision: size in bytes, SHA-256.
ARCHIVES = {
    "Audio": (14_811_722_752, "f8599a70f55f489c948cd079c712acf340cf496c5267b14fb34e985539d57e41"),
    "Multimodal": (21_294_498_304, "905af99e277658eedceefcf7ee283e8041ef62a0335245e140ea953fba45777e"),
    "Text": (1_477_776, "facf5cbf3edb4104f5e1e8c450730af5524fe6170865a6930773e7fb6f82a603"),
    "Video": (526_286, "01f54fb23fa0838ddbfccadbf1f883e0cc9bf6cf80c3b8d2959bf23a0e127996"),
}
# Utterances in each group of dialogues, and the groups of each official split ("train" has the rest).
GROUPS = {
    "G00001": 840, "G00002": 903, "G00003": 793, "G00004": 1429, "G00005": 1055,
    "G00006": 1573, "G00007": 1813, "G00008": 1608, "G00009": 1648, "G00010": 1368,
    "G00011": 1154, "G00012": 1068, "G00013": 1383, "G00014": 1479, "G00015": 1136,
}  # fmt: skip
TOTAL = sum(GROUPS.values())
DIALOGUES_OF_GROUPS = {  # counted in the published ids
    "G00001": 30, "G00002": 41, "G00003": 32, "G00004": 62, "G00005": 38,
    "G00006": 57, "G00007": 62, "G00008": 60, "G00009": 51, "G00010": 50,
    "G00011": 54, "G00012": 41, "G00013": 55, "G00014": 57, "G00015": 52,
}  # fmt: skip
DIALOGUES = {"train": 587, "validation": 71, "test": 84}
SPLITS = ("train", "validation", "test")
HELD_OUT = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
# Groups that share speakers, directly or through another group: no speaker is in two of these sets.
SPEAKER_SETS = (
    ("G00002", "G00004", "G00005", "G00006", "G00007", "G00008", "G00009", "G00010", "G00011"),
    ("G00001", "G00003", "G00012"),
    ("G00013",),
    ("G00014",),
    ("G00015",),
)
FOLDS = range(1, len(SPEAKER_SETS) + 1)  # of cross-validation: the test split of each is the speaker set of its number
FOLD_SPLITS = ("train", "test")
# WAV files of each format, (rate in Hz, channels), all 16 bit: counted in the real archive by a public project, not by
# the authors, whose card says 44.1 kHz. Which files these are is not published.
AUDIO_FORMATS = {(44_100, 2): 18_612, (44_100, 1): 518, (16_000, 1): 120}

# Shards of each split: many, with many divisors, because `datasets` makes every node read everything where the number
# of nodes does not divide that of the shards.
SHARDS = {"train": 240, "validation": 48, "test": 48}

# The authors' own numbering 0…6, and the nouns that the papers use for the same classes.
EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful")
NOUNS = {
    "happiness": "happy", "sadness": "sad", "anger": "angry",
    "surprise": "surprised", "disgust": "disgusted", "fear": "fearful",
}  # fmt: skip
FOUR = ("neutral", "happy", "sad", "angry")  # the paper's "Four" setting
# The paper's five sentiment classes of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1.
SENTIMENTS = ("negative", "weakly negative", "neutral", "weakly positive", "positive")
# The four annotation conditions and the archive that holds the annotations of each: annotators worked text-only,
# audio-only, on silent video, and on audio-visual clips.
CONDITIONS = {"text": "Text", "audio": "Audio", "video": "Video", "multimodal": "Multimodal"}
CONDITION_NAMES = {"text": "text-only", "audio": "audio-only", "video": "silent-video", "multimodal": "audio-visual"}
ANNOTATORS = "ABCDE"

# A member of an archive is known by its file name alone, whatever folders stand before it.
MEMBER = re.compile(r"(?P<id>(?P<group>G\d{5})_\d{2}_\d{2}_\d{3})\.(?P<suffix>json|wav|mp4)", re.ASCII | re.IGNORECASE)

# Group, its first utterance (or dialogue) by number in the sorted group, and the one after the last.
Shard = tuple[str, int, int]
OPEN_END = 1 << 30  # the number after the last of a group, however many it has


def match_member(name: str) -> re.Match[str] | None:
    """Match `MEMBER` against the path of a member; None if it is not a part of the release (`._*`, zips, …)."""
    *folders, name = name.replace("\\", "/").split("/")
    return None if "__MACOSX" in folders else MEMBER.fullmatch(name)


def split_of(group: str, fold: int | None = None) -> str:
    """Return the split of a group id: the official "train", "validation" or "test"; of a fold "train" or "test"."""
    if fold is None:
        return HELD_OUT.get(group, "train")
    return "test" if speaker_set_of(group) == fold else "train"


def speaker_set_of(group: str) -> int:
    """Return the number 1…5 of the set in `SPEAKER_SETS` that a group is in."""
    return next(number for number, groups in enumerate(SPEAKER_SETS, 1) if group in groups)


def shards_of(runs: list[Shard], number: int) -> list[Shard]:
    """Cut runs of utterances into `number` shards in all, as evenly as possible; into fewer where there are fewer.

    Args:
        runs: each has at least one shard.
        number: how many shards to make.
    """
    sizes = [end - begin for _, begin, end in runs]
    number = max(len(runs), min(number, sum(sizes)))
    exact = [max(1.0, number * size / sum(sizes)) for size in sizes]
    parts = [int(share) for share in exact]
    for index in sorted(range(len(runs)), key=lambda index: parts[index] - exact[index])[: max(0, number - sum(parts))]:
        parts[index] += 1
    while sum(parts) > number:  # short runs have one each
        parts[parts.index(max(parts))] -= 1
    return [
        (group, begin + size * part // of, begin + size * (part + 1) // of)
        for (group, begin, _), size, of in zip(runs, sizes, parts)
        for part in range(of)
    ]


def runs_of(shards: list[Shard]) -> list[Shard]:
    """Join shards that follow one another in a group."""
    runs: list[Shard] = []
    for group, begin, end in shards:
        if runs and runs[-1][0] == group and runs[-1][2] == begin:
            runs[-1] = (group, runs[-1][1], end)
        else:
            runs.append((group, begin, end))
    return runs


# === emotiontalk/redaction.py =========================================================================================
# Secrets in URLs (passwords, signatures, tokens): hidden in all that is shown, stored or logged; sent as a header.

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


# === emotiontalk/request_error.py =====================================================================================
# The error of what was asked for. In a module of its own, which needs no `datasets`: the command line imports it.

class RequestError(ValueError):
    """What was asked for cannot be done; the message says what to do instead.

    Options are named as in Python, for example `fold=5`. The command line shows them as its own flags.
    """


# === emotiontalk/errors.py ============================================================================================
# Every error of the loader, its warnings, and how values from outside are quoted in them.

Path = Union[str, "os.PathLike[str]"]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LONGEST_MESSAGE = 3_000  # characters
logger = datasets.utils.logging.get_logger(__name__.removesuffix(".errors"))


def printable(text: str) -> str:
    """Escape what is not a visible character (ESC, BEL, marks of writing direction, …): a terminal would obey it."""
    if text.isprintable():
        return text
    visible = (c.isprintable() or unicodedata.category(c) == "Zs" for c in text)  # the Chinese blank, too
    return "".join(c if seen else c.encode("unicode_escape").decode() for c, seen in zip(text, visible))


class Escaping(logging.Filter):
    """Lets every warning through, as `printable` and without secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        record.msg, record.args = printable(redacted(record.getMessage(), text=True)), ()
        return True


logger.addFilter(Escaping())


def brief(value: object, limit: int = 200) -> str:
    """Quote a value in one line of at most `limit` characters, whatever an archive or a server has put into it."""
    text = printable(" ".join(str(value)[: 4 * limit].split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def innermost_reason(error: Exception) -> str:
    """Return the innermost of an exception's reasons, in one line."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            said = re.sub(r"\?[^\s'\"]*", "?…", redacted(error, text=True))  # a redirect's query is a signature
            return brief(said.split(": ", 1)[-1])
        error = inner


class EmotionTalkError(datasets.builder.DatasetGenerationError):
    """The release is not as it should be. The message, one line, names the archive, the member and how to fix it."""

    def __init__(self, message: object = "") -> None:
        super().__init__(brief(redacted(message, text=True), LONGEST_MESSAGE))


class MissingArchiveError(EmotionTalkError, FileNotFoundError):
    """An archive that the config needs was not found."""


class DamagedArchiveError(EmotionTalkError):
    """An archive is truncated, corrupt or not an archive. See `damaged_archive_error`."""


class NoUtteranceError(EmotionTalkError):
    """The release at hand has no utterance of a split that was requested."""


class BadUtteranceError(EmotionTalkError):
    """One utterance is incomplete or wrong; `strict=False` skips it."""


class NoConnectionError(EmotionTalkError):
    """A URL cannot be reached now."""


class NotSortedError(Exception):
    """An archive is not in the order in which a group is a range. Internal: the whole archive is read instead."""


class RateLimitedError(ConnectionError):
    """A server is overloaded or limits the rate: retry after `seconds` (its header Retry-After). Internal."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"HTTP status {status}")
        self.seconds = float(retry_after[:9]) if retry_after.isdigit() else 0.0
        with contextlib.suppress(TypeError, ValueError):  # no date
            self.seconds = max(self.seconds, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())


class AudioDecodeError(ValueError):
    """An audio file cannot be decoded."""


def damaged_archive_error(archive: str, path: str, what: str) -> DamagedArchiveError:
    """Make the error for an archive that is truncated, corrupt or not an archive.

    Args:
        archive: its name, "Audio", …
        path: where it is, as messages quote it.
        what: what is wrong with it, one sentence.
    """
    size, sha256 = ARCHIVES[archive]
    return DamagedArchiveError(
        f"{path}: {what} The released {archive}.tar has {size:,} bytes and SHA-256 {sha256}; "
        f"compare, and download it again from {HOMEPAGE} if yours differs."
    )


def unreadable(path: object, error: OSError) -> EmotionTalkError:
    """Make the error for a file or folder that the system does not let us read."""
    return EmotionTalkError(f"{path} cannot be read ({error.strerror or error}): check its owner and permissions.")


def unwritable(folder: str, error: OSError, needed: int | None = None) -> EmotionTalkError:
    """Make the error for a folder that cannot be written. An `EmotionTalkError` is returned as it is.

    Args:
        folder: where something was to be written.
        error: what the system said, and of which file.
        needed: bytes that would be written, where that is known.
    """
    if isinstance(error, EmotionTalkError):
        return error
    failed = error.filename if isinstance(error.filename, str) else folder
    what = f"there is no room in {folder}" if error.errno in FULL else f"{failed} cannot be written"
    what += f", {needed:,} bytes are needed" if needed else ""
    fix = "Set HF_HOME to a folder with room that you may write, or pass cache_dir=."
    if error.errno in (errno.EACCES, errno.EPERM) and os.path.exists(failed):
        fix += (
            " Or let its owner run `chmod -R g+rwX` on the cache: users of one group share a cache where each sets "
            "`umask 002` before loading."
        )
    return EmotionTalkError(f"{what} ({error.strerror or error}). {fix}")


def is_of_folder(error: OSError, folder: str) -> bool:
    """Whether an error is about writing to a folder: the disk is full, or a file in it or a folder above it fails.

    Args:
        error: what the system said.
        folder: where something was to be written.
    """
    if error.errno in FULL:
        return True
    if not isinstance(error.filename, str):
        return False
    failed, folder = (os.path.join(os.path.abspath(path), "") for path in (error.filename, folder))
    return failed.startswith(folder) or folder.startswith(failed)


def raise_if_full(error: Exception, path: str) -> None:
    """Raise `EmotionTalkError` if an error says that the disk of the temporary files is full."""
    if isinstance(error, OSError) and error.errno in FULL:
        raise EmotionTalkError(
            f"{path}: no room for it in {tempfile.gettempdir()} ({error}). Set TMPDIR to a folder with room, or unpack "
            "or download the archive and pass data_dir= with its folder."
        ) from None


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning, once in a process."""
    logger.warning(message)


# === emotiontalk/progress.py ==========================================================================================
# Progress bars: those of `datasets`, which `datasets.disable_progress_bars()` switches off.

progress_bar = getattr(datasets.utils, "tqdm", None) or datasets.utils.logging.tqdm  # the latter before 2.15


# === emotiontalk/disk.py ==============================================================================================
# Files that are written or hashed: each gets its name once it is complete.

# A file that is made is a new one: no file that is there is opened, and no link is followed.
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def partial_path(folder: Path) -> str:
    """Return where in a folder a file is written before it is complete: a random name, which no other file has."""
    return os.path.join(folder, f".emotiontalk-{secrets.token_hex(8)}.part")


def new_file(path: Path) -> IO[bytes]:
    """Make a file and open it to be written (bytes). Raises `FileExistsError` where anything has its name."""
    return os.fdopen(os.open(path, NEW_FILE, 0o666), "wb")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written (bytes), which gets its name once it is complete; its folder is made."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    partial = partial_path(folder)
    opened = new_file(partial)
    try:
        with opened as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_out(path: Path) -> None:
    """Ask the kernel to write out a file, and to keep no copy of it in memory."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# === emotiontalk/members.py ===========================================================================================
# Members of an archive: each a run of bytes of a source, which is read by position.

def read_at(fd: int, offset: int, view: memoryview) -> bool:
    """Fill a view with the bytes of a file from an offset on; return False if the file ends before that."""
    while len(view):  # the position is passed with every read: forked workers share the parent's open files
        if hasattr(os, "preadv"):
            n = os.preadv(fd, [view], offset)
        else:  # Windows, where workers are not forked
            os.lseek(fd, offset, os.SEEK_SET)
            chunk = os.read(fd, len(view))
            n, view[: len(chunk)] = len(chunk), chunk
        if n == 0:
            return False
        view, offset = view[n:], offset + n
    return True


class Source:
    """What members are read from.

    Attributes:
        archive: its name, "Audio", …
        path: where it is, as messages quote it.
        fd: the descriptor of a local plain tar, else None.
    """

    def __init__(self, archive: str, path: str) -> None:
        self.archive, self.path = archive, path
        self.fd: int | None = None

    def read_into(self, member: Member, view: memoryview) -> None:
        """Fill a view with the bytes of a member from its offset on. Raises `EmotionTalkError`."""
        raise NotImplementedError


class InMemory(Source):
    """Bytes that have been read already.

    Attributes:
        data: the bytes; the offset of a member counts in them.
    """

    def __init__(self, archive: str, path: str, data: bytes) -> None:
        super().__init__(archive, path)
        self.data = data

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        view[:] = self.data[member.offset : member.offset + len(view)]


class NotFetched(Source):
    """The media of ids in `skip_media`, of which no byte was fetched: reading them is an error."""

    def read_into(self, member: Member, view: memoryview) -> None:
        """Raise `RuntimeError`."""
        raise RuntimeError(f"{member} was not fetched: its id is in skip_media.")


class _Everything:
    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING = cast("Container[str]", _Everything())  # as `skip_media`: no audio or video is read, nor fetched from a URL


class Member:
    """One file of the release: `size` bytes at `offset` of its source.

    `len(member)` is its size in bytes, and `member[4:8]` reads these bytes of it, as of `bytes`.

    Args:
        source: what it is read from.
        name: its path in the archive.
        offset: where in the source its bytes begin.
        size: in bytes.
    """

    __slots__ = ("name", "offset", "size", "source")

    def __init__(self, source: Source, name: str, offset: int, size: int) -> None:
        self.source, self.name, self.offset, self.size = source, name, offset, size

    def __len__(self) -> int:
        return self.size

    def __str__(self) -> str:
        return f"{self.source.path}: {brief(self.name, 300)}"

    def read(self) -> bytes:
        """Read all its bytes. Raises `EmotionTalkError` where the file has become shorter."""
        data = bytearray(self.size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view: memoryview) -> None:
        """Fill a writable view of `size` bytes, straight from the source."""
        self.source.read_into(self, view)

    def __getitem__(self, part: slice) -> bytes:
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise TypeError("a member is read by slices without a step")
        start, end, _ = part.indices(self.size)
        size = max(0, end - start)
        if self.source.fd is not None and hasattr(os, "pread"):  # measured: a third of the time of the general way
            data = os.pread(self.source.fd, size, self.offset + start)
            if len(data) == size:
                return data
        return Member(self.source, self.name, self.offset + start, size).read()

    def replaced_by(self, data: bytes) -> Member:
        """Return a member of the same name that holds these bytes instead, as after a conversion."""
        return Member(InMemory(self.source.archive, self.source.path, data), self.name, 0, len(data))


# === emotiontalk/audio.py =============================================================================================
# Audio files: what a WAV header says, and decoding on every version of `datasets`.

LOWEST_RATE, HIGHEST_RATE = 8_000, 768_000  # Hz: below, nothing of speech is left; above, there is no audio hardware
LOWEST_HEADER_RATE, MOST_CHANNELS = 1_000, 64  # a WAV header that says other values is wrong
HEADER_BYTES = 512  # of a WAV file that are read at once: those of the release have 44
UNCOMPRESSED = (1, 3, 0xFFFE)  # codecs of WAV: PCM, float, and either with an extended header
LONGEST_MEDIA = 1 << 30  # bytes of one clip: more do not fit into a batch, and none is so long
FULL_SCALE = 32_768  # of 16-bit samples
RELEASED_RATE, RELEASED_CHANNELS = 44_100, 2  # of nearly all clips


AudioBytes = Union[bytes, memoryview, Member]  # an audio file: anything with `len()` whose slices are bytes


class WavFormat(NamedTuple):
    """What a WAV file is, by its header.

    Attributes:
        rate: in Hz.
        channels: how many.
        bits: of a sample.
        codec: 1 is PCM.
        frames: how many are there.
        header_frames: how many there are by the header: more than `frames` in a file that is truncated.
        offset: the byte of the first sample.
        consistent: whether the rate and the bytes a second agree.
    """

    rate: int
    channels: int
    bits: int
    codec: int
    frames: int
    header_frames: int
    offset: int
    consistent: bool


def wav_format(clip: AudioBytes) -> WavFormat:
    """Read the header of a WAV file.

    Args:
        clip: the file, or its beginning: bytes, a memoryview, or a `Member`, of which only the header is read.

    Raises:
        ValueError: it is not a WAV file, has no samples, or its header says what no recording has.
    """
    size, at, form = len(clip), 12, None
    start, data = 0, clip[:HEADER_BYTES]
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file: it does not begin with RIFF … WAVE")
    for _ in range(1_000):  # chunks
        if at + 8 > size:
            break
        if at + 24 > start + len(data):
            start, data = at, clip[at : at + HEADER_BYTES]
        kind, length = struct.unpack_from("<4sI", data, at - start)
        if kind == b"fmt ":
            if at + 24 > size:
                break
            codec, channels, rate, second, frame, bits = struct.unpack_from("<HHIIHH", data, at - start + 8)
            _check_format(codec, channels, rate, frame, bits)
            form = rate, channels, bits, codec
        elif kind == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            there = size - at - 8
            said = there if length == 0xFFFFFFFF else length  # written to a pipe: the length was not known yet
            if min(said, there) < frame:
                raise ValueError("empty: no samples")
            consistent = second == rate * frame or form[3] not in UNCOMPRESSED
            return WavFormat(*form, min(said, there) // frame, said // frame, at + 8, consistent)
        at += 8 + length + length % 2
    raise ValueError("no samples: it has no data chunk")


def _check_format(codec: int, channels: int, rate: int, frame: int, bits: int) -> None:
    """Raise `ValueError` for the format of a WAV header that no recording has, as where a bit of it is wrong."""
    if not 0 < channels <= MOST_CHANNELS:
        raise ValueError(f"its header says {channels:,} channels")
    if not LOWEST_HEADER_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"its header says a rate of {rate:,} Hz")
    if not frame or (codec in UNCOMPRESSED and frame != channels * -(-bits // 8)):
        raise ValueError(f"its header says {frame:,} bytes a frame for {channels} channels of {bits} bits")


def checked_rate(sampling_rate: object) -> int | None:
    """Return a rate to convert audio to, in Hz, as a plain integer, or None. Raises `RequestError` for any other."""
    if sampling_rate is None:
        return None
    is_number = isinstance(sampling_rate, numbers.Integral) and not isinstance(sampling_rate, bool)
    if not is_number or not LOWEST_RATE <= sampling_rate <= HIGHEST_RATE:  # type: ignore[operator]
        raise RequestError(
            f"sampling_rate={sampling_rate!r}: give it in Hz, an integer from {LOWEST_RATE:,} to {HIGHEST_RATE:,}."
        )
    return int(sampling_rate)  # type: ignore[call-overload]  # also one of numpy's


def mix_and_resample(
    samples: np.ndarray, rate: int, sampling_rate: int | None = None, mono: bool = False
) -> tuple[np.ndarray, int]:
    """Average the channels of decoded audio, and resample it with soxr in high quality, as every clip is.

    Args:
        samples: float32, of shape (frames, channels).
        rate: of the samples, in Hz.
        sampling_rate: resample to this rate, in Hz; None keeps that of the samples.
        mono: average the channels.

    Returns:
        (samples of shape (frames, channels), their rate in Hz). The given ones where there is nothing to do.

    Raises:
        ImportError: soxr is not installed.
    """
    if mono and samples.shape[1] > 1:
        # measured: an eighth of the time of numpy's mean
        samples = (sum(samples.T) / np.float32(samples.shape[1]))[:, None]
    if not sampling_rate or sampling_rate == rate or not len(samples):
        return samples, rate
    import soxr

    return np.asarray(soxr.resample(samples, rate, sampling_rate, quality="HQ")), sampling_rate


def check_finite(samples: np.ndarray) -> None:
    """Raise `AudioDecodeError` for samples that are infinite or NaN."""
    if not np.isfinite(samples).all():
        raise AudioDecodeError("some of its samples are not finite numbers")


def pcm16(audio: bytes, sampling_rate: int | None = None, mono: bool = False) -> tuple[np.ndarray, int]:
    """Decode a WAV file to 16-bit samples, resampled and averaged as `decode_audio` does, up to rounding.

    Args:
        audio: the file.
        sampling_rate: resample to this rate, in Hz; None keeps that of the file.
        mono: average the channels.

    Returns:
        (samples, int16, of shape (frames, channels); rate in Hz).

    Raises:
        AudioDecodeError: the file cannot be decoded, or has samples that are not finite numbers.
        ImportError: soundfile or soxr is not installed.
    """
    samples, rate = _frames(audio)
    wanted = sampling_rate or rate
    if 2 * len(samples) * wanted // rate * (1 if mono else samples.shape[1]) > LONGEST_MEDIA:
        raise AudioDecodeError(f"at {wanted:,} Hz it would have more than {LONGEST_MEDIA:,} bytes")
    if samples.dtype == np.int16 and wanted == rate and not (mono and samples.shape[1] > 1):
        return samples, rate
    scaled = samples.astype(np.float32) if samples.dtype == np.int16 else samples * np.float32(FULL_SCALE)
    scaled, _ = mix_and_resample(scaled, rate, wanted, mono)
    if not len(scaled):
        raise AudioDecodeError(f"too short: at {wanted:,} Hz nothing is left of it")
    return np.clip(np.rint(scaled), -FULL_SCALE, FULL_SCALE - 1).astype("<i2"), wanted


def _pcm16_format(audio: bytes) -> WavFormat | None:
    """Return the format of a WAV file of 16-bit PCM; None for any other, of which soundfile says what it is."""
    try:
        wav = wav_format(audio)
    except ValueError:
        return None
    return wav if (wav.codec, wav.bits) == (1, 16) else None


def _frames(audio: bytes) -> tuple[np.ndarray, int]:
    """Return (samples of shape (frames, channels), int16 where the file has these, else float32; rate in Hz)."""
    wav = _pcm16_format(audio)
    if wav and wav.offset + wav.frames * wav.channels * 2 <= len(audio):
        count = wav.frames * wav.channels
        return np.frombuffer(audio, "<i2", count, wav.offset).reshape(-1, wav.channels), wav.rate
    samples, rate, _ = _decoded_field({"bytes": audio, "path": None})
    check_finite(samples)
    return samples, rate


def wav_file(samples: np.ndarray, rate: int) -> bytes:
    """Return a WAV file of 16-bit samples of shape (frames, channels)."""
    data, channels = np.ascontiguousarray(samples, "<i2").tobytes(), samples.shape[1]
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, channels, rate, 2 * channels * rate,
        2 * channels, 16, b"data", len(data),
    )  # fmt: skip
    return head + data


def converted(audio: bytes, sampling_rate: int | None = None, mono: bool = False) -> bytes:
    """Rewrite a WAV file as `pcm16` decodes it; one that has this rate, these channels and 16 bits is returned as is.

    The bytes depend on the file, the options and the versions of numpy and soxr only. Raises as `pcm16`.
    """
    wav = _pcm16_format(audio)
    if (
        wav
        and wav.frames == wav.header_frames
        and wav.rate == (sampling_rate or wav.rate)
        and (not mono or wav.channels == 1)
    ):
        return audio
    return wav_file(*pcm16(audio, sampling_rate, mono))


def _decoded_field(audio: Any) -> tuple[np.ndarray, int, str | None]:
    """Return (samples, float32, of shape (frames, channels); rate in Hz; path or None) of the field `audio`."""
    if hasattr(audio, "get_all_samples"):  # torchcodec's decoder, from datasets 4 on
        decoded = audio.get_all_samples()
        return decoded.data.cpu().numpy().T, decoded.sample_rate, getattr(audio.metadata, "path", None)
    path = audio.get("path")
    if audio.get("array") is not None:
        return np.atleast_2d(np.asarray(audio["array"], dtype=np.float32)).T, audio["sampling_rate"], path
    import soundfile

    try:
        file = path if audio.get("bytes") is None else io.BytesIO(audio["bytes"])
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioDecodeError(f"{path or 'the audio'} cannot be decoded: {error}") from None
    return samples, rate, path


def decode_audio(audio: Any, sampling_rate: int | None = None, mono: bool = False) -> dict[str, Any]:
    """Decode audio with soundfile, and resample it with soxr: for `map`, `with_transform` and plain loops.

    Args:
        audio: the field `audio` of a row: `{bytes, path}`, or what `datasets` has decoded already.
        sampling_rate: resample to this rate, in Hz; None keeps that of the file.
        mono: average the channels.

    Returns:
        `{"array", "sampling_rate", "path"}`. The array is float32, −1…1, of shape (samples,) where there is one
        channel, (channels, samples) where there are more.

    Raises:
        AudioDecodeError: the file cannot be decoded.
        ImportError: soundfile or soxr is not installed.
    """
    try:
        samples, rate, path = _decoded_field(audio)
        samples, rate = mix_and_resample(samples, rate, sampling_rate, mono)
    except ImportError as error:
        raise ImportError(f"decode_audio needs soundfile and soxr: pip install soundfile soxr ({error}).") from None
    array = samples[:, 0] if samples.shape[1] == 1 else samples.T
    return {"array": array, "sampling_rate": int(rate), "path": path}


# === emotiontalk/annotations.py =======================================================================================
# One utterance: what its annotation files say, strict where that decides a row, lenient where people typed.

_MARK = r"(?:over|interrupted|laughing|sobbing|crying|screaming)"
# A mark has a bracket on one side at least: `[over/]`, `[[/over]`, `[over/呀`, `没问题/over]`. Only the mark
# goes; words that a slip has put inside the brackets were spoken, and stay.
MARKS = re.compile(  # every repeat has a bound, so that no text takes more than one look at each of its characters
    rf"[\[【［]\s{{0,4}}/{{0,4}}\s{{0,4}}{_MARK}(?![A-Za-z])(?:\s{{0,4}}/{{1,4}})?(?:\s{{0,4}}[\]】］])?"
    rf"|(?:/|(?<![A-Za-z\s])){_MARK}\s{{0,4}}/{{0,4}}\s{{0,4}}[\]】］]",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[\[\]【】［］]")


def spoken_text(transcription: str | None) -> str | None:
    """Remove the marks from a transcription: every spoken word stays, no bracket does. None stays None.

    Marks are overlap `[over/]…[/over]` and the events `[interrupted]`, `[laughing]`, `[Sobbing]`, `[crying]`,
    `[screaming]`, in `[]` or `【】`, with the typing slips of the release.
    """
    if transcription is None:
        return None
    return BRACKETS.sub("", MARKS.sub("", transcription))


def parse_annotation(member: Member) -> dict[str, Any]:
    """Parse the JSON object of an annotation file. Raises `BadUtteranceError`."""
    try:
        # json finds UTF-8, with or without BOM, by itself; strict=False allows line breaks in strings
        annotation = json.loads(member.read(), strict=False)
    except (ValueError, RecursionError) as error:
        raise BadUtteranceError(f"{member} is not JSON: {brief(error)}. Compare it with the release.") from None
    if not isinstance(annotation, dict):
        raise BadUtteranceError(f"{member} does not hold a JSON object. Compare it with the release.")
    return annotation


_EMOTION_IDS = {word: EMOTIONS.index(NOUNS.get(word, word)) for word in (*EMOTIONS, *NOUNS)}


def emotion_id(value: object) -> int | None:
    """Return the number 0…6 of an emotion string, or None if it is none of the seven."""
    if not isinstance(value, str):
        return None
    return _EMOTION_IDS.get(value, _EMOTION_IDS.get(value.strip().lower()))


def number(value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Read a finite number between two bounds, also from a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        value = float(value)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def sentiment_id(score: float) -> int:
    """Return the number 0…4 of the paper's sentiment class of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1."""
    score = round(score, 6)  # a mean of five ratings, which may carry the noise of a float
    return (0 if score <= -1 else 1) if score < 0 else 2 if score == 0 else 3 if score < 1 else 4


def _string(value: object) -> str | None:
    """Read a raw value as a string: a bare number as its digits; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and no file in UTF-8
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def clip_seconds(data: bytes) -> float | None:
    """Return the length of a clip in seconds, by the times in its audio-only annotation; None where there are none."""
    try:
        times = _dict(_dict(json.loads(data, strict=False)).get("paragraphs"))
    except (ValueError, RecursionError):
        return None
    start, end = number(times.get("startTime")), number(times.get("endTime"))
    return None if start is None or end is None or not 0 <= end - start < 3_600 else end - start


ID_INSIDE = re.compile(r"(?:^|[/\\])(G\d{5}_\d{2}_\d{2}_\d{3})(?:\.\w*)?$", re.ASCII | re.IGNORECASE)
COMPARE = "Compare it with the release."
MP4_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")  # may come first


class Utterance:
    """One utterance: its id, and its annotation in each of the conditions that the config reads.

    Args:
        uid: its id, `<group>_<dialogue>_<speaker>_<turn>`.
        condition: "audio", …: the annotation condition whose label the config has.
        members: the annotation file of each condition.
        media: its audio or video, or None.

    Attributes:
        raw: the JSON object of each condition, as people typed it.
        wav: what the header of the audio says, or None.
        notes: (what is odd, in which member), of oddities that decide no row.

    Raises:
        BadUtteranceError: an annotation is not a JSON object, or the audio is not a WAV file.
    """

    def __init__(self, uid: str, condition: str, members: dict[str, Member], media: Member | None = None) -> None:
        self.id, self.condition, self.members, self.media = uid, condition, members, media
        self.group, dialogue, self.speaker_id, turn = uid.split("_")
        self.dialogue = f"{self.group}_{dialogue}"
        self.turn = int(turn)
        self.raw = {name: parse_annotation(member) for name, member in members.items()}
        self.wav: WavFormat | None = None
        self._votes: dict[str, list[dict[str, Any]]] = {}
        self.notes: list[tuple[str, str]] = []
        for name, member in members.items():
            path = self.foreign_path(name)
            if path is not None:
                self._note("the path inside is another utterance's", f"{member} ({brief(path)})")
        if media is not None and not isinstance(media.source, NotFetched):
            self._check_media(media)

    def _note(self, what: str, where: str) -> None:
        if (what, where) not in self.notes:
            self.notes.append((what, where))

    def _check_media(self, media: Member) -> None:
        """Read the header of an audio file. Raises `BadUtteranceError` for one that cannot be decoded."""
        if not len(media):
            raise BadUtteranceError(f"{media} is empty. {COMPARE}")
        if len(media) > LONGEST_MEDIA:
            raise BadUtteranceError(f"{media} has {len(media):,} bytes, more than any clip. {COMPARE}")
        if not media.name.lower().endswith(".wav"):
            if media[4:8] not in MP4_BOXES:  # a text may name files that a decoder would open instead
                raise BadUtteranceError(f"{media} is not an MP4 file. {COMPARE}")
            return
        try:
            wav = wav_format(media)
        except ValueError as error:
            raise BadUtteranceError(f"{media} cannot be decoded ({error}). {COMPARE}") from None
        self.wav = wav
        if wav.frames < wav.header_frames:
            self._note("the audio is truncated: its header says more samples than are there", str(media))
        if not wav.consistent:
            self._note("the WAV header contradicts itself: its rate and its bytes a second disagree", str(media))

    @property
    def seconds(self) -> float | None:
        """Length of the audio by its header, or None."""
        return self.wav.frames / self.wav.rate if self.wav else None

    def path_id(self, condition: str) -> str | None:
        """Return the id in the path inside an annotation, or None where that has none."""
        path = self.raw[condition].get("file_path", self.raw[condition].get("file_name"))
        found = ID_INSIDE.search(path) if isinstance(path, str) else None
        return found[1].upper() if found else None

    def foreign_path(self, condition: str) -> str | None:
        """Return the path inside an annotation if it is another utterance's."""
        if self.path_id(condition) in (None, self.id):
            return None
        return str(self.raw[condition].get("file_path", self.raw[condition].get("file_name")))

    def _wrong(self, condition: str, key: str, what: str) -> BadUtteranceError:
        value = brief(repr(self.raw[condition].get(key)))
        fix = "Correct the file, or compare it with the release."
        return BadUtteranceError(f"{self.members[condition]}: {key} {value} is {what}. {fix}")

    def emotion(self, condition: str) -> int:
        """Return the label 0…6 of a condition. Raises `BadUtteranceError`."""
        label = emotion_id(self.raw[condition].get("emotion_result"))
        if label is None:
            raise self._wrong(condition, "emotion_result", f"none of {', '.join(EMOTIONS)}")
        return label

    def score(self) -> float:
        """Return the sentiment score, −2…2. Raises `BadUtteranceError`."""
        score = number(self.raw["multimodal"].get("Continuous label_result"), -2, 2)
        if score is None:
            raise self._wrong("multimodal", "Continuous label_result", "no number in -2…2")
        return score

    def transcription(self) -> str | None:
        """Return the verbatim transcription: the own condition's, or where that has none, another's that was read."""
        for name in (self.condition, "multimodal", "text", "audio"):
            raw = self.raw.get(name, {})
            content = _string(raw.get("content"))
            if content is not None:
                return content
            if name in self.raw and name != "video":
                what = "is null" if raw.get("content") is None else "is not a text"
                self._note(f"content in the {name} annotation {what}", str(self.members[name]))
        return None

    def time(self, key: str) -> float | None:
        """Return `startTime` or `endTime` in seconds, or None."""
        return number(_dict(self.raw["audio"].get("paragraphs")).get(key))

    def raw_captions(self) -> dict[str, object]:
        """Return the raw captions: "spe_cap", "style_cap", "emo_cap", "caption_1"…"caption_5"."""
        raw = self.raw["audio"]
        found = {**raw, **_dict(raw.get("sourceAttr"))}  # in some files they stand flat
        keys = ("spe_cap", "style_cap", "emo_cap", *(f"caption_{n}" for n in range(1, 6)))
        return {key: found.get(key) for key in keys}

    def captions(self) -> dict[str, Any]:
        """Return the captions "speaker", "style" and "emotion", and the list "overall"; unreadable ones are None."""
        speaker, style, emotion, *overall = map(_string, self.raw_captions().values())
        return {"speaker": speaker, "style": style, "emotion": emotion, "overall": overall}

    def raw_votes(self, condition: str) -> list[dict[str, Any]]:
        """Return the five raw annotations of a condition, {} for one that is missing."""
        data = _dict(self.raw[condition].get("data"))
        return [_dict(data.get(annotator)) for annotator in ANNOTATORS]

    def votes(self, condition: str) -> list[dict[str, Any]]:
        """Return the annotations of the five annotators of a condition; what is missing or unreadable is None."""
        if condition not in self._votes:  # two fields are made of them
            self._votes[condition] = [self._vote(*pair) for pair in zip(ANNOTATORS, self.raw_votes(condition))]
        return self._votes[condition]

    @staticmethod
    def _vote(annotator: str, raw: dict[str, Any]) -> dict[str, Any]:
        tenths = number(raw.get("Confidence_degree"), 1, 9)
        rating = number(raw.get("Continuous_label"), -2, 2)
        return {
            "annotator": annotator,
            "emotion": emotion_id(raw.get("emotion")),
            "confidence": None if tenths is None else tenths / 10,
            "sentiment": None if rating is None or rating % 1 else int(rating),
        }

    def soft_label(self, condition: str | None = None, classes: int = len(EMOTIONS)) -> list[float] | None:
        """Return the share of the annotators that chose each emotion; None if a vote is missing, or none is for these.

        Args:
            condition: whose annotators; None: those of the own condition.
            classes: 7, or 4 for the paper's four, which are the first ones: shares of the votes for these.
        """
        given = [vote["emotion"] for vote in self.votes(condition or self.condition)]
        if None in given:
            return None
        given = [label for label in given if label < classes]
        return [given.count(label) / len(given) for label in range(classes)] if given else None


# === emotiontalk/schema.py ============================================================================================
# The configs and their fields: one table of each, from which features, card and exports are made.

@dataclasses.dataclass(frozen=True)
class FieldSpec:
    """A field of the rows.

    Attributes:
        feature: its `datasets` feature.
        value: a function that gives its value for an `Utterance`; None for `turns`, which several utterances make.
        description: what it holds, a line of Markdown; `{condition}` stands for the config's annotation condition.
    """

    feature: Any
    value: Callable[[Utterance], Any] | None
    description: str


@dataclasses.dataclass(frozen=True)
class ConfigSpec:
    """A config.

    Attributes:
        description: one sentence.
        condition: the annotation condition whose label it has.
        conditions: those whose annotations it reads.
        fields: names in `FIELDS`.
        media: the archive that holds its audio or video, and the suffix there; None: it has no media.
        splits: the splits it has.
    """

    description: str
    condition: str
    conditions: tuple[str, ...]
    fields: tuple[str, ...]
    media: tuple[str, str] | None = None
    splits: tuple[str, ...] = SPLITS


STRING, FLOAT, INT32 = datasets.Value("string"), datasets.Value("float64"), datasets.Value("int32")
EMOTION = datasets.ClassLabel(names=list(EMOTIONS))
SENTIMENT = datasets.ClassLabel(names=list(SENTIMENTS))
MEDIA_FEATURE = {"bytes": datasets.Value("binary"), "path": STRING}  # audio or video that is not decoded
VIDEO = datasets.Video() if hasattr(datasets, "Video") else MEDIA_FEATURE
VOTE = {"annotator": STRING, "emotion": EMOTION, "confidence": FLOAT, "sentiment": datasets.Value("int8")}
MEDIA = frozenset({"audio", "video"})
KEY_FIELDS = ("id", "group", "dialogue", "speaker_id", "speaker_set", "turn")
TURN_FIELDS = (
    "id", "speaker_id", "turn", "transcription", "text", "emotion_text", "emotion_audio", "emotion_video",
    "emotion_multimodal", "soft_label_text", "soft_label_audio", "soft_label_video", "soft_label_multimodal",
    "sentiment_score", "sentiment", "start", "end",
)  # fmt: skip


def _condition_label(condition: str, how: str) -> FieldSpec:
    """Make the field with the label of one condition."""
    return FieldSpec(
        EMOTION,
        functools.partial(Utterance.emotion, condition=condition),
        f"{CONDITION_NAMES[condition]} label, 0…6 (annotators {how})",
    )


def _own(name: str, feature: Any, description: str) -> FieldSpec:
    """Make the field with what an utterance has under the same name."""
    return FieldSpec(feature, operator.attrgetter(name), description)


def _soft_label(condition: str) -> FieldSpec:
    """Make the field with the soft label of one condition."""
    return FieldSpec(
        [FLOAT],
        functools.partial(Utterance.soft_label, condition=condition),
        f"as `soft_label`, of the {CONDITION_NAMES[condition]} annotations",
    )


def _time(name: str) -> FieldSpec:
    """Make the field `start` or `end`."""
    return FieldSpec(
        FLOAT,
        functools.partial(Utterance.time, key=f"{name}Time"),
        f"{name} in the dialogue's recording, seconds, from the audio-only annotation; may be null",
    )


UTTERANCE_FIELDS = {
    "id": _own(
        "id", STRING, "utterance id, `<group>_<dialogue>_<speaker>_<turn>`; in `dialogues` the id of the dialogue"
    ),
    "group": _own("group", STRING, "group of dialogues, `G00001`…`G00015`; it decides the split"),
    "dialogue": _own("dialogue", STRING, "dialogue, `<group>_<dialogue>`, unique in the corpus"),
    "speaker_id": _own("speaker_id", STRING, "speaker, two digits; 19 in the corpus"),
    "speaker_set": FieldSpec(
        datasets.Value("int8"),
        lambda u: speaker_set_of(u.group),
        "set of groups, 1…5: no speaker is in two of these sets",
    ),
    "turn": _own("turn", INT32, "turn number in the dialogue, over both speakers, in order; numbers can be missing"),
    "audio": FieldSpec(
        datasets.Audio(sampling_rate=44_100),
        lambda u: {"bytes": u.media, "path": f"{u.id}.wav"},
        "the audio clip, as released 16-bit WAV: most 44.1 kHz stereo, some 44.1 kHz mono or 16 kHz mono",
    ),
    "duration": FieldSpec(
        FLOAT, lambda u: u.seconds, "length of the released clip, seconds: its frames, by the WAV header, over its rate"
    ),
    "sampling_rate": FieldSpec(
        INT32, lambda u: u.wav.rate if u.wav else None, "rate of the released clip, Hz: 44,100 or 16,000"
    ),
    "channels": FieldSpec(
        datasets.Value("int8"), lambda u: u.wav.channels if u.wav else None, "channels of the released clip: 2 or 1"
    ),
    "video": FieldSpec(
        VIDEO,
        lambda u: {"bytes": u.media, "path": f"{u.id}.mp4"},
        "the video clip as released: MP4 with audio (`{{bytes, path}}` where `datasets` has no `Video`)",
    ),
    "transcription": FieldSpec(STRING, lambda u: u.transcription(), "verbatim transcription, marks included"),
    "text": FieldSpec(
        STRING, lambda u: spoken_text(u.transcription()), "`transcription` without the marks; every spoken word stays"
    ),
    "emotion": FieldSpec(
        EMOTION, lambda u: u.emotion(u.condition), "**this config's label**: the {condition} label, 0…6"
    ),
    "soft_label": FieldSpec(
        [FLOAT],
        lambda u: u.soft_label(),
        "share of the five annotators who chose each of the seven emotions ({condition} annotations), in "
        "the order of the labels; sums to 1; null where an annotator's label is missing",
    ),
    "emotion_text": _condition_label("text", "read the transcription"),
    "emotion_audio": _condition_label("audio", "heard the audio"),
    "emotion_video": _condition_label("video", "saw the silent video"),
    "emotion_multimodal": _condition_label("multimodal", "saw and heard the video"),
    "soft_label_text": _soft_label("text"),
    "soft_label_audio": _soft_label("audio"),
    "soft_label_video": _soft_label("video"),
    "soft_label_multimodal": _soft_label("multimodal"),
    "sentiment_score": FieldSpec(
        FLOAT, lambda u: u.score(), "sentiment, −2…2: mean of the five annotators' ratings (audio-visual)"
    ),
    "sentiment": FieldSpec(
        SENTIMENT, lambda u: sentiment_id(u.score()), "class of `sentiment_score`: ≤ −1, < 0, 0, < 1, ≥ 1"
    ),
    "start": _time("start"),
    "end": _time("end"),
    "captions": FieldSpec(
        {"speaker": STRING, "style": STRING, "emotion": STRING, "overall": [STRING]},
        lambda u: u.captions(),
        "`speaker` (the voice), `style`, `emotion`, and `overall`, a list of five; each may be null",
    ),
    "annotations": FieldSpec(
        [VOTE],
        lambda u: u.votes(u.condition),
        "the {condition} annotations of the five annotators: `annotator` (A…E), `emotion`, `confidence` "
        "(0.1…0.9), `sentiment` (−2…2, audio-visual only); what is missing in the release is null",
    ),
    "dataset_id": FieldSpec(STRING, lambda u: "emotiontalk", "`emotiontalk`"),
    "sample_id": FieldSpec(STRING, lambda u: u.id, "utterance id"),
    "src_audio": FieldSpec(
        STRING, lambda u: f"emotiontalk/audio/zh/{u.id}.wav", "path of the audio file below the benchmark's data folder"
    ),
    "src_ref": FieldSpec(
        STRING, lambda u: u.transcription(), "verbatim transcription of the audio-only annotation, marks included"
    ),
    "tgt_ref": FieldSpec(STRING, lambda u: None, "null: there is no reference translation"),
    "src_lang": FieldSpec(STRING, lambda u: "zh", "`zh`"),
    "tgt_lang": FieldSpec(STRING, lambda u: "en", "`en`"),
    "benchmark_metadata": FieldSpec(
        {"context": STRING, "emotion": STRING, "dataset_type": STRING},
        lambda u: {"context": "short", "emotion": EMOTIONS[u.emotion(u.condition)], "dataset_type": "emotion"},
        "`context` (`short`), `emotion` (audio-only label as a string), `dataset_type` (`emotion`)",
    ),
}
FIELDS = {
    **UTTERANCE_FIELDS,
    "turns": FieldSpec(
        [{name: UTTERANCE_FIELDS[name].feature for name in TURN_FIELDS}],
        None,
        "the utterances of the dialogue in turn order, each with " + ", ".join(f"`{name}`" for name in TURN_FIELDS),
    ),
}

CONFIGS = {
    "multimodal": ConfigSpec(
        description="Audio, transcription and sentiment with the audio-visual label, and the labels of the other three "
        "annotation conditions.",
        condition="multimodal",
        conditions=("multimodal", "text", "audio", "video"),
        media=("Audio", "wav"),
        fields=(
            *KEY_FIELDS, "audio", "duration", "sampling_rate", "channels", "transcription", "text", "emotion",
            "soft_label", "sentiment_score", "sentiment", "emotion_text", "emotion_audio", "emotion_video",
            "start", "end", "captions", "annotations",
        ),
    ),
    "audio": ConfigSpec(
        description="Audio and transcription with the audio-only label.",
        condition="audio",
        conditions=("audio",),
        media=("Audio", "wav"),
        fields=(
            *KEY_FIELDS, "audio", "duration", "sampling_rate", "channels", "transcription", "text", "emotion",
            "soft_label", "start", "end", "captions", "annotations",
        ),
    ),
    "text": ConfigSpec(
        description="Transcription with the text-only label; no media.",
        condition="text",
        conditions=("text",),
        fields=(*KEY_FIELDS, "transcription", "text", "emotion", "soft_label", "annotations"),
    ),
    "video": ConfigSpec(
        description="Video clip with the silent-video label, the audio-visual label and sentiment.",
        condition="video",
        conditions=("video", "multimodal"),
        media=("Multimodal", "mp4"),
        fields=(
            *KEY_FIELDS, "video", "transcription", "text", "emotion", "soft_label", "emotion_multimodal",
            "sentiment_score", "sentiment", "annotations",
        ),
    ),
    "dialogues": ConfigSpec(
        description="One example per dialogue: its utterances in turn order with the labels of all four annotation "
        "conditions; no media.",
        condition="text",
        conditions=("text", "audio", "video", "multimodal"),
        fields=("id", "group", "dialogue", "speaker_set", "turns"),
    ),
    "zh-en": ConfigSpec(
        description="The zh→en part of the Hearing to Translate benchmark: the records of its manifest, and the audio.",
        condition="audio",
        conditions=("audio",),
        media=("Audio", "wav"),
        splits=("test",),
        fields=(
            "dataset_id", "sample_id", "src_audio", "src_ref", "tgt_ref", "src_lang", "tgt_lang",
            "benchmark_metadata", "audio",
        ),
    ),
}  # fmt: skip


def archives_of(config: str) -> list[str]:
    """Return the names of the archives that a config reads, in a fixed order."""
    names = {*(CONDITIONS[name] for name in CONFIGS[config].conditions), *(CONFIGS[config].media or ())}
    return [name for name in ARCHIVES if name in names]


@functools.cache
def fields_of(config: str, label_set: str = "all") -> dict[str, FieldSpec]:
    """Return the fields of a config by name; with the label set "four", `emotion` and `soft_label` have four values."""
    fields = {name: FIELDS[name] for name in CONFIGS[config].fields}
    if label_set == "four":
        four = {
            "emotion": {"feature": datasets.ClassLabel(names=list(FOUR))},
            "soft_label": {"value": functools.partial(Utterance.soft_label, classes=len(FOUR))},
        }
        for name in fields.keys() & four.keys():
            fields[name] = dataclasses.replace(fields[name], **four[name])
    return fields


def features_of(config: str, label_set: str = "all", sampling_rate: int | None = None) -> datasets.Features:
    """Return the `datasets.Features` of a config; sampling_rate: to which its audio is converted, in Hz."""
    features = {name: field.feature for name, field in fields_of(config, label_set).items()}
    if sampling_rate and "audio" in features:
        features["audio"] = dataclasses.replace(features["audio"], sampling_rate=sampling_rate)
    return datasets.Features(features)


def splits_of(config: str, fold: int | None = None) -> tuple[str, ...]:
    """Return the splits of a config: the official ones, or those of a fold of cross-validation."""
    return CONFIGS[config].splits if fold is None else FOLD_SPLITS


def split_sizes(config: str, fold: int | None = None) -> dict[str, int]:
    """Return the number of examples of the pinned release in each split of a config; fold: 1…5, of those of a fold."""
    if config == "dialogues" and fold is None:
        return dict(DIALOGUES)
    sizes = DIALOGUES_OF_GROUPS if config == "dialogues" else GROUPS
    return {
        split: sum(size for group, size in sizes.items() if split_of(group, fold) == split)
        for split in splits_of(config, fold)
    }


def description_of(config: str, field: str) -> str:
    """Describe what a field of a config holds, in a line of Markdown."""
    return FIELDS[field].description.format(condition=CONDITION_NAMES[CONFIGS[config].condition])


# === emotiontalk/archives/tar.py ======================================================================================
# Tar files: their headers, and members that are read by position.

BLOCK = tarfile.BLOCKSIZE
GIT_LFS = b"version https://git-lfs"  # how a pointer begins, where the file itself is not there
EXTENDED_BYTES = 1 << 20  # an extended header is no longer: it holds names and times
MEMBER_TYPES = {"1": "a link", "2": "a link", "3": "a device", "4": "a device", "5": "a folder", "6": "a FIFO"}


class Header(NamedTuple):
    """What a tar header block says: the member's name, its payload in bytes, and its type ("0" for a file)."""

    name: str
    size: int
    kind: str


def parse_header(block: bytes, magic: bool = True) -> Header | None:
    """Parse a tar header block of 512 bytes; None where it is none.

    By hand: with `tarfile.TarInfo.frombuf`, the scan of 43,000 headers takes three times as long (measured).

    Args:
        block: the bytes.
        magic: require "ustar" in it: payload could pass for a header of the oldest tars, which do not have that word.
    """
    if len(block) < BLOCK or (magic and block[257:262] != b"ustar"):
        return None
    try:
        checksum, digits = int(block[148:156].strip(b" \0") or b"0", 8), block[124:136].strip(b" \0") or b"0"
        size = int.from_bytes(block[125:136], "big") if block[124] == 0x80 else int(digits, 8)
    except ValueError:
        return None
    if checksum != sum(block[:148]) + 256 + sum(block[156:512]) or size < 0:
        return None
    name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
    if prefix and block[257:263] == b"ustar\0":  # GNU's header has other things there
        name = prefix + b"/" + name
    kind = chr(block[156]).replace("\0", "0").replace("7", "0")
    return Header(name.decode("utf-8", "surrogateescape"), 0 if kind in "123456" else size, kind)


def parse_extended(kind: str, data: bytes) -> dict[str, Any]:
    """Return what an extended header says of the next member: "path", "size", and "sparse" for a sparse file."""
    if kind == "L":
        return {"path": data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")}
    said: dict[str, Any] = {}
    while kind in "xX" and data:  # records `LENGTH KEY=VALUE\n`; anything else ends them
        digits, _, _ = data[:20].partition(b" ")
        if not digits.isdigit() or not 0 < int(digits) <= len(data):
            break
        record, data = data[len(digits) + 1 : int(digits) - 1], data[int(digits) :]
        key, _, value = record.partition(b"=")
        if key in (b"path", b"GNU.sparse.name"):
            said["path"] = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value[:20].isdigit() and len(value) <= 20:
            said["size"] = int(value)
        if key.startswith(b"GNU.sparse."):
            said["sparse"] = True
    return said


def padded(size: int) -> int:
    """Return the bytes that a payload takes in a tar."""
    return -(-size // BLOCK) * BLOCK


class Tar(Source):
    """A local tar file, plain or compressed.

    Args:
        archive: its name, "Audio", …
        path: of the file.
        file: the open file, where it is not to be opened by its path.

    Raises:
        MissingArchiveError: the path is a link to nothing.
        EmotionTalkError: the file cannot be read, or is not a tar archive.
    """

    OPENERS: dict[bytes, Callable[..., Any]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\x00": lzma.open,
        b"]\x00\x00": lzma.open,
    }

    def __init__(self, archive: str, path: str, file: IO[bytes] | None = None) -> None:
        super().__init__(archive, path)
        if file is None and os.path.exists(path) and not os.path.isfile(path):
            raise EmotionTalkError(f"{path} is not a regular file: a FIFO or a device cannot be read by position.")
        try:
            self.file: Any = file or open(path, "rb")
        except OSError as error:
            if os.path.islink(path) and not os.path.exists(path):
                raise MissingArchiveError(f"{path} is a link to nothing. Download its file, or remove it.") from None
            raise unreadable(path, error) from None
        self.file.seek(0)
        start = self.file.read(64)
        opener = self.opener(start)
        if opener:
            self.file = self._decompressed(opener)
        self.fd = self.file.fileno() if hasattr(self.file, "fileno") else None
        if start.startswith(GIT_LFS):
            raise self._damaged("this is a Git LFS pointer, not the file: run `git lfs pull`.")

    @classmethod
    def opener(cls, start: bytes) -> Callable[..., Any] | None:
        """Return the function that opens a file compressed as its first bytes say, or None for a plain one."""
        return next((opener for magic, opener in cls.OPENERS.items() if start.startswith(magic)), None)

    @classmethod
    def could_begin(cls, start: bytes) -> bool:
        """Whether a tar, plain or compressed, can begin with these bytes, a block at least."""
        return parse_header(start[:BLOCK], magic=False) is not None or cls.opener(start) is not None

    def _decompressed(self, opener: Callable[..., Any]) -> IO[bytes]:
        """Write the plain tar to an unnamed temporary file, so that it can be read by position like any other."""
        plain = tempfile.TemporaryFile()
        self.file.seek(0)
        try:
            with opener(self.file, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
            plain.flush()
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise_if_full(error, self.path)
            raise self._damaged(f"cannot be decompressed, truncated or corrupt ({error}).") from None
        return plain

    def members(self) -> Iterator[Member]:
        """Yield every regular file as a `Member`, in order. Raises `EmotionTalkError` unless it runs to an end mark."""
        # `tarfile`'s own loop ends quietly at the first zeros, and at the first header it cannot read
        end = self.file.seek(0, os.SEEK_END)
        position: int | None = 0
        last, extended = "its beginning", cast("dict[str, Any]", {})
        while position is not None:
            self.file.seek(position)
            block = self.file.read(BLOCK)
            header = parse_header(block, magic=False)
            if header is None and position and block == bytes(BLOCK) and not extended:
                position = self._after_zeros(position, last)
                continue
            if header is None:
                what = "truncated" if position + BLOCK > end else f"corrupt at byte {position:,}"
                raise self._damaged(f"{what} after {brief(last)}." if position else "cannot be read as a tar archive.")
            name, size, kind = header
            start = position + BLOCK
            if kind in "xgXLK":  # about the next member, and small
                if start + size > end or size > EXTENDED_BYTES:
                    what = f"an extended header of {size:,} bytes."
                    raise self._damaged(f"corrupt at byte {position:,} after {brief(last)}: {what}")
                extended.update(parse_extended(kind, self.file.read(size)))
                position = start + padded(size)
                continue
            name, size = extended.get("path", name), extended.get("size", size) if kind == "0" else size
            start += self._sparse_map(block, end) if kind == "S" else 0
            regular = self._is_regular(name, kind, "sparse" in extended)
            if start + size > end:
                raise self._damaged(f"truncated within {brief(name)}: the file ends at byte {end:,}.")
            if regular:
                yield Member(self, name, start, size)
            position, last, extended = start + padded(size), name, {}

    def _sparse_map(self, block: bytes, end: int) -> int:
        """Return the bytes of the further blocks that the map of a sparse file takes."""
        size, more = 0, bool(block[482])
        while more and self.file.tell() < end:
            more = self.file.read(BLOCK)[504:505] not in (b"", b"\0")
            size += BLOCK
        return size

    def _damaged(self, what: str) -> DamagedArchiveError:
        return damaged_archive_error(self.archive, self.path, what)

    def _is_regular(self, name: str, kind: str, sparse: bool) -> bool:
        """Whether this is a regular file. Raises `EmotionTalkError` where a member of the release is none."""
        regular = kind == "0" and not name.endswith("/")
        if (sparse or not regular) and match_member(name.rstrip("/")):
            what = (
                "a sparse file"
                if sparse or kind == "S"
                else MEMBER_TYPES.get(kind, "something that is not a regular file")
            )
            raise EmotionTalkError(
                f"{self.path}: {brief(name.rstrip('/'))} is stored as {what}. Pack the files themselves: "
                "`tar --dereference --hard-dereference`, without `--sparse`."
            )
        return regular

    def _after_zeros(self, position: int, last: str) -> int | None:
        """Return where members continue after a block of zeros, or None where nothing but zeros follows."""
        zeros, start = bytes(BLOCK), position
        while block := self.file.read(BLOCK):
            position += BLOCK
            if block != zeros[: len(block)]:
                where = f"at byte {start:,}"
                if parse_header(block, magic=False) is None:
                    raise self._damaged(
                        f"corrupt {where} after {brief(last)}: zeros, then something that is not a member."
                    )
                what = f"members go on after an end mark {where} (concatenated tars?): they are read, too."
                warn_once(f"{self.path}: {what}")
                return position
        return None

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        if not read_at(cast(int, self.fd), member.offset, view):
            raise self._damaged(f"truncated within {member.name}: it became shorter while it was read.")


# === emotiontalk/archives/headers.py ==================================================================================
# Headers of a sorted tar: which member of the release each is of, in the order in which members stand.

class Kind(enum.IntEnum):
    """The parts of an archive, in their order."""

    ANNOTATION = 0
    MEDIA = 1
    END = 2


class Key(NamedTuple):
    """What members are sorted by. With an empty id: where a group begins."""

    kind: Kind
    group: str = ""
    id: str = ""

    def __str__(self) -> str:
        return self.id or self.group or "the end"


END = Key(Kind.END)


class FoundHeader(NamedTuple):
    """A header that was read: no other member of the release has one from byte `searched_from` to `start`."""

    key: Key
    searched_from: int
    start: int
    end: int  # of the payload: where the next header is


def key_of(header: Header | None) -> Key | None:
    """Return the key of a tar header; None for what is not a part of the release."""
    match = match_member(header.name) if header and header.kind == "0" else None
    if match is None:
        return None
    kind = Kind.ANNOTATION if match["suffix"].lower() == "json" else Kind.MEDIA
    return Key(kind, match["group"].upper(), match["id"].upper())


def scan(data: bytes, start: int) -> Iterator[FoundHeader]:
    """Yield each header of a member of the release in some bytes of an archive, which begin at `start`."""
    searched_from, at = start, 0
    while at + BLOCK <= len(data):
        header = parse_header(data[at : at + BLOCK])
        key, end = key_of(header), at + BLOCK + (padded(header.size) if header else 0)
        if key:
            yield FoundHeader(key, searched_from, start + at, start + end)
            searched_from = start + end
        at = end


# === emotiontalk/archives/local.py ====================================================================================
# An archive on disk: where it is in a folder, packed or unpacked, and its members indexed by group.

Members = Iterator[tuple[str, Member]]  # with their ids
Fingerprint = tuple[tuple[Any, ...], ...]  # see `fingerprint_of`
END_BYTES = 64 << 10  # read at both ends of a tar

TAR_NAME = re.compile(r".+\.(tar(\.(gz|bz2|xz|lzma))?|tgz|tbz2?|txz)", re.IGNORECASE)
UNFINISHED = re.compile(r"(.+?\.tar.*?)\.(part|partial|incomplete|crdownload|download|zst|zstd|lz4|7z|rar)", re.I)


def walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder, its files) below a path, sorted, without hidden ones; each folder once, links are followed."""

    def refuse(error: OSError) -> None:
        raise unreadable(error.filename, error) from None

    entered = set()
    for folder, subfolders, files in os.walk(path, followlinks=True, onerror=refuse):
        there = os.stat(folder)
        if (there.st_dev, there.st_ino) in entered:
            subfolders[:] = []
            continue
        entered.add((there.st_dev, there.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for odd in filter(match_member, subfolders):
            raise EmotionTalkError(f"{os.path.join(folder, odd)} is a folder, where a file of that name belongs.")
        yield folder, sorted(name for name in files if not name.startswith("."))


class UnpackedTar(Source):
    """An unpacked archive: a local folder of files."""

    def members(self) -> Iterator[Member]:
        """Yield every regular file below the folder as a `Member`, in sorted order."""
        for folder, files in walk(self.path):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    yield Member(self, os.path.relpath(path, self.path), 0, os.stat(path).st_size)
                elif match_member(name):
                    what = "a link to nothing" if os.path.islink(path) else "not a regular file"
                    raise EmotionTalkError(f"{path} is {what}. Compare the folder with the release.")

    def read_into(self, member: Member, view: memoryview) -> None:
        """See `Source`."""
        path = os.path.join(self.path, member.name)
        try:
            with open(path, "rb") as file:
                enough = read_at(file.fileno(), member.offset, view)
        except OSError as error:
            raise unreadable(member, error) from None
        if not enough:
            raise damaged_archive_error(self.archive, path, "it became shorter while it was read.")


class LocalArchive:
    """One archive of the release, its members indexed by group.

    Args:
        name: "Audio", …
        parts: the tars or folders that it consists of.

    Raises:
        EmotionTalkError: a part is damaged, or an id is a duplicate.
    """

    indexed = True  # all members are known

    def __init__(self, name: str, parts: Iterable[Tar | UnpackedTar]) -> None:
        self.name = name
        self.groups: dict[str, dict[str, dict[str, Member]]] = {}  # group -> suffix -> id -> Member, ids sorted
        for part in parts:
            for member in part.members():
                self._add(member)
        for group in self.groups.values():
            for suffix, members in group.items():
                group[suffix] = dict(sorted(members.items()))

    def _add(self, member: Member) -> None:
        match = match_member(member.name)
        if not match:
            return
        uid, group = match["id"].upper(), match["group"].upper()
        if group not in GROUPS:
            what = f"{match['group']} is not a group of EmotionTalk ({min(GROUPS)}…{max(GROUPS)}). Rename or remove it."
            raise EmotionTalkError(f"{member}: {what}")
        known = self.groups.setdefault(group, {}).setdefault(match["suffix"].lower(), {})
        first = known.setdefault(uid, member)
        if first is not member:
            raise EmotionTalkError(
                f"duplicate id {match['id']} in {self.name}: {first} and {member}. Keep one of them."
            )

    def annotation_files(self, group: str) -> dict[str, Member]:
        """Return the annotation files of a group by id, sorted."""
        return self.groups.get(group, {}).get("json", {})

    def media(
        self, group: str, suffix: str, first: str = "", after: str = "~", skip_media: Container[str] = ()
    ) -> Members:
        """Yield (id, audio ("wav") or video ("mp4")) of a group, from the id `first` on, before the id `after`.

        skip_media: ids whose media are not read; on disk that makes no difference.
        """
        for uid, member in self.groups.get(group, {}).get(suffix, {}).items():
            if first <= uid < after:
                yield uid, member

    def members(self) -> Iterator[Member]:
        """Yield the members of the release, in the order in which they stand in an archive of one part."""
        members = (member for kinds in self.groups.values() for ids in kinds.values() for member in ids.values())
        yield from sorted(members, key=lambda member: member.offset)


def facts_of(path: str) -> tuple[int, int]:
    """Return (bytes, time of the last change of content in ns) of a file.

    Not its inode or the time of change of its inode: `chmod` and hard links change the one, mounts of FUSE both.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    return facts.st_size, facts.st_mtime_ns


def _ends_of(path: str, size: int) -> bytes:
    """Return the SHA-256 of the first and the last bytes of a file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            digest.update(file.read(END_BYTES))
            file.seek(max(0, size - END_BYTES))
            digest.update(file.read(END_BYTES))
    except OSError as error:
        raise unreadable(path, error) from None
    return digest.digest()


def fingerprint_of(paths: Iterable[str]) -> Fingerprint:
    """Return what tells one content of local paths from another without reading it. Raises `EmotionTalkError`.

    Of each path its name, its number of files, their bytes, and a digest of the name, size and time of change of each;
    of a tar its first and last 64 KiB are a part of the digest.
    """
    fingerprints = []
    for path in paths:
        digest, size, files = hashlib.sha256(), 0, [path]
        unpacked = os.path.isdir(path)
        if unpacked:
            files = [os.path.join(folder, name) for folder, names in walk(path) for name in names]
        for file in filter(os.path.exists, files):
            facts = facts_of(file)
            size += facts[0]
            digest.update(repr((os.path.relpath(file, path), *facts)).encode("utf-8", "surrogateescape"))
            if not unpacked and os.path.isfile(file):
                digest.update(_ends_of(file, facts[0]))
        fingerprints.append((path, len(files), size, digest.hexdigest()))
    return tuple(fingerprints)


def find_archive(name: str, data_dir: str) -> tuple[str, ...]:
    """Return the paths of an archive below a local folder: tars, or the folder that it was unpacked to.

    `Audio.tar`, `Audio/*.tar` or `Audio/…` unpacked, in the folder or its `data/`, in any case; tars are preferred.

    Raises:
        MissingArchiveError: there is none.
    """
    data_dir = os.path.abspath(os.path.expanduser(data_dir))
    if os.path.isfile(data_dir):
        raise MissingArchiveError(f"{data_dir} is a file: pass data_dir= with its folder, {os.path.dirname(data_dir)}.")
    if not os.path.isdir(data_dir):
        raise MissingArchiveError(
            f"{name}.tar: there is no folder {data_dir}. Pass data_dir= with the archives' folder."
        )
    unfinished: list[str] = []
    for root in filter(os.path.isdir, [data_dir, os.path.join(data_dir, "data")]):
        try:
            entries = [e for e in sorted(os.listdir(root)) if e.split(".")[0].lower() == name.lower()]
        except OSError as error:
            raise unreadable(root, error) from None
        paths = [os.path.join(root, entry) for entry in entries]
        files = [path for path in paths if not os.path.isdir(path)]
        folders = [path for path in paths if os.path.isdir(path) and os.path.basename(path).lower() == name.lower()]
        if not any(TAR_NAME.fullmatch(path) for path in files):
            files += [os.path.join(below, f) for folder in folders for below, names in walk(folder) for f in names]
        tars = [path for path in files if TAR_NAME.fullmatch(path)]
        unfinished += [match[0] for match in map(UNFINISHED.fullmatch, files) if match and match[1] not in tars]
        if unfinished and (tars or folders):
            break
        if tars or folders:
            return tuple(tars or folders)
    if unfinished:
        raise MissingArchiveError(
            f"{', '.join(unfinished[:3])}: a part of {name}.tar that is not whole yet, or is packed in a way that "
            "Python does not read. Finish the download, or unpack it."
        )
    raise MissingArchiveError(
        f"{name}.tar is not in {data_dir}: looked there and in its data/ for {name}.tar, {name}/*.tar and an "
        f"unpacked {name}/. Accept the terms at {HOMEPAGE}, then run `hf download {REPO_ID} "
        f"{name}.tar --repo-type dataset --revision {REVISION} --local-dir {data_dir}`."
    )


def merged(ids: list[str], media: Iterable[tuple[str, Member]]) -> Iterator[tuple[str, Member | None]]:
    """Yield (id, its media or None) for each of these ids and for each media file, sorted; either may be alone."""
    left = collections.deque(ids)
    for uid, medium in media:
        while left and left[0] < uid:
            yield left.popleft(), None
        if left and left[0] == uid:
            left.popleft()
        yield uid, medium
    for uid in left:
        yield uid, None


# === emotiontalk/archives/urls.py =====================================================================================
# URLs: which of them are remote or pinned, where a file of a hub is, and which token may be sent to whom.

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


# === emotiontalk/archives/read_ahead.py ===============================================================================
# Reading ahead: the bytes of a remote file in order, fetched in blocks by several connections.

class ByteRanges(Protocol):
    """A file that is read by ranges of bytes."""

    size: int

    def get_range(self, start: int, end: int) -> bytearray:
        """Read the bytes from `start` to `end`."""


class BlockStream:
    """The bytes of a file in order from `position` on, fetched in blocks ahead of the reader.

    One block at first, then more and larger ones; none beyond `end`, unless more is read or `extend` is called.

    Args:
        file: what is read.
        position: the first byte.
        end: what is fetched ahead ends here.
        block: bytes of the first block.
        in_flight: blocks that are fetched at once in the beginning.
    """

    # Chosen by measurement (benchmarks/README.md).
    IN_FLIGHT = 10  # blocks that are fetched at once, at most
    BLOCK_BYTES = 4 << 20  # of a block, at most
    SLOW = 5.0  # seconds: blocks that take longer do not grow

    def __init__(self, file: ByteRanges, position: int, end: int, block: int = 1 << 18, in_flight: int = 1) -> None:
        self.file, self.position = file, position
        self._end, self._requested = min(end, file.size), position
        self._block, self._in_flight = max(BLOCK, block), in_flight
        # of a small file smaller blocks: little is lost where a process is stopped
        self._largest = min(self.BLOCK_BYTES, max(1 << 19, file.size >> 9))
        self._blocks: collections.deque[multiprocessing.pool.AsyncResult[tuple[bytearray, float]]] = collections.deque()
        self._rest, self._generation = memoryview(b""), 0

    def extend(self, size: int) -> None:
        """Fetch ahead to at least so many bytes from the present position."""
        self._end = max(self._end, min(self.file.size, self.position + size))

    def read(self, size: int) -> bytes:
        """Read the next `size` bytes, fewer where the file ends. Raises `EmotionTalkError`."""
        if self.position + size > self._end:
            self.extend(max(size, 1 << 16))
        parts, size = [], max(0, min(size, self._end - self.position))
        while size:
            if not self._rest:
                self._rest = memoryview(self._next())
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            self.position += len(parts[-1])
            size -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def skip(self, size: int) -> None:
        """Skip bytes; what was not requested yet is not fetched."""
        if self.position + size <= self._requested:
            self.read(size)
        else:
            self.close()
            self.position = self._requested = self.position + size

    def close(self) -> None:
        """Fetch nothing more of what was requested."""
        self._generation += 1
        self._blocks.clear()
        self._rest = memoryview(b"")

    def _next(self) -> bytearray:
        self._request()
        block, seconds = self._blocks.popleft().get()
        if seconds < self.SLOW:
            if self._in_flight > 1:
                self._request()  # while the reader works on this one
            self._in_flight = min(2 * self._in_flight, self.IN_FLIGHT)
            self._block = max(self._block, min(2 * self._block, self._largest))
        return block

    def _request(self) -> None:
        while len(self._blocks) < self._in_flight and self._requested < self._end:
            start, self._requested = self._requested, min(self._requested + self._block, self._end)
            self._blocks.append(fetching_threads().apply_async(self._fetch, (self._generation, start, self._requested)))

    def _fetch(self, generation: int, start: int, end: int) -> tuple[bytearray, float]:
        began = time.monotonic()
        data = self.file.get_range(start, end) if generation == self._generation else bytearray()
        return data, time.monotonic() - began


class DaemonThreads(multiprocessing.pool.ThreadPool):
    """Threads that a process does not wait for at its end: what blocks in a network must not keep it alive."""

    def __del__(self) -> None:  # the pool's own needs modules that an interpreter may have cleared as it ends
        pass


@functools.lru_cache(maxsize=2)  # a forked worker leaves that of its parent alone
def _threads_of(pid: int) -> DaemonThreads:
    return DaemonThreads(2 * BlockStream.IN_FLIGHT)


def fetching_threads() -> DaemonThreads:
    """Return the threads of this process in which blocks are fetched; a forked worker has none of its parent's."""
    return _threads_of(os.getpid())


# === emotiontalk/archives/http.py =====================================================================================
# A file behind HTTP, read by ranges of bytes: redirects, retries, rate limits, and whether it changes.

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


# === emotiontalk/archives/fsspec_file.py ==============================================================================
# A file behind any other scheme (`s3://`, `gs://`, …): read by fsspec, with the library that the user has for it.

def filesystem(url: str, token: str | bool | None = None) -> tuple[Any, str]:
    """Open the file system of a URL: (it, the path in it). Raises `EmotionTalkError` if its library is missing."""
    if url.startswith("hf://buckets/") and not hasattr(huggingface_hub.HfApi, "create_bucket"):
        fix = "this huggingface_hub reads no buckets: `pip install --upgrade huggingface_hub`."
        raise EmotionTalkError(f"{redacted(url)}: {fix}")
    thread = fsspec.asyn.iothread[0]
    if thread is not None and not thread.is_alive():  # a forked worker, in which older fsspec would wait for ever
        fsspec.asyn.reset_lock()
        fsspec.asyn.loop[0] = fsspec.asyn.iothread[0] = None
    failed: EmotionTalkError
    opened, options = _options(url, token)
    try:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(opened, **options))
    except (ImportError, ValueError) as error:
        fix = "Install what reads this scheme (for s3:// `pip install s3fs`)."
        failed = EmotionTalkError(f"{redacted(url)}: {brief(redacted(error, text=True))}. {fix}")
    except Exception as error:  # an outer link is opened at once, and each library has errors of its own
        failed = unopened(redacted(url), error)
    raise failed  # not within `except`: the library's error may quote a secret


def unopened(path: str, error: Exception) -> EmotionTalkError:
    """Make the error for what a library of fsspec cannot read."""
    if isinstance(error, FileNotFoundError):
        return MissingArchiveError(f"{path}: no such file. Check the URL.")
    what = "no access" if isinstance(error, PermissionError) else "cannot be read"
    why = f"{type(error).__name__}: {innermost_reason(error)}"
    return NoConnectionError(f"{path}: {what} ({why}). Check the URL and its library's settings.")


def _options(url: str, token: str | bool | None) -> tuple[str, dict[str, Any]]:
    """Return what fsspec gets: (the URL, options). A password of HTTP in a chain is sent as a header, as elsewhere."""
    if url.startswith("hf://"):
        return url, {"token": token, "endpoint": checked_endpoint()}
    links, options = CHAINED.split(url), {}
    for n, link in enumerate(links):
        links[n], authorization = split_credentials(link)
        if authorization:
            scheme = link.partition("://")[0]
            options[scheme] = {"client_kwargs": {"headers": {"Authorization": authorization}}}
    return "::".join(links), options


class FsspecFile(RemoteFile):
    """As `RemoteFile`, by fsspec."""

    TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")

    def head(self) -> bytes:
        """See `RemoteFile`."""
        if self._head is None:
            files, path = filesystem(self.url, self.token)
            info = self._call(files.info, path)
            if info.get("type") == "directory" or not isinstance(info.get("size"), int):
                raise MissingArchiveError(f"{self.path} is not a file, or its size is unknown.")
            self.size, self.ranged = info["size"], True
            tag = next((info[key] for key in self.TAGS if info.get(key)), None)
            self.tag = None if tag is None else brief(tag)
            self._head = bytes(self.get_range(0, HEAD_BYTES))
        return self._head

    def _body(self, start: int, end: int) -> Iterator[bytes]:
        files, path = filesystem(self.url, self.token)
        wanted = min(end, self.size) - start
        data = self._call(files.cat_file, path, start=start, end=start + wanted)
        if len(data) > wanted:
            raise self.error(f"its library gives {len(data):,} bytes, where {wanted:,} were requested. Upgrade it.")
        if not data:
            raise self.error("this is another file than before: it has become shorter. Run again.")
        yield data

    def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        failed: EmotionTalkError
        try:
            return function(*arguments, **options)
        except FileNotFoundError:
            failed = self.missing("no such file")
        except Exception as error:  # each library has errors of its own
            failed = unopened(self.path, error)
        raise failed  # not within `except`: the library's error may quote a secret


# === emotiontalk/archives/search.py ===================================================================================
# Finding a member in a sorted tar behind a URL: interpolation between the headers that were read.

NEAR = 24  # members: from a known header this near, lengths are added; from farther ones, interpolated
MARGIN = 2_000  # bytes a member between: so much too early costs less than a header too late
MOST = 64  # places that are read at most; most often, four are enough
BISECT_AFTER = 8  # places that may be interpolated, before every other one is the middle


def expected_length(seconds: float) -> int:
    """Return the bytes that a clip of the usual format takes in a tar."""
    return BLOCK + padded(44 + round(seconds * RELEASED_RATE) * 2 * RELEASED_CHANNELS)


class Search:
    """The headers of a sorted tar that were read, and where they let the others be expected. Reads nothing itself.

    Args:
        size: bytes of the archive.

    Attributes:
        found: the headers, sorted.
        annotation_bytes: mean bytes of an annotation with its header.
    """

    def __init__(self, size: int) -> None:
        self.size, self.annotation_bytes = size, 2_000.0
        self.found: list[FoundHeader] = []
        self._lengths: dict[str, tuple[list[str], list[int]]] = {}  # group -> ids, expected bytes before each clip

    @property
    def mean_clip(self) -> int:
        """Mean bytes of a clip, if nothing but annotations and clips is there."""
        return max(BLOCK, int(self.size / TOTAL - self.annotation_bytes))

    def learn_lengths(self, group: str, ids: list[str], seconds: Iterable[float | None]) -> None:
        """Expect the clips of a group, sorted, to be so long; None: unknown."""
        lengths = (self.mean_clip if length is None else expected_length(length) for length in seconds)
        self._lengths[group] = ids, list(itertools.accumulate(lengths, initial=0))

    def expected_ends(self, group: str) -> list[int]:
        """Return the expected bytes before each clip of a group, and of all of them."""
        return self._lengths[group][1]

    def add(self, header: FoundHeader) -> None:
        """Remember a header. Raises `NotSortedError` where it contradicts another."""
        if header.key == END and self.found and self.found[-1].key == END:  # so far; it may be still earlier
            header = min(header, self.found.pop())
        at = bisect.bisect_left(self.found, (header.key,))
        before, after = self.found[max(0, at - 1) : at], self.found[at : at + 1]
        if after and after[0].key == header.key and after[0].start == header.start:
            self.found[at] = min(header, after[0])
            return
        around = [*before, header, *after]
        if any(one.key >= next_one.key or one.end > next_one.start for one, next_one in zip(around, around[1:])):
            raise NotSortedError(f"its members are not sorted ({' before '.join(str(h.key) for h in around)})")
        self.found.insert(at, header)

    def bounds(self, key: Key) -> tuple[FoundHeader, FoundHeader]:
        """Return (the last known header before a key, the first one that is not before it)."""
        at = bisect.bisect_left(self.found, (key,))
        begin, end = FoundHeader(Key(Kind.ANNOTATION), 0, 0, 0), FoundHeader(END, self.size, self.size, self.size)
        return (self.found[at - 1] if at else begin), (self.found[at] if at < len(self.found) else end)

    def find(self, key: Key, slack: int, read_header: Callable[[int], FoundHeader]) -> int:
        """Find where a member begins, or the first header at most `slack` bytes before it.

        Args:
            key: of the member, or of the beginning of a group.
            slack: so much too early is near enough.
            read_header: reads the first header of a member of the release at a byte or after it.

        Raises:
            NotSortedError: it is not where it can be.
        """
        outward, side, step = 0, 0, max(slack, self.mean_clip if key.kind == Kind.MEDIA else 0)
        for attempt in range(MOST):
            before, after = self.bounds(key)
            if after.key == key:
                return after.start
            low, high = before.end, after.searched_from
            if high - low <= slack:
                return low
            place = int(self._expected(key, before, after)) - slack // 2
            place += side * step * ((1 << outward) - 1)  # always on the same side of it: ever farther
            if attempt >= BISECT_AFTER and attempt % 2:
                place = (low + high) // 2
            header = read_header(min(max(place, low), max(low, high - BLOCK)) // BLOCK * BLOCK)
            self.add(header)
            now = 1 if header.key < key else -1
            outward, side = (outward + 1 if now == side else 0), now
        raise NotSortedError(f"{key} is not where it should be")

    def _expected(self, key: Key, before: FoundHeader, after: FoundHeader) -> float:
        """Return where a member is expected between two headers: by lengths from a near one, else in proportion."""
        number, below, above = (self._number(header) for header in (key, before.key, after.key))
        if number is not None:
            ends = self._lengths[key.group][1]
            to_below = number - below if below is not None and before.key.group == key.group else TOTAL
            to_above = above - number if above is not None and after.key.group == key.group else TOTAL
            if to_below <= min(to_above, NEAR):
                return before.end + ends[number] - ends[number - to_below + 1] - MARGIN * (to_below - 1)
            if to_above <= NEAR:
                return after.start - (ends[number + to_above] - ends[number]) - MARGIN * to_above
        low, high = self._coordinate(before.key), self._coordinate(after.key)
        share = (self._coordinate(key) - low) / max(1.0, high - low)
        return before.start + min(max(share, 0.0), 1.0) * (after.start - before.start)

    def _number(self, key: Key) -> int | None:
        """Return the number of a clip in its group, where its ids are known."""
        ids = self._lengths[key.group][0] if key.kind == Kind.MEDIA and key.group in self._lengths else []
        at = bisect.bisect_left(ids, key.id)
        return at if ids[at : at + 1] == [key.id] else None

    def _coordinate(self, key: Key) -> float:
        """Return how many bytes are expected before a member: what is interpolated along."""
        if key.kind == Kind.END:
            return float(self.size)
        before, count = sum(n for group, n in GROUPS.items() if group < key.group), GROUPS.get(key.group, 0)
        number = self._number(key)
        if number is not None:
            ends = self._lengths[key.group][1]
            within = ends[number] / ends[-1]
        else:
            within = min(1.0, (int(key.id[7:9]) - 1) / DIALOGUES_OF_GROUPS.get(key.group, 1)) if key.id else 0.0
        rank = before + within * count
        annotations = TOTAL * self.annotation_bytes
        return annotations + rank * self.mean_clip if key.kind == Kind.MEDIA else rank * self.annotation_bytes


# === emotiontalk/archives/index.py ====================================================================================
# The index of an archive: where each member is, so that nothing need be searched for.

LONGEST = 0xFFFF * BLOCK  # bytes of a member in its archive
LONGEST_GAP = 1 << 14  # bytes of folders before the first member of a run
SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "assets", "index")


class Index:
    """What is known of where the members of an archive are.

    Args:
        size: bytes of the archive.

    Attributes:
        runs: kind and group -> where each member of the run begins, with the folders before it, and the last one ends.
        headers: single headers, of runs that are not known whole.
        sha256: of the archive, where that was read.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.runs: dict[tuple[Kind, str], list[int]] = {}
        self.headers: list[FoundHeader] = []
        self.sha256: str | None = None

    def add(self, kind: Kind, group: str, bounds: list[int]) -> None:
        """Remember a run; what cannot be one is ignored."""
        lengths = np.diff(bounds)
        possible = ((lengths > 0) & (lengths <= LONGEST) & (lengths % BLOCK == 0)).all()
        if possible and len(lengths) == GROUPS.get(group) and bounds[0] >= 0 and bounds[-1] <= self.size:
            self.runs[kind, group] = bounds

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it: about 45 kB for all of Audio.tar."""
        runs = []
        for (kind, group), bounds in sorted(self.runs.items()):
            packed = zlib.compress((np.diff(bounds) // BLOCK).astype("<u2").tobytes(), 9)
            runs.append([int(kind), group, bounds[0], base64.b85encode(packed).decode()])
        return {"size": self.size, "sha256": self.sha256, "runs": runs, "headers": self.headers}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Index:
        """Make one from `to_json`. Raises `ValueError`, `TypeError`, `KeyError` or `zlib.error` for anything else."""
        index = cls(int(stored["size"]))
        index.sha256 = stored["sha256"]
        for kind, group, start, packed in stored["runs"]:
            blocks = np.frombuffer(zlib.decompress(base64.b85decode(packed)), "<u2").astype(np.int64)
            index.add(Kind(kind), group, [int(start), *(int(start) + BLOCK * blocks.cumsum()).tolist()])
        for (kind, *names), *places in stored["headers"]:
            index.headers.append(FoundHeader(Key(Kind(kind), *map(str, names)), *map(int, places)))
        return index

    @classmethod
    def of_members(cls, size: int, members: Iterable[Member]) -> Index:
        """Make the index of an archive of one part from its members in order; without runs if they are not sorted."""
        index, runs, end = cls(size), dict[tuple[Kind, str], list[int]](), 0
        last = Key(Kind.ANNOTATION)
        for member in members:
            key, header = key_of(Header(member.name, member.size, "0")), member.offset - BLOCK
            begin, end = (end if header - end <= LONGEST_GAP else header), member.offset + padded(member.size)
            if key is None:
                continue
            if key <= last:
                return cls(size)
            runs.setdefault(key[:2], [begin]).append(end)
            last = key
        for (kind, group), bounds in runs.items():
            index.add(kind, group, bounds)
        return index


def index_file(archive: str, size: int, head: bytes) -> str:
    """Return what the index file of an archive is called; head: its first bytes."""
    return f"{archive}-{size}-{hashlib.sha256(head[:HEAD_BYTES]).hexdigest()[:16]}.json"


def load_index(path: Path) -> Index | None:
    """Read an index file; None where it is not there, or cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, zlib.error):
        with open(path, encoding="utf-8") as file:
            return Index.from_json(json.load(file))
    return None


def save_index(index: Index, path: Path) -> None:
    """Write an index file. Raises `OSError`."""
    with writing(path) as file:
        file.write(json.dumps(index.to_json()).encode())


# === emotiontalk/archives/remote.py ===================================================================================
# An archive behind a URL, of which only the groups that are read are fetched: by its index, or found by a search.

SMALL_ARCHIVE = 8 << 20  # a smaller archive is fetched whole: cheaper than looking for a group in it
FIRST_BYTES = 16 << 10  # read where a header is expected
MORE_BYTES = 1 << 19  # of one request for more, at most
LONGEST_MEMBER = 32 << 20  # no clip is longer: 30 s of audio are 5 MB
GROUP_SLACK = 1 << 17  # reading a group's annotations may begin so many bytes too early: cheaper than another request


class MemberReader:
    """The members of the release in a plain tar, one after the other, from a stream that stands at a header."""

    def __init__(self, file: RemoteFile, stream: BlockStream) -> None:
        self.file, self.stream, self.process = file, stream, os.getpid()
        self._next: tuple[FoundHeader, str, int] | None = None

    def peek(self) -> tuple[FoundHeader, str, int]:
        """Return (header, name, size) of the next member; at the end of the archive the header has the key `END`."""
        while self._next is None:
            start = self.stream.position
            header = parse_header(self.stream.read(BLOCK), magic=False)
            if header is None:
                return FoundHeader(END, start, start, start), str(END), 0
            key, end = key_of(header), start + BLOCK + padded(header.size)
            if key:
                self._next = FoundHeader(key, start, start, end), header.name, header.size
            else:
                self.stream.skip(padded(header.size))
        return self._next

    def take(self) -> bytes:
        """Read the next member. Raises `EmotionTalkError`."""
        _, name, size = self.peek()
        data, self._next = self.stream.read(padded(size)), None
        if len(data) < size:
            what = f"truncated within {brief(name)}: it ends at byte {self.stream.position:,}."
            raise damaged_archive_error(self.file.archive, self.file.path, what)
        return data[:size]


class GroupAnnotations(NamedTuple):
    """The annotation files of a group, sorted by id."""

    ids: tuple[str, ...]
    names: tuple[str, ...]  # of the members
    ends: tuple[int, ...]  # where each file ends in all their bytes
    packed: bytes  # all their bytes, compressed

    def members(self, source: RemoteFile) -> dict[str, Member]:
        """Unpack them, by id."""
        data = InMemory(source.archive, source.path, zlib.decompress(self.packed))
        bounds = zip(self.ids, self.names, (0, *self.ends), self.ends)
        return {uid: Member(data, name, begin, end - begin) for uid, name, begin, end in bounds}


class RemoteArchive:
    """An archive behind a URL, as `LocalArchive`; of a plain and sorted one only the requested groups are read.

    Args:
        name: "Audio", …
        file: the archive.
        folder: where indexes are cached.
        download: downloads the archive where that is needed, and opens it.
    """

    def __init__(self, name: str, file: RemoteFile, folder: str, download: Callable[[], LocalArchive]) -> None:
        self.name, self.file, self._download = name, file, download
        self._groups: dict[str, GroupAnnotations] = {}
        self._unpacked: tuple[str, dict[str, Member]] = ("", {})  # of the group that was requested last
        self._ends: dict[str, dict[int, tuple[int, int]]] = {}  # group -> number -> where a clip begins and ends
        self._reader: MemberReader | None = None  # where the last run of clips ended
        self._read_before = False  # whether clips were read: another run probably follows
        self._whole: LocalArchive | None = None  # all of it, once it had to be fetched
        head = file.head()
        first = next(scan(head, 0), None)
        if file.size <= SMALL_ARCHIVE:
            self._whole = self._fetched()
        elif not file.ranged:
            self._read_whole("the server does not serve ranges")
        elif Tar.opener(head):
            self._read_whole("it is compressed")
        elif first and first.key.kind == Kind.MEDIA:
            self._read_whole("its annotations do not come first")
        else:
            index_name = index_file(name, file.size, head)
            self._index_path = os.path.join(folder, index_name)
            stored = load_index(self._index_path) or load_index(os.path.join(SHIPPED, index_name))
            self._is_stored, self._index = stored is not None, stored or Index(file.size)
            self._search = self._new_search()

    def _new_search(self) -> Search:
        """Return a search that knows what the index says, and the mean length of the annotations in the head."""
        search, first = Search(self.file.size), list(scan(self.file.head(), 0))
        if first:
            search.annotation_bytes = first[-1].end / len(first)
        with contextlib.suppress(NotSortedError):
            for header in self._index.headers:
                search.add(header)
        return search

    @property
    def groups(self) -> Iterable[str]:
        """The groups of the archive; those of the release as long as nothing says otherwise."""
        return self._whole.groups if self._whole else GROUPS

    @property
    def indexed(self) -> bool:
        """Whether all members are known, as in a `LocalArchive`."""
        return self._whole is not None

    def annotation_files(self, group: str) -> dict[str, Member]:
        """Return the annotation files of a group by id, sorted. Raises `EmotionTalkError`."""
        while self._whole is None:
            try:
                if self._unpacked[0] != group:
                    self._unpacked = group, self._annotations(group).members(self.file)
                return self._unpacked[1]
            except NotSortedError as error:
                self._give_up(error)
        return self._whole.annotation_files(group)

    def media(
        self, group: str, suffix: str, first: str = "", after: str = "~", skip_media: Container[str] = ()
    ) -> Members:
        """As `LocalArchive.media`. Those of `skip_media` that come first are not fetched: reading them is an error."""
        done = set()
        while self._whole is None:
            try:
                ids = [uid for uid in self._annotations(group).ids if first <= uid < after and uid not in done]
                while ids and ids[0] in skip_media:
                    done.add(ids[0])
                    yield ids[0], Member(NotFetched(self.name, self.file.path), f"{ids[0]}.{suffix}", 0, 0)
                    del ids[0]
                for uid, member in self._clips(group, suffix, ids) if ids else ():
                    done.add(uid)
                    yield uid, member
                return
            except NotSortedError as error:
                self._give_up(error)
        for uid, member in self._whole.media(group, suffix, first, after):
            if uid not in done:
                yield uid, member

    def _give_up(self, error: NotSortedError) -> None:
        """Drop the index, which may be wrong; where there was none, download the archive."""
        self._reader = None
        if not self._is_stored:
            self._read_whole(str(error))
            return
        logger.warning(
            f"{self.file.path}: {error}. Its index, which says otherwise, is dropped; members are looked for."
        )
        self._is_stored, self._index, self._groups, self._ends = False, Index(self.file.size), {}, {}
        self._search = self._new_search()
        with contextlib.suppress(OSError):
            os.remove(self._index_path)

    def _read_whole(self, reason: str) -> None:
        logger.warning(
            f"{self.file.path}: {reason}, so single groups cannot be read: fetching all of it, {self.file.size:,} "
            "bytes, to the cache."
        )
        self._whole = self._download()

    def _fetched(self) -> LocalArchive:
        """Fetch the whole archive, to an unnamed temporary file."""
        file = tempfile.TemporaryFile()
        try:
            self.file.save(file)
        except OSError as error:
            raise_if_full(error, self.file.path)
            raise
        return LocalArchive(self.name, [Tar(self.name, self.file.path, file)])

    def _save_index(self) -> None:
        """Cache what is known for the next process, with what others have found meanwhile."""
        both, other = Index(self.file.size), load_index(self._index_path)
        both.runs = {**(other.runs if other else {}), **self._index.runs}
        both.headers = [header for header in self._search.found if header.key[:2] not in both.runs]
        with contextlib.suppress(OSError):
            save_index(both, self._index_path)

    def _first_header(self, offset: int) -> FoundHeader:
        """Read the header of the first member of the release at an offset or after it."""
        size, position, length = self.file.size, offset, FIRST_BYTES
        while position < min(size, offset + LONGEST_MEMBER):
            data = bytes(self.file.get_range(position, min(position + length, size)))
            for header in scan(data, position):
                return header._replace(searched_from=offset)
            position += max(BLOCK, len(data) // BLOCK * BLOCK)
            length = min(8 * length, MORE_BYTES)
        return FoundHeader(END, offset, max(offset, min(position, size)), size)  # the end, or the zip of videos

    def _annotations(self, group: str) -> GroupAnnotations:
        """Read the annotations of a group, once in a process. Raises `NotSortedError` unless they are one range."""
        if group in self._groups:
            return self._groups[group]
        count, key = GROUPS.get(group, 0), Key(Kind.ANNOTATION, group)
        run = self._index.runs.get((Kind.ANNOTATION, group))
        if run:
            begin, end = run[0], run[-1] + BLOCK
        else:
            begin = self._search.find(key, GROUP_SLACK, self._first_header)
            end = min(begin + int(1.01 * count * self._search.annotation_bytes) + FIRST_BYTES, self.file.size)
        stream = BlockStream(self.file, begin, end, max(1 << 19, (end - begin) // 2 + 1), in_flight=2)
        reader, headers, names, files, last_end = MemberReader(self.file, stream), list[FoundHeader](), [], [], begin
        with contextlib.closing(stream):
            while (found := reader.peek())[0].key < Key(Kind.ANNOTATION, group, "~"):
                header, data = found[0], reader.take()
                if header.key > key:
                    headers.append(header)
                    names.append(found[1])
                    files.append(data)
                elif headers:
                    raise NotSortedError(f"{header.key} comes between the annotations of {group}")
                else:
                    last_end = header.end
        ids = [header.key.id for header in headers]
        if ids != sorted(set(ids)) or len(ids) != count:
            duplicate = next((f"duplicate id {a}" for a, b in zip(ids, ids[1:]) if a == b), None)
            raise NotSortedError(duplicate or f"it has {len(ids)} annotations of {group} in a row, of {count}")
        ends = [header.end for header in headers]
        if run and ends != run[1:]:
            raise NotSortedError(f"the annotations of {group} are elsewhere")
        for header in (headers[0], headers[-1], found[0]):
            self._search.add(header)
        self._index.add(Kind.ANNOTATION, group, [last_end if run or last_end > begin else headers[0].start, *ends])
        self._search.annotation_bytes = (headers[-1].end - headers[0].start) / count
        self._search.learn_lengths(group, ids, map(clip_seconds, files))
        packed = zlib.compress(b"".join(files), 1)
        ends_of_files = tuple(itertools.accumulate(map(len, files)))
        self._groups[group] = GroupAnnotations(tuple(ids), tuple(names), ends_of_files, packed)
        if not run:
            self._save_index()
        return self._groups[group]

    def _clips(self, group: str, suffix: str, ids: list[str]) -> Members:
        """Yield (id, clip) of neighbours in a group. Raises `NotSortedError` unless these come, then the next one."""
        everyone, run = self._groups[group].ids, self._index.runs.get((Kind.MEDIA, group))
        begin, read = everyone.index(ids[0]), self._ends.setdefault(group, {})
        reader, continues = self._reader_at(group, begin, len(ids), run), False
        try:
            for number, uid in enumerate(ids, begin):
                header, name, size = reader.peek()
                if header.key != Key(Kind.MEDIA, group, uid) or not name.lower().endswith(suffix):
                    raise NotSortedError(f"{header.key} comes where the {suffix} of {uid} was expected")
                if run and header.end != run[number + 1]:
                    raise NotSortedError(f"{uid} has another size")
                if number == begin and not run:
                    self._search.add(header)
                    self._save_index()
                read[number] = header.start, header.end
                yield uid, Member(InMemory(self.name, self.file.path, reader.take()), name, 0, size)
            continues = self._ends_well(reader, group, everyone[begin + len(ids) : begin + len(ids) + 1], ids[-1])
            if begin == 0:
                self._check_first(Key(Kind.MEDIA, group), run[0] if run else read[0][0])
            if not run:
                if len(read) == len(everyone):
                    self._index.add(Kind.MEDIA, group, [read[0][0], *sorted(end for _, end in read.values())])
                self._save_index()
        finally:
            if continues:
                self._reader = reader
            else:
                reader.stream.close()

    def _ends_well(self, reader: MemberReader, group: str, expected: Sequence[str], last: str) -> bool:
        """Whether another clip of the group follows. Raises `NotSortedError` unless the expected one does.

        Args:
            reader: stands behind the clips that were read.
            group: that they are of.
            expected: the id of the next clip of the group, () behind the last one.
            last: the id of the last clip that was read.
        """
        header = reader.peek()[0]
        following = [header.key.id] if header.key[:2] == (Kind.MEDIA, group) else []
        if following != list(expected):
            raise NotSortedError(f"{header.key} comes after {last}")
        if expected:
            self._search.add(header)
        return bool(expected)

    def _reader_at(self, group: str, number: int, count: int, run: list[int] | None) -> MemberReader:
        """Return a reader that stands before a clip and reads ahead to the end of the run; the last one if it can.

        run: by the index, where each clip of the group begins and the last one ends.
        """
        key, before, self._reader = Key(Kind.MEDIA, group, self._groups[group].ids[number]), self._reader, None
        ends = run or self._search.expected_ends(group)
        length, left = ends[number + count] - ends[number], ends[-1] - ends[number]
        if before and before.process == os.getpid():
            if before.peek()[0].key == key:
                before.stream.extend(min(left, length + BlockStream.IN_FLIGHT * BlockStream.BLOCK_BYTES))
                return before
            before.stream.close()
        start = run[number] if run else self._search.find(key, 0, self._first_header)
        block, in_flight = ends[number + 1] - ends[number] + 2 * BLOCK, 1
        if self._read_before:
            block, in_flight = 1 << 20, BlockStream.IN_FLIGHT // 2
        self._read_before = True
        return MemberReader(self.file, BlockStream(self.file, start, start + length + 4 * BLOCK, block, in_flight))

    def _check_first(self, group: Key, start: int) -> None:
        """Raise `NotSortedError` if a clip of a group stands before the first one that has an annotation.

        Args:
            group: the key of its beginning.
            start: where that first clip begins, or the folders before it.
        """
        ends, low = [run[-1] for run in self._index.runs.values()], start
        if start in (*ends, self._search.bounds(group)[0].end):
            return
        while low > max(0, start - LONGEST_MEMBER):
            low = max(0, low - max(1 << 18, start - low)) // BLOCK * BLOCK
            before = list(scan(bytes(self.file.get_range(low, start)), low))
            if before and before[-1].key >= group:
                raise NotSortedError(f"{before[-1].key} has no annotation")
            if before:
                self._search.add(before[-1])
                return


# === emotiontalk/archives/remote_files.py =============================================================================
# The files of an archive behind a URL: where they are below it, and each opened once in a process.

@functools.lru_cache(maxsize=64)
def remote_file(name: str, url: str, token: str | bool | None) -> RemoteFile:
    """Open a file behind a URL, and read its head.

    Args:
        name: of the archive, "Audio", …
        url: of the file.
        token: of the Hub.

    Raises:
        DamagedArchiveError: an archive cannot begin with this head.
        EmotionTalkError: the file is missing, or cannot be read.
    """
    kind = RemoteFile if re.match("https?:|hf://datasets/", url) else FsspecFile
    file = kind(name, url, token)
    head = file.head()
    if not Tar.could_begin(head) and not head.startswith(GIT_LFS):
        what = f"it begins with {brief(head[:60].decode('utf-8', 'replace'))!r}" if head else "it is empty"
        what += " (a login page, or a proxy's?)" if b"<" in head[:60] else ""
        raise damaged_archive_error(name, file.path, f"cannot be read as a tar archive: {what}.")
    return file


@functools.lru_cache(maxsize=64)
def find_remote(name: str, source: str, token: str | bool | None) -> tuple[str, ...]:
    """Return the URLs of an archive below a URL; layouts as `find_archive`. Raises `MissingArchiveError`."""
    low, is_http = name.lower(), source.startswith(("http://", "https://"))
    guesses = [archive_url(name, source)]
    if is_http:  # no names can be listed
        folders = itertools.product(("", "data/"), ("", f"{low}/", f"{name}/"), (name, low))
        guesses = [below(source, f"{data}{folder}{file}.tar") for data, folder, file in folders]
    missing = None
    for url in guesses:
        try:
            remote_file(name, url, token)
            return (url,)
        except MissingArchiveError as error:
            missing = missing or error
    urls = () if is_http else _listed(name, source, token)
    if missing and not urls:
        raise missing
    return urls


def _listed(name: str, source: str, token: str | bool | None) -> tuple[str, ...]:
    """Return the URLs of the files that an archive can consist of, from a list of all; () where there is none."""
    files, root = filesystem(source, token)
    try:
        names = [path[len(root) :].strip("/") for path in files.find(root)]
    except Exception:  # each library has errors of its own
        return ()
    low = re.escape(name.lower())
    pattern = re.compile(rf"(data/)?({low}\.[^/]*|{low}/.*)", re.IGNORECASE)
    return tuple(sorted(below(source, path) for path in names if pattern.fullmatch(path) and TAR_NAME.fullmatch(path)))


# === emotiontalk/archives/downloads.py ================================================================================
# Archives that are downloaded whole: from the Hub by `huggingface_hub`, from elsewhere in blocks.

# Of each file of an archive behind a URL that can change, its `RemoteFile.fingerprint`; None: it cannot change.
UrlFingerprint = list[list[Any]]
LARGEST_CHECKED = 256 << 20  # bytes of a compressed download that is read before it is stored


def digest_of(about: object) -> str:
    """Return what a file about something is called: a digest of it, in 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def is_of_hub(url: str) -> bool:
    """Whether a URL is of a file in a dataset repository of the Hub."""
    return url.startswith("hf://datasets/")


def cached_file(url: str, tag: str | None = None) -> str | None:
    """Return where a file of the Hub is in the cache of `huggingface_hub`, or None.

    Args:
        url: of the file; of a branch only where `tag` says that it is the same, or offline.
        tag: its entity tag now.
    """
    if not is_of_hub(url):
        return None
    repo, revision, path = split_hf_url(url)
    cached = huggingface_hub.try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    if not isinstance(cached, str):
        return None
    is_same = tag is not None and os.path.basename(os.path.realpath(cached)) == tag.strip('"')
    return cached if is_same or re.fullmatch("[0-9a-f]{40}", revision) or is_offline() else None


@dataclasses.dataclass(frozen=True)
class Downloads:
    """Archives that are downloaded whole.

    Attributes:
        folder: where those are stored that are not of the Hub, each named by its URL and its fingerprint.
        force: whether they are downloaded again.
        check: whether the SHA-256 of the pinned ones is compared.
    """

    folder: str
    force: bool = False
    check: bool = False

    def path(self, url: str, fingerprint: list[Any]) -> str:
        """Return where a file that is not of the Hub is stored; fingerprint: see `RemoteFile.fingerprint`."""
        return os.path.join(self.folder, digest_of([without_secrets(http_url(url)), fingerprint]))

    def find(self, urls: tuple[str, ...], known: UrlFingerprint | None) -> tuple[str, ...]:
        """Return where the files of an archive are that were downloaded before; () where one was not."""
        paths = []
        for url, fingerprint in zip(urls, known or [[] for _ in urls]):
            if is_of_hub(url):
                path = cached_file(url, fingerprint[1] if fingerprint else None)
            else:
                path = self.path(url, fingerprint) if fingerprint and None not in fingerprint else None
            paths.append(path if path and os.path.exists(path) else "")
        return tuple(paths) if all(paths) and not self.force else ()

    def fetch(
        self, name: str, urls: tuple[str, ...], token: str | bool | None, known: UrlFingerprint | None
    ) -> tuple[str, ...]:
        """Download the files of an archive whole, once; a stopped download is resumed. Raises `EmotionTalkError`."""
        if known and len(known) != len(urls):
            raise EmotionTalkError(f"{redacted(urls[0])}: the archive has {len(urls)} parts now, {len(known)} before.")
        if len(urls) > 1:
            warn_once(f"{redacted(urls[0])}: {name} is in {len(urls)} parts, all of which are downloaded.")
        paths = []
        for url in urls:
            remote = remote_file(name, url, token)
            try:
                paths.append(self._from_hub(remote, url) if is_of_hub(url) else self._in_blocks(remote, url))
            except OSError as error:
                raise unwritable(self.folder, error, remote.size) from None
        if self.check and urls[0] == archive_url(name, DEFAULT_SOURCE):
            sha256 = sha256_of(paths[0])
            if sha256 != ARCHIVES[name][1]:
                raise damaged_archive_error(name, paths[0], f"its SHA-256 is {sha256}.")
        return tuple(paths)

    def _from_hub(self, remote: RemoteFile, url: str) -> str:
        repo, revision, path = split_hf_url(url)
        cached = huggingface_hub.try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
        is_other = isinstance(cached, str) and cached_file(url, remote.tag) is None  # than the server has now
        try:
            return huggingface_hub.hf_hub_download(
                repo, path, repo_type="dataset", revision=revision, token=remote.token, endpoint=checked_endpoint(),
                force_download=self.force or is_other,
            )  # fmt: skip
        except Exception as error:  # those of two versions of its HTTP library have no common class
            if isinstance(error, OSError) and (error.errno in FULL or isinstance(error, PermissionError)):
                raise
            reason = innermost_reason(error)
        warn_once(f"{remote.path}: huggingface_hub cannot download it ({reason}), so it is read in blocks.")
        return self._in_blocks(remote, url)  # as from a mirror that answers no HEAD, or names no commit

    def _in_blocks(self, remote: RemoteFile, url: str) -> str:
        """Download a file, unless it is stored already; without an entity tag, nothing says that it is the same."""
        fingerprint = remote.fingerprint()
        path = self.path(url, fingerprint)
        os.makedirs(self.folder, exist_ok=True)
        with filelock.FileLock(path + ".lock"):
            if os.path.exists(path) and not self.force and None not in fingerprint:
                return path
            partial = f"{path}.incomplete"
            if os.path.exists(partial) and (self.force or os.path.getsize(partial) > remote.size):
                os.remove(partial)
            try:
                with open(partial, "ab+") as file:
                    remote.save(file)
                    _check(remote, file)
            except DamagedArchiveError as error:
                os.remove(partial)
                raise EmotionTalkError(f"{error} What was downloaded is removed.") from None
            os.replace(partial, path)
        return path


def _check(remote: RemoteFile, file: IO[bytes]) -> None:
    """Raise `EmotionTalkError` for a download that is not a complete tar: it must not be found by the next run."""
    if Tar.opener(remote.head()) and remote.size > LARGEST_CHECKED:  # it would be decompressed twice
        return
    collections.deque(Tar(remote.archive, remote.path, file).members(), maxlen=0)


# === emotiontalk/archives/locations.py ================================================================================
# The release at hand: where each of its archives is, on disk or behind a URL, and what is learned of a URL.

def index_folder(cache: str) -> str:
    """Return where in a cache folder of `datasets` the indexes of archives are."""
    return os.path.join(cache, "emotiontalk-indexes")


def write_index_of(
    archive: str, members: Iterable[Member], file: str | RemoteFile, folder: str, with_digest: bool = False
) -> str | None:
    """Write the index of an archive that was scanned; return the path of its index file, or None where it has none.

    Args:
        archive: its name.
        members: all of it, in order.
        file: the archive, which is one file.
        folder: where the index file is written, unless it is there.
        with_digest: overwrite it, with the SHA-256 of a local archive: every byte is read.

    Raises:
        OSError: the archive cannot be read, or the folder not written.
    """
    if isinstance(file, RemoteFile):
        size, head = file.size, file.head()
    else:
        size = os.path.getsize(file)
        with open(file, "rb") as opened:
            head = opened.read(HEAD_BYTES)
    path = os.path.join(folder, index_file(archive, size, head))
    if os.path.exists(path) and not with_digest:
        return path
    index = Index(size) if Tar.opener(head) else Index.of_members(size, members)
    if not index.runs:
        return None
    index.sha256 = sha256_of(file) if with_digest and isinstance(file, str) else None
    save_index(index, path)
    return path


@functools.lru_cache(maxsize=16)
def _open_local(name: str, paths: tuple[str, ...], facts: tuple[Any, ...], cache: str) -> LocalArchive:
    archive = LocalArchive(
        name, [UnpackedTar(name, path) if os.path.isdir(path) else Tar(name, path) for path in paths]
    )
    if cache and len(paths) == 1 and os.path.isfile(paths[0]) and os.path.getsize(paths[0]) > SMALL_ARCHIVE:
        with contextlib.suppress(OSError):  # a cache that cannot be written is no reason not to read
            write_index_of(name, archive.members(), paths[0], index_folder(cache))
    return archive


@functools.lru_cache(maxsize=16)
def _open_remote(name: str, url: str, token: str | bool | None, cache: str) -> RemoteArchive:
    def download() -> LocalArchive:
        paths = Downloads(os.path.join(cache, "downloads")).fetch(name, (url,), token, None)
        return _open_local(name, paths, fingerprint_of(paths), cache)

    return RemoteArchive(name, remote_file(name, url, token), index_folder(cache), download)


@dataclasses.dataclass(frozen=True)
class Location:
    """Where an archive is: at local paths, or else behind a URL.

    Attributes:
        archive: its name, "Audio", …
        paths: local tars, or a folder.
        url: where it is read; with paths, where they were downloaded from.
        fingerprint: `fingerprint_of` the paths; of a URL that can change its `RemoteFile.fingerprint`; None: nothing
            is compared.
    """

    archive: str
    paths: tuple[str, ...] = ()
    url: str = dataclasses.field(default="", repr=False)  # it may hold a password
    fingerprint: tuple[Any, ...] | None = None

    @classmethod
    def local(cls, archive: str, paths: tuple[str, ...], url: str = "") -> Location:
        """Make the location of local paths as they are now."""
        return cls(archive, paths, url, fingerprint_of(paths))

    @classmethod
    def remote(
        cls, archive: str, source: str, token: str | bool | None, known: UrlFingerprint | None, downloads: Downloads,
        read_whole: bool = False,
    ) -> Location:  # fmt: skip
        """Find an archive behind the URL of its folder: downloaded before, downloaded now, or to be read by ranges.

        Args:
            archive: its name.
            source: the URL.
            token: of the Hub.
            known: what tells its files from others, where they can change.
            downloads: what was downloaded.
            read_whole: whether all of it will be read. Then it is downloaded, as is one in several parts.
        """
        pinned = (archive_url(archive, source),)
        found = downloads.find(pinned, None) if is_pinned(source) else ()  # the server need not be asked
        urls = pinned if found else find_remote(archive, source, token)
        found = found or downloads.find(urls, known)
        if not found and (read_whole or len(urls) > 1):
            found = downloads.fetch(archive, urls, token, known)
        if found:
            return cls.local(archive, found, urls[0])
        return cls(archive, url=urls[0], fingerprint=tuple(known[0]) if known else None)

    def file(self, token: str | bool | None = None) -> RemoteFile:
        """Open the file behind the URL. Raises `EmotionTalkError`."""
        return remote_file(self.archive, self.url, token)

    def open(self, token: str | bool | None = None, cache: str = "") -> LocalArchive | RemoteArchive:
        """Open the archive, once in a process.

        Args:
            token: of the Hub.
            cache: the cache folder of `datasets`, for indexes and downloads; "": none of local paths is cached.

        Raises:
            EmotionTalkError: it cannot be read, or another file is behind the URL than before.
        """
        if self.paths:  # a folder has too many files to look at each of them for each shard
            unpacked = any(map(os.path.isdir, self.paths))
            facts = () if unpacked else tuple(map(facts_of, filter(os.path.exists, self.paths)))
            try:
                return _open_local(self.archive, self.paths, (self.fingerprint, facts), cache)
            except EmotionTalkError as error:
                if not self.url:
                    raise
                fix = f'This is the cached download of {redacted(self.url)}: pass download_mode="force_redownload".'
                raise EmotionTalkError(f"{error} {fix}") from None
        opened = _open_remote(self.archive, self.url, token, cache)
        if self.fingerprint and self.fingerprint != tuple(opened.file.fingerprint()):
            raise EmotionTalkError(f"{opened.file.path}: this is another file than before. Run again.")
        return opened


@dataclasses.dataclass(frozen=True)
class Release:
    """The archives that a config reads.

    Attributes:
        locations: of each archive, by name.
        complete: whether they are the whole release, or a selection of it.
    """

    locations: dict[str, Location]
    complete: bool


def forget_urls() -> None:
    """Ask servers again what is behind their URLs, which may have changed."""
    for cache in (remote_file, _open_remote, find_remote):
        cache.cache_clear()


def url_fingerprints(
    names: Iterable[str], source: str | None, token: str | bool | None, folder: str
) -> dict[str, UrlFingerprint]:
    """Ask a server what tells its archives from others.

    Args:
        names: of the archives.
        source: a folder, or the URL of one; None: the pinned release.
        token: of the Hub.
        folder: where the answers are cached, for when the server cannot be reached.

    Returns:
        Of each archive, the fingerprints of its files; {} for a folder or a pinned URL, whose content is known.

    Raises:
        EmotionTalkError: the server cannot be reached, or the folder cannot be written.
    """
    if source is not None and not is_remote(source):
        return {}
    forget_urls()
    if source is None or is_pinned(source):
        return {}
    found: dict[str, UrlFingerprint] = {}
    for name in names:
        about = split_credentials(http_url(archive_url(name, source)))[0]
        path = os.path.join(folder, "emotiontalk-urls", f"{digest_of(about)}.json")
        try:
            files = [remote_file(name, url, token) for url in find_remote(name, source, token)]
            found[name] = [file.fingerprint() for file in files]
            with writing(path) as out:
                out.write(json.dumps(found[name]).encode())
        except NoConnectionError as error:
            try:
                with open(path, encoding="utf-8") as cached:
                    found[name] = json.load(cached)
            except (OSError, ValueError):
                raise error from None
            logger.warning(f"{error} What was prepared from it before is used, where there is some.")
        except OSError as error:
            raise unwritable(folder, error) from None
    return found


# === emotiontalk/loading/tables.py ====================================================================================
# Arrow tables of examples: a clip is read straight to its place in an Arrow buffer.

# Audio or video in one batch: what is held in memory, read and written at a time. Measured (benchmarks/README.md):
# small batches cost a prepared dataset time when it is opened, large ones a stream time to its first example.
PREPARED_BYTES, STREAMED_BYTES, BATCH_ROWS = 40 << 20, 4 << 20, 500


def _media_array(values: list[dict[str, Any]], kind: pa.StructType) -> pa.StructArray:
    """Make an Arrow array of `{bytes, path}`, of which all bytes are in one buffer."""
    ends = list(itertools.accumulate((len(value["bytes"]) for value in values), initial=0))
    pa.default_memory_pool().release_unused()  # of the last batch but one
    data = pa.allocate_buffer(ends[-1])
    view = memoryview(data).cast("B")
    for value, start, end in zip(values, ends, ends[1:]):
        value["bytes"].read_into(view[start:end])
    offsets = pa.array(ends, type=pa.int32()).buffers()[1]
    children = {
        "bytes": pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, offsets, data]),
        "path": pa.array([value["path"] for value in values], type=pa.string()),
    }
    return pa.StructArray.from_arrays([children[field.name] for field in kind], fields=list(kind))


def table_of(examples: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a `pyarrow.Table` of examples; their audio and video, still a `Member` each, are read now."""
    columns = []
    for field in schema:
        values = [example[field.name] for example in examples]
        make = _media_array if field.name in MEDIA else pa.array
        columns.append(make(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def tables_of(
    examples: Iterable[tuple[str, dict[str, Any]]], schema: pa.Schema, batch_bytes: int
) -> Iterator[tuple[str, pa.Table]]:
    """Yield (key of the last example, table) of about `batch_bytes` of media each."""
    batch: list[dict[str, Any]] = []
    size, limit = 0, 0 if batch_bytes == STREAMED_BYTES else batch_bytes  # a stream's first example comes alone
    key = ""
    for key, example in examples:
        batch.append(example)
        size += sum(len(example[name]["bytes"]) for name in MEDIA.intersection(example))
        if (size >= limit and (size or len(batch) > 1)) or len(batch) == BATCH_ROWS:
            yield key, table_of(batch, schema)
            batch, size, limit = [], 0, min(batch_bytes, max(2 * limit, 1 << 20))
    if batch:
        yield key, table_of(batch, schema)


# === emotiontalk/loading/slices.py ====================================================================================
# Slices and sums of splits, as users write them, as shards: a stream of a slice is cut by utterance, not by reader.

UNKNOWN_SIZE = 1 << 40  # examples of a split that were not counted yet
Position = tuple[str, int]  # group, number of an utterance (or dialogue) in the sorted group


class SplitRuns(NamedTuple):
    """A split at hand.

    Attributes:
        name: "test", …
        runs: the whole of each of its groups.
        positions: a function that yields where each of its examples is, in order.
    """

    name: str
    runs: list[Shard]
    positions: Callable[[], Iterator[Position]]

    def shards(self, first: Position | None = None, after: Position | None = None) -> list[Shard]:
        """Return the shards from one position on, before another one; None: from the beginning, to the end."""
        runs, whole = [], {}
        for group, begin, end in self.runs:
            if (first and group < first[0]) or (after and group > after[0]):
                continue
            begin = first[1] if first and group == first[0] else begin
            if after and group == after[0]:
                end = after[1]
            else:  # with strict=False a group can have more than the release
                end = whole[group] = max(end, begin + 1)
            if begin < end:
                runs.append((group, begin, end))
        # the last shard of a group holds whatever comes last in it: also media without annotation
        return [
            (group, begin, OPEN_END if end == whole.get(group) else end)
            for group, begin, end in (shards_of(runs, SHARDS[self.name]) if runs else [])
        ]


def split_label(split: Any, splits: Iterable[str]) -> str:
    """Return one split as users write it, as text; "all" is the sum of these splits."""
    return "+".join(splits) if str(split) == "all" else str(split)


def instruction_of(split: Any, splits: Iterable[str]) -> datasets.ReadInstruction:
    """Parse one split as users write it. Raises `ValueError`."""
    if isinstance(split, datasets.ReadInstruction):
        return split
    return datasets.ReadInstruction.from_spec(split_label(split, splits))


def absolute_parts(instruction: datasets.ReadInstruction, sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    """Return (split, first example, the one after the last) of each part of an instruction. Raises `ValueError`."""
    parts = instruction.to_absolute(sizes)
    return [
        (part.splitname, part.from_ or 0, sizes[part.splitname] if part.to is None else part.to)  # None below 2.15
        for part in parts
    ]


def filled_parts(instruction: datasets.ReadInstruction, sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    """As `absolute_parts`, those that have an example. Raises `RequestError` where none has."""
    parts = [part for part in absolute_parts(instruction, sizes) if part[1] < min(part[2], sizes[part[0]])]
    if not parts:
        raise RequestError(f"split={str(instruction)!r} names no example.")
    return parts


def split_names(instruction: datasets.ReadInstruction, splits: Iterable[str]) -> set[str]:
    """Return the splits that an instruction names. Raises `ValueError` for one that is not there."""
    return {name for name, _, _ in absolute_parts(instruction, dict.fromkeys(splits, UNKNOWN_SIZE))}


def sliced_shards(instruction: datasets.ReadInstruction, splits: dict[str, SplitRuns]) -> list[Shard]:
    """Return the shards that hold exactly the examples that an instruction names, in its order.

    Examples are counted as far as it needs: by percent and from the end of a split, all of them. Raises `RequestError`
    where it names none.
    """
    guess, other = (
        absolute_parts(instruction, dict.fromkeys(splits, size)) for size in (UNKNOWN_SIZE, 2 * UNKNOWN_SIZE)
    )
    sizes, positions = {}, {}
    for name in {part[0] for part in guess}:
        bounds = {pair for one, two in zip(guess, other) if one[0] == name for pair in zip(one[1:], two[1:])}
        bounds -= {(UNKNOWN_SIZE, 2 * UNKNOWN_SIZE)}  # the end of the split
        needed: int | None = max((bound for bound, _ in bounds), default=0)
        if any(bound != bound_of_more for bound, bound_of_more in bounds):  # by percent, or from the end
            needed = None
        counted = list(itertools.islice(splits[name].positions(), needed + 1 if needed else needed))
        positions[name] = counted
        sizes[name] = len(counted) if needed is None or len(counted) <= needed > 0 else UNKNOWN_SIZE
    shards: list[Shard] = []
    for name, begin, end in filled_parts(instruction, sizes):
        first = positions[name][begin] if begin else None
        group, last = positions[name][end - 1] if end != sizes[name] else ("", 0)
        after = (group, last + 1) if group else None
        shards += splits[name].shards(first, after)
    return shards


# === emotiontalk/loading/options.py ===================================================================================
# The options of the loader, and what to use instead of options that are not supported.

# Keywords of `datasets.load_dataset` that are not supported here, and what to do instead.
INSTEAD = {
    "path": 'the config comes first, for example load_dataset("audio")',
    "data_files": "pass data_dir= with the folder or the URL that holds the archives",
    "revision": f'pass data_dir="hf://datasets/{REPO_ID}@REVISION"',
    "prepare_splits": "pass split=, only the splits that it names are prepared",
    "trust_remote_code": "remove it, no script is run",
    "features": "call cast() on what this returns",
    "download_config": "pass token=, cache_dir= or download_mode=",
    "storage_options": "pass data_dir= with the URL; the library that reads it has settings of its own",
    "save_infos": "remove it, the expected sizes are in the loader",
    "ignore_verifications": "pass verification_mode=",
    "use_auth_token": "pass token=",
}


@dataclasses.dataclass
class EmotionTalkConfig(datasets.BuilderConfig):
    """The options of the loader.

    Args:
        name: the config, "multimodal", …
        label_set: "all" seven emotions, or "four": only utterances whose label (this config's) is neutral, happy, sad
            or angry, the paper's "Four" setting. Then `emotion` has these four classes, numbered as before, and
            `soft_label` four shares.
        sampling_rate: convert audio to this rate while it is read, in Hz, 8,000 to 768,000; None: as released.
        mono: True averages the channels while audio is read. With either, rows hold 16-bit WAV.
        prepare_splits: prepare only these splits, for example ["test"]; None: all. Only the script needs it, where
            `split="test"` makes `datasets` prepare every split; `emotiontalk.load_dataset` prepares those of `split`.
        fold: 1…5, a fold of speaker-independent cross-validation: `test` is the speaker set of this number, `train`
            the other four; no speaker is in both, and there is no `validation`. None: the official splits.
        strict: True raises an error for an utterance that is incomplete or wrong (annotation without media or the
            reverse, no JSON, unknown emotion, score out of range); False skips it and logs how many and which.
        data_dir: as everywhere in `datasets`: the folder or URL that holds the archives.
    """

    name: str = "multimodal"  # what `datasets` before 2.16 takes where options but no config are given
    label_set: str = "all"
    prepare_splits: list[str] | tuple[str, ...] | str | None = None
    strict: bool = True
    sampling_rate: int | None = None
    mono: bool = False
    fold: int | None = None

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["data_dir"] = None if self.data_dir is None else redacted(self.data_dir)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """As in `datasets`, but another id for other archives, and for a `datasets` that writes other features."""
        self.check()
        features = features_of(self.name, self.label_set, self.sampling_rate)
        kwargs = {**config_kwargs, "features": json.dumps(features.to_dict(), sort_keys=True)}
        if is_remote(self.data_dir):
            kwargs["data_dir"] = without_secrets(str(self.data_dir))
        elif self.data_dir is not None:
            paths = (find_archive(name, self.data_dir) for name in archives_of(self.name))
            kwargs["archives"] = tuple(map(fingerprint_of, paths))
        return str(super().create_config_id(kwargs, custom_features=custom_features))

    def check(self) -> None:
        """Raise `RequestError` for a value that is not supported."""
        if self.name not in CONFIGS:
            raise RequestError(f"BuilderConfig {self.name!r} not found: choose from {', '.join(CONFIGS)}.")
        if self.data_files is not None:
            raise RequestError(f"data_files= is not supported: {INSTEAD['data_files']}.")
        if self.label_set not in ("all", "four"):
            raise RequestError(f'label_set={self.label_set!r}: choose "all" or "four".')
        if self.label_set == "four" and self.name == "dialogues":
            raise RequestError('label_set="four" is not supported with the config "dialogues", which would lack turns.')
        if not isinstance(self.strict, bool):
            raise RequestError(f"strict={self.strict!r}: choose True or False.")
        self._check_fold()
        self._check_prepare_splits()
        self._check_conversion()

    def _check_fold(self) -> None:
        if self.fold is None:
            return
        if isinstance(self.fold, bool) or not isinstance(self.fold, numbers.Integral) or self.fold not in FOLDS:
            raise RequestError(
                f"fold={self.fold!r}: choose from {', '.join(map(str, FOLDS))}, or None: the official splits."
            )
        if CONFIGS[self.name].splits != SPLITS:
            only = ", ".join(CONFIGS[self.name].splits)
            raise RequestError(f"fold={self.fold}: the config {self.name!r} has the official {only} split alone.")
        self.fold = int(self.fold)  # also one of numpy's

    @property
    def converts(self) -> bool:
        """Whether audio is converted while it is read."""
        return self.sampling_rate is not None or self.mono

    def _check_conversion(self) -> None:
        if not isinstance(self.mono, bool):
            raise RequestError(f"mono={self.mono!r}: choose True or False.")
        self.sampling_rate = checked_rate(self.sampling_rate)
        if not self.converts:
            return
        if "audio" not in CONFIGS[self.name].fields:
            with_audio = ", ".join(name for name, spec in CONFIGS.items() if "audio" in spec.fields)
            raise RequestError(
                f"sampling_rate= and mono= convert audio, which the config {self.name!r} does not have: remove them, "
                f"or choose from {with_audio}."
            )
        try:
            importlib.import_module("soxr")
        except ImportError:
            raise RequestError(
                "sampling_rate= and mono= need soundfile and soxr: pip install soundfile soxr."
            ) from None

    def _check_prepare_splits(self) -> None:
        if isinstance(self.prepare_splits, str):
            self.prepare_splits = [self.prepare_splits]
        if self.prepare_splits is None:
            return
        names, wanted = splits_of(self.name, self.fold), self.prepare_splits
        if not (isinstance(wanted, (list, tuple)) and wanted and set(map(str, wanted)) <= {*names}):
            of_fold = f", fold={self.fold}" if self.fold is not None else ""
            raise RequestError(
                f"prepare_splits={wanted!r}: choose from {list(names)} for the config {self.name!r}{of_fold}."
            )


# === emotiontalk/loading/reading.py ===================================================================================
# The utterances of a group: annotations and media of each, checked against one another.

Archives = dict[str, "LocalArchive | RemoteArchive"]
Example = dict[str, Any]


class GroupReader:
    """Reads the utterances of a config, group by group.

    Args:
        config: the options of the loader.
        archives: by name, those that the config reads.
        complete: whether they are the whole release: then the utterances of each group are counted.
        warned: (group, what was warned of), by this and by earlier readers.
    """

    def __init__(
        self, config: EmotionTalkConfig, archives: Archives, complete: bool, warned: set[tuple[str, str]]
    ) -> None:
        self.config, self.spec, self.archives, self.complete = config, CONFIGS[config.name], archives, complete
        self._warned = warned

    def annotation_files(self, group: str) -> dict[str, dict[str, Member]]:
        """Return the annotation files of a group by condition and id. Raises `EmotionTalkError`."""
        return {name: self.archives[CONDITIONS[name]].annotation_files(group) for name in self.spec.conditions}

    def units(self, group: str) -> list[str]:
        """Return what shards of a group are runs of, sorted: its ids, or those of its dialogues, which stay whole."""
        return self._units(set().union(*self.annotation_files(group).values()))

    def count(self, group: str) -> int:
        """Count the utterances (or dialogues) of a group, to shard them. Raises `EmotionTalkError`."""
        if self.complete:
            return (DIALOGUES_OF_GROUPS if self.config.name == "dialogues" else GROUPS)[group]
        return len(self.units(group))

    def _units(self, ids: Iterable[str]) -> list[str]:
        return sorted({uid[:9] for uid in ids} if self.config.name == "dialogues" else ids)

    def utterances(
        self, run: Shard, fields: tuple[str, ...], skip_media: Container[str] = (), quiet: bool = False
    ) -> Iterator[tuple[Utterance, Example]]:
        """Yield (`Utterance`, dict of these fields) for each utterance of neighbouring shards, sorted by id.

        What is missing in an archive is an `EmotionTalkError`, or with `strict=False` a warning that names it.

        Args:
            run: the shards.
            fields: names in `FIELDS`.
            skip_media: ids whose audio or video is not read; from a URL it is not fetched. Reading it is an error.
            quiet: log nothing.
        """
        group, begin, end = run
        files = self.annotation_files(group)
        ids = sorted(set().union(*files.values()))
        if self.complete and (self.config.strict or begin == 0):
            self._check_count(group, len(ids), quiet)
        units = self._units(ids)
        first, after = ("" if n == 0 else units[n] if n < len(units) else "~" for n in (begin, end))
        ids = [uid for uid in ids if first <= uid < after]
        media: Iterable[tuple[str, Member]] = ()
        if self.spec.media and first < after:
            archive, suffix = self.spec.media
            media = self.archives[archive].media(group, suffix, first, after, skip_media)
        seen, skipped, notes = 0, [], collections.defaultdict(list)
        for uid, medium in merged(ids, media):
            seen += 1
            try:
                utterance = self._utterance(uid, files, medium)
                if self.config.label_set == "four" and EMOTIONS[utterance.emotion(self.spec.condition)] not in FOUR:
                    continue
                example = self._example(utterance, fields)
            except BadUtteranceError as error:
                if self.config.strict:
                    raise BadUtteranceError(f"{error} Or pass strict=False to skip such utterances.") from None
                skipped.append(f"{uid} ({error})")
                continue
            for what, where in utterance.notes:
                notes[what].append(where)
            yield utterance, example
        if not quiet:
            self._report(group, seen, skipped, notes)

    def _report(self, group: str, seen: int, skipped: list[str], notes: dict[str, list[str]]) -> None:
        """Log what is left out or odd.

        Args:
            group: that was read.
            seen: how many of its utterances were read.
            skipped: the ids of those that are left out, and why.
            notes: what is odd -> the members.
        """
        if skipped:
            logger.warning(f"{group}: {len(skipped)} of {seen} utterances left out: {'; '.join(skipped)}")
        for what, members in notes.items():
            if (group, what) not in self._warned:  # by an earlier shard of the group
                self._warned.add((group, what))
                of = f"{group}, {len(members)} of {seen} utterances"
                logger.warning(f"{of}: {what}. The first: {members[0]}. `emotiontalk verify` names each.")

    def _example(self, utterance: Utterance, fields: Iterable[str]) -> Example:
        """Make the values of some fields. Raises `BadUtteranceError`."""
        of_config = fields_of(self.config.name, self.config.label_set)
        example = {name: (of_config.get(name) or FIELDS[name]).value(utterance) for name in fields}  # type: ignore[misc]
        clip = example["audio"]["bytes"] if "audio" in example and self.config.converts else None
        if clip is not None and not isinstance(clip.source, NotFetched):
            try:
                example["audio"]["bytes"] = clip.replaced_by(
                    converted(clip.read(), self.config.sampling_rate, self.config.mono)
                )
            except AudioDecodeError as error:
                raise BadUtteranceError(f"{clip} cannot be decoded ({error}). {COMPARE}") from None
        return example

    def _check_count(self, group: str, count: int, quiet: bool) -> None:
        """Compare the utterances of a group with the pinned release's. Raises `EmotionTalkError` if strict."""
        if count == GROUPS.get(group):
            return
        problem = (
            f"{group} has {count:,} utterances in {', '.join(sorted(self.archives))}, and the release has "
            f"{GROUPS.get(group, 0):,}. Compare the archives with the release ({HOMEPAGE})."
        )
        if self.config.strict:
            raise EmotionTalkError(problem)
        if not quiet:
            logger.warning(problem)

    def _utterance(self, uid: str, files: dict[str, dict[str, Member]], medium: Member | None) -> Utterance:
        """Make the utterance of an id. Raises `BadUtteranceError` where an annotation or its media are missing."""
        members = {name: by_id[uid] for name, by_id in files.items() if uid in by_id}
        missing = [f"annotation in {CONDITIONS[name]}" for name in files if name not in members]
        if self.spec.media and medium is None:
            missing.append("{1} in {0}".format(*self.spec.media))
        if missing:
            alone = f"{[*members.values(), medium][0]} has no matching file"
            raise BadUtteranceError(f"{alone}: {uid} has no {' and no '.join(missing)}.")
        return Utterance(uid, self.spec.condition, members, medium)


# === emotiontalk/loading/splits.py ====================================================================================
# The splits of the release at hand: which of their groups are there, and where each example is.

def is_complete(archives: Archives, source: str) -> bool:
    """Whether this is meant to be the whole release: a selection misses groups, or most of their utterances.

    Args:
        archives: by name, those that a config reads.
        source: where they are, for the warning that it is a selection.
    """
    sizes = {
        name: sum(len(archive.annotation_files(g)) for g in archive.groups) if archive.indexed else TOTAL
        for name, archive in archives.items()
    }
    every_group = all(set(GROUPS) <= set(archive.groups) for archive in archives.values())
    if every_group and min(sizes.values()) > 0.95 * TOTAL:
        return True
    counts = ", ".join(f"{name} {n:,}" for name, n in sizes.items())
    warn_once(
        f"{source} holds a part of the release ({counts} of {TOTAL:,} utterances): the sizes of its splits are not "
        "checked."
    )
    return False


def splits_at_hand(reader: GroupReader, source: str) -> dict[str, SplitRuns]:
    """Return those of the requested splits that are there; source: where, for the error.

    Raises `NoUtteranceError` where one is not, or none is.
    """
    config, splits, absent = reader.config, dict[str, SplitRuns](), []
    groups = sorted(set().union(*(archive.groups for archive in reader.archives.values())))
    for split in splits_of(config.name, config.fold):
        if config.prepare_splits and split not in config.prepare_splits:
            continue
        wanted = [group for group in (GROUPS if reader.complete else groups) if split_of(group, config.fold) == split]
        # a group without annotations may have media, of which the user is to be told
        runs = [(group, 0, max(1, reader.count(group))) for group in wanted]
        if runs:
            splits[split] = SplitRuns(split, runs, functools.partial(_positions, reader, split, runs))
        else:
            absent.append(split)
    if absent and (config.prepare_splits or not splits):
        raise NoUtteranceError(
            f"{source} holds no utterance of {', '.join(absent)}: its groups are {', '.join(groups) or 'none'}, of "
            f"{', '.join(GROUPS)}."
        )
    return splits


def _positions(reader: GroupReader, split: str, runs: list[Shard]) -> Iterator[Position]:
    """Yield where each example of a split is. Which utterances are examples is read where not each of them is."""
    config = reader.config
    if config.strict and config.label_set == "all":
        yield from ((group, number) for group, _, count in runs for number in range(count))
        return
    fields = TURN_FIELDS if config.name == "dialogues" else reader.spec.fields
    skip_media: Container[str] = ()
    if config.strict:  # audio that is bad is an error when it is read: nothing is converted to count it
        fields, skip_media = tuple(name for name in fields if name not in MEDIA), EVERYTHING
    with progress_bar(unit=" utterances", desc=f"Counting {split}, to slice it") as bar:
        for group, _, _ in runs:
            known = {unit: number for number, unit in enumerate(reader.units(group))}
            last = None
            for utterance, _ in reader.utterances((group, 0, OPEN_END), fields, skip_media, quiet=True):
                bar.update(1)
                unit = utterance.dialogue if config.name == "dialogues" else utterance.id
                if unit != last:
                    yield group, known[unit]
                last = unit


# === emotiontalk/loading/code_hash.py =================================================================================
# The hash of the loader's code: rows that other code has prepared are not taken for this code's.

# The loader's modules, each after those that it imports: what the hash covers, and the script is built from.
LOADER = (
    "corpus", "redaction", "request_error", "errors", "progress", "disk", "members", "audio", "annotations", "schema",
    "archives/tar", "archives/headers", "archives/local", "archives/urls", "archives/read_ahead", "archives/http",
    "archives/fsspec_file", "archives/search", "archives/index", "archives/remote", "archives/remote_files",
    "archives/downloads", "archives/locations", "loading/tables", "loading/slices", "loading/options",
    "loading/reading", "loading/splits", "loading/code_hash", "loading/emotiontalk", "loading/load_dataset",
)  # fmt: skip


def statements_of(source: str) -> str:
    """Return the text of a module's statements, without its imports, its docstring and the comments between them."""
    lines, statements = source.splitlines(), []
    for number, node in enumerate(ast.parse(source).body):
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not isinstance(node, (ast.Import, ast.ImportFrom)):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            statements += lines[first - 1 : node.end_lineno]
    return "\n".join(statements)


@functools.cache
def code_hash() -> str:
    """Return the SHA-256 of the loader's statements: one value for the package and for the script of the same code.

    Taken once in a process: a file can change, the code that runs does not.
    """
    files = [__file__]
    if __name__.endswith(".code_hash"):  # the package, not the script
        package = os.path.dirname(os.path.dirname(__file__))
        files = [os.path.join(package, f"{name}.py") for name in LOADER]
    digest = hashlib.sha256()
    for path in files:
        with open(path, encoding="utf-8") as file:
            digest.update(statements_of(file.read()).encode() + b"\n")
    return digest.hexdigest()


# === emotiontalk/loading/emotiontalk.py ===============================================================================
# The builder: from the shards of a split to its examples, in the order in which `datasets` calls the hooks.

class EmotionTalk(datasets.GeneratorBasedBuilder):
    """EmotionTalk by shards: `gen_kwargs["shards"]` is the list that `num_proc`, streams and nodes share.

    For tools, `open_splits` gives the `gen_kwargs` of each split and prepares nothing; `examples`, `tables` and
    `utterances` read from them. `_generate_examples` gives rows as loading scripts do; private hooks are overridden:

    - `_cache_dir`, `_output_dir` and `_build_cache_dir`: where rows are cached also depends on what a URL holds now.
    - `_prepare_split_single` and `_get_examples_iterable_for_split` take the Arrow tables of `_generate_tables`, as of
      an `ArrowBasedBuilder`, which is faster.
    - `as_streaming_dataset` (`_as_streaming_dataset_single`) streams slices and sums of splits, too.

    Args:
        cache_dir, token, config_name, data_dir: as in `datasets`.
        hash: of the code that `datasets` found; the loader's own hash is used instead.
        all_splits: all splits are requested, one of them of this builder; so the media are downloaded whole.
        fingerprints: of the archives behind a URL that can change; None: the server is asked when they are read.
        label_set, prepare_splits, fold, strict, sampling_rate, mono: see `EmotionTalkConfig`.

    Raises:
        RequestError: an option has a value that is not supported.
        EmotionTalkError: an archive is missing or cannot be read, or the cache cannot be written.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = EmotionTalkConfig
    BUILDER_CONFIGS = [
        EmotionTalkConfig(name=name, version=datasets.Version(__version__), description=spec.description)
        for name, spec in CONFIGS.items()
    ]
    DEFAULT_CONFIG_NAME = "multimodal"

    def __init__(
        self,
        cache_dir: Any = None,
        *args: Any,
        hash: Any = None,
        token: str | bool | None = None,
        all_splits: bool = False,
        fingerprints: dict[str, UrlFingerprint] | None = None,
        **kwargs: Any,
    ) -> None:
        token, folder = checked_token(token), str(os.path.expanduser(cache_dir or datasets.config.HF_DATASETS_CACHE))
        if "::" in folder:
            where = "cache_dir=" if cache_dir else "HF_DATASETS_CACHE="
            raise RequestError(f"{where}{redacted(folder)!r}: `datasets` takes `::` for a chained URL. Choose another.")
        if isinstance(kwargs.get("data_dir"), str):
            kwargs["data_dir"] = full_source(kwargs["data_dir"])
        self._all_splits, self._fingerprints, self._cache = all_splits, fingerprints, folder
        self._warned: set[tuple[str, str]] = set()  # (group, what was warned of)
        own_hash = (
            code_hash()
        )  # of the package and of the script of the same code: both find what the other has prepared
        try:
            super().__init__(cache_dir, *args, hash=own_hash, token=token, **kwargs)
        except OSError as error:
            if not is_of_folder(error, folder):  # such as a file of `datasets` itself that cannot be read
                raise
            raise unwritable(folder, error) from None

    @property
    def spec(self) -> ConfigSpec:
        """What the config reads and gives."""
        return CONFIGS[self.config.name]

    def _info(self) -> datasets.DatasetInfo:
        fields = "\n".join(f"- {name}: {description_of(self.config.name, name)}" for name in self.spec.fields)
        info = datasets.DatasetInfo(citation=CITATION, homepage=HOMEPAGE, license=LICENSE)
        info.description, info.features = f"{self.spec.description}\n\n{fields}\n", self._features()
        return info

    def _features(self) -> datasets.Features:
        return features_of(self.config.name, self.config.label_set, self.config.sampling_rate)

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`; what a URL that can change holds now decides where in the cache its rows are."""
        self._locate_cache()
        try:
            return super().download_and_prepare(*args, **kwargs)
        except PermissionError as error:  # a lock or a folder of somebody else
            raise unwritable(self._cache_dir, error) from None

    def as_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """As in `datasets`, also in a new builder of what another one has prepared from a URL.

        Raises `NoUtteranceError` where a split has none, and `datasets` cannot say why.
        """
        if not os.path.exists(self.cache_dir):  # nothing is there of what the options alone name
            self._locate_cache()
            if os.path.exists(self._cache_dir):
                self._output_dir, self.info = self._cache_dir, datasets.DatasetInfo.from_directory(self._cache_dir)
        try:
            return super().as_dataset(*args, **kwargs)
        except ValueError:
            for split in self.info.splits or {}:
                self.check_not_empty(split)
            raise

    def _locate_cache(self) -> None:
        """Let what a URL that can change holds now be a part of the cache's path."""
        fingerprints = self._url_fingerprints()
        digest = hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()[:16]
        if fingerprints and not self.config_id.endswith(digest):
            self.config_id += f"-{digest}"
            self._cache_dir = self._build_cache_dir()

    def _url_fingerprints(self) -> dict[str, UrlFingerprint]:
        if self._fingerprints is None:
            names = archives_of(self.config.name)
            self._fingerprints = url_fingerprints(names, self.config.data_dir, self.token, self._cache)
        return self._fingerprints

    def check_not_empty(self, split: str) -> None:
        """Raise `NoUtteranceError` where nothing is left of a split that was prepared."""
        if self.info.splits and not self.info.splits[split].num_examples:
            which = "of the four emotions and " if self.config.label_set == "four" else ""
            raise NoUtteranceError(
                f"{self._source}: no utterance of {split} is {which}complete. "
                "strict=False skips what is not: the warnings name it. Compare with the release."
            )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        release, splits = self._open_release(dl_manager)
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"shards": split.shards(), "release": release})
            for name, split in splits.items()
        ]

    def _open_release(self, dl_manager: Any) -> tuple[Release, dict[str, SplitRuns]]:
        """Return the release, and those of the requested splits that it has. Raises `EmotionTalkError`."""
        locations = {name: self._locate(name, dl_manager) for name in archives_of(self.config.name)}
        archives = self.open_archives(Release(locations, complete=False))
        release = Release(locations, is_complete(archives, self._source))
        splits = splits_at_hand(self._reader(archives, release.complete), self._source)
        self._expect(list(splits), release.complete)
        return release, splits

    @property
    def _source(self) -> str:
        return redacted(self.config.data_dir or DEFAULT_SOURCE)

    def _reader(self, archives: Archives, complete: bool) -> GroupReader:
        return GroupReader(self.config, archives, complete, self._warned)

    def _locate(self, name: str, dl_manager: Any) -> Location:
        """Return where an archive is read. Media that are read whole from a URL are downloaded first."""
        source = self.config.data_dir or DEFAULT_SOURCE
        if not is_remote(source):
            return Location.local(name, find_archive(name, source))
        settings = dl_manager.download_config
        downloads = Downloads(
            folder=settings.cache_dir or str(datasets.config.DOWNLOADED_DATASETS_PATH),
            force=not dl_manager.is_streaming and settings.force_download,
            check=getattr(dl_manager, "record_checksums", False),  # of verification_mode="all_checks"
        )
        all_splits = len(self.spec.splits) > 1 and (self._all_splits or self.config.prepare_splits is None)
        is_media = self.spec.media is not None and name == self.spec.media[0]
        whole = all_splits and is_media and not dl_manager.is_streaming
        known = self._url_fingerprints().get(name)
        return Location.remote(name, source, self.token, known, downloads, whole)

    def _expect(self, splits: list[str], complete: bool) -> None:
        """Leave to `datasets` the check of those split sizes that can be known, where it read dataset_infos.json."""
        if complete and self.config.label_set == "all" and self.config.strict:
            read = {} if self.config.fold else self.info.splits or {}
            sizes = {name: info.num_examples for name, info in read.items()}
            sizes = sizes or split_sizes(self.config.name, self.config.fold)
            infos = [datasets.SplitInfo(name, num_examples=size) for name, size in sizes.items() if name in splits]
            self.info.splits = datasets.SplitDict({info.name: info for info in infos})
        else:
            self.info.splits = None
        self.info.download_checksums = None  # `Downloads` has compared them, where something was downloaded

    def _generate_examples(self, shards: list[Shard], release: Release) -> Iterator[tuple[str, Example]]:
        """As `examples`, ready for `features.encode_example`: audio and video are `{bytes, path}`."""
        for key, example in self.examples(shards, release):
            for name in MEDIA.intersection(example):
                example[name] = {**example[name], "bytes": example[name]["bytes"].read()}
            yield key, example

    def _generate_tables(
        self, shards: list[Shard], release: Release, batch_bytes: int = STREAMED_BYTES
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of `_generate_examples` as Arrow tables."""
        return self.tables(shards, release, batch_bytes)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """As in `datasets`, but as Arrow tables. What is written does not crowd the archive out of the page cache.

        A `datasets` that calls this in another way prepares the same rows from `_generate_examples`.
        """
        table_kwargs = _accepted_keywords(datasets.ArrowBasedBuilder._prepare_split_single, kwargs)
        pattern, job = str(kwargs.get("fpath", "")), kwargs.get("job_id", 0)
        files = glob.escape(pattern.replace("JJJJJ", f"{job:05d}")).replace("SSSSS", "*")
        try:
            if table_kwargs and not args:
                table_kwargs["gen_kwargs"] = {**table_kwargs["gen_kwargs"], "batch_bytes": PREPARED_BYTES}
                steps = datasets.ArrowBasedBuilder._prepare_split_single(self, **table_kwargs)
            else:
                steps = super()._prepare_split_single(*args, **kwargs)
            for progress in steps:
                for path in glob.glob(files) if pattern and self.spec.media else ():
                    write_out(path)
                yield progress
        except (OSError, datasets.builder.DatasetGenerationError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(error, EmotionTalkError) or not isinstance(cause, OSError) or cause.errno is None:
                raise
            needed = ARCHIVES[self.spec.media[0]][0] if self.spec.media else None
            raise unwritable(os.path.dirname(pattern or self._cache_dir), cause, needed) from None

    def as_streaming_dataset(self, split: Any = None, base_path: str | None = None) -> Any:
        """As in `datasets`, also for slices and sums of splits: their rows, on each node and however shuffled.

        Where not every utterance is an example (`label_set="four"`, `strict=False`), those before a slice's end are
        read first, to count them. Raises `ValueError` for a split that is not there.
        """
        splits = splits_of(self.config.name, self.config.fold)
        if split is None or str(split) in splits:
            return super().as_streaming_dataset(split and str(split), base_path)
        instruction = instruction_of(split, splits)
        split_names(instruction, splits)  # before anything is opened
        release, runs = self._open_release(self._streaming_manager())
        kwargs = {"shards": sliced_shards(instruction, runs), "release": release}
        named = datasets.SplitGenerator(name=split_label(split, splits), gen_kwargs=kwargs)
        return self._as_streaming_dataset_single(named)

    def _streaming_manager(self) -> datasets.StreamingDownloadManager:
        return datasets.StreamingDownloadManager(download_config=datasets.DownloadConfig(token=self.token))

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> Any:
        """As in `datasets`, but as Arrow tables: it would encode each example, from 4 on with torchcodec."""
        return datasets.ArrowBasedBuilder._get_examples_iterable_for_split(self, split_generator)

    def open_splits(self) -> dict[str, dict[str, Any]]:
        """Return the `gen_kwargs` (`shards`, `release`) of each split. Raises `EmotionTalkError`."""
        return {split.name: split.gen_kwargs for split in self._split_generators(self._streaming_manager())}

    def open_archives(self, release: Release) -> Archives:
        """Open the archives of a release, by name. Raises `EmotionTalkError`."""
        return {name: location.open(self.token, self._cache) for name, location in release.locations.items()}

    def tables(
        self, shards: list[Shard], release: Release, batch_bytes: int = STREAMED_BYTES
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield (key, `pyarrow.Table`) for some shards, about `batch_bytes` of media each; a clip is copied once."""
        return tables_of(self.examples(shards, release), self._features().arrow_schema, batch_bytes)

    def examples(
        self, shards: list[Shard], release: Release, skip_media: Container[str] = ()
    ) -> Iterator[tuple[str, Example]]:
        """Yield (id, example) for each utterance (or dialogue) of some shards; audio and video are still a `Member`.

        Args:
            shards, release, skip_media: see `utterances`.

        Raises:
            EmotionTalkError: the release is not as it should be.
        """
        if self.config.name != "dialogues":
            for utterance, example in self.utterances(shards, release, self.spec.fields, skip_media):
                yield utterance.id, example
            return
        for run in runs_of(shards):  # in a sum of slices, a dialogue can stand in two of them
            pairs = self.utterances([run], release, TURN_FIELDS)
            for name, pairs_of in itertools.groupby(pairs, key=lambda pair: pair[0].dialogue):
                turns = sorted((turn for _, turn in pairs_of), key=lambda turn: turn["turn"])
                group = name.split("_")[0]
                keys = {"id": name, "group": group, "dialogue": name, "speaker_set": speaker_set_of(group)}
                yield name, {**keys, "turns": turns}

    def utterances(
        self, shards: list[Shard], release: Release, fields: Iterable[str] = (), skip_media: Container[str] = ()
    ) -> Iterator[tuple[Utterance, Example]]:
        """Yield (`Utterance`, dict of these fields) for each utterance of some shards, sorted by id.

        What is missing in an archive is an `EmotionTalkError`, or with `strict=False` a warning that names it.

        Args:
            shards, release: the `gen_kwargs` of a split, or some of its shards.
            fields: names in `FIELDS`.
            skip_media: ids whose audio or video is not read; from a URL it is not fetched. Reading it is an error.
        """
        reader = self._reader(self.open_archives(release), release.complete)
        for run in runs_of(shards):
            yield from reader.utterances(run, tuple(fields), skip_media)


def _accepted_keywords(method: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return those keywords that a method takes, or {} where it needs others, or has no `gen_kwargs`."""
    names = list(inspect.signature(method).parameters)[1:]
    return {name: keywords[name] for name in names} if {"gen_kwargs", *names} <= set(keywords) else {}


# === emotiontalk/loading/load_dataset.py ==============================================================================
# `emotiontalk.load_dataset`: one call on every version of `datasets`, from 2.14 on.

MAJOR = int(datasets.__version__.split(".")[0])  # of `datasets`


def _named(wanted: Iterable[Any], splits: Iterable[str], fold: int | None) -> list[str]:
    """Return the splits that some of `split=` name, in order. Raises `ValueError` for one that is not there."""
    try:
        named = set().union(*(split_names(instruction_of(part or "all", splits), splits) for part in wanted))
    except ValueError as error:
        if fold is None or "validation" not in str(error):
            raise
        raise RequestError(
            f"fold={fold} has no validation split: it has train and test. Take every tenth dialogue of train: "
            'sorted(set(train["dialogue"]))[9::10].'
        ) from None
    return [name for name in splits if name in named]


def _prepare(
    builder: Callable[..., EmotionTalk], names: list[str], all_splits: bool, download_mode: Any, **options: Any
) -> dict[str, EmotionTalk]:
    """Prepare splits.

    Args:
        builder: makes the builder of a split.
        names: the splits.
        all_splits: every split is requested, so one of them may have no utterance.
        download_mode: as in `datasets`.
        options: of `download_and_prepare`.

    Returns:
        Split -> the builder that has prepared it.

    Raises:
        NoUtteranceError: a requested split, or every one, has no utterance.
    """
    prepared: dict[str, EmotionTalk] = {}
    absent: NoUtteranceError | None = None
    for name in names:
        of_split = builder(prepare_splits=[name], all_splits=all_splits)
        try:
            of_split.download_and_prepare(download_mode=download_mode, **options)
            of_split.check_not_empty(name)
        except NoUtteranceError as error:
            if not all_splits:
                raise
            absent = error
            continue
        prepared[name] = of_split
        if download_mode and datasets.DownloadMode(download_mode) == datasets.DownloadMode.FORCE_REDOWNLOAD:
            download_mode = datasets.DownloadMode.REUSE_CACHE_IF_EXISTS  # once is enough
    if absent and not prepared:
        raise absent
    return prepared


def _read_prepared(
    builders: dict[str, EmotionTalk], keep_in_memory: bool | None, splits: Iterable[str], split: Any
) -> datasets.Dataset:
    """Read one split as users write it."""
    instruction = instruction_of(split, splits)

    def read(name: str, instruction: datasets.ReadInstruction) -> datasets.Dataset:
        builder, in_memory = builders[name], keep_in_memory
        if in_memory is None:
            in_memory = datasets.utils.info_utils.is_small_dataset(builder.info.dataset_size)
        return builder.as_dataset(split=instruction, in_memory=in_memory)

    sizes = {name: builder.info.splits[name].num_examples for name, builder in builders.items()}
    parts = filled_parts(instruction, sizes)
    if len({name for name, _, _ in parts}) == 1 and parts == absolute_parts(instruction, sizes):
        return read(parts[0][0], instruction)
    absolute = functools.partial(datasets.ReadInstruction, unit="abs")
    pieces = [read(name, absolute(name, from_=begin, to=end)) for name, begin, end in parts]
    return datasets.concatenate_datasets(pieces, split=datasets.Split(split_label(split, splits)))


@functools.cache
def _can_decode(name: str) -> bool:
    """Whether this `datasets` can decode "audio" or "video" here; if not, warn why, once in a process."""
    below_4 = {"audio": (["librosa", "soundfile"], "librosa"), "video": (["torchvision.io"], "torchvision")}[name]
    needed, install = below_4 if MAJOR < 4 else (["torchcodec.decoders"], "torchcodec (and FFmpeg)")
    try:
        for module in needed:
            importlib.import_module(module)
    except Exception as error:  # a library that is installed and does not load has errors of any kind
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        use = 'use emotiontalk.decode_audio(row["audio"], sampling_rate=16000, mono=True)'
        use = use if name == "audio" else "read them yourself"
        logger.warning(
            f"datasets {datasets.__version__} cannot decode {name} here ({reason}): the rows have it as "
            f"{{bytes, path}}. Install {install} to have it decoded, or {use}."
        )
        return False
    return True


def _decodable(dataset: Any) -> Any:
    """Give audio and video as plain `{bytes, path}` where `datasets` cannot decode them.

    Not as `Audio(decode=False)`: from 4 on, what removes or renames a column of a stream encodes it again, which needs
    torchcodec, too. A prepared table is not copied.
    """
    names = [name for name in dataset.features if name in MEDIA and getattr(dataset.features[name], "decode", False)]
    plain = {name: MEDIA_FEATURE for name in names if not _can_decode(name)}
    if not plain:
        return dataset
    if isinstance(dataset, datasets.IterableDataset):
        for name, feature in plain.items():
            dataset = dataset.cast_column(name, feature)
        return dataset
    info = dataset.info.copy()
    info.features = datasets.Features({**info.features, **plain})
    known = f"{dataset._fingerprint} plain {sorted(plain)}"  # the same in each process: `map` finds what it has made
    fingerprint = hashlib.sha256(known.encode()).hexdigest()[:16]
    table = dataset.data.cast(info.features.arrow_schema)
    return datasets.Dataset(table, info=info, split=dataset.split, fingerprint=fingerprint)


def load_dataset(
    name: str = "multimodal", data_dir: Path | None = None, *, split: Any = None, cache_dir: Path | None = None,
    streaming: bool = False, num_proc: int | None = None, token: str | bool | None = None, download_mode: Any = None,
    verification_mode: Any = None, keep_in_memory: bool | None = None, label_set: str = "all", strict: bool = True,
    sampling_rate: int | None = None, mono: bool = False, fold: int | None = None, **others: Any,
) -> Any:  # fmt: skip
    """Load EmotionTalk as `datasets.load_dataset` would, on every version of `datasets` from 2.14 on.

    Only the splits that `split` names are prepared; later calls find them in the cache of `datasets`.

    Args:
        name: the config: "multimodal", "audio", "text", "video", "dialogues" or "zh-en".
        data_dir: a local folder that holds the archives, its URL (hf://, https://, s3://, …), or "modelscope"; None:
            the Hub.
        split: as in `datasets`: "test", "train[:5]", "train+validation[:10%]", a `ReadInstruction`, or a list or dict
            of these; None: all splits.
        streaming: give examples as they are read; nothing is prepared or cached.
        cache_dir, num_proc, token, download_mode, verification_mode, keep_in_memory: as in `datasets`.
        label_set, strict, sampling_rate, mono, fold: see `EmotionTalkConfig`; for example 16000, True and 5.

    Returns:
        A `DatasetDict` of all splits, or for `split` a `Dataset` (for a list a list, for a dict a `DatasetDict`); with
        `streaming=True` iterable ones. Where `datasets` cannot decode audio or video here, the rows have it as
        `{bytes, path}`, after one warning (see `decode_audio`).

    Raises:
        RequestError: an option is unknown, or its value is not supported. It is a `ValueError`.
        ValueError: a split is unknown.
        EmotionTalkError: the release is not as it should be.
    """
    for keyword in others:
        if keyword in INSTEAD:
            raise RequestError(f"{keyword}= is not supported: {INSTEAD[keyword]}.")
        near = difflib.get_close_matches(keyword, load_dataset.__kwdefaults__ or (), 1)
        fix = f" Did you mean {near[0]}=?" if near else ""
        raise RequestError(f"{keyword}= is not an option of emotiontalk.load_dataset.{fix}")
    if streaming and num_proc is not None:
        raise NotImplementedError("num_proc= is not supported with streaming=True. Use num_workers= of a DataLoader.")
    if num_proc is not None and (
        isinstance(num_proc, bool) or not isinstance(num_proc, numbers.Integral) or num_proc < 1
    ):
        raise RequestError(f"num_proc={num_proc!r}: choose a whole number from 1 on, or None.")
    name, token = name or "multimodal", checked_token(token)
    folder = os.fspath(cache_dir) if cache_dir is not None else None
    source = full_source(os.fspath(data_dir)) if data_dir is not None else None
    how_rows_are: dict[str, Any] = {
        "label_set": label_set, "strict": strict, "sampling_rate": sampling_rate, "mono": mono, "fold": fold,
    }  # fmt: skip
    checked = EmotionTalkConfig(name=name, **how_rows_are)
    checked.check()  # before any work
    fold = checked.fold
    how_rows_are |= {"fold": fold, "sampling_rate": checked.sampling_rate}  # plain integers
    splits = splits_of(name, fold)
    wanted = list(split.values() if isinstance(split, dict) else split if isinstance(split, (list, tuple)) else [split])
    names = _named(wanted, splits, fold)
    options: dict[str, Any] = {"config_name": name, "cache_dir": folder, "token": token}
    options |= {"data_dir": source} if source is not None else {}
    cached_in = os.path.expanduser(folder or datasets.config.HF_DATASETS_CACHE)
    fingerprints = url_fingerprints(archives_of(name), source, token, cached_in)
    builder = functools.partial(EmotionTalk, **options, **how_rows_are, fingerprints=fingerprints)
    if streaming:
        source_builder = builder(prepare_splits=names if split else None)
        by_name = source_builder.as_streaming_dataset() if split is None else {}
        read = by_name.get if split is None else source_builder.as_streaming_dataset
    else:
        how = {"verification_mode": verification_mode, "num_proc": num_proc and int(num_proc)}
        by_name = _prepare(builder, names, split is None, download_mode, **how)
        read = functools.partial(_read_prepared, by_name, keep_in_memory, splits)

    def dataset_of(part: Any) -> Any:
        return _decodable(read(part))

    if split is None or isinstance(split, dict):
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        parts = split or {name: name for name in splits if name in by_name}
        return kind({key: dataset_of(part) for key, part in parts.items()})
    return type(split)(map(dataset_of, split)) if isinstance(split, (list, tuple)) else dataset_of(split)


class PickledByName(types.ModuleType):
    """`emotiontalk` (the package, or the script where it is imported), pickled by its name.

    `map` pickles the function that it is given, and with it the modules that it names. `dill` pickles those outside
    site-packages, as in a clone, with all that is in them: locks and open connections, too, so that it fails.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)


if __name__.split(".")[0] == "emotiontalk":  # not where `datasets` runs the script
    sys.modules["emotiontalk"].__class__ = PickledByName
