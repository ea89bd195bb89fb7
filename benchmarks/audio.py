"""Converting audio: at load, in a loop, and by other libraries, rows a second on one core.

    python benchmarks/audio.py RELEASE [--clips 400]

RELEASE is a folder with a rebuilt Audio.tar at real length (`make_release.py --time-scale 1 --only Audio`). The first
table prepares the test split with one process, as released and at 16 kHz mono. The second takes the same clips of the
split, already in memory, through each library to 16 kHz mono. Libraries that are not installed are left out.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import datasets  # noqa: E402
import numpy  # noqa: E402

import emotiontalk  # noqa: E402
from emotiontalk.audio import converted  # noqa: E402

RATE = 16_000


def clips_of(release: str, number: int) -> list[bytes]:
    stream = emotiontalk.load_dataset("audio", release, split="test", streaming=True)
    plain = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    return [row["audio"]["bytes"] for _, row in zip(range(number), stream.cast_column("audio", plain))]


def by_decode_audio(clip):
    return emotiontalk.decode_audio({"bytes": clip, "path": None}, RATE, mono=True)["array"]


def by_torchcodec():
    from torchcodec.decoders import AudioDecoder

    return lambda clip: AudioDecoder(clip, sample_rate=RATE, num_channels=1).get_all_samples().data


def by_datasets():
    feature = datasets.Audio(sampling_rate=RATE)

    def decode(clip):
        decoded = feature.decode_example({"bytes": clip, "path": None})
        return decoded["array"]

    decode(emotiontalk.audio.wav_file(numpy.zeros((4_410, 2), "<i2"), 44_100))  # or an ImportError
    return decode


def by_librosa():
    import librosa

    return lambda clip: librosa.load(io.BytesIO(clip), sr=RATE, mono=True)[0]


def by_torchaudio():
    import soundfile
    import torch
    import torchaudio

    resample = torchaudio.transforms.Resample(44_100, RATE)

    def decode(clip):
        samples, _ = soundfile.read(io.BytesIO(clip), dtype="float32", always_2d=True)
        return resample(torch.from_numpy(samples.T).mean(dim=0))

    return decode


LIBRARIES = {
    "16-bit WAV, as at load": lambda: lambda clip: converted(clip, RATE, mono=True),
    "emotiontalk.decode_audio": lambda: by_decode_audio,
    "torchcodec": by_torchcodec,
    "datasets.Audio(sampling_rate=16000)": by_datasets,
    "librosa.load": by_librosa,
    "torchaudio Resample": by_torchaudio,
}


def loops(clips: list[bytes]) -> None:
    print("\n| to 16 kHz mono by | clips a second | ratio |\n|---|---:|---:|")
    first = None
    for name, make in LIBRARIES.items():
        try:
            decode = make()
        except Exception as error:  # not installed, or not to be loaded
            print(f"| {name} | {type(error).__name__} | |")
            continue
        decode(clips[0])
        best = 0.0
        for _ in range(3):
            start = time.process_time()
            for clip in clips:
                decode(clip)
            best = max(best, len(clips) / (time.process_time() - start))
        first = first or best
        print(f"| {name} | {best:,.0f} | {best / first:.2f} |")


def preparing(release: str) -> None:
    print("| preparing test | rows a second | seconds | GB on disk |\n|---|---:|---:|---:|")
    for name, options in (("as released", {}), ("16 kHz mono", {"sampling_rate": RATE, "mono": True})):
        folder = tempfile.mkdtemp(dir=Path(release).parent)
        start = time.perf_counter()
        found = emotiontalk.load_dataset("audio", release, split="test", cache_dir=folder, **options)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.arrow"))
        print(f"| {name} | {len(found) / seconds:,.0f} | {seconds:.1f} | {size / 1e9:.2f} |")
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("--clips", type=int, default=400)
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    preparing(arguments.release)
    loops(clips_of(arguments.release, arguments.clips))
