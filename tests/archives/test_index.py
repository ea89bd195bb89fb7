"""Indexes of archives: who leaves one, what a stream saves by it, and that a wrong one costs no row."""

import json
import re
import shutil

import pytest
from support import PROJECT, command, some, undecoded

import emotiontalk
from emotiontalk.archives.index import HEAD_BYTES, SHIPPED, Index, index_file, load_index
from emotiontalk.archives.locations import index_folder

INDEX_FILES = sorted(path.name for path in (PROJECT / "emotiontalk" / "assets" / "index").glob("*.json"))


def rows_of(dataset):
    return [(row["id"], row["audio"]["bytes"]) for row in undecoded(dataset)]


def indexes(cache, archive=""):
    return sorted((cache / "emotiontalk-indexes").glob(f"{archive}*.json"))


def ends_of(index):
    """Where members end; a run may begin with its first header, or with the folders before it."""
    return {key: bounds[1:] for key, bounds in index.runs.items()}


def first_example(call, server, cache):
    """Stream the first example of test; return the requests that it takes, redirects included."""
    emotiontalk.archives.locations.forget_urls()
    server.forget()
    stream = call("audio", f"{server.url}/files", split="test", streaming=True, cache_dir=cache)
    assert next(iter(undecoded(stream)))["id"] == "G00003_11_02_002"
    return sum(server.requests.values()) + sum(server.storage.requests.values())


def by_loading(call, release, cache):
    call("audio", release, split="validation", cache_dir=cache)


def by_streaming_a_folder(call, release, cache):
    next(iter(undecoded(call("audio", release, split="test", streaming=True, cache_dir=cache))))


def by_the_command(call, release, cache):
    done = command("index", release, "--cache-dir", cache)
    assert str(indexes(cache)[0]) in done.stdout


@pytest.mark.parametrize("make", [by_loading, by_streaming_a_folder, by_the_command])
def test_an_archive_that_was_scanned_leaves_an_index(call, serve, rebuilt, tmp_path, make):
    release = rebuilt()
    server = serve(release, signed=True)
    without = first_example(call, server, tmp_path / "without")
    make(call, release, tmp_path / "with")
    assert len(indexes(tmp_path / "with")) >= 1
    assert first_example(call, server, tmp_path / "with") <= 6 < without


