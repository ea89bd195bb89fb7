"""Slices of streams: the rows of the prepared slice, whoever reads them, and however they are shuffled."""

import subprocess
import sys

import datasets
import pytest
from datasets.distributed import split_dataset_by_node
from support import PROJECT, RUNS_SCRIPTS, VERSION, once, some, undecoded

from emotiontalk.corpus import GROUPS, split_of
from emotiontalk.loading.slices import SplitRuns, sliced_shards

OF_SAMPLE_DATA = (
    "test[:3]", "test[3:]", "test[:40%]", "test[40%:]", "test[-3:]", "train[2:4]+test[1:]+validation", "test[:900]",
    "test[:3]+test[2:5]", "validation+train[-1:]", "test[3:4]",
)  # fmt: skip


def ids(dataset):
    key = "sample_id" if "sample_id" in dataset.features else "id"
    return [row[key] for row in dataset.select_columns([key])]


def readings(stream, worlds=(1, 2, 3, 4, 8)):
    """The ids that a stream gives in all, by how it is read."""

    def of_all(dataset, world):
        return [uid for rank in range(world) for uid in ids(split_dataset_by_node(dataset, rank, world))]

    for world in worlds:
        yield f"{world} nodes", of_all(stream, world)
    shuffled = stream.shuffle(seed=3, buffer_size=7)
    for world in (1, worlds[-1]):
        yield f"shuffled, {world} nodes", of_all(shuffled, world)
    shuffled.set_epoch(1)
    yield "shuffled, second epoch", ids(shuffled)
    stream.set_epoch(1)
    yield "second epoch", ids(stream)


def assert_same_rows(load, split, **options):
    """Prepared and streamed rows are the same; prepared ids are returned."""
    prepared, stream = ids(load(split=split, **options)), load(split=split, streaming=True, **options)
    assert ids(stream) == prepared and str(stream.split) == split
    for how, found in readings(stream):
        assert sorted(found) == sorted(prepared), (split, how)
    return prepared


@pytest.mark.parametrize("config", some(["text", "audio", "dialogues", "multimodal", "video"], "dialogues"))
@pytest.mark.parametrize("split", OF_SAMPLE_DATA)
def test_a_sliced_stream_has_the_rows_of_the_prepared_slice(call, config, split):
    if config == "dialogues":  # there are two in test
        split = split.replace("test[3:", "test[1:")
    assert_same_rows(lambda **options: call(config, **options), split)


def test_train_and_dev_of_a_sliced_stream_share_no_row(call):
    whole = ids(call("audio", split="test"))
    dev, rest = (call("audio", split=split, streaming=True) for split in ("test[:3]", "test[3:]"))
    for (how, a), (_, b) in zip(readings(dev), readings(rest)):
        assert not set(a) & set(b) and sorted(a + b) == whole, how
    assert dev.n_shards == 3 and rest.n_shards == len(whole) - 3  # as many as there can be


@pytest.mark.parametrize("split", some(["test[:3]", "test[3:]", "test[-50%:]", "test[1:2]+train[:30%]"], "test[3:]"))
def test_slices_count_only_what_is_given(call, release, split):
    """With label_set="four" and strict=False not each utterance is an example."""

    def spoil(members):
        clips = [name for name in members["Audio"] if name.endswith(".wav")]
        del members["Audio"][clips[1]]
        members["Audio"][next(name for name in clips if "G00003" in name)] = b"RIFF"
        bad = next(name for name in members["Audio"] if name.endswith(".json") and "G00015" in name)
        members["Audio"][bad] = b"{"

    intact, spoilt = PROJECT / "dummy_data", release(spoil)
    four = assert_same_rows(lambda **options: call("audio", intact, label_set="four", **options), split)
    left = assert_same_rows(lambda **options: call("audio", spoilt, strict=False, **options), split)
    both = {"strict": False, "label_set": "four", "sampling_rate": 16_000, "mono": True}
    assert_same_rows(lambda **options: call("audio", spoilt, **both, **options), split)
    assert four and left


def test_slices_of_a_fold(call):
    for split in ("test[1:]", "train[:50%]+test[:1]"):
        assert_same_rows(lambda **options: call("text", fold=2, **options), split)


def test_a_slice_without_examples_is_an_error_prepared_and_streamed(call):
    for options in ({}, {"streaming": True}):
        for split in ("test[:0]", "test[900:]", "test[5:3]"):
            with pytest.raises(ValueError, match="test"):
                call("text", split=split, **options)
        mixed = call("text", split="test[:0]+train[:1]", **options)
        assert len(list(mixed)) == 1


@pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets 4 and later run no scripts")
def test_the_script_streams_slices(script):
    for split in ("test[3:]", "test[:25%]+train[-2:]"):
        stream = script("text", split=split, streaming=True)
        assert [row["id"] for row in stream] == script("text", split=split)["id"][:]
        assert sorted(ids(stream.shuffle(seed=1, buffer_size=2))) == sorted(ids(stream))


def test_instructions_are_cut_as_datasets_cuts_them(call):
    closest = datasets.ReadInstruction("test", to=30, unit="%", rounding="closest")
    for split in (closest, closest + datasets.ReadInstruction("train", from_=1, to=3, unit="abs")):
        assert ids(call("text", split=split, streaming=True)) == ids(call("text", split=split))


