"""Archives that are downloaded whole: from the Hub by `huggingface_hub`, from elsewhere in blocks."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import re
from typing import IO, Any

import filelock
import huggingface_hub

from ..corpus import ARCHIVES, DEFAULT_SOURCE
from ..disk import sha256_of
from ..errors import (
    FULL,
    DamagedArchiveError,
    EmotionTalkError,
    damaged_archive_error,
    innermost_reason,
    redacted,
    unwritable,
    warn_once,
)
from .http import RemoteFile
from .remote_files import remote_file
from .tar import Tar
from .urls import archive_url, checked_endpoint, http_url, is_offline, split_hf_url, without_secrets

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
