"""WebDataset: tars of even size, a number that divides by 8; of each utterance the sound, `.json` with all fields, `.txt`."""

import io
import json
import tarfile

from tqdm import tqdm

from ..files import readable
from ..parquet import SHARDS

TOOLKIT, SOUND = "WebDataset", "inside"


def write(job, sounds):
    counts = {}
    for split, kwargs in job.splits.items():
        parts = kwargs["shards"]
        number = min(SHARDS[split], len(parts))
        number -= number % 8 if number >= 8 else 0
        counts[split] = 0
        for n in tqdm(range(number), unit=" shards", desc=f"webdataset, {split}"):
            name = f"webdataset/{split}-{n:06d}.tar"
            origin = f"{job.origin} {number} {job.config} {job.label_set}"
            if not job.folder.is_own(name, origin):
                job.folder.refuse_foreign(name)
                begin, end = (len(parts) * i // number for i in (n, n + 1))
                with tarfile.open(job.folder.partial(name), "w", format=tarfile.USTAR_FORMAT) as tar:
                    for row, sound in sounds({**kwargs, "shards": parts[begin:end]}):
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
    return f"""The sounds are in the tars ({job.ending}), none beside.

    webdataset.WebDataset("webdataset/train-{{000000..000047}}.tar", shardshuffle=48)
    datasets.load_dataset("webdataset", data_files={{"test": "webdataset/test-*.tar"}}, split="test", streaming=True)
"""
