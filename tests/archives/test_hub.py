"""From the Hub or any HTTP address: the rows of the local archives, for the bytes of the groups asked for."""

import gzip
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from datasets.distributed import split_dataset_by_node
from hub_server import REVISION
from support import CONFIGS, PROJECT, once, rows, some, typed, undecoded

TEST_SHARE = 0.1016  # of the rebuilt Audio.tar's bytes: members of G00003 and G00015


@pytest.fixture
def warnings(caplog):
    logging.getLogger("datasets").propagate = True
    with caplog.at_level(logging.WARNING):
        yield caplog


def key(row):
    return row.get("id") or row["sample_id"]


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_a_small_release_at_an_address_gives_the_local_rows(load, serve, config, tmp_path):
    server = serve(PROJECT / "dummy_data")
    for split, expected in load(config).items():
        streamed = load(config, data_dir=server.url + "/files", split=split, streaming=True)
        assert rows(streamed) == rows(expected)
    prepared = load(config, data_dir=server.url + "/files/", num_proc=2, cache_dir=tmp_path / "remote")
    assert {s: rows(d) for s, d in prepared.items()} == {s: rows(d) for s, d in load(config).items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, options",
    [
        ("zh-en", {"streaming": True}),
        ("audio", {"streaming": True}),
        ("audio", {"prepare_splits": ["test"]}),
        ("zh-en", {"num_proc": 2}),
    ],
)
def test_the_test_split_moves_its_own_bytes(load, serve, rebuilt, config, options, tmp_path):
    out = rebuilt()
    server = serve(out)
    found = rows(load(config, data_dir=server.url + "/files", split="test", **options))
    moved = server.bytes["Audio.tar"] / (out / "Audio.tar").stat().st_size
    assert moved < TEST_SHARE + 0.02 and server.requests["Audio.tar"] < 300
    assert set(server.bytes) == {"Audio.tar"}
    expected = rows(load(config, data_dir=out, split="test", prepare_splits=["test"], cache_dir=tmp_path / "local"))
    assert len(found) == 1_929 and [key(r) for r in found] == [key(r) for r in expected]
    assert all(a["audio"]["bytes"] == b["audio"]["bytes"] for a, b in zip(found, expected))
    assert [{**a, "audio": 0} for a in found] == [{**b, "audio": 0} for b in expected]


def test_one_streamed_example_moves_little(load, serve, rebuilt):
    server = serve(rebuilt())
    next(iter(undecoded(load("audio", data_dir=server.url + "/files", split="test", streaming=True))))
    # a batch, the annotations of the group, and what the connection holds when it is closed
    assert server.bytes["Audio.tar"] < 0.05 * (rebuilt() / "Audio.tar").stat().st_size


