"""The video clips of `emotiontalk files --media video`: `OUT/video/<split>/<id>.mp4`, the released bytes."""

from __future__ import annotations

from collections.abc import Container
from typing import cast

from emotiontalk.export.job import Job, Row, Rows
from emotiontalk.folder import bytes_of_files
from emotiontalk.progress import progress_bar
from emotiontalk.release import ReleaseReader, digest_of_origin


class _Without:
    """All ids but some."""

    def __init__(self, wanted: Container[str]) -> None:
        self._wanted = wanted

    def __contains__(self, uid: object) -> bool:
        return uid not in self._wanted


class Videos:
    """The video clips of the splits of a job.

    Raises the errors of `load_dataset`.
    """

    def __init__(self, job: Job, data_dir: str | None, cache_dir: str | None, token: str | None) -> None:
        self._job = job
        # all labels: those of the silent video do not decide which utterances are written
        self._reader = ReleaseReader(data_dir, cache_dir, token).open("video", list(job.splits), fold=job.fold)
        self._origin = digest_of_origin(self._reader.fingerprints(), "video")

    def bytes_left(self) -> int:
        """Estimate how many bytes are still to be written."""
        return self._reader.media_bytes() - bytes_of_files(self._job.out / "video", "*.mp4")

    def write(self, rows: Rows) -> None:
        """Write the clips of rows, but those that are finished; each row then says where its video is."""
        for split, utterances in rows.items():
            self._write(split, {row.id: row for row in utterances})

    def _write(self, split: str, rows: dict[str, Row]) -> None:
        folder = self._job.folder
        for uid, row in rows.items():
            row.video = f"video/{split}/{uid}.mp4"
        todo = {uid for uid, row in rows.items() if not folder.is_own(str(row.video), self._origin)}
        folder.refuse_foreign(*(str(rows[uid].video) for uid in sorted(todo)))
        if not todo:
            return
        skip = cast("Container[str]", _Without(todo))
        bar = progress_bar(total=len(todo), unit=" videos", desc=f"{split}, video")
        with bar:
            for uid, example in self._reader.splits[split].examples(skip_media=skip):
                if uid in todo:
                    folder.write(str(rows[uid].video), example["video"]["bytes"].read(), self._origin)
                    bar.update()
