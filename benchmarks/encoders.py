"""Features of an audio encoder in batches, compared with one clip at a time: seconds and their ratio.

    python benchmarks/encoders.py [--clips 128] [--rounds 3] [--size large|small] [--device cuda]

The encoder has the shape of wav2vec 2.0 large (on a CPU: a fifth of the parameters of base), with random weights. The
clips are noise; their lengths are spread as those of the corpus are, 1 to 12 s. Both ways alternate. One at a time is
`ExtractionOptions(one_at_a_time=True)`: no batches, float32. On a GPU the batches use automatic mixed precision, too;
the last table says by how much the features differ, relative to their standard deviation.
"""

from __future__ import annotations

import argparse
import io
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import numpy  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from emotiontalk.probing.upstreams.opening import open_upstream  # noqa: E402
from emotiontalk.probing.upstreams.upstream import ExtractionOptions  # noqa: E402

RATE = 16_000
SIZES = {
    "large": {"hidden_size": 1_024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4_096},
    "small": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1_536},
}


def encoder(folder: str, size: str) -> str:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        **SIZES[size], feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True
    )
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def clips(number: int) -> list[tuple[str, bytes]]:
    random = numpy.random.default_rng(0)
    found = []
    for n in range(number):
        seconds = float(numpy.clip(random.lognormal(1.3, 0.6), 1, 12))
        out = io.BytesIO()
        soundfile.write(out, random.normal(0, 0.1, int(seconds * RATE)), RATE, format="WAV", subtype="PCM_16")
        found.append((f"clip {n}", out.getvalue()))
    return found


def main(arguments: argparse.Namespace) -> None:
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    size = arguments.size or ("large" if device.startswith("cuda") else "small")
    given = clips(arguments.clips)
    seconds = sum((len(audio) - 44) / 2 / RATE for _, audio in given)
    ways = {"one at a time": True, "batches": False}
    with tempfile.TemporaryDirectory() as folder:
        name = encoder(folder, size)
        upstreams = {
            way: open_upstream(name, ExtractionOptions(device=device, one_at_a_time=one)) for way, one in ways.items()
        }
        found: dict[str, numpy.ndarray] = {}
        for way, upstream in upstreams.items():  # the first calls of a device take longer
            found[way] = numpy.stack(list(upstream.features(given)))
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, upstream in upstreams.items():
                start = time.perf_counter()
                for _ in upstream.features(given):
                    pass
                taken[way].append(time.perf_counter() - start)
    print(f"{size} on {device}, {len(given)} clips, {seconds:.0f} s of audio, {arguments.rounds} rounds\n")
    print("| run | seconds, median | least to most | ratio |\n|---|---:|---:|---:|")
    first = statistics.median(taken["one at a time"])
    for way, times in taken.items():
        median = statistics.median(times)
        print(f"| {way} | {median:.2f} | {min(times):.2f} to {max(times):.2f} | {median / first:.2f} |")
    difference = numpy.abs(found["batches"] - found["one at a time"]) / found["one at a time"].std()
    print("\n| difference of the features | |\n|---|---:|")
    print(f"| mean | {difference.mean():.1e} |\n| most | {difference.max():.1e} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", choices=SIZES)
    parser.add_argument("--device")
    logging.disable(logging.WARNING)
    transformers.logging.disable_progress_bar()
    main(parser.parse_args())
