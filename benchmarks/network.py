"""Reading the test split over HTTP: latency against bytes, for several block sizes.

    python benchmarks/network.py RELEASE [--blocks 256,1024,4096] [--latencies 0,20,100]

RELEASE is a folder with a rebuilt Audio.tar. A server in a process of its own adds the latency to every request; the
script streams `zh-en` in full, and one example. Shares are of Audio.tar; times are ratios to the first row.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]


def serve(release, latency, pipe):
    from hub_server import HubServer

    server = HubServer(release)
    server.latency = latency / 1000
    pipe.send(server.url)
    while pipe.recv() == "count":
        pipe.send((sum(server.bytes.values()), sum(server.requests.values())))
        server.forget()


def stream(url, block, examples):
    import datasets

    import emotiontalk

    with tempfile.TemporaryDirectory() as cache:
        emotiontalk.BLOCK_BYTES = block << 10
        start = time.perf_counter()
        dataset = emotiontalk.load_dataset("zh-en", url, split="test", streaming=True, cache_dir=cache)
        dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
        for _ in zip(range(examples), dataset):
            pass
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--blocks", type=lambda s: [int(n) for n in s.split(",")], default=[64, 256, 1024, 4096], help="KiB")
    parser.add_argument("--latencies", type=lambda s: [int(n) for n in s.split(",")], default=[0, 20, 100], help="ms")
    options = parser.parse_args()
    size = (options.release / "Audio.tar").stat().st_size
    print("| latency | block | whole split: time | share of the bytes | requests | one example: time | share | requests |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    first = None
    for latency in options.latencies:
        pipe, other = multiprocessing.Pipe()
        process = multiprocessing.Process(target=serve, args=(options.release, latency, other), daemon=True)
        process.start()
        url = pipe.recv() + "/files"
        for block in options.blocks:
            cells = []
            for examples in (10**9, 1):
                seconds = stream(url, block, examples)
                first = first or seconds
                pipe.send("count")
                moved, requests = pipe.recv()
                cells.append(f"{seconds / first:.2f} | {moved / size:.4f} | {requests}")
            print(f"| {latency} ms | {block} KiB | {' | '.join(cells)} |", flush=True)
        pipe.send("stop")
        process.join()


if __name__ == "__main__":
    main()
