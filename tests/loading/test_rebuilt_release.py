"""The whole release, rebuilt from the published labels (../shared): the right rows, checked against those labels."""

import collections
import json
import tarfile

import pytest
from benchmark_files import manifest_of
from card import class_counts
from support import once, published_labels, rows, some, undecoded

SIZES = {"train": 15_413, "validation": 1_908, "test": 1_929}
EMOTIONS = ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"]
SPLIT = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}


@pytest.fixture(scope="module")
def labels():
    return {row["id"]: row for row in published_labels()}


def sentiment(score):
    if score <= -1:
        return "negative"
    if score >= 1:
        return "positive"
    return "neutral" if score == 0 else "weakly negative" if score < 0 else "weakly positive"


@pytest.mark.parametrize("config", some(["text", "audio", "multimodal", "video"], "text"))
def test_every_row_is_the_published_one(load, rebuilt, labels, config):
    loaded = load(config, data_dir=rebuilt())
    assert {split: len(dataset) for split, dataset in loaded.items()} == SIZES
    seen, table = [], class_counts()
    assert len(table) == 12
    for split, dataset in loaded.items():
        assert dataset["id"][:] == sorted(dataset["id"])
        counts = collections.Counter(dataset["emotion"][:])
        assert table[config, split] == [*(counts[n] for n in range(7)), SIZES[split]]
        dataset = dataset.remove_columns([name for name in ("audio", "video") if name in dataset.column_names])
        features = dataset.features  # a copy each time
        for row in dataset:
            published = labels[row["id"]]
            assert SPLIT.get(row["group"], "train") == split
            assert EMOTIONS[row["emotion"]] == published[f"emotion_{config}"]
            for name in ("text", "audio", "video", "multimodal"):
                if f"emotion_{name}" in row:
                    assert EMOTIONS[row[f"emotion_{name}"]] == published[f"emotion_{name}"]
            if "sentiment_score" in row:
                assert row["sentiment_score"] == float(published["sentiment_score"])
                assert features["sentiment"].int2str(row["sentiment"]) == sentiment(row["sentiment_score"])
            transcription = row["transcription"]
            if config == "audio":
                transcription = transcription.replace("【", "[").replace("】", "]")
            assert transcription == published["transcription"]
            assert not set(row["text"]) & set("[]【】")
            seen.append(row["id"])
    assert sorted(seen) == sorted(labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, sizes",
    [
        ("audio", [13_243, 1_610, 1_560]),
        ("multimodal", [12_232, 1_555, 1_509]),
        ("text", [11_458, 1_458, 1_488]),
    ],
)
def test_the_papers_four(load, rebuilt, config, sizes):
    loaded = load(config, data_dir=rebuilt(), label_set="four")
    assert [len(loaded[split]) for split in SIZES] == sizes


@pytest.mark.slow
def test_dialogues(load, rebuilt, labels):
    loaded = load("dialogues", data_dir=rebuilt())
    assert sum(len(dataset) for dataset in loaded.values()) == 742
    seen = set()
    for dataset in loaded.values():
        for dialogue in dataset:
            turns = [turn["turn"] for turn in dialogue["turns"]]
            assert turns == sorted(turns)
            for turn in dialogue["turns"]:
                assert turn["id"].startswith(dialogue["dialogue"] + "_")
                for name in ("text", "audio", "video", "multimodal"):
                    assert EMOTIONS[turn[f"emotion_{name}"]] == labels[turn["id"]][f"emotion_{name}"]
                seen.add(turn["id"])
    assert seen == set(labels)


@pytest.mark.slow
def test_the_benchmarks_manifest(load, rebuilt):
    manifest, _ = manifest_of(rebuilt())
    found = load("zh-en", data_dir=rebuilt(), split="test").remove_columns("audio")
    assert len(found) == 1_929
    assert "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in found).encode() == manifest


@once
@pytest.mark.slow
@pytest.mark.parametrize("order", ["media-first", "shuffled"])
def test_any_order_gives_the_same_sound(load, rebuilt, clips, order, tmp_path):
    options = () if order == "annotations-first" else ("--order", order, "--only", "Audio")
    out = rebuilt(*options)
    previous = None
    for kwargs in ({"num_proc": 2}, {"streaming": True}):
        splits = load("audio", data_dir=out, cache_dir=tmp_path / str(kwargs), **kwargs)
        ids = []
        for dataset in splits.values():
            for batch in undecoded(dataset).select_columns(["id", "audio"]).iter(500):
                assert all(audio["bytes"] == clips[uid] for uid, audio in zip(batch["id"], batch["audio"]))
                ids += batch["id"]
        assert len(ids) == 19_250 and ids == (previous or ids)
        previous = ids


def texts_without(what, rebuilt, folder):
    """A folder with Text.tar alone, without the members whose names have this in them."""
    with tarfile.open(rebuilt() / "Text.tar") as old, tarfile.open(folder / "Text.tar", "w") as new:
        for member in old:
            if what not in member.name:
                new.addfile(member, old.extractfile(member))
    return folder


@pytest.mark.slow
def test_without_a_whole_group_it_is_a_selection(load, rebuilt, tmp_path):
    """Also where that is less than a twentieth: G00002 has 903 of the 19,250 utterances."""
    out = texts_without("G00002", rebuilt, tmp_path)
    assert {split: len(rows) for split, rows in load("text", data_dir=out).items()} == {
        "train": 14_510, "validation": 1_908, "test": 1_929,
    }  # fmt: skip


@pytest.mark.slow
def test_a_whole_release_is_checked(load, rebuilt, tmp_path):
    """One utterance less, in both annotation and sound, is no selection: it is a release with a hole."""
    out = texts_without("G00007_10_11_013", rebuilt, tmp_path)
    for options in ({}, {"streaming": True}):
        with pytest.raises(Exception, match="G00007 has 1,812 utterances .* release has 1,813"):
            rows(load("text", data_dir=out, **options)["train"])
    assert len(load("text", data_dir=out, strict=False, split="train")) == 15_412
    assert len(load("text", data_dir=out, prepare_splits=["test"], split="test")) == 1_929


@pytest.mark.slow
@once
def test_a_truncated_archive_gives_no_short_split(load, rebuilt, tmp_path):
    whole = (rebuilt() / "Audio.tar").read_bytes()
    for share in (0.05, 0.5, 0.999):
        out = tmp_path / str(share)
        out.mkdir()
        (out / "Audio.tar").write_bytes(whole[: int(len(whole) * share)])
        for options in ({}, {"streaming": True}):
            with pytest.raises(Exception, match="Audio.tar: (truncated|corrupt).*14,811,722,752"):
                rows(load("audio", data_dir=out, split="test", **options))


def test_the_first_streamed_example_reads_its_own_groups_payload_alone(load, rebuilt):
    """Counted by the kernel for this process: bytes asked of read calls."""
    out = rebuilt()

    def asked():
        with open("/proc/self/io") as file:
            return int(file.readline().split()[1])

    streamed = undecoded(load("audio", data_dir=out, split="test", streaming=True))
    before = asked()
    next(iter(streamed))
    payload = asked() - before
    assert payload < 0.03 * (out / "Audio.tar").stat().st_size
