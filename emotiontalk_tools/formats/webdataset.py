"""WebDataset: tars of even size, of each utterance the sound, `.json` (all fields) and `.txt`.

The number of tars divides by 8 wherever a split has eight utterances.
"""

import io
import json
import tarfile

from tqdm import tqdm

from .. import source
from ..files import readable
from ..parquet import FILES

TOOLKIT, SOUND = "WebDataset", "inside"


def write(job, sounds):
    """See `formats`."""
    counts = {}
    for split, kwargs in job.splits.items():
        number = _number(job, split)
        counts[split] = 0
        for n, part in enumerate(tqdm(source.parts_of(kwargs, number), unit=" shards", desc=f"webdataset, {split}")):
            name = f"webdataset/{split}-{n:06d}.tar"
            origin = f"{job.origin} {number} {job.config} {job.label_set}"
            if not job.folder.is_own(name, origin):
                job.folder.refuse_foreign(name)
                with tarfile.open(job.folder.partial(name), "w", format=tarfile.USTAR_FORMAT) as tar:
                    for row, sound in sounds(part):
                        _add(tar, f"{row.id}.{job.ending}", sound)
                        _add(tar, f"{row.id}.json", json.dumps(readable(row), ensure_ascii=False).encode())
                        _add(tar, f"{row.id}.txt", row.text.encode())
                job.folder.finish(name, origin)
            with tarfile.open(job.out / name) as tar:
                counts[split] += sum(member.name.endswith(".txt") for member in tar)
    return counts


def _number(job, split):
    """How many tars a split is written in."""
    return source.even_number(FILES[split], job.splits[split])


def _add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def start(job):
    """See `formats`."""
    split = job.example
    number = _number(job, split)
    return f"""The sounds are in the tars ({job.ending}), none beside.

    webdataset.WebDataset("webdataset/{split}-{{000000..{number - 1:06d}}}.tar", shardshuffle={number})
    files = {{"{split}": "webdataset/{split}-*.tar"}}
    datasets.load_dataset("webdataset", data_files=files, split="{split}", streaming=True)
"""
