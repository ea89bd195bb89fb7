"""`emotiontalk demo`: a release loaded as a user loads it, and shown."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import datasets

import emotiontalk
from emotiontalk import sample_data as dummy
from emotiontalk.errors import printable
from emotiontalk.hub.checkout import find_checkout


def show(data_dir: str | None, config: str) -> None:
    """Print the `DatasetDict` and the first test example of a config, its audio decoded.

    data_dir: None takes the synthetic sample data.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = find_checkout()
        if data_dir is None and project:
            data_dir = str(project / "dummy_data")
        elif data_dir is None:
            data_dir = str(Path(folder, "sample"))
            dummy.write(Path(data_dir))
        loaded = emotiontalk.load_dataset(config, data_dir, cache_dir=Path(folder, "cache"))
        print(loaded)
        split = "test" if "test" in loaded else next(iter(loaded))
        dataset = loaded[split]
        print(f"\n{config}, {split}[0]:")
        for name, value in dataset[0].items():
            feature = dataset.features[name]
            if isinstance(feature, datasets.ClassLabel):
                value = f"{value} ({feature.int2str(value)})"
            elif name == "audio":
                value = _described(value)
            elif name == "video" and isinstance(value, dict):
                value = f"{value['path']}: {len(value['bytes']):,} bytes"
            print(f"  {name:18} {printable(str(value).strip())}")


def _described(audio: Any) -> str:
    decoded = emotiontalk.decode_audio(audio)
    array, rate = decoded["array"], decoded["sampling_rate"]
    channels = 1 if array.ndim == 1 else len(array)
    length = f"{array.shape[-1] / rate:.3f} s at {rate:,} Hz"
    return f"{decoded['path']}: {length}, channels: {channels}, peak {abs(array).max():.2f}, {array.dtype}"
