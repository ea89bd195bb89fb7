"""An export on disk: what was requested, what it is made from, and which of its shards are finished."""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emotiontalk.archives.urls import full_source, is_remote
from emotiontalk.audio_format import AudioFormat
from emotiontalk.choices import CONFIGS as CONFIG_NAMES
from emotiontalk.choices import check_choice
from emotiontalk.corpus import SPLITS, __version__
from emotiontalk.errors import redacted
from emotiontalk.export.options import in_words
from emotiontalk.export.shards import shard_name
from emotiontalk.folder import Folder
from emotiontalk.redaction import HIDDEN
from emotiontalk.release import Fingerprints, check_fold
from emotiontalk.request_error import RequestError
from emotiontalk.schema import CONFIGS, splits_of

CARD_FILE = "README.md"


@dataclasses.dataclass(frozen=True)
class ParquetRequest:
    """What is asked of an export.

    Attributes:
        configs: to write.
        splits: to write; none: all.
        audio_format: of the audio.
        fold: of cross-validation; None: the official splits.
        labels_as_text: whether labels are words, not numbers.
    """

    configs: tuple[str, ...]
    splits: tuple[str, ...] = ()
    audio_format: AudioFormat = dataclasses.field(default_factory=AudioFormat)
    fold: int | None = None
    labels_as_text: bool = False

    def check(self) -> None:
        """Raise `RequestError` for what cannot be written."""
        for config in self.configs:
            check_choice("configs", config, CONFIG_NAMES)
        for split in self.splits:
            check_choice("splits", split, SPLITS)
        if not self.configs:
            raise RequestError(f"configs= is empty: choose from {', '.join(CONFIG_NAMES)}.")
        if self.audio_format and not any("audio" in CONFIGS[config].fields for config in self.configs):
            raise RequestError(
                f"{', '.join(self.configs)} has no audio: remove sampling_rate=, channels= and encoding=."
            )
        for config in self.configs:
            check_fold(config, self.splits, self.fold)
            there = splits_of(config, self.fold)
            if self.splits and not set(self.splits) & set(there):
                raise RequestError(f"{config} has no {' and no '.join(self.splits)}: it has {', '.join(there)}.")

    def fixed(self) -> dict[str, Any]:
        """Return what all shards of a folder have in common, JSON-ready."""
        audio = self.audio_format
        return {
            "kind": "parquet",
            "version": __version__,
            "fold": self.fold,
            "labels_as_text": self.labels_as_text,
            "audio_format": [audio.sampling_rate, audio.channels, audio.encoding],
        }


