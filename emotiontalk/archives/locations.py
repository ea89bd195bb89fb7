"""The release at hand: where each of its archives is, on disk or behind a URL, and what is downloaded whole."""

from __future__ import annotations

import collections
import dataclasses
import functools
import glob
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable
from typing import IO, Any

import filelock
import huggingface_hub

from ..corpus import ARCHIVES, DEFAULT_SOURCE
from ..disk import sha256_of, writing
from ..errors import (
    DamagedArchiveError,
    EmotionTalkError,
    MissingArchiveError,
    NoConnectionError,
    brief,
    damaged_archive_error,
    logger,
    redacted,
    unwritable,
    warn_once,
)
from ..redaction import split_credentials
from .fsspec_file import FsspecFile, filesystem
from .http import RemoteFile
from .local import TAR_NAME, LocalArchive, UnpackedTar, facts_of, fingerprint_of
from .remote import RemoteArchive
from .tar import GIT_LFS, Tar
from .urls import archive_url, below, http_url, is_offline, is_pinned, is_remote, split_hf_url, without_secrets

# Of each file of an archive behind a URL that can change, its `RemoteFile.fingerprint`.
UrlFingerprint = list[list[Any]]
LARGEST_CHECKED = 256 << 20  # bytes of a compressed download that is read before it is stored


@functools.lru_cache(maxsize=64)
def remote_file(name: str, url: str, token: str | bool | None) -> RemoteFile:
    """Open a file behind a URL, once in a process, and read its head.

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
    low = name.lower()
    guesses = [archive_url(name, source)]
    if source.startswith(("http://", "https://")):  # no names can be listed
        folders = itertools.product(("", "data/"), ("", f"{low}/", f"{name}/"), (name, low))
        guesses = [below(source, f"{data}{folder}{file}.tar") for data, folder, file in folders]
    errors: list[MissingArchiveError] = []
    for url in guesses:
        try:
            remote_file(name, url, token)
            return (url,)
        except MissingArchiveError as error:
            errors.append(error)
    if len(guesses) > 1:
        raise errors[0]
    files, root = filesystem(source, token)
    try:
        names = [path[len(root) :].strip("/") for path in files.find(root)]
    except Exception:  # each library has errors of its own
        raise errors[0] from None
    pattern = re.compile(rf"(data/)?({re.escape(low)}\.[^/]*|{re.escape(low)}/.*)", re.IGNORECASE)
    urls = sorted(below(source, path) for path in names if pattern.fullmatch(path) and TAR_NAME.fullmatch(path))
    if not urls:
        raise errors[0]
    return tuple(urls)


def cached_file(url: str) -> str | None:
    """Return where a file of a commit (offline: of a branch, too) is in the cache of `huggingface_hub`, or None."""
    if not url.startswith("hf://datasets/"):
        return None
    repo, revision, path = split_hf_url(url)
    if not (re.fullmatch("[0-9a-f]{40}", revision) or is_offline()):
        return None
    cached = huggingface_hub.try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    return cached if isinstance(cached, str) else None


def _digest(about: object) -> str:
    """Return what a file about something is called: a digest of it, in 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def learned_path(folder: str, about: object, suffix: str) -> str:
    """Return where something small that was learned about a URL is cached."""
    return os.path.join(folder, "emotiontalk-urls", _digest(about) + suffix)


@functools.lru_cache(maxsize=16)
def _open_local(name: str, paths: tuple[str, ...], facts: tuple[Any, ...]) -> LocalArchive:
    return LocalArchive(name, [UnpackedTar(name, path) if os.path.isdir(path) else Tar(name, path) for path in paths])


