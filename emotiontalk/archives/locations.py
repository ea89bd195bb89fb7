"""The release at hand: where each of its archives is, on disk or behind a URL, and what is learned of a URL."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Iterable
from typing import Any

from ..disk import sha256_of, writing
from ..errors import EmotionTalkError, NoConnectionError, logger, redacted, unwritable
from ..members import Member
from ..redaction import split_credentials
from .downloads import Downloads, UrlFingerprint, digest_of
from .http import HEAD_BYTES, RemoteFile
from .index import Index, index_file, save_index
from .local import LocalArchive, UnpackedTar, facts_of, fingerprint_of
from .remote import SMALL_ARCHIVE, RemoteArchive
from .remote_files import find_remote, remote_file
from .tar import Tar
from .urls import archive_url, http_url, is_pinned, is_remote


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
