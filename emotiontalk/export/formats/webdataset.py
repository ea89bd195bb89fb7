"""WebDataset: tars of even size, of each utterance the audio, `.json` (all fields) and `.txt`.

The number of tars divides by 8 wherever a split has eight utterances.
"""

from __future__ import annotations

import io
import json
import tarfile

from emotiontalk.export.job import Clips, Job, readable
from emotiontalk.export.parquet import FILES
from emotiontalk.progress import progress_bar

TOOLKIT, AUDIO = "WebDataset", "inside"


def write(job: Job, clips: Clips) -> dict[str, int]:
    """See `toolkits`."""
    counts = {}
    for split, reader in job.splits.items():
        number = _number(job, split)
        counts[split] = 0
        for n, part in enumerate(progress_bar(reader.parts(number), unit=" shards", desc=f"webdataset, {split}")):
            name = f"webdataset/{split}-{n:06d}.tar"
            origin = f"{job.origin} {number} {job.config} {job.label_set}"
            if not job.folder.is_own(name, origin):
                job.folder.refuse_foreign(name)
                with tarfile.open(job.folder.partial(name), "w", format=tarfile.USTAR_FORMAT) as tar:
                    for row, audio in clips(part):
                        _add(tar, f"{row.id}.{job.suffix}", audio)
                        _add(tar, f"{row.id}.json", json.dumps(readable(row), ensure_ascii=False).encode())
                        _add(tar, f"{row.id}.txt", row.text.encode())
                job.folder.finish(name, origin)
            with tarfile.open(job.out / name) as tar:
                counts[split] += sum(member.name.endswith(".txt") for member in tar)
    return counts


def _number(job: Job, split: str) -> int:
    """Return in how many tars a split is written."""
    return job.splits[split].even_number(FILES[split])


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def start(job: Job) -> str:
    """See `toolkits`."""
    split = job.example
    number = _number(job, split)
    return f"""The audio is in the tars ({job.suffix}), not next to them.

    webdataset.WebDataset("webdataset/{split}-{{000000..{number - 1:06d}}}.tar", shardshuffle={number})
    files = {{"{split}": "webdataset/{split}-*.tar"}}
    datasets.load_dataset("webdataset", data_files=files, split="{split}", streaming=True)

`datasets` 4 and later needs torchcodec for it, also to cast the audio to `Audio(decode=False)`.
"""