@functools.lru_cache(maxsize=16)
def _open_remote(name: str, url: str, token: str | bool | None, folder: str | None) -> RemoteArchive:
    file, offsets_file = remote_file(name, url, token), None
    if folder and file.tag:  # without an entity tag, nothing tells this file from another of its size
        offsets_file = learned_path(folder, [without_secrets(file.url), file.size, file.tag, "offsets 1"], ".offsets")
    return RemoteArchive(name, file, offsets_file)


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

    def file(self, token: str | bool | None = None) -> RemoteFile:
        """Open the file behind the URL. Raises `EmotionTalkError`."""
        return remote_file(self.archive, self.url, token)

    def open(self, token: str | bool | None = None, folder: str | None = None) -> LocalArchive | RemoteArchive:
        """Open the archive, once in a process.

        Args:
            token: of the Hub.
            folder: where what is learned about a URL is cached.

        Raises:
            EmotionTalkError: it cannot be read, or another file is behind the URL than before.
        """
        if self.paths:  # a folder has too many files to look at each of them for each shard
            unpacked = any(map(os.path.isdir, self.paths))
            facts = () if unpacked else tuple(map(facts_of, filter(os.path.exists, self.paths)))
            try:
                return _open_local(self.archive, self.paths, (self.fingerprint, facts))
            except EmotionTalkError as error:
                if not self.url:
                    raise
                fix = f'This is the cached download of {redacted(self.url)}: pass download_mode="force_redownload".'
                raise EmotionTalkError(f"{error} {fix}") from None
        opened = _open_remote(self.archive, self.url, token, folder)
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


@dataclasses.dataclass(frozen=True)
class Downloads:
    """Archives that are downloaded whole.

    Attributes:
        folder: where they are stored.
        force: whether they are downloaded again.
        check: whether the SHA-256 of the pinned ones is compared.
    """

    folder: str
    force: bool = False
    check: bool = False

    def path(self, url: str, fingerprint: list[Any] | None = None) -> str:
        """Return where a file is stored.

        Args:
            url: of the file.
            fingerprint: of a URL that can change, None for others.
        """
        return os.path.join(self.folder, _digest([without_secrets(http_url(url)), fingerprint]))

    def find(self, name: str, source: str, token: str | bool | None, known: UrlFingerprint | None) -> Location | None:
        """Return an archive that was downloaded before, here or by `huggingface_hub`; None where it was not."""
        url = archive_url(name, source)
        cached = None if self.force else cached_file(url)
        if cached:
            return Location.local(name, (cached,), url)
        if self.force or not _is_certain(known):
            return None
        if is_pinned(url):  # the server need not be asked
            others = sorted(glob.glob(f"{glob.escape(self.path(url))}-{16 * '[0-9a-f]'}"), key=os.path.getmtime)
            for path in (self.path(url), *reversed(others)):
                if os.path.exists(path):
                    return Location.local(name, (path,), url)
        paths, certain = self._paths(name, find_remote(name, source, token), token, known)
        return Location.local(name, paths, url) if certain and all(map(os.path.exists, paths)) else None

    def _paths(
        self, name: str, urls: tuple[str, ...], token: str | bool | None, known: UrlFingerprint | None
    ) -> tuple[tuple[str, ...], bool]:
        """Return (where the files of an archive are stored, whether what is stored there is certainly the same)."""
        if known and len(known) != len(urls):
            raise EmotionTalkError(f"{redacted(urls[0])}: the archive has {len(urls)} parts now, {len(known)} before.")
        if known:
            return tuple(self.path(url, fingerprint) for url, fingerprint in zip(urls, known)), _is_certain(known)
        paths = [self.path(url) for url in urls]
        if urls[0] != archive_url(name, DEFAULT_SOURCE):
            return tuple(paths), True
        file = remote_file(name, urls[0], token)
        if file.size == ARCHIVES[name][0]:
            return tuple(paths), True
        # not the pinned archive, whatever the URL promises: without an entity tag it is not found by the next run
        other = file.fingerprint()
        certain = _is_certain([other])
        return (f"{paths[0]}-{_digest(other)[:16]}{'' if certain else '.uncertain'}",), certain

    def fetch(self, name: str, source: str, token: str | bool | None, known: UrlFingerprint | None) -> Location:
        """Download an archive whole, once; a stopped download is resumed. Raises `EmotionTalkError`."""
        urls = find_remote(name, source, token)
        paths, certain = self._paths(name, urls, token, known)
        if len(urls) > 1:
            what = f"{name} is in {len(urls)} parts, all of which are downloaded to {self.folder}."
            warn_once(f"{redacted(source)}: {what}")
        for url, path in zip(urls, paths):
            self._download(name, url, token, path, self.force or not certain)
        if self.check and source == DEFAULT_SOURCE:
            sha256 = sha256_of(paths[0])
            if sha256 != ARCHIVES[name][1]:
                raise damaged_archive_error(name, paths[0], f"its SHA-256 is {sha256}.")
        return Location.local(name, paths, urls[0])

    def _download(self, name: str, url: str, token: str | bool | None, path: str, force: bool) -> None:
        """Download a file, unless it is stored already. Raises `EmotionTalkError`."""
        remote = remote_file(name, url, token)
        try:
            os.makedirs(self.folder, exist_ok=True)
            with filelock.FileLock(path + ".lock"):
                if os.path.exists(path) and not force:
                    return
                partial = _partial(path, remote, force)
                try:
                    with open(partial, "ab+") as file:
                        remote.save(file)
                        _check(remote, file)
                except DamagedArchiveError as error:
                    os.remove(partial)
                    raise EmotionTalkError(f"{error} What was downloaded is removed.") from None
                os.replace(partial, path)
        except OSError as error:
            raise unwritable(self.folder, error, remote.size) from None


