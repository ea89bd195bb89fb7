"""`emotiontalk demo`: a release loaded as a user loads it, and shown."""

from __future__ import annotations

import inspect
import tempfile
from pathlib import Path

import datasets


def trust():
    """The keywords with which this version of `datasets` runs a local script."""
    version = tuple(int(part) for part in datasets.__version__.split(".")[:2])
    return {"trust_remote_code": True} if (2, 16) <= version < (4, 0) else {}


def show(script: Path, data_dir: Path, config: str):
    """Print the `DatasetDict` and the first test example of a config, its sound decoded."""
    with tempfile.TemporaryDirectory() as cache:
        loaded = datasets.load_dataset(str(script), config, data_dir=str(data_dir), cache_dir=cache, **trust())
        print(loaded)
        split = "test" if "test" in loaded else next(iter(loaded))
        dataset = loaded[split]
        print(f"\n{config}, {split}[0]:")
        example = dataset[0]
        for name, value in example.items():
            feature = dataset.features[name]
            if isinstance(feature, datasets.ClassLabel):
                value = f"{value} ({feature.int2str(value)})"
            elif name == "audio":
                array, rate = value["array"], value["sampling_rate"]
                value = f"{value['path']}: {len(array) / rate:.3f} s at {rate:,} Hz, peak {abs(array).max():.2f}, {array.dtype}"
            print(f"  {name:18} {inspect.cleandoc(str(value))}")
