"""What exports to files return."""

from __future__ import annotations

import dataclasses
import html
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class ExportedFiles:
    """What was written.

    Attributes:
        path: the folder.
        counts: utterances of each split.
        files: what belongs to the export, also where an earlier run has written it.
    """

    path: Path
    counts: dict[str, int]
    files: list[Path] = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the result, JSON-ready."""
        return {"path": str(self.path), "counts": dict(self.counts), "files": [str(path) for path in self.files]}

    def to_pandas(self) -> Any:
        """Return the counts as a DataFrame: split, utterances."""
        import pandas

        return pandas.DataFrame({"split": list(self.counts), "utterances": list(self.counts.values())})

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(split)}</td><td>{count:,}</td></tr>" for split, count in self.counts.items()
        )
        head = "<tr><th>split</th><th>utterances</th></tr>"
        return f"<p>{html.escape(str(self.path))}: {len(self.files):,} files</p><table>{head}{rows}</table>"


@dataclasses.dataclass(frozen=True)
class FilesExport(ExportedFiles):
    """What `export_files` wrote.

    Attributes:
        formats: the names of the formats.
    """

    formats: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result, JSON-ready."""
        return {**super().to_dict(), "formats": list(self.formats)}


@dataclasses.dataclass(frozen=True)
class ZhEnExport(ExportedFiles):
    """What `export_zh_en` wrote."""
