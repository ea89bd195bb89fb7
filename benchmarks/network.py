"""Reading over a network: round trips, bytes and rate, against `hf_hub_download` and `HfFileSystem`.

    python benchmarks/network.py RELEASE [--latency 50] [--rate 25] [--in-flight 1,4,8,12,16]

RELEASE is a folder with a rebuilt Audio.tar. A server in a process of its own redirects each file to a signed URL
on another port, as the Hub does, waits before every answer, and limits the rate of each connection. Each row is a
process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

STREAM = """
import datasets, emotiontalk, emotiontalk.archives.read_ahead
emotiontalk.archives.read_ahead.BlockStream.IN_FLIGHT = {in_flight}
start = time.perf_counter()
stream = emotiontalk.load_dataset({config!r}, {source!r}, split="test", streaming=True, cache_dir={cache!r})
for _ in zip(range({examples}), stream.cast_column("audio", datasets.Audio(decode=False))):
    pass
"""
DOWNLOAD = """
import huggingface_hub
start = time.perf_counter()
huggingface_hub.hf_hub_download(
    "BAAI/Emotiontalk", "Audio.tar", repo_type="dataset", revision={revision!r}, cache_dir={cache!r}
)
"""
FILES = """
import huggingface_hub, re, tarfile
start = time.perf_counter()
file = huggingface_hub.HfFileSystem().open("datasets/BAAI/Emotiontalk@{revision}/Audio.tar", "rb")
for member in tarfile.open(fileobj=file, mode="r:"):
    if re.search("G00003_.*[.]json", member.name):
        break
"""
END = """
import resource
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def serve(release, latency, rate, pipe):
    from hub_server import HubServer

    server = HubServer(release)
    server.signed, server.latency, server.rate = True, latency / 1000, rate * 1e6
    pipe.send(server.url)
    while pipe.recv() == "count":
        both = [server, *([server.storage] if server.storage else [])]
        pipe.send((sum(sum(one.bytes.values()) for one in both), sum(sum(one.requests.values()) for one in both)))
        server.forget()


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--latency", type=float, default=50, help="ms before each answer")
    parser.add_argument("--rate", type=float, default=25, help="MB/s of a connection")
    parser.add_argument("--in-flight", type=numbers, default=[1, 4, 8, 12, 16], help="blocks at once")
    options = parser.parse_args()
    from hub_server import REVISION

    pipe, other = multiprocessing.Pipe()
    settings = (options.release, options.latency, options.rate, other)
    multiprocessing.Process(target=serve, args=settings, daemon=True).start()
    url = pipe.recv()
    print("| run | seconds | MB | share of Audio.tar | MB/s | requests | peak MB of memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")

    def row(label, code, **values):
        environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-c", ("import time" + code + END).format(**values, revision=REVISION)]
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        seconds, memory = map(float, done.stdout.split())
        pipe.send("count")
        moved, requests = pipe.recv()
        share = moved / (options.release / "Audio.tar").stat().st_size
        print(
            f"| {label} | {seconds:.2f} | {moved / 1e6:.1f} | {share:.4f} | {moved / 1e6 / seconds:.0f} | {requests} "
            f"| {memory:.0f} |",
            flush=True,
        )

    remote, folder = f"{url}/files", str(options.release)
    with tempfile.TemporaryDirectory() as cache:
        for label, source in (("local folder", folder), ("first process", remote), ("second process", remote)):
            values = {"config": "audio", "source": source, "examples": 1, "cache": cache, "in_flight": 8}
            row(f"first example of `test`, {label}", STREAM, **values)
    for in_flight in options.in_flight:
        with tempfile.TemporaryDirectory() as cache:
            values = {"config": "zh-en", "source": remote, "examples": 10**9, "cache": cache, "in_flight": in_flight}
            row(f"`zh-en` whole, {in_flight} blocks in flight", STREAM, **values)
    row("to the first annotation of G00003 with `HfFileSystem` and tarfile", FILES)
    with tempfile.TemporaryDirectory() as cache:
        row("`hf_hub_download` of all", DOWNLOAD, cache=cache)


if __name__ == "__main__":
    main()
