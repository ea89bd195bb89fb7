"""`emotiontalk.report`: what is in a release, as numbers and as one self-contained HTML page."""

from __future__ import annotations

import copy
import html
import os
from pathlib import Path
from typing import Any

import pandas

from emotiontalk.folder import expanded, refuse_foreign_file, room, write_file
from emotiontalk.release import ReleaseReader
from emotiontalk.reporting.numbers import count_numbers
from emotiontalk.reporting.page import MARK, render_page
from emotiontalk.reporting.reading import read_release
from emotiontalk.reporting.wording import LANGUAGES
from emotiontalk.request_error import RequestError


class Report:
    """What is in a release. In a notebook it shows its page.

    Attributes:
        numbers: every number of the page, JSON-ready: counts, shares 0…1, lengths in seconds, kappas.
        html: the page. With clips it holds gated audio: do not publish it.
    """

    def __init__(self, table: pandas.DataFrame, numbers: dict[str, Any], page: str) -> None:
        self.numbers, self.html, self._table = numbers, page, table

    def __repr__(self) -> str:
        return f"Report({self.numbers['utterances']:,} utterances, {self.numbers['hours']:.1f} hours)"

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of the numbers, JSON-ready."""
        return copy.deepcopy(self.numbers)

    def to_pandas(self) -> pandas.DataFrame:
        """Return what was counted, an utterance a row.

        Its columns: id, split, group, dialogue, speaker, seconds (NaN where the audio has no readable header), format,
        score (−2…2), sentiment (0…4) and the label 0…6 of each annotation condition.
        """
        return self._table.copy()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; its folder is made.

        Returns:
            The path of the page.

        Raises:
            RequestError: there is another file, or a page that was edited since; or no room.
        """
        out = check_page_path(path)
        write_file(out, self.html.encode(), MARK)
        return out

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html)}" style="width: 100%; height: 40em; border: 0"></iframe>'


def check_page_path(path: str | os.PathLike[str]) -> Path:
    """Check before a release is read that its page can be written; its folder is made.

    Raises `RequestError` where `Report.save` would.
    """
    out = expanded(Path(path))
    refuse_foreign_file(out, mark=MARK)
    with room(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    return out


def report(
    *,
    clips: int = 3,
    language: str = "en",
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
) -> Report:
    """Count what is in a release, and make a page of it.

    Args:
        clips: how many utterances to listen to for each split and emotion, over groups and speakers; 0: none.
        language: of the page, "en" or "zh".
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        The numbers, and the page: `report.save("report.html")` writes it.

    Raises:
        RequestError: there is no such language, or clips is not a number of utterances; or the release is empty.
        EmotionTalkError: the errors of `load_dataset`.

    Example:
        >>> emotiontalk.report(clips=0, data_dir="RELEASE").numbers["utterances"]
        19250
    """
    if language not in LANGUAGES:
        raise RequestError(f"language={language!r}: choose from {', '.join(LANGUAGES)}.")
    if isinstance(clips, bool) or not isinstance(clips, int) or clips < 0:
        raise RequestError(f"clips={clips!r}: give how many utterances, 0 or more.")
    reader = ReleaseReader(data_dir, cache_dir, token)
    reading = read_release(reader, clips)
    if not len(reading.table):
        raise RequestError(f"{reader.source}: this release has no utterances.")
    numbers = count_numbers(reading)
    return Report(reading.table, numbers, render_page(reading, numbers, language, data_dir))
