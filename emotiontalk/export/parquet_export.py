"""An export on disk: what was requested, what it is made from, and which of its shards are finished."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emotiontalk.archives.urls import full_source, is_remote
from emotiontalk.audio import AudioFormat
from emotiontalk.corpus import __version__
from emotiontalk.disk import writing
from emotiontalk.errors import redacted
from emotiontalk.folder import Folder
from emotiontalk.redaction import HIDDEN
from emotiontalk.release import Fingerprints, name_of_splits
from emotiontalk.request_error import RequestError


def shard_name(split: str, n: int, number: int) -> str:
    """Return the file name of a shard."""
    return f"{split}-{n:05d}-of-{number:05d}.parquet"


def labels_in_words(as_text: bool) -> str:
    """Name what labels are in a message."""
    return "text (--labels-as-text)" if as_text else "numbers"


class Export:
    """The folder of an export. The request is in export.json; the finished shards are in the list of `Folder`.

    Args:
        out: the folder; it need not exist.
        audio_format: of the audio.
        fold: of cross-validation; None: the official splits.
        labels_as_text: whether labels are words, not numbers.
        folder: `out`, where it is held already.

    audio_format, fold and labels_as_text are those of the export that is there where audio_format is None.

    Raises:
        RequestError: it holds an export by another version, with other audio or labels or of another fold, or none.
    """

    def __init__(
        self,
        out: Path,
        audio_format: AudioFormat | None = None,
        fold: int | None = None,
        labels_as_text: bool = False,
        folder: Folder | None = None,
    ) -> None:
        self.path, self.folder, self._file = out, folder or Folder(out), out / "export.json"
        self.request: dict[str, Any] = {}
        self._content: dict[str, Any] = {
            "audio": str(audio_format), "version": __version__, "fold": fold,
            "labels_as_text": labels_as_text, "requested": None, "sources": {}, "shards": {}, "complete": False,
        }  # fmt: skip
        if self._file.is_file():
            self._content = self._read(audio_format, fold, labels_as_text)
            self.request = self._content["requested"] or {}
        self.audio_format = AudioFormat(*self.request["audio_format"]) if audio_format is None else audio_format

    def _read(self, audio_format: AudioFormat | None, fold: int | None, labels_as_text: bool) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            other = found["version"] != __version__ or (
                audio_format is not None and found["audio"] != str(audio_format)
            )
            found["requested"]["audio_format"], found["sources"], found["shards"], found["complete"]
        except (ValueError, KeyError, TypeError):
            raise RequestError(
                f"{self._file} is not what `emotiontalk parquet` writes: choose another folder."
            ) from None
        if audio_format is not None and found.setdefault("fold", None) != fold:
            raise RequestError(
                f"{self.path} holds an export of {name_of_splits(found['fold'])}: choose another folder for "
                f"{name_of_splits(fold)}."
            )
        if audio_format is not None and found.setdefault("labels_as_text", False) != labels_as_text:
            raise RequestError(
                f"{self.path} holds an export with labels as {labels_in_words(found['labels_as_text'])}: choose "
                f"another folder for labels as {labels_in_words(labels_as_text)}."
            )
        if other:
            raise RequestError(
                f"{self.path} holds an export by version {found['version']} of the loader, its audio "
                f"{found['audio']}: choose another folder."
            )
        return found

    @property
    def complete(self) -> bool:
        """Whether all that was requested is there, and the card that names it."""
        return bool(self._content["complete"])

    @property
    def fold(self) -> int | None:
        """The fold of cross-validation; None: the official splits."""
        fold: int | None = self._content.get("fold")
        return fold

    @property
    def labels_as_text(self) -> bool:
        """Whether labels are words, not numbers."""
        return bool(self._content.get("labels_as_text"))

    def configs(self) -> list[str]:
        """Return the configs of which there is something."""
        return list(self._content["shards"])

    def numbers(self, config: str) -> dict[str, int]:
        """Return of each split of a config in how many shards it is written."""
        return dict(self._content["shards"][config])

    def note_request(self, configs: Sequence[str], data_dir: str | None, splits: Sequence[str]) -> None:
        """Note what is wanted, so that a stopped run can be resumed; saved with the first config."""
        before = self.request or {"configs": [], "splits": splits}
        if data_dir and not is_remote(full_source(data_dir)):
            data_dir = os.path.abspath(os.path.expanduser(data_dir))
        elif data_dir and redacted(data_dir) != data_dir:  # neither password nor signature are stored
            shown = redacted(data_dir)
            data_dir = shown if "…" in shown else shown.replace("://", f"://{HIDDEN}", 1)
        c = self.audio_format
        self._content["requested"] = self.request = {
            "configs": list(dict.fromkeys([*before["configs"], *configs])),
            "data_dir": data_dir,
            "audio_format": (c.sampling_rate, c.channels, c.encoding),
            # no names mean all splits, then and from then on
            "splits": list(dict.fromkeys([*before["splits"], *splits])) if before["splits"] and splits else [],
        }

    def start(self, config: str, split: str, number: int, fingerprints: Fingerprints) -> None:
        """Note what a split is written from. Raises `RequestError` if something of another release is there."""
        for other, known in self._content["sources"].items():
            changed = [name for name in fingerprints if known.get(name, fingerprints[name]) != fingerprints[name]]
            if changed and any(self.has(other, s, n) for s, of in self.numbers(other).items() for n in range(of)):
                raise RequestError(
                    f"{self.path} holds {other} of another release, or of a {changed[0]}.tar that has changed since: "
                    "choose another folder, or delete that one."
                )
        self._content["sources"][config] = fingerprints
        self._content["shards"].setdefault(config, {})[split] = number
        self._content["complete"] = False
        self._save()

    def _unnamed(self, config: str, split: str, n: int, number: int) -> str:
        return f"{config}/{shard_name(split, n, number)}".replace(".parquet", ".part")

    def has(self, config: str, split: str, n: int, number: int | None = None) -> bool:
        """Whether a shard is finished. number: of the split's shards, where it was not started yet."""
        of = number or self._content["shards"].get(config, {}).get(split, 0)
        unnamed = self._unnamed(config, split, n, of)
        return any(map(self.folder.is_own, (unnamed, unnamed.replace(".part", ".parquet"))))

    def partial(self, config: str, split: str, n: int) -> Path:
        """Return where a shard is to be written."""
        return self.folder.partial(self._unnamed(config, split, n, self._content["shards"][config][split]))

    def add(self, config: str, split: str, n: int, sha256: str) -> None:
        """Note that a shard is finished; it gets its name when all of them are."""
        self.folder.finish(self._unnamed(config, split, n, self._content["shards"][config][split]), sha256=sha256)

    def unfinished(self) -> list[str]:
        """Return what was begun, as "config, split", and is not finished."""
        return [
            f"{config}, {split}"
            for config in self.configs()
            for split, number in self.numbers(config).items()
            if not all(self.has(config, split, n) for n in range(number))
        ]

    def shards(self) -> list[str]:
        """Return the path of every shard below the folder, in order."""
        return [
            f"{config}/{shard_name(split, n, number)}"
            for config in self.configs()
            for split, number in self.numbers(config).items()
            for n in range(number)
        ]

    def name_shards(self) -> None:
        """Give the finished shards their names; those of an earlier run that they replace are removed."""
        shards = self.shards()
        for name in shards:
            unnamed = name.replace(".parquet", ".part")
            if self.folder.is_own(unnamed):
                self.folder.rename(unnamed, name)
        for config in self.configs():
            for path in [*(self.path / config).glob("*.parquet"), *(self.path / config).glob("*.part")]:
                if f"{config}/{path.name}" not in shards:
                    self.folder.discard(f"{config}/{path.name}")

    def rows(self, config: str, split: str) -> int:
        """Count the rows of a split, by the footers of its shards."""
        number = self.numbers(config)[split]
        paths = (self.path / config / shard_name(split, n, number) for n in range(number))
        return sum(pq.read_metadata(path).num_rows for path in paths)

    def bytes(self, config: str, split: str) -> int:
        """Count the bytes of a split's shards."""
        return sum(path.stat().st_size for path in (self.path / config).glob(f"{split}-*.parquet"))

    def finish(self) -> None:
        """Note that all that was requested is there, and the card that names it."""
        self._content["complete"] = True
        self._save()

    def _save(self) -> None:
        with writing(self._file) as file:
            file.write(json.dumps(self._content, indent=1).encode())