def test_only_what_a_slice_needs_is_counted():
    """A slice from the beginning of a split does not wait until all of it is counted."""
    groups = [group for group in GROUPS if split_of(group) == "train"]
    runs, asked = [(group, 0, GROUPS[group]) for group in groups], []

    def positions():
        for group, _, count in runs:
            for number in range(count):
                asked.append(number)
                yield group, number

    def shards(split):
        asked.clear()
        return sliced_shards(datasets.ReadInstruction.from_spec(split), {"train": SplitRuns("train", runs, positions)})

    assert sum(end - begin for _, begin, end in shards("train[:100]")) == 100 and len(asked) == 101
    assert len(shards("train[100:]")) == 240 and len(asked) == 101
    assert len(shards("train")) == 240 and not asked
    shards("train[:-1]")
    assert len(asked) == sum(GROUPS[group] for group in groups)


WORKERS = """
import sys
import torch.utils.data

def ids_of(rows):
    return [row["id"] for row in rows]

if __name__ == "__main__":
    for split in sys.argv[2:]:
        stream = {load}
        prepared = sorted({prepared}["id"])
        for stream in (stream, stream.shuffle(seed=1, buffer_size=20)):
            for workers in (0, 3):
                how = {{"num_workers": workers, "multiprocessing_context": sys.argv[1] if workers else None}}
                loader = torch.utils.data.DataLoader(stream, batch_size=8, collate_fn=ids_of, **how)
                assert sorted(uid for batch in loader for uid in batch) == prepared, (split, workers)
        print(split, len(prepared))
"""


@once
@pytest.mark.slow
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_of_a_data_loader_share_a_slice(rebuilt, tmp_path, how):
    options = {"data_dir": str(rebuilt()), "cache_dir": str(tmp_path / "cache")}
    call = f"__import__('emotiontalk').load_dataset('text', split=split, **{options!r}"
    file = tmp_path / "workers.py"
    file.write_text(WORKERS.format(load=f"{call}, streaming=True)", prepared=f"{call})"), encoding="utf-8")
    command = [sys.executable, str(file), how, "test[100:]", "validation[:50]+test[:50]"]
    run = subprocess.run(command, cwd=PROJECT, env=None, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:2] == ["test[100:] 1829", "validation[:50]+test[:50] 100"]


@pytest.mark.slow
def test_slices_of_the_release(call, rebuilt):
    options = {"label_set": "four", "strict": False}  # what a slice has is counted first
    for split in ("test[:100]", "test[100:]", "test[10%:]", "validation[:50]+test[:50]", "train[900:2340]"):
        prepared = assert_same_rows(lambda **more: call("text", rebuilt(), **options, **more), split)
        sizes = {"test[100:]": 1488 - 100, "test[10%:]": 1488 - 149, "train[900:2340]": 1440}
        assert len(prepared) == sizes.get(split, 100)


@once
def test_counting_for_a_slice_fetches_no_audio(call, serve, rebuilt):
    server = serve(rebuilt())
    stream = undecoded(call("audio", server.url + "/files", split="test[:5]", label_set="four", streaming=True))
    counted = server.bytes["Audio.tar"]
    assert len(ids(stream)) == 5 and counted < 4 << 20


@once
@pytest.mark.skipif(VERSION < (3, 0), reason="datasets 3 and later resume")
def test_a_sliced_stream_resumes(call, rebuilt):
    stream = call("text", rebuilt(), split="test[100:300]", streaming=True)
    everything, begun = ids(stream), []
    for row in stream:
        begun.append(row["id"])
        if len(begun) == 77:
            state = stream.state_dict()
            break
    again = call("text", rebuilt(), split="test[100:300]", streaming=True)
    again.load_state_dict(state)
    assert begun + [row["id"] for row in again] == everything and len(everything) == 200


def test_skip_and_take_of_a_stream_are_applied_by_each_reader(call, rebuilt):
    """As docs/loading.md says: why a slice is cut by `split=`."""
    stream = call("text", rebuilt(), split="test", streaming=True)
    begun = [row["id"] for row in stream.take(100)]
    by_four = [uid for rank in range(4) for uid in ids(split_dataset_by_node(stream.take(100), rank, 4))]
    assert len(begun) == 100 and sorted(by_four) != begun


def test_a_dialogue_that_is_named_twice_comes_twice(call):
    """Also where a reader finds its two shards next to each other."""
    one, two = (call("dialogues", split=split, streaming=True) for split in ("test[:1]", "test[:1]+test[:1]"))
    (row,) = one
    assert list(two) == [row, row] == list(call("dialogues", split="test[:1]+test[:1]"))


def test_a_group_with_more_utterances_than_the_release():
    """As strict=False lets it be: a slice ends where it says, and what is more is in the last one."""
    runs = [("G00003", 0, 793), ("G00015", 0, 1_136)]
    positions = [("G00003", number) for number in range(795)] + [("G00015", number) for number in range(1_136)]

    def held(split):
        of = SplitRuns("test", runs, lambda: iter(positions))
        shards = sliced_shards(datasets.ReadInstruction.from_spec(split), {"test": of})
        return [at for group, begin, end in shards for at in positions if at[0] == group and begin <= at[1] < end]

    for split, begin, end in (
        ("test[:793]", 0, 793), ("test[793:]", 793, None), ("test[794:797]", 794, 797), ("test[790:793]", 790, 793),
        ("test[:-1136]", 0, 795), ("test[795:]", 795, None), ("test[794:]", 794, None), ("test", 0, None),
    ):  # fmt: skip
        assert held(split) == positions[begin:end], split
