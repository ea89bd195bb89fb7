"""WebDataset: tars of even size, a number that divides by 8; of each utterance sound, `.json` (all fields), `.txt`."""

import io
import json
import tarfile

from tqdm import tqdm

from .. import source
from ..files import readable
from ..parquet import SHARDS

TOOLKIT, SOUND = "WebDataset", "inside"


def write(job, sounds):
    """See `formats`."""
    counts = {}
    for split, kwargs in job.splits.items():
        number = source.even_number(SHARDS[split], kwargs)
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


def _add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def start(job):
    """See `formats`."""
    return f"""The sounds are in the tars ({job.ending}), none beside.

    webdataset.WebDataset("webdataset/train-{{000000..000047}}.tar", shardshuffle=48)
    datasets.load_dataset("webdataset", data_files={{"test": "webdataset/test-*.tar"}}, split="test", streaming=True)
"""
