"""The loader on the synthetic sample data of this repository: the splits, and the first test example decoded.

`make demo` runs it. It needs the loader alone: pip install .
"""

import tempfile
from pathlib import Path

import datasets

import emotiontalk

SAMPLE_DATA = Path(__file__).resolve().parent.parent / "dummy_data"


def described(audio):
    """Say what decoded audio is."""
    decoded = emotiontalk.decode_audio(audio)
    array, rate = decoded["array"], decoded["sampling_rate"]
    channels = 1 if array.ndim == 1 else len(array)
    length = f"{array.shape[-1] / rate:.3f} s at {rate:,} Hz"
    return f"{decoded['path']}: {length}, channels: {channels}, peak {abs(array).max():.2f}, {array.dtype}"


def main():
    """Load the sample data as a user loads the release, and show it."""
    with tempfile.TemporaryDirectory() as cache:
        loaded = emotiontalk.load_dataset("multimodal", SAMPLE_DATA, cache_dir=cache)
        print(loaded)
        test = loaded["test"]
        print("\nmultimodal, test[0]:")
        for name, value in test[0].items():
            feature = test.features[name]
            if isinstance(feature, datasets.ClassLabel):
                value = f"{value} ({feature.int2str(value)})"
            elif name == "audio":
                value = described(value)
            elif name == "video" and isinstance(value, dict):
                value = f"{value['path']}: {len(value['bytes']):,} bytes"
            print(f"  {name:18} {str(value).strip()}")


if __name__ == "__main__":
    main()