class ParquetExport:
    """The folder of an export, as `export_parquet` returns it. All that is known of it is in its manifest.

    Attributes:
        path: the folder.
        folder: the same, as it is written to.

    Args:
        path: the folder; it need not exist.
        folder: where it is held already.
    """

    def __init__(self, path: Path, folder: Folder | None = None) -> None:
        self.path, self.folder = Path(path), folder or Folder(Path(path))

    @property
    def exists(self) -> bool:
        """Whether the folder holds an export, finished or not."""
        return self.folder.request.get("kind") == "parquet"

    @property
    def complete(self) -> bool:
        """Whether all that was requested is there, and the card that names it."""
        return self.exists and bool(self.folder.progress.get("complete"))

    @property
    def fold(self) -> int | None:
        """The fold of cross-validation; None: the official splits."""
        fold: int | None = self.folder.request.get("fold")
        return fold

    @property
    def labels_as_text(self) -> bool:
        """Whether labels are words, not numbers."""
        return bool(self.folder.request.get("labels_as_text"))

    @property
    def audio_format(self) -> AudioFormat:
        """The format of the audio."""
        return AudioFormat(*self.folder.request.get("audio_format", ()))

    @property
    def source(self) -> str | None:
        """The release that it was begun from, without secrets; None: the default source."""
        source: str | None = self.folder.progress.get("data_dir")
        return source

    def request(self) -> ParquetRequest:
        """Return what all runs together have requested."""
        asked = self.folder.progress
        splits, configs = tuple(asked.get("splits", ())), tuple(asked.get("configs", ()))
        return ParquetRequest(configs, splits, self.audio_format, self.fold, self.labels_as_text)

    def configs(self) -> list[str]:
        """Return the configs of which there is something."""
        return list(self.folder.progress.get("shards", {}))

    def numbers(self, config: str) -> dict[str, int]:
        """Return of each split of a config in how many shards it is written."""
        return dict(self.folder.progress.get("shards", {}).get(config, {}))

    def check(self, request: ParquetRequest) -> None:
        """Raise `RequestError` where the folder holds something else, or a file in the way that no command wrote."""
        self.folder.check_request(request.fixed(), in_words)
        self.folder.refuse_foreign(CARD_FILE)
        for config in {*request.configs, *self.configs()}:
            for path in sorted((self.path / config).glob("*.parquet")):  # would be loaded along
                self.folder.refuse_foreign(f"{config}/{path.name}")

    def check_sources(self, sources: Mapping[str, Fingerprints]) -> None:
        """Raise `RequestError` if something is there that was written from another release.

        sources: the archives of each config that is to be written.
        """
        for other, known in self.folder.progress.get("sources", {}).items():
            for fingerprints in sources.values():
                changed = [name for name in fingerprints if known.get(name, fingerprints[name]) != fingerprints[name]]
                if changed and any(self.has(other, s, n) for s, of in self.numbers(other).items() for n in range(of)):
                    raise RequestError(
                        f"{self.path} holds {other} of another release, or of a {changed[0]}.tar that has changed "
                        "since: choose another folder, or delete that one."
                    )

    def record(self, request: ParquetRequest, data_dir: str | None) -> None:
        """Record what is wanted, so that a stopped run can be resumed."""
        if self.folder.request != request.fixed():  # nothing of another request is there: see `check`
            self.folder.record_progress(configs=[], splits=list(request.splits), sources={}, shards={}, complete=False)
        self.folder.record_request(request.fixed(), in_words)
        before = self.folder.progress
        if data_dir and not is_remote(full_source(data_dir)):
            data_dir = os.path.abspath(os.path.expanduser(data_dir))
        elif data_dir and redacted(data_dir) != data_dir:  # neither password nor signature are stored
            shown = redacted(data_dir)
            data_dir = shown if "…" in shown else shown.replace("://", f"://{HIDDEN}", 1)
        # no names mean all splits, then and from then on
        splits = (
            list(dict.fromkeys([*before["splits"], *request.splits])) if before["splits"] and request.splits else []
        )
        configs = list(dict.fromkeys([*before["configs"], *request.configs]))
        self.folder.record_progress(configs=configs, splits=splits, data_dir=data_dir)

    def start(self, config: str, split: str, number: int, fingerprints: Fingerprints) -> None:
        """Record that a split is written, in how many shards, and from what."""
        progress = self.folder.progress
        shards = {**progress["shards"], config: {**self.numbers(config), split: number}}
        sources = {**progress["sources"], config: fingerprints}
        self.folder.record_progress(sources=sources, shards=shards, complete=False)

    def has(self, config: str, split: str, n: int, number: int | None = None) -> bool:
        """Whether a shard is finished. number: of the split's shards, where it was not started yet."""
        of = number or self.numbers(config).get(split, 0)
        return self.folder.is_finished(f"{config}/{shard_name(split, n, of)}")

    def partial(self, config: str, split: str, n: int) -> Path:
        """Return where a shard is to be written."""
        return self.folder.partial(f"{config}/{shard_name(split, n, self.numbers(config)[split])}")

    def add(self, config: str, split: str, n: int, sha256: str) -> None:
        """Record that a shard is finished; it gets its name when all of them are."""
        self.folder.stage(f"{config}/{shard_name(split, n, self.numbers(config)[split])}", sha256)

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

    def publish(self) -> None:
        """Give the finished shards their names; those of an earlier run that they replace are removed."""
        shards = set(self.shards())
        self.folder.publish(shards)
        for config in self.configs():
            for path in (self.path / config).glob("*.parquet"):
                if f"{config}/{path.name}" not in shards:
                    self.folder.discard(f"{config}/{path.name}")

    def finish(self) -> None:
        """Record that all that was requested is there, and the card that names it."""
        self.folder.record_progress(complete=True)

    def rows(self, config: str, split: str) -> int:
        """Count the rows of a split, by the footers of its shards."""
        number = self.numbers(config)[split]
        paths = (self.path / config / shard_name(split, n, number) for n in range(number))
        return sum(pq.read_metadata(path).num_rows for path in paths)

    def bytes(self, config: str, split: str) -> int:
        """Count the bytes of a split's shards."""
        return sum(path.stat().st_size for path in (self.path / config).glob(f"{split}-*.parquet"))

    def files(self) -> list[Path]:
        """Return card and shards. Raises `RequestError` for an export that is not there, or not finished."""
        if not self.exists:
            raise RequestError(f"{self.path} holds no export: write one (`export_parquet`), or name its folder.")
        if not self.complete:
            raise RequestError(
                f"{self.path} is not a finished export: run the command that began it again, it resumes."
            )
        for name in self.shards():
            if not (self.path / name).is_file():
                raise RequestError(f"{self.path / name} is gone. Delete {self.path} and export again.")
        return [self.path / CARD_FILE, *(self.path / name for name in self.shards())]

    def _table(self) -> list[dict[str, Any]]:
        """Return a record for each split of each config."""
        return [
            {
                "config": config,
                "split": split,
                "rows": self.rows(config, split),
                "shards": number,
                "bytes": self.bytes(config, split),
            }
            for config in self.configs()
            for split, number in self.numbers(config).items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known of a finished export, JSON-ready. Raises as `files`."""
        files = [path.relative_to(self.path).as_posix() for path in self.files()]
        return {"path": str(self.path), **self.folder.request, "splits": self._table(), "files": files}

    def to_pandas(self) -> Any:
        """Return the splits of a finished export as a DataFrame: a row for each. Raises as `files`."""
        import pandas

        self.files()
        return pandas.DataFrame(self._table(), columns=["config", "split", "rows", "shards", "bytes"])

    def __repr__(self) -> str:
        return f"ParquetExport({str(self.path)!r}, complete={self.complete})"

    def _repr_html_(self) -> str:
        if not self.complete:
            return f"<p>{html.escape(repr(self))}</p>"
        cells = "".join(
            f"<tr>{''.join(f'<td>{html.escape(str(value))}</td>' for value in row.values())}</tr>"
            for row in self._table()
        )
        head = "".join(f"<th>{name}</th>" for name in ("config", "split", "rows", "shards", "bytes"))
        return f"<p>{html.escape(str(self.path))}</p><table><tr>{head}</tr>{cells}</table>"
