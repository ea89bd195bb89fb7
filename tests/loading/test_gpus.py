"""What docs/gpus.md says of nodes, epochs and resuming: measured after `shuffle`, as its recipe has it."""

import collections
import inspect
import itertools
import json
import subprocess
import sys

import datasets
import pytest
from card import text_of
from datasets.distributed import split_dataset_by_node
from support import PROJECT, VERSION, once, undecoded

import emotiontalk

BY_SHARDS = "strategy" in inspect.signature(split_dataset_by_node).parameters


def page():
    return " ".join(text_of("docs/gpus.md").split())


def nodes(stream, world, **options):
    """The ids that each node reads, and the number of its shards."""
    parts = [split_dataset_by_node(undecoded(stream), rank, world, **options) for rank in range(world)]
    return [[row["id"] for row in part] for part in parts], [part.n_shards for part in parts]


def test_a_number_of_gpus_that_divides_nothing(call):
    assert (VERSION >= (5, 1)) == BY_SHARDS and "from `datasets` 5.1 on" in text_of("docs/gpus.md")
    stream = call("text", split="train", streaming=True)
    everything = [row["id"] for row in stream]
    if not BY_SHARDS:
        with pytest.raises(TypeError, match="strategy"):
            nodes(stream, 3, strategy="shards")
        return
    ids, shards = nodes(stream, 3, strategy="shards")
    assert shards == [3, 3, 2] and [len(part) for part in ids] == shards  # a shard has one utterance here
    assert sorted(uid for part in ids for uid in part) == everything
    assert nodes(stream, 3)[1] == [8, 8, 8]  # each reads everything
    assert nodes(stream, 4)[1] == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="would not be assigned any shard"):
        nodes(stream, 9, strategy="shards")


@pytest.mark.slow
@pytest.mark.skipif(not BY_SHARDS, reason="datasets 5.1 and later split by shards")
def test_what_seven_gpus_read(call, rebuilt):
    said = page()
    stream = shuffled(call, rebuilt())
    ids, shards = nodes(stream, 7, strategy="shards")
    counts = [len(part) for part in ids]
    assert f"With 7 GPUs, each reads {min(shards)} or {max(shards)} of the {sum(shards)} shards of train" in said
    assert f"{min(counts):,} to {max(counts):,} utterances" in said and f"all {sum(counts):,} together" in said
    assert len(set().union(*ids)) == sum(counts) == emotiontalk.split_sizes("text")["train"]


def shuffled(call, release, **options):
    """Train as the recipe of the page reads it."""
    stream = call("text", release, split="train", streaming=True).select_columns(["id", "group"])
    return stream.shuffle(seed=1, buffer_size=500, **options)


@pytest.mark.slow
def test_what_sixteen_gpus_read(call, rebuilt):
    keeps_24 = VERSION == (5, 0)
    stream = shuffled(call, rebuilt(), **({"max_buffer_input_shards": 1} if keeps_24 else {}))
    assert stream.n_shards == 240
    if keeps_24:
        assert shuffled(call, rebuilt()).n_shards == 24
    ids, shards = nodes(stream, 16)
    counts = [len(part) for part in ids]
    assert set(shards) == {15} and sum(counts) == len(set().union(*ids)) == 15_413
    assert keeps_24 or f"with 16 GPUs, {min(counts)} to {max(counts)}." in page()
    assert f"16 GPUs make {16 * 15_413:,} rows" in page()


@pytest.mark.slow
def test_a_shuffled_stream_mixes_groups(call, rebuilt):
    groups = collections.Counter(row["group"] for row in shuffled(call, rebuilt()).take(1000))
    assert len(groups) >= 8 and max(groups.values()) < 400


@pytest.mark.skipif(VERSION < (3, 0), reason="datasets 3 and later resume")
@pytest.mark.slow
def test_what_a_resumed_stream_gives(call, rebuilt):
    """Not shuffled: each row once. Shuffled: the buffer is lost, and reading again is exact."""

    def of_a_gpu(stream):
        return split_dataset_by_node(stream, rank=0, world_size=8)

    def stopped(stream):
        given = []
        for row in stream:
            given.append(row["id"])
            if len(given) == 1_000:
                break
        return given, json.loads(json.dumps(stream.state_dict()))

    plain = call("text", rebuilt(), split="train", streaming=True)
    given, state = stopped(of_a_gpu(plain))
    again = of_a_gpu(plain)
    again.load_state_dict(state)
    assert given + [row["id"] for row in again] == [row["id"] for row in of_a_gpu(plain)]
    given, state = stopped(of_a_gpu(shuffled(call, rebuilt())))
    again, whole = of_a_gpu(shuffled(call, rebuilt())), [row["id"] for row in of_a_gpu(shuffled(call, rebuilt()))]
    again.load_state_dict(state)
    lost = len(set(whole) - {*given, *(row["id"] for row in again)})
    assert lost > 100 and f"after 1,000 of its {len(whole):,} rows" in page()
    if datasets.__version__ in ("5.2.0", "3.6.0"):
        assert f"{lost} of them on 5.2.0" in page() or f"{lost} on 3.6.0" in page()
    rest = itertools.islice(of_a_gpu(shuffled(call, rebuilt())), len(given), None)
    assert given + [row["id"] for row in rest] == whole


def test_set_epoch_of_a_stream_that_is_not_shuffled(call):
    stream = call("text", split="train", streaming=True)
    first = [row["id"] for row in stream]
    stream.set_epoch(1)
    second = [row["id"] for row in stream]
    assert sorted(first) == sorted(second) and "From `datasets` 4.8.5 on" in page()
    assert (first == second) == (VERSION < (4, 8))


LOADER = """
import itertools
import emotiontalk
import torch.utils.data

def batches():
    stream = emotiontalk.load_dataset("text", {release!r}, split="train", streaming=True, cache_dir={cache!r})
    stream = stream.select_columns(["id"]).shuffle(seed=1, buffer_size=500)
    return iter(torch.utils.data.DataLoader(stream, batch_size=32, num_workers=2))

whole = [batch["id"] for batch in batches()]
assert [batch["id"] for batch in itertools.islice(batches(), 100, None)] == whole[100:]
print(sum(map(len, whole)))
"""


@once
@pytest.mark.slow
def test_a_data_loader_skips_its_first_batches(rebuilt, tmp_path):
    code = LOADER.format(release=str(rebuilt()), cache=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert run.stdout == "15413\n", run.stderr


@pytest.mark.parametrize("config", ["multimodal", "dialogues"])
def test_columns_of_a_stream_are_removed_by_a_list(call, config):
    """As a string, `datasets` looks for the names of columns in it: datasets#8384."""
    stream = undecoded(call(config, split="test", streaming=True))
    for column in stream.column_names:
        expected = [{name: value for name, value in row.items() if name != column} for row in stream]
        assert list(stream.remove_columns([column])) == expected
