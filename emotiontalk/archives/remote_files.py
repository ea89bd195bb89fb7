"""The files of an archive behind a URL: where they are below it, and each opened once in a process."""

from __future__ import annotations

import functools
import itertools
import re

from ..errors import MissingArchiveError, brief, damaged_archive_error
from .fsspec_file import FsspecFile, filesystem
from .http import RemoteFile
from .local import TAR_NAME
from .tar import GIT_LFS, Tar
from .urls import archive_url, below


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
