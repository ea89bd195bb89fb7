"""The page of the report: its numbers, charts and clips in the template of `assets`, in English or in Chinese."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import jinja2

from emotiontalk.archives.urls import full_source, is_remote
from emotiontalk.corpus import (
    AUDIO_FORMATS,
    CONDITION_NAMES,
    DEFAULT_SOURCE,
    EMOTIONS,
    HOMEPAGE,
    LICENSE,
    SENTIMENTS,
    TOTAL,
    __version__,
)
from emotiontalk.errors import printable, redacted
from emotiontalk.folder import ZEROS
from emotiontalk.reporting.charts import charts
from emotiontalk.reporting.reading import Reading
from emotiontalk.reporting.wording import Wording
from emotiontalk.verification.findings import format_name

PAPER_HOURS = 23.6
MARK = b'<meta name="emotiontalk-sha256" content="'  # of a page that nobody has edited


def render_page(
    reading: Reading, numbers: dict[str, Any], language: str, data_dir: str | os.PathLike[str] | None
) -> str:
    """Return the page as HTML.

    Args:
        reading: what was read.
        numbers: what `count_numbers` counted in it.
        language: of the page, one of `wording.LANGUAGES`.
        data_dir: where the release was read, as in `load_dataset`. The page names no folder.
    """
    whole = numbers["utterances"] == TOTAL
    reported = {format_name(*form, 16): n for form, n in AUDIO_FORMATS.items()} if whole else {}
    wording = Wording(language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("assets")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html").render(
        t=wording,
        numbers=numbers,
        as_json=json.dumps(numbers, allow_nan=False).replace("<", "\\u003c"),
        clips=reading.clips,
        emotions=EMOTIONS,
        sentiments=SENTIMENTS,
        conditions=CONDITION_NAMES,
        charts=charts(reading.table, numbers, wording),
        source=_where(data_dir, wording),
        date=datetime.date.today().isoformat(),
        paper_hours=PAPER_HOURS if whole else None,
        format_counts=_format_counts(numbers["formats"], reported),
        reported=reported,
        version=__version__,
        digest=ZEROS.decode(),
        license=LICENSE,
        homepage=HOMEPAGE,
        shared=[s for s, n in numbers["speakers_by_split"].items() if n.get("validation") and n.get("test")],
    )
    return "\n".join(map(printable, page.split("\n")))  # a browser and a terminal would obey the rest


def _format_counts(by_split: dict[str, dict[str, int]], reported: dict[str, int]) -> dict[str, list[int]]:
    """Return the counts of each format: of each split, then of all; also of those that are reported but not found."""
    names = dict.fromkeys([name for counts in by_split.values() for name in counts] + list(reported))
    counts_of = {name: [counts.get(name, 0) for counts in by_split.values()] for name in names}
    return {name: [*counts, sum(counts)] for name, counts in counts_of.items()}


def _where(data_dir: str | os.PathLike[str] | None, wording: Wording) -> str:
    """Say where a release was read, without the path of a folder of the reader's own."""
    source = full_source(os.fspath(data_dir)) if data_dir else DEFAULT_SOURCE
    if data_dir and is_remote(source):
        return redacted(source)
    return wording("local") if data_dir else DEFAULT_SOURCE