@pytest.mark.slow
def test_multimodal_moves_no_video(load, serve, rebuilt, tmp_path):
    out = rebuilt()
    server = serve(out)
    found = load("multimodal", data_dir=server.url + "/files")
    assert {split: len(dataset) for split, dataset in found.items()} == {
        "train": 15_413,
        "validation": 1_908,
        "test": 1_929,
    }
    with tarfile.open(out / "Multimodal.tar") as tar:
        annotations = sum(512 + -(-m.size // 512) * 512 for m in tar if m.isfile() and m.name.endswith(".json"))
    assert server.bytes["Multimodal.tar"] < 1.08 * annotations
    assert server.bytes["Audio.tar"] <= (out / "Audio.tar").stat().st_size + 1024
    local = load("multimodal", data_dir=out, cache_dir=tmp_path / "local")
    for split in local:
        a, b = (dataset[split].remove_columns("audio") for dataset in (found, local))
        assert a[:] == b[:]


def compress(source, out):
    out.mkdir()
    with open(source / "Audio.tar", "rb") as plain, gzip.open(out / "Audio.tar", "wb", compresslevel=1) as packed:
        while chunk := plain.read(1 << 20):
            packed.write(chunk)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("case", ["shuffled", "media-first", "gzip", "no ranges"])
def test_other_archives_and_servers_give_the_same_rows_and_a_warning(load, serve, rebuilt, case, tmp_path, warnings):
    out = rebuilt()
    if case in ("shuffled", "media-first"):
        out = rebuilt("--order", case, "--only", "Audio")
    if case == "gzip":
        out = compress(out, tmp_path / "gzip")
    server = serve(out, ranges=case != "no ranges")
    found = rows(load("audio", data_dir=server.url + "/files", split="test", streaming=True))
    expected = rows(load("audio", data_dir=rebuilt(), split="test", prepare_splits=["test"]))
    assert found == expected
    said = [record.getMessage() for record in warnings.records if "fetching all of it" in record.getMessage()]
    assert len(said) == 1 and f"{(out / 'Audio.tar').stat().st_size:,} bytes" in said[0]


@pytest.mark.slow
@once
def test_an_utterance_that_is_elsewhere_is_found(load, serve, rebuilt, tmp_path, warnings):
    """Sorted but for one sound, which stands at the end: no bisection finds it, the check does."""
    out, last = tmp_path / "release", None
    out.mkdir()
    with tarfile.open(rebuilt() / "Audio.tar") as old, tarfile.open(out / "Audio.tar", "w") as new:
        for member in old:
            if member.isfile():
                data = old.extractfile(member)
                if re.search(r"G00003_\d+_\d+_01\d\.wav$", member.name) and not last:
                    last = member, data.read()
                    continue
                new.addfile(member, data)
        import io

        new.addfile(last[0], io.BytesIO(last[1]))
    server = serve(out)
    found = rows(load("audio", data_dir=server.url + "/files", split="test", streaming=True))
    assert len(found) == 1_929 and [key(r) for r in found] == sorted({key(r) for r in found})
    assert "fetching all of it" in warnings.text


@pytest.mark.parametrize("n", some([300, 5_000, 70_000, 400_000], 5_000))
def test_a_cut_connection_loses_and_doubles_nothing(load, serve, rebuilt, n, tmp_path):
    server = serve(rebuilt(), cut_after=n)
    config, options = ("zh-en", {"streaming": True}) if n < 400_000 else ("audio", {})
    found = load(config, data_dir=server.url + "/files", **options)["test"]
    expected = load(config, data_dir=rebuilt(), prepare_splits=["test"], cache_dir=tmp_path / "local")["test"]
    assert rows(found) == rows(expected)
    assert server.cut


def test_a_server_in_trouble_is_asked_again(load, serve):
    server = serve(PROJECT / "dummy_data", broken=3)
    assert len(load("text", data_dir=server.url + "/files", split="test")) == 8


@pytest.mark.slow
@pytest.mark.parametrize("refused", [None, 416, 501])
def test_no_ranges_and_a_cut(load, serve, rebuilt, refused):
    server = serve(rebuilt(), cut_after=5_000_001, ranges=False, refused=refused)
    found = rows(load("audio", data_dir=server.url + "/files", split="test", streaming=True))
    expected = rows(load("audio", data_dir=rebuilt(), split="test", prepare_splits=["test"]))
    assert server.cut and found == expected


@pytest.mark.slow
@once
def test_an_annotation_twice_is_an_error_from_an_address_too(load, serve, rebuilt, tmp_path):
    out, twice = tmp_path / "release", "G00003_11_02_002.json"
    out.mkdir()
    with tarfile.open(rebuilt() / "Audio.tar") as old, tarfile.open(out / "Audio.tar", "w") as new:
        for member in old:
            for _ in range(1 + member.name.endswith(twice)):
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
    with pytest.raises(Exception, match="duplicate id G00003_11_02_002 in Audio"):
        rows(load("audio", data_dir=serve(out).url + "/files", split="test", streaming=True))


@pytest.mark.slow
def test_two_at_once_download_it_once(load, serve, rebuilt, tmp_path):
    """Two processes, two configs, one archive in one folder of downloads."""
    server = serve(rebuilt())
    options = {"data_dir": f"{server.url}/files", "cache_dir": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", f"print({typed('audio', label_set=which, **options)}['test'].num_rows)"],
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for which in ("all", "four")
    ]  # fmt: skip
    assert [process.communicate()[0] for process in both] == ["1929\n", "1560\n"]
    size = (rebuilt() / "Audio.tar").stat().st_size
    assert size <= server.bytes["Audio.tar"] < 1.05 * size


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2, 4])
def test_nodes_share_the_work(load, serve, rebuilt, world):
    server = serve(rebuilt())
    streamed = undecoded(load("audio", data_dir=server.url + "/files", split="test", streaming=True))
    assert streamed.n_shards == 48
    parts = [[row["id"] for row in split_dataset_by_node(streamed, rank, world)] for rank in range(world)]
    together = [uid for part in parts for uid in part]
    assert len(together) == len(set(together)) == 1_929
    if world == 2:
        assert server.bytes["Audio.tar"] < 1.1 * (TEST_SHARE + 0.02) * (rebuilt() / "Audio.tar").stat().st_size


