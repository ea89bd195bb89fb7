"""Shards: runs of neighbouring utterances, shared out to nodes, workers and processes; streams that mix and resume."""

import pytest
from datasets.distributed import split_dataset_by_node
from support import CONFIGS, VERSION, rows, some, undecoded

import emotiontalk
import emotiontalk.archives.locations
from emotiontalk.archives.local import LocalArchive
from emotiontalk.archives.tar import Tar
from emotiontalk.corpus import runs_of, shards_of


@pytest.mark.slow
@pytest.mark.parametrize(
    "split, worlds, shards", [("train", (3, 8, 16), 240), ("test", (1, 2, 4, 6, 8), 48), ("validation", (3,), 48)]
)
def test_nodes_share_a_split_out(load, rebuilt, split, worlds, shards):
    stream = undecoded(load("text", data_dir=rebuilt(), split=split, streaming=True)).select_columns(["id"])
    assert stream.n_shards == shards
    everything = [row["id"] for row in stream]
    assert everything == sorted(everything) and len(everything) == emotiontalk.split_sizes("text")[split]
    for world in worlds:
        parts = [[row["id"] for row in split_dataset_by_node(stream, rank, world)] for rank in range(world)]
        assert sorted(uid for part in parts for uid in part) == everything
        assert max(map(len, parts)) <= 1.1 * min(map(len, parts)) + 40


@pytest.mark.parametrize("config", some(CONFIGS, "audio"))
def test_shards_are_runs_and_together_the_split(load, rebuilt, config):
    """Each shard by itself, in any order: what the whole stream gives, dialogues whole."""
    stream = undecoded(load(config, data_dir=rebuilt(), split="test", streaming=True))
    medium = [name for name in ("audio", "video") if name in stream.features]
    everything = list(stream)
    parts = [list(split_dataset_by_node(stream, rank, 48)) for rank in (47, 0, *range(46, 0, -1))]
    assert [row for part in [parts[1], *parts[:1:-1], parts[0]] for row in part] == everything
    assert all(part and row[name]["bytes"] for part in parts for row in part[:1] for name in medium)


@pytest.mark.slow
def test_eight_nodes_move_together_little_more_than_one(load, serve, rebuilt):
    server = serve(rebuilt())
    stream = undecoded(load("audio", data_dir=server.url + "/files", split="test", streaming=True))
    ids = [row["id"] for row in stream]
    one = server.bytes["Audio.tar"]
    server.forget()
    seen = []
    for rank in range(8):
        emotiontalk.archives.locations.forget_urls()  # as in a process of its own
        seen += [row["id"] for row in split_dataset_by_node(stream, rank, 8)]
    assert sorted(seen) == ids
    # clips are so short here that annotations are a seventh of it: each node needs those of its groups
    archive = LocalArchive("Audio", [Tar("Audio", str(rebuilt() / "Audio.tar"))])
    files = (file for group in ("G00003", "G00015") for file in archive.annotation_files(group).values())
    notes = sum(len(file) + 1_024 for file in files)
    assert server.bytes["Audio.tar"] - 8 * notes < 1.25 * (one - notes)


@pytest.mark.slow
@pytest.mark.skipif(VERSION < (3, 0), reason="datasets 3 and later resume")
@pytest.mark.parametrize("remote", [False, True])
def test_a_stream_resumes_where_it_was(load, serve, rebuilt, remote):
    source = serve(rebuilt()).url + "/files" if remote else rebuilt()
    config, split, stop = ("audio", "test", 700) if remote else ("text", "train", 1_000)
    stream = undecoded(load(config, data_dir=source, split=split, streaming=True)).select_columns(["id"])
    everything = [row["id"] for row in stream]
    begun = []
    for row in stream:
        begun.append(row["id"])
        if len(begun) == stop:
            state = stream.state_dict()
            break
    resumed = undecoded(load(config, data_dir=source, split=split, streaming=True)).select_columns(["id"])
    resumed.load_state_dict(state)
    assert begun + [row["id"] for row in resumed] == everything


@pytest.mark.slow
@pytest.mark.parametrize("config", ["audio"])
def test_sixteen_processes_prepare(load, rebuilt, config, tmp_path):
    many = load(config, data_dir=rebuilt(), split="train", num_proc=16)
    one = load(config, data_dir=rebuilt(), split="train", cache_dir=tmp_path / "one")
    names = [name for name in one.column_names if name != "audio"]
    assert many.select_columns(names)[:] == one.select_columns(names)[:] and len(one) == 15_413


@pytest.mark.slow
def test_a_selection_shares_out_what_it_has(load):
    assert {config: load(config, split="test", streaming=True).n_shards for config in ("audio", "dialogues")} == {
        "audio": 8,
        "dialogues": 2,
    }
    for config in CONFIGS:
        assert rows(load(config, split="test", streaming=True)) == rows(load(config, split="test"))
    parts = [rows(split_dataset_by_node(load("audio", split="test", streaming=True), rank, 4)) for rank in range(4)]
    assert [len(part) for part in parts] == [2, 2, 2, 2]


def test_shards_are_as_even_as_can_be():
    assert shards_of([("a", 0, 3), ("b", 0, 5)], 48) == [
        *(("a", n, n + 1) for n in range(3)),
        *(("b", n, n + 1) for n in range(5)),
    ]
    assert len(shards_of([("a", 0, 1), ("b", 0, 500)], 48)) == 48
    assert len(shards_of([("a", 9, 10), ("b", 0, 500), ("c", 0, 1)], 48)) == 48  # the short ones have one each
    assert shards_of([(group, 0, 1) for group in "abc"], 2) == [("a", 0, 1), ("b", 0, 1), ("c", 0, 1)]
    for split, number in emotiontalk.SHARDS.items():
        runs = [(group, 0, n) for group, n in emotiontalk.GROUPS.items() if emotiontalk.split_of(group) == split]
        shards = shards_of(runs, number)
        assert len(shards) == number and runs_of(shards) == runs