def _partial(path: str, remote: RemoteFile, force: bool) -> str:
    """Return where a download is written before it is complete. What is there of another file is removed."""
    begins = [remote.size, remote.tag, hashlib.sha256(remote.head()).hexdigest()]
    partial = f"{path}.{_digest(begins)[:16]}.incomplete"
    for other in glob.glob(f"{glob.escape(path)}.*incomplete"):
        # of unknown size: nothing says whether what is there belongs to it
        if other != partial or force or remote.size is None or os.path.getsize(partial) > remote.size:
            os.remove(other)
    return partial


def _check(remote: RemoteFile, file: IO[bytes]) -> None:
    """Raise `EmotionTalkError` for a download that is not a complete tar: it must not be found by the next run."""
    if Tar.opener(remote.head()) and (remote.size or 0) > LARGEST_CHECKED:  # it would be decompressed twice
        return
    collections.deque(Tar(remote.archive, remote.path, file).members(), maxlen=0)


def _is_certain(known: UrlFingerprint | None) -> bool:
    """Whether the server says all that tells its files from others; a pinned URL needs no such thing."""
    return known is None or not any(None in fingerprint for fingerprint in known)


def locate_remote(
    name: str,
    source: str,
    token: str | bool | None,
    known: UrlFingerprint | None,
    downloads: Downloads,
    read_whole: bool,
) -> Location:
    """Return where an archive behind a URL is read: downloaded before, downloaded now, or by ranges.

    Args:
        name: "Audio", …
        source: the URL of its folder.
        token: of the Hub.
        known: what tells its files from others, where they can change.
        downloads: what was downloaded.
        read_whole: whether all of it will be read. Then it is downloaded, as is one in several parts.
    """
    downloaded = downloads.find(name, source, token, known)
    if downloaded:
        return downloaded
    urls = find_remote(name, source, token)
    if read_whole or len(urls) > 1:
        return downloads.fetch(name, source, token, known)
    return Location(name, url=urls[0], fingerprint=tuple(known[0]) if known else None)


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
        path = learned_path(folder, split_credentials(http_url(archive_url(name, source)))[0], ".json")
        try:
            files = [remote_file(name, url, token) for url in find_remote(name, source, token)]
            found[name] = [file.fingerprint() for file in files]
        except NoConnectionError as error:
            try:
                with open(path, encoding="utf-8") as cached:
                    found[name] = json.load(cached)
            except (OSError, ValueError):
                raise error from None
            logger.warning(f"{error} What was prepared from it before is used, where there is some.")
            continue
        try:
            with writing(path) as out:
                out.write(json.dumps(found[name]).encode())
        except OSError as error:
            raise unwritable(folder, error) from None
    return found