def run_typed(home, endpoint, config="text", environment=None, **options):
    """Load without `data_dir` in a process of its own, as a user of the Hub types it."""
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(home), "HF_ENDPOINT": endpoint, **(environment or {})}
    count = "len(list(d))" if options.get("streaming") else "d.num_rows"
    code = f"d = {typed(config, **{'split': 'test', **options})}\nprint('rows', {count})"
    return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_the_pinned_release_is_the_default_source(serve, rebuilt, tmp_path):
    server = serve(rebuilt(), token="hf_right")
    run = run_typed(tmp_path, server.url, "zh-en", {"HF_TOKEN": "hf_right"}, streaming=True)
    assert run.stdout == "rows 1929\n", run.stderr
    assert server.tokens == {"Bearer hf_right"}
    assert server.bytes["Audio.tar"] < 0.13 * (rebuilt() / "Audio.tar").stat().st_size
    run = run_typed(tmp_path, server.url, "text", token="hf_right")
    assert run.stdout == "rows 1929\n", run.stderr


@pytest.mark.slow
def test_a_whole_archive_goes_to_the_hub_cache_once(serve, rebuilt, tmp_path):
    server = serve(rebuilt())
    code = f"d = {typed('audio', split=None)}; print(d['test'].num_rows)"
    environment = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path), "HF_ENDPOINT": server.url}
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert run.stdout == "1929\n", run.stderr
    size = (rebuilt() / "Audio.tar").stat().st_size
    assert size <= server.bytes["Audio.tar"] < 1.01 * size
    server.forget()
    run = run_typed(tmp_path, server.url, "audio", label_set="four")  # another config id: prepared anew, from the cache
    assert run.stdout == "rows 1560\n" and not server.bytes, run.stderr
    run = run_typed(tmp_path, server.url, "zh-en", {"HF_HUB_OFFLINE": "1"})
    assert run.stdout == "rows 1929\n" and not server.bytes, run.stderr


REFUSALS = {
    "no token": ({}, {}, ["no access", "401", "Accept the terms", "huggingface-cli login", "token=", "data_dir="]),
    "wrong token": ({"HF_TOKEN": "hf_wrong"}, {}, ["no access", "403", "Accept the terms"]),
    "wrong revision": (
        {"HF_TOKEN": "hf_right"},
        {"data_dir": "hf://datasets/BAAI/Emotiontalk@0000"},
        ["no such revision", "404", REVISION],
    ),
    "wrong repository": ({"HF_TOKEN": "hf_right"}, {"data_dir": "hf://datasets/BAAI/Emotion"}, ["no such repository"]),
    "offline": ({"HF_HUB_OFFLINE": "1"}, {}, ["offline mode is on", "data_dir="]),
}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("case", some(REFUSALS, "offline"))
def test_a_refusal_says_what_to_do(serve, tmp_path, case, streaming):
    environment, options, says = REFUSALS[case]
    server = serve(PROJECT / "dummy_data", token="hf_right")
    run = run_typed(tmp_path, server.url, "text", environment, streaming=streaming, **options)
    assert run.returncode != 0 and run.stderr.count("Traceback") == 1
    message = run.stderr.strip().splitlines()[-1]
    for words in ["Text.tar", *says]:
        assert words in message, run.stderr


def test_a_missing_file_at_an_address(load, serve, release):
    out = release()
    (out / "Video.tar").unlink()
    with pytest.raises(FileNotFoundError, match="Video.tar: no such file"):
        load("video", data_dir=serve(out).url + "/files")


@pytest.mark.slow
def test_no_server(load, serve):
    server = serve(PROJECT / "dummy_data")
    server.close()
    with pytest.raises(Exception, match="gave up at byte 0 after 6 tries .*refused.*Check the network"):
        load("text", data_dir=server.url + "/files")


def test_the_token_goes_to_the_hub_alone(load, serve):
    server = serve(PROJECT / "dummy_data")
    assert len(load("text", data_dir=server.url + "/files", split="test", token="hf_secret")) == 8
    assert not server.tokens


