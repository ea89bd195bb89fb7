"""Cached features of `probe` that are damaged: each file is named in a warning, and extracted again."""

import os
import random
import shutil
import subprocess
import sys
import zipfile

import numpy
import pytest
from support import PROJECT, _command_here, command, once, some

pytestmark = once

DUMMY = ("--config", "audio", "--data-dir", PROJECT / "dummy_data", "--seeds", "1")
LOGMEL = ("probe", "--upstream", "logmel", *DUMMY)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """A folder of cached features, and what the probe printed."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, command(*LOGMEL, "--cache-dir", cache).stdout


@pytest.fixture
def cache(cached, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(cached[0], tmp_path / "cache")


def stored(cache, pattern="*train*.npz"):
    (path,) = (cache / "emotiontalk-features").glob(pattern)
    return path


def without_digest(path):
    with numpy.load(path) as found:
        arrays = {name: found[name] for name in ("ids", "x")}
    numpy.savez(path, **{**arrays, "x": arrays["x"] * 0})


def other_rows(path):
    with numpy.load(path) as found:
        arrays = dict(found)
    numpy.savez(path, **{**arrays, "x": arrays["x"][::-1]})


def other_type(path):
    with numpy.load(path) as found:
        arrays = dict(found)
    numpy.savez(path, **{**arrays, "x": arrays["x"].astype("f8")})


def entry(name, data):
    def change(path):
        with zipfile.ZipFile(path) as file:
            entries = {info.filename: file.read(info) for info in file.infolist()}
        with zipfile.ZipFile(path, "w") as file:
            for other, found in entries.items():
                if other != name or data is not None:
                    file.writestr(other, data if other == name else found)

    return change


def rewritten(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def of_the_other_split(path):
    shutil.copy(stored(path.parent.parent, "*test*.npz"), path)


DAMAGE = {
    "empty": rewritten(lambda data: b""),
    "half": rewritten(lambda data: data[: len(data) // 2]),
    "one bit": rewritten(lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:]),
    "a zeroed end": rewritten(lambda data: data[:-700] + bytes(700)),
    "zeros": rewritten(lambda data: bytes(len(data))),
    "text": rewritten(lambda data: b"no features\n"),
    "a pointer of Git LFS": rewritten(lambda data: b"version https://git-lfs.github.com/spec/v1\n"),
    "no digest": without_digest,
    "other rows": other_rows,
    "another type": other_type,
    "another split": of_the_other_split,
    "no ids": entry("ids.npy", None),
    "no rows": entry("x.npy", None),
    "an empty entry": entry("x.npy", b""),
    "an entry of another kind": entry("ids.npy", b"no array"),
}


@pytest.mark.parametrize("name", some(DAMAGE, *list(DAMAGE)[:3], "another split", "no ids"))
def test_a_damaged_file_is_named_and_extracted_again(cached, cache, name):
    path, others = stored(cache), [stored(cache, f"*{split}*.npz") for split in ("validation", "test")]
    whole, kept = path.read_bytes(), [other.stat().st_mtime_ns for other in others]
    DAMAGE[name](path)
    run = command(*LOGMEL, "--cache-dir", cache)
    assert run.stdout == cached[1] and str(path) in run.stderr
    assert path.read_bytes() != b"" and len(path.read_bytes()) == len(whole)
    assert kept == [other.stat().st_mtime_ns for other in others]
    again = command(*LOGMEL, "--cache-dir", cache)
    assert again.stdout == cached[1] and str(path) not in again.stderr


@pytest.mark.slow
def test_a_command_of_its_own_says_so(cached, cache):
    path = stored(cache)
    path.write_bytes(path.read_bytes()[:300])
    run = command(*LOGMEL, "--cache-dir", cache, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    assert run.stdout == cached[1] and str(path) in run.stderr and "Traceback" not in run.stderr


@pytest.mark.slow
def test_two_runs_at_once_mend_the_same_file(cached, cache):
    for path in (cache / "emotiontalk-features").glob("*.npz"):
        path.write_bytes(b"")
    words = [sys.executable, "-m", "emotiontalk", *map(str, LOGMEL), "--cache-dir", str(cache)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    runs = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) for _ in "ab"]
    said = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert [out for out, _ in said] == [cached[1]] * 2 and not any("Traceback" in err for _, err in said)


def test_what_stands_in_the_way_is_named_and_stays(cached, cache):
    path = stored(cache)
    lock = path.with_suffix(".lock")
    for name in (path, lock, path.with_suffix(".parts")):
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(".parts"), ignore_errors=True)
        if name == path.with_suffix(".parts"):
            name.write_bytes(b"somebody's")
        else:
            name.unlink(missing_ok=True)
            (name / "somebody's").mkdir(parents=True)
        run = _command_here([*map(str, LOGMEL), "--cache-dir", str(cache)])
        assert run.returncode == 1 and "Traceback" not in run.stderr and "[Errno" not in run.stderr, run.stderr
        assert str(name) in run.stderr.splitlines()[-1] and name.exists()
        name.unlink() if name.is_file() else shutil.rmtree(name)


@pytest.mark.slow
def test_damage_of_any_kind_gives_the_same_numbers(cached, cache):
    from test_spoilt_features import flipped

    paths = sorted((cache / "emotiontalk-features").glob("*.npz"))
    whole = [path.read_bytes() for path in paths]
    draw = random.Random(0)
    for seed in range(30):
        n = draw.randrange(len(paths))
        paths[n].write_bytes(flipped(whole[n], f"cache {seed}"))
        run = command(*LOGMEL, "--cache-dir", cache)
        assert run.stdout == cached[1], seed
        for path, data in zip(paths, whole):
            path.write_bytes(data)


@pytest.mark.slow
def test_damaged_frames_are_extracted_again(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from emotiontalk.probing import feature_store

    monkeypatch.setattr(feature_store, "PART", 3)
    cache, whole = tmp_path / "cache", tmp_path / "whole"
    words = ("probe", "--upstream", "logmel", "--head", "emobox", *DUMMY, "--cache-dir", cache)
    expected = command(*words).stdout
    shutil.copytree(cache, whole)
    parts = sorted((cache / "emotiontalk-features").glob("*train*.frames/*.npy"))
    assert len(parts) > 2
    lists = [part.with_suffix(".npz") for part in parts]
    changes = [
        *zip((parts[0], parts[1], parts[-1], parts[1]), list(DAMAGE.values())[:7:2]),
        (lists[1], DAMAGE["empty"]),
        (lists[1], DAMAGE["half"]),
        (lists[1], lambda path: shutil.copy(lists[0], path)),
        (parts[1], lambda path: shutil.copy(parts[0], path)),
        (parts[1], lambda path: path.unlink()),
    ]
    for path, change in changes:
        change(path)
        run = command(*words)
        assert run.stdout == expected and str(path.with_suffix("")) in run.stderr
        shutil.rmtree(cache)
        shutil.copytree(whole, cache)
    lists[0].unlink()  # frames of which nothing says whose they are
    assert command(*words).stdout == expected
