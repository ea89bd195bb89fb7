"""`emotiontalk.write_index`: where each member of an archive is, so that streams of it need not look."""

from __future__ import annotations

import os
from pathlib import Path

import datasets

from emotiontalk.archives.local import LocalArchive
from emotiontalk.archives.locations import index_folder, write_index_of
from emotiontalk.corpus import ARCHIVES
from emotiontalk.errors import EmotionTalkError, MissingArchiveError, unwritable
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader


def write_index(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Path]:
    """Write the index of each archive of a release: where it has which member.

    A stream of the same archive, from whatever URL, then needs 5 requests to its first example. Loading from a folder
    writes the index, too; this scans the headers alone. An archive that is compressed, unpacked or in several parts
    has none, and needs none.

    Args:
        data_dir: the folder that holds the archives; None: what `hf download` has put in the cache of the Hub.
        out: the folder to write to, to give the indexes to others, with the SHA-256 of each archive: every byte is
            read. None: the cache, where the loader finds them.
        cache_dir: as in `load_dataset`.

    Returns:
        Name of each archive that has an index -> the file.

    Raises:
        MissingArchiveError: there is no archive.
        EmotionTalkError: one cannot be read, is behind a URL, or the folder cannot be written.
    """
    cache = os.path.expanduser(cache_dir or datasets.config.HF_DATASETS_CACHE)
    folder, reader, written = os.fspath(out or index_folder(cache)), ReleaseReader(data_dir), dict[str, Path]()
    missing: list[MissingArchiveError] = []
    for name in progress_bar(list(ARCHIVES), unit=" archives", desc="Indexing"):
        try:
            location = reader.find_archive(name)
        except MissingArchiveError as error:
            missing.append(error)
            continue
        if not location.paths:
            fix = "Download it, for example with `hf download`, and give its folder."
            raise EmotionTalkError(f"{location.file().path}: an index is made of an archive on disk. {fix}")
        opened = location.open(cache="")
        if len(location.paths) > 1 or not os.path.isfile(location.paths[0]) or not isinstance(opened, LocalArchive):
            continue
        try:
            path = write_index_of(name, opened.members(), location.paths[0], folder, with_digest=out is not None)
        except OSError as error:
            raise unwritable(folder, error) from None
        if path:
            written[name] = Path(path)
    if len(missing) == len(ARCHIVES):
        raise missing[0]
    return written