@pytest.mark.slow
def test_verify_leaves_an_index(rebuilt, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    emotiontalk.verify(rebuilt())
    assert len(load_index(indexes(tmp_path)[0]).runs) == 30


def test_a_stream_that_has_read_a_group_leaves_what_it_learned(call, serve, rebuilt, tmp_path):
    server = serve(rebuilt(), signed=True)
    rows_of(call("audio", f"{server.url}/files", split="test", streaming=True, cache_dir=tmp_path))
    (path,) = indexes(tmp_path, "Audio")
    learned = load_index(path)
    assert {(kind.name, group) for kind, group in learned.runs} == {
        (kind, group) for kind in ("ANNOTATION", "MEDIA") for group in ("G00003", "G00015")
    }
    command("index", rebuilt(), "--out", tmp_path / "out")
    whole = load_index(tmp_path / "out" / path.name)
    assert len(whole.runs) == 30 and ends_of(whole).items() >= ends_of(learned).items()
    assert first_example(call, server, tmp_path) <= 6


@pytest.mark.slow
def test_a_download_leaves_an_index(call, serve, rebuilt, tmp_path):
    server = serve(rebuilt(), signed=True)
    call("audio", f"{server.url}/files", cache_dir=tmp_path)
    assert len(load_index(indexes(tmp_path)[0]).runs) == 30


def spoilt(index, how):
    """The text of an index file that is wrong."""
    whole = json.loads(index)
    for run in whole["runs"]:
        kind, group, start, _ = run
        if (kind, group) == (1, "G00003"):
            if how == "another place":
                run[2] = start + 512 * 40
            elif how == "within a clip":
                run[2] = start + 512 * 700
            elif how == "lengths of another group":
                run[3] = next(other for n, g, _, other in whole["runs"] if (n, g) == (0, "G00003"))
        elif how == "annotations elsewhere" and (kind, group) == (0, "G00003"):
            run[2] = start - 512 * 3
    whole["runs"] = whole["runs"] if how != "no list" else {"a": 1}
    whole["headers"] = [[[1, "G00003", "G00003_11_02_002"], 0, 512, 1024]] if how == "headers elsewhere" else []
    return json.dumps(whole) if how != "cut" else json.dumps(whole)[:-100]


WRONG = [
    "another place", "within a clip", "lengths of another group", "annotations elsewhere", "headers elsewhere",
    "no list", "cut",
]  # fmt: skip


@pytest.mark.parametrize("how", some(WRONG, "another place", "cut"))
def test_a_wrong_index_is_dropped_with_a_warning_and_costs_no_row(call, serve, rebuilt, tmp_path, said, how):
    release = rebuilt()
    command("index", release, "--cache-dir", tmp_path)
    (path,) = indexes(tmp_path, "Audio")
    path.write_text(spoilt(path.read_text(), how))
    server = serve(release)
    stream = call("audio", f"{server.url}/files", split="test", streaming=True, cache_dir=tmp_path)
    assert rows_of(stream) == rows_of(call("audio", release, split="test", streaming=True, cache_dir=tmp_path / "l"))
    assert server.bytes["Audio.tar"] < 0.9 * (release / "Audio.tar").stat().st_size  # it was not fetched whole
    assert how in ("cut", "no list") or re.search("Audio.tar: .*index", said.text), said.text
    right = load_index(path)  # what was learned has taken its place
    out = tmp_path / "out"
    command("index", release, "--out", out)
    whole = load_index(out / path.name)
    assert ends_of(right).items() <= ends_of(whole).items()


@pytest.mark.slow
def test_an_index_of_an_archive_that_was_repacked_is_not_used(call, serve, rebuilt, tmp_path, said):
    """Of the same size and with the same beginning: a clip has another place."""
    release = rebuilt()
    command("index", release, "--cache-dir", tmp_path)
    out = tmp_path / "repacked"
    out.mkdir()
    shutil.copy(release / "Audio.tar", out / "Audio.tar")
    runs = load_index(indexes(tmp_path)[0]).runs
    (one, begin, end), (two, *ends) = exchanged(runs, out / "Audio.tar")
    with open(out / "Audio.tar", "r+b") as file:
        file.seek(begin)
        file.write(two + one)
    server = serve(out)
    stream = call("audio", f"{server.url}/files", split="test", streaming=True, cache_dir=tmp_path)
    there, here = rows_of(stream), rows_of(call("audio", out, split="test", streaming=True, cache_dir=tmp_path / "l"))
    assert there == here and len(here) == 1_929 and end < ends[1]


def exchanged(runs, archive):
    """Two neighbouring clips of G00003 of different lengths: (bytes, begin, end) of each."""
    bounds = next(bounds for (kind, group), bounds in runs.items() if kind == 1 and group == "G00003")
    at = next(n for n in range(100) if bounds[n + 1] - bounds[n] != bounds[n + 2] - bounds[n + 1])
    with open(archive, "rb") as file:
        data = []
        for begin, end in ((bounds[at], bounds[at + 1]), (bounds[at + 1], bounds[at + 2])):
            file.seek(begin)
            data.append((file.read(end - begin), begin, end))
    return data


def test_the_command_says_what_has_no_index(serve, tmp_path):
    """Archives that are compressed, or behind a URL; and a folder without any."""
    (tmp_path / "packed").mkdir()
    shutil.copy(PROJECT / "dummy_data" / "Text.tar", tmp_path / "packed" / "Text.tar")
    done = command("index", tmp_path / "packed", "--cache-dir", tmp_path)
    assert not done.stdout and "plain tar" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "Audio.tar" in command("index", tmp_path / "empty", status=1).stderr


def test_an_index_that_is_given_to_others_names_the_archive(rebuilt, tmp_path):
    release = rebuilt()
    written = emotiontalk.write_index(release, out=tmp_path)
    assert list(written) == ["Audio", "Multimodal"]
    with open(release / "Audio.tar", "rb") as file:
        head = file.read(HEAD_BYTES)
    size = (release / "Audio.tar").stat().st_size
    assert written["Audio"].name == index_file("Audio", size, head)
    index = load_index(written["Audio"])
    assert index.size == size and len(index.sha256) == 64 and len(index.runs) == 30
    again = Index.from_json(json.loads(json.dumps(index.to_json())))
    assert again.runs == index.runs


@pytest.mark.parametrize("name", INDEX_FILES or ["none yet"])
def test_the_indexes_that_come_with_the_package_are_of_the_pinned_archives(name):
    """What is checked when one is sent: CONTRIBUTING says so."""
    if name == "none yet":
        assert [path.name for path in (PROJECT / "emotiontalk" / "assets" / "index").iterdir()] == ["README.md"]
        return
    archive, size, _ = name.split("-")
    index = load_index(f"{SHIPPED}/{name}")
    assert (int(size), index.sha256) == emotiontalk.ARCHIVES[archive] and index.size == int(size)
    assert len(index.runs) == 2 * len(emotiontalk.GROUPS) and not index.headers
    ends = sorted((bounds[0], bounds[-1]) for bounds in index.runs.values())
    assert all(end <= begin for (_, end), (begin, _) in zip(ends, ends[1:]))


def test_where_indexes_are_cached():
    assert index_folder("CACHE").startswith("CACHE")