@pytest.mark.slow
def test_a_broken_off_download_goes_on(load, serve, rebuilt, tmp_path):
    """A whole archive from an address: what came before the process was stopped is not fetched again."""
    out = rebuilt()
    size = (out / "Audio.tar").stat().st_size
    server = serve(out)
    cache = tmp_path / "cache"
    first = stop_a_download(server, cache)
    server.forget()
    assert 0 < first < size
    assert len(load("audio", data_dir=server.url + "/files", cache_dir=cache)["test"]) == 1_929
    assert server.bytes["Audio.tar"] <= size - first + (4 << 20)


def stop_a_download(server, cache):
    """Stop a process in the middle of its download; the bytes that it had written."""
    server.latency = 0.0
    code = typed("audio", data_dir=f"{server.url}/files", cache_dir=str(cache))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(20_000):
        written = [f.stat().st_size for f in cache.glob("downloads/*.incomplete")]
        if written and written[0] > 20_000_000:
            break
        time.sleep(0.001)
    process.kill()
    process.wait()
    return sum(f.stat().st_size for f in cache.glob("downloads/*.incomplete"))


@pytest.mark.slow
def test_a_killed_download_from_the_hub_costs_no_row(rebuilt, serve, tmp_path):
    """`kill -9` in the middle: what is fetched again is huggingface_hub's to say, recent versions fetch all of it."""
    server = serve(rebuilt())
    size = (rebuilt() / "Audio.tar").stat().st_size
    environment = {
        "PATH": os.environ["PATH"],
        "HF_HOME": str(tmp_path),
        "HF_ENDPOINT": server.url,
        "PYTHONPATH": str(PROJECT),
    }
    command_line = [
        sys.executable,
        "-c",
        "import emotiontalk; print(emotiontalk.load_dataset('audio')['test'].num_rows)",
    ]
    process = subprocess.Popen(
        command_line, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and server.bytes["Audio.tar"] < size / 3:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = server.bytes["Audio.tar"]
    server.forget()
    run = subprocess.run(command_line, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "1929\n", run.stderr
    assert first < size and server.bytes["Audio.tar"] < 1.05 * size
    whole = [path for path in tmp_path.rglob("blobs/*") if path.suffix != ".incomplete" and path.stat().st_size == size]
    assert len(whole) == 1


@pytest.mark.slow
def test_a_branch_is_downloaded_again_where_it_has_changed(serve, release, tmp_path):
    """What `huggingface_hub` has of a branch is used as long as the entity tag says that it is the same."""

    def change(members):
        name = next(name for name in members["Audio"] if name.endswith("G00003_13_06_003.json"))
        members["Audio"][name] = members["Audio"][name].replace(b'"emotion_result": "', b'"emotion_result":  "')

    before, after = release(), release(change, "changed")
    server = serve(before, signed=True)
    code = (
        "import emotiontalk, sys\n"
        "d = emotiontalk.load_dataset('audio', 'hf://datasets/BAAI/Emotiontalk@main', label_set=sys.argv[1])\n"
        "print(d['test'].num_rows)"
    )
    environment = {
        "PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.url,
        "PYTHONPATH": str(PROJECT), "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    size, moved = (before / "Audio.tar").stat().st_size, []
    for label_set, folder in (("all", before), ("four", before), ("all", after)):
        server.folder = folder
        if server.storage:
            server.storage.folder = folder
        run = subprocess.run(
            [sys.executable, "-c", code, label_set], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        moved.append(server.storage.bytes["Audio.tar"])
        server.forget()
    assert moved[0] >= size > moved[1] and moved[2] >= (after / "Audio.tar").stat().st_size


@pytest.mark.slow
def test_a_mirror_that_huggingface_hub_cannot_read_is_read_in_blocks(serve, release, tmp_path):
    """One that names no commit: once, and the next run finds it."""
    server = serve(release(), odd={"X-Repo-Commit": None})
    environment = {
        "PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.url,
        "PYTHONPATH": str(PROJECT), "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    code = "import emotiontalk, sys; print(emotiontalk.load_dataset('audio', label_set=sys.argv[1])['test'].num_rows)"
    size = (release(folder="again") / "Audio.tar").stat().st_size
    for label_set, most in (("all", 1.5 * size), ("four", 0.5 * size)):
        run = subprocess.run(
            [sys.executable, "-c", code, label_set], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0 and "huggingface_hub" in run.stderr, run.stderr
        assert server.bytes["Audio.tar"] < most
        server.forget()
