"""A file behind any other scheme (`s3://`, `gs://`, …): read by fsspec, with the library that the user has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import fsspec
import fsspec.asyn
import fsspec.core
import huggingface_hub

from .errors import EmotionTalkError, MissingArchiveError, NoConnectionError, brief, redacted
from .read_ahead import BlockStream
from .remote_file import HEAD_BYTES, RemoteFile, innermost_reason


def filesystem(url: str, token: str | bool | None = None) -> tuple[Any, str]:
    """Open the file system of a URL: (it, the path in it). Raises `EmotionTalkError` if its library is missing."""
    if url.startswith("hf://buckets/") and not hasattr(huggingface_hub.HfApi, "create_bucket"):
        fix = "this huggingface_hub reads no buckets: `pip install --upgrade huggingface_hub`."
        raise EmotionTalkError(f"{redacted(url)}: {fix}")
    thread = fsspec.asyn.iothread[0]
    if thread is not None and not thread.is_alive():  # a forked worker, in which older fsspec would wait for ever
        fsspec.asyn.reset_lock()
        fsspec.asyn.loop[0] = fsspec.asyn.iothread[0] = None
    try:
        options = {"token": token} if url.startswith("hf://") else {}
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(url, **options))
    except (ImportError, ValueError) as error:
        fix = "Install what reads this scheme (for s3:// `pip install s3fs`)."
        raise EmotionTalkError(f"{redacted(url)}: {brief(redacted(str(error)))}. {fix}") from None


class FsspecFile(RemoteFile):
    """As `RemoteFile`, by fsspec."""

    TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")

    def head(self) -> bytes:
        """See `RemoteFile`."""
        if not self._head:
            files, path = filesystem(self.url, self.token)
            info = self._call(files.info, path)
            self.size, self.ranged = info.get("size"), True
            if info.get("type") == "directory" or not isinstance(self.size, int):
                raise MissingArchiveError(f"{self.path} is no file, or its size is unknown.")
            tag = next((info[key] for key in self.TAGS if info.get(key)), None)
            self.tag = None if tag is None else brief(tag)
            self._head = b"".join(self.chunks(0, min(self.size, HEAD_BYTES)))
        return self._head

    def _chunks(self, start: int, end: int | None) -> Iterator[bytes]:
        size = cast(int, self.size)
        end = size if end is None else min(end, size)
        while start < end:
            files, path = filesystem(self.url, self.token)
            data = self._call(files.cat_file, path, start=start, end=min(end, start + BlockStream.BLOCK_BYTES))
            if not data:
                raise self.error("this is another file than before: it has become shorter. Run again.")
            yield data
            start += len(data)

    def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except FileNotFoundError:
            raise self.missing("no such file") from None
        except Exception as error:  # each library has errors of its own
            what = "no access" if isinstance(error, PermissionError) else "cannot be read"
            why = f"{type(error).__name__}: {innermost_reason(error)}"
            raise NoConnectionError(f"{self.path}: {what} ({why}). Check the URL and its library's settings.") from None
