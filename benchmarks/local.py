"""Preparing `audio` from a local Audio.tar: this loader, the script most would write, a plain copy; exporting it.

    python benchmarks/local.py [--release FOLDER] [--rounds 2]

Needs ../shared (the baseline and the rebuilt release), about 50 GB of free disk at full size. Each run is a process
of its own with an empty cache; wall time, CPU time of the process and its children, and the largest resident memory of
any one process. Ratios are to the first run of the same round; a round runs everything once, one after the other.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"

LOAD = """
import json, os, resource, sys, time
sys.path.insert(0, {project!r})
import datasets, emotiontalk
start, cpu = time.perf_counter(), os.times()
{body}
seconds, now = time.perf_counter() - start, os.times()
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
print(json.dumps({{"wall": seconds, "cpu": sum(now[:4]) - sum(cpu[:4]), "MB": peak}}))
"""


def run(body: str, release: Path) -> dict:
    """One measurement in a fresh process and a fresh cache next to the release (the same disk)."""
    with tempfile.TemporaryDirectory(dir=release.parent) as cache:
        code = LOAD.format(project=str(PROJECT), body=body.format(cache=cache, release=str(release)))
        environment = {**os.environ, "HF_HOME": cache, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return json.loads(done.stdout.strip().splitlines()[-1])


def load(call: str, **options) -> str:
    arguments = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"{call}, data_dir={{release!r}}, cache_dir={{cache!r}}{arguments})"


EMOTIONTALK = "emotiontalk.load_dataset('audio'"
RUNS = {
    "baseline": load(f"datasets.load_dataset({str(SHARED / 'bench' / 'baseline_loader.py')!r}", trust_remote_code=True),
    "audio": load(EMOTIONTALK),
    "audio, num_proc=2": load(EMOTIONTALK, num_proc=2),
    'audio, split="test"': load(EMOTIONTALK, split="test"),
    "first streamed example of test": "next(iter("
    + load(EMOTIONTALK, split="test", streaming=True)
    + ".cast_column('audio', datasets.Audio(decode=False))))",
    "plain copy": "import shutil; shutil.copyfile({release!r} + '/Audio.tar', {cache!r} + '/copy')",
}
EXPORT = "import emotiontalk; emotiontalk.export_parquet({{cache!r}} + '/out', ['audio'], data_dir={{release!r}}{})"
EXPORTS = {
    "audio": RUNS["audio"],
    "audio as Parquet": EXPORT.format(""),
    "audio as Parquet, 16 kHz mono FLAC": EXPORT.format(", audio_format=emotiontalk.AudioFormat(16000, 1, 'flac')"),
}

VERIFIES = {
    "cat to nowhere": "import subprocess; "
    "subprocess.run(['cat', {release!r} + '/Audio.tar'], stdout=subprocess.DEVNULL)",
    "verify": "from emotiontalk.verification.verify import verify; verify({release!r})",
}
PARTS = ("baseline", "audio", "audio, num_proc=2", "plain copy")

# Groups that make about this share of the utterances, spread over the splits.
SHARES = {
    "1/8": "G00001,G00002,G00003",
    "1/4": "G00001,G00002,G00003,G00005,G00010",
    "1/2": "G00001,G00002,G00003,G00005,G00006,G00007,G00010,G00011",
}


def rebuild(out: Path, share: str) -> Path:
    options = ["--time-scale", "1", "--only", "Audio", *(["--groups", SHARES[share]] if share in SHARES else [])]
    subprocess.run([sys.executable, str(SHARED / "make_release.py"), str(out), *options], check=True)
    return out


def measure(release: Path, rounds: int, runs: dict) -> list[dict]:
    return [{name: run(body, release) for name, body in runs.items()} for _ in range(rounds)]


def table(results: list[dict]) -> str:
    """Ratios are to the first run of each round."""
    first = next(iter(results[0]))
    lines = [
        f"| run | wall | CPU | peak MB of a process | wall, ratio to {first} | CPU, ratio | MB, ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for round_ in results:
        base = round_[first]
        for name, r in round_.items():
            ratios = " | ".join(f"{r[key] / base[key]:.2f}" for key in ("wall", "cpu", "MB"))
            lines.append(f"| {name} | {r['wall']:.1f} s | {r['cpu']:.1f} s | {r['MB']:.0f} | {ratios} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, help="a folder with a whole Audio.tar; without it one is rebuilt")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-scaling", action="store_true", help="leave out 1/8, 1/4, 1/2")
    parser.add_argument("--exports", action="store_true", help="only the exports, against preparing")
    parser.add_argument("--verify", action="store_true", help="only `emotiontalk verify`, against cat")
    options = parser.parse_args()
    import datasets
    import pyarrow

    print(
        f"{datetime.date.today()}, {platform.platform()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, datasets {datasets.__version__}, pyarrow {pyarrow.__version__}\n"
    )
    folder = Path(
        tempfile.mkdtemp(prefix="emotiontalk-benchmark-", dir=options.release.parent if options.release else None)
    )
    try:
        release = options.release or rebuild(folder / "full", "full")
        if options.verify:
            print(table(measure(release, options.rounds, VERIFIES)))
            return
        if not options.exports:
            print(table(measure(release, options.rounds, RUNS)) + "\n", flush=True)
        print(table(measure(release, options.rounds, EXPORTS)), flush=True)
        for share in () if options.no_scaling or options.exports else SHARES:
            part = rebuild(folder / share.replace("/", "_"), share)
            size = (part / "Audio.tar").stat().st_size / (release / "Audio.tar").stat().st_size
            print(f"\n{share} ({size:.2f} of the bytes)\n")
            print(table(measure(part, 1, {name: RUNS[name] for name in PARTS})), flush=True)
            shutil.rmtree(part)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
