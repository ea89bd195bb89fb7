"""Every error of the loader, its warnings, and how values from outside are quoted in them.

A message is one line that names the archive, the member and how to fix it.
"""

from __future__ import annotations

import contextlib
import email.utils
import errno
import functools
import logging
import os
import re
import tempfile
import time
import unicodedata
from typing import Union

import datasets
import datasets.builder

from .corpus import ARCHIVES, HOMEPAGE
from .redaction import redacted

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
