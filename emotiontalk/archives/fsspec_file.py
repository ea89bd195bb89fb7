"""A file behind any other scheme (`s3://`, `gs://`, …): read by fsspec, with the library that the user has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import fsspec
import fsspec.asyn
import fsspec.core
import huggingface_hub

from ..errors import EmotionTalkError, MissingArchiveError, NoConnectionError, brief, innermost_reason, redacted
from ..redaction import split_credentials
from .http import HEAD_BYTES, RemoteFile
from .urls import CHAINED, checked_endpoint


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
