"""`emotiontalk.load_dataset` and `decode_audio`: the same call, rows and types on every version of `datasets`."""

import inspect
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import numpy
import pytest
import soundfile
from hub_server import HubServer
from support import CONFIGS, PROJECT, VERSION, archives, as_script, rows, some

import emotiontalk
import emotiontalk.loading.load_dataset
import emotiontalk.loading.options
from emotiontalk.sample_data import relative
from emotiontalk.schema import MEDIA


@as_script
@pytest.mark.parametrize("config", some(CONFIGS, "audio"))
@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"num_proc": 2}])
def test_the_call_gives_the_scripts_rows(call, script, config, options):
    expected, found = script(config), call(config, **options)
    assert list(found) == list(expected)
    for split in expected:
        assert rows(found[split]) == rows(expected[split])
        assert list(found[split].features) == list(expected[split].features)


SPLITS = {
    "test": ["test"],
    "train[:5]": ["train"],
    "train+validation": ["train", "validation"],
    "test[2:4]+train[1:3]": ["test", "train"],
    "test[:50%]": ["test"],
    "validation[-3:]": ["validation"],
    "all": ["train", "validation", "test"],
    datasets.Split.TEST: ["test"],
    datasets.ReadInstruction("train", from_=1, to=3, unit="abs"): ["train"],
}


@pytest.fixture(scope="module")
def expected():
    """The ids of each split of the miniature release, as the published rule gives them."""
    held_out = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
    ids = {"train": [], "validation": [], "test": []}
    for name in sorted(archives()["Audio"]):
        uid = name.split("/")[-1][:-5]
        if name.endswith(".json") and not uid.startswith("._"):
            ids[held_out.get(uid[:6], "train")].append(uid)
    return ids


def cut(ids, split):
    """What plain lists give for a split as users write it."""
    parts = []
    for part in str(split).replace("all", "train+validation+test").split("+"):
        name, _, bounds = part.strip().partition("[")
        start, stop = (bounds.rstrip("]") or ":").split(":")
        at = [
            None if not b else len(ids[name]) * int(b[:-1]) // 100 if b.endswith("%") else int(b) for b in (start, stop)
        ]
        parts += ids[name][slice(*at)]
    return parts


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_split_has_the_whole_syntax_and_prepares_what_it_names(call, expected, split, tmp_path):
    found = call("text", split=split)
    assert isinstance(found, datasets.Dataset) and found["id"][:] == cut(expected, split)
    assert str(found.split) == str(split).replace("all", "train+validation+test")
    prepared = {
        path.name.split("-")[-1][: -len(".arrow")] for path in (tmp_path / "called").glob("emotiontalk/*/*/*/*.arrow")
    }
    assert prepared == set(SPLITS[split])


def test_lists_and_dicts_of_splits(call, expected):
    both = call("text", split=["test", "train[:2]"])
    assert isinstance(both, list) and [d["id"][:] for d in both] == [expected["test"], expected["train"][:2]]
    named = call("text", split={"fit": "train+validation", "try": "test"})
    assert isinstance(named, datasets.DatasetDict)
    assert named["fit"]["id"][:] == expected["train"] + expected["validation"]
    assert isinstance(call("text"), datasets.DatasetDict) and list(call("text")) == ["train", "validation", "test"]


@pytest.mark.slow
def test_streams_are_cut_too(call, expected):
    for split in ("test", "train[:5]", "train[2:4]", "train+validation", "test[2:4]+train[6:]", "all"):
        found = call("text", split=split, streaming=True)
        assert isinstance(found, datasets.IterableDataset) and [row["id"] for row in found] == cut(expected, split)
    assert isinstance(call("text", streaming=True), datasets.IterableDatasetDict)
    assert [len(list(d)) for d in call("text", split=["test", "train[:2]"], streaming=True)] == [8, 2]
    for split in ("test[:50%]", "test[-2:]"):  # of a part of the release, too
        assert [row["id"] for row in call("text", split=split, streaming=True)] == cut(expected, split)


def test_a_stream_of_the_whole_release_is_cut_by_percent(call, rebuilt):
    assert len(list(call("text", rebuilt(), split="test[-10%:]", streaming=True))) == 193
    assert len(list(call("dialogues", rebuilt(), split="test[-4:]", streaming=True))) == 4


MEANINGLESS = {
    "data_files": "pass data_dir=", "revision": "hf://datasets/BAAI/Emotiontalk@REVISION",
    "trust_remote_code": "remove it", "prepare_splits": "pass split=", "features": "cast()",
    "use_auth_token": "pass token=", "labels": "label_set=",
}  # fmt: skip


@pytest.mark.parametrize("keyword", MEANINGLESS)
def test_a_keyword_that_means_nothing_is_an_error_that_says_what_to_pass(call, keyword):
    with pytest.raises(emotiontalk.RequestError, match=f"{keyword}=.*") as error:
        call("text", **{keyword: "x"})
    assert MEANINGLESS[keyword] in str(error.value)


def test_every_keyword_of_datasets_is_taken_or_answered():
    known = set(inspect.signature(emotiontalk.load_dataset).parameters) | set(emotiontalk.loading.options.INSTEAD)
    asked = inspect.signature(datasets.load_dataset).parameters.values()
    assert {p.name for p in asked if p.kind is not p.VAR_KEYWORD} - {"task"} <= known


def test_what_is_unknown_is_named(call):
    for options, said in (
        ({"split": "dev"}, "dev"),
        ({"config": "sound"}, "sound"),
        ({"config": "zh-en", "split": "train"}, "train"),
    ):
        with pytest.raises(ValueError, match=said):
            call(**{"config": "text", **options})
    with pytest.raises(NotImplementedError, match="num_workers"):
        call("text", streaming=True, num_proc=2)


def test_a_split_that_a_selection_lacks(call, release, expected):
    def only_train(members):
        for files in members.values():
            for name in [n for n in files if not ("G00002" in n or "G00004" in n)]:
                del files[name]

    out = release(only_train)
    for options in ({}, {"streaming": True}):
        assert list(call("text", out, **options)) == ["train"]
        with pytest.raises(emotiontalk.NoUtteranceError, match="no utterance of test"):
            call("text", out, split="train+test", **options)


def in_process(code, cwd, python=sys.executable, **environment):
    run = subprocess.run(
        [python, "-c", code], cwd=cwd, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HF_HOME": str(Path(cwd) / "home"), "PYTHONPATH": str(PROJECT), **environment},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
def test_no_version_of_datasets_breaks_the_cache_of_another(tmp_path):
    """Prepared by each version that is installed beside this one, in turn, then loaded by each."""
    pythons = [str(python) for python in sorted(PROJECT.glob(".venv-[0-9]*/bin/python"))] or [sys.executable]
    code = (
        "import emotiontalk\n"
        "for config in emotiontalk.CONFIGS:\n"
        f"    d = emotiontalk.load_dataset(config, {str(PROJECT / 'dummy_data')!r}, split='test')\n"
        "    print(len(d), d[0][d.column_names[0]])"
    )
    said = {in_process(code, tmp_path, python).stdout for python in [*pythons, *pythons[::-1]]}
    assert len(said) == 1 and said.pop().count("\n") == 6


@pytest.mark.slow
def test_what_is_prepared_is_kept_for_later(call, rebuilt, tmp_path):
    """From a Hub: one split for its own bytes; then a slice of another; then both again for nothing."""
    hub = HubServer(rebuilt())
    code = "import emotiontalk\nfor split in {!r}: print(len(emotiontalk.load_dataset('audio', split=split)))"
    size = (rebuilt() / "Audio.tar").stat().st_size
    try:
        assert in_process(code.format(["test"]), tmp_path, HF_ENDPOINT=hub.url).stdout == "1929\n"
        assert hub.bytes["Audio.tar"] < (0.102 + 0.02) * size
        cache = tmp_path / "home" / "datasets" / "emotiontalk"
        kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")}
        assert [path.name for path in kept] == ["emotiontalk-test.arrow"]
        assert in_process(code.format(["validation[:5]"]), tmp_path, HF_ENDPOINT=hub.url).stdout == "5\n"
        hub.forget()
        assert (
            in_process(code.format(["test", "test[:3]", "validation+test"]), tmp_path, HF_ENDPOINT=hub.url).stdout
            == "1929\n3\n3837\n"
        )
        assert not hub.bytes and all(path.stat().st_mtime_ns == at for path, at in kept.items())
    finally:
        hub.close()


@pytest.mark.slow
def test_everything_is_downloaded_once(call, rebuilt, tmp_path):
    hub = HubServer(rebuilt())
    size = (rebuilt() / "Audio.tar").stat().st_size
    found = call("audio", hub.url + "/files", cache_dir=tmp_path, download_mode="force_redownload")
    assert {split: len(d) for split, d in found.items()} == {"train": 15_413, "validation": 1_908, "test": 1_929}
    assert size <= hub.bytes["Audio.tar"] < 1.01 * size
    hub.close()


def test_the_sizes_of_a_whole_release_are_checked(call, rebuilt, monkeypatch):
    """On every version, also where `datasets` reads no dataset_infos.json."""
    monkeypatch.setitem(emotiontalk.DIALOGUES, "test", 83)
    for name, info in json.loads((PROJECT / "dataset_infos.json").read_text()).items():
        assert {n: s["num_examples"] for n, s in info["splits"].items()} == emotiontalk.split_sizes(
            name
        ) or name == "dialogues"
    if VERSION >= (4, 0):
        with pytest.raises(Exception, match="83"):
            call("dialogues", rebuilt(), split="test")
        assert len(call("dialogues", rebuilt(), split="test", verification_mode="no_checks")) == 84


@pytest.mark.slow
def test_no_row_ends_in_an_import_error(tmp_path):
    """Without the libraries that `datasets` decodes with: the bytes, and one warning with both ways out."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("torchcodec", "librosa", "torchvision")))  # as if they were not installed
import emotiontalk
for config in ("audio", "multimodal", "zh-en", "video"):
    for options in ({}, {"streaming": True}):
        d = emotiontalk.load_dataset(config, "dummy_data", split="test", **options)
        row = next(iter(d))
        media = row["video" if config == "video" else "audio"]
        assert set(media) == {"bytes", "path"}, media
        if options:
            for other in (d.rename_column(d.column_names[0], "first"), d.remove_columns(d.column_names[:1])):
                assert next(iter(other))["video" if config == "video" else "audio"] == media
        if config != "video":
            assert emotiontalk.decode_audio(media, sampling_rate=16000, mono=True)["array"].shape == (19200,)
        options or d[0]
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    said = [line for line in run.stderr.splitlines() if "cannot decode audio" in line]
    assert len(said) == 1 and "Install " in said[0] and "emotiontalk.decode_audio(" in said[0]


ON_STREAMS = {
    "remove_columns": lambda d: d.remove_columns(["turn"]),
    "rename_column": lambda d: d.rename_column("turn", "number"),
    "select_columns": lambda d: d.select_columns(["id", *MEDIA.intersection(d.features)]),
    "filter": lambda d: d.filter(lambda row: True),
    "map": lambda d: d.map(lambda row: row),
    "map of batches": lambda d: d.map(lambda batch: {"n": [1] * len(batch["id"])}, batched=True),
    "map, removing": lambda d: d.map(lambda row: {"n": 1}, remove_columns=["turn"]),
    "cast_column": lambda d: d.cast_column("turn", datasets.Value("int64")),
    "cast": lambda d: d.cast(d.features),
    "shuffle": lambda d: d.shuffle(seed=1),
    "concatenate": lambda d: datasets.concatenate_datasets([d, d]),
    "interleave": lambda d: datasets.interleave_datasets([d, d]),
    "filter, shuffle, remove": lambda d: d.filter(lambda row: True).shuffle(seed=1).remove_columns(["turn"]),
    "repeat": lambda d: d.repeat(2),
    "take, skip": lambda d: d.skip(1).take(3),
    "prepared, as a stream": lambda d: d.to_iterable_dataset().remove_columns(["turn"]),
    "sort": lambda d: d.sort("turn"),
    "train_test_split": lambda d: d.train_test_split(2)["test"],
    "from_list": lambda d: datasets.Dataset.from_list(list(d)),
}  # fmt: skip


@pytest.mark.parametrize("config", ["audio", "video"])
@pytest.mark.parametrize("streaming", [True, False])
def test_rows_that_nobody_can_decode_stay_as_they_are(call, config, streaming, monkeypatch):
    """After each operation of `datasets`, whatever is installed."""
    monkeypatch.setattr(emotiontalk.loading.load_dataset, "_can_decode", lambda name: False)
    dataset, medium = call(config, split="test", streaming=streaming), "video" if config == "video" else "audio"
    clips = {row[medium]["path"]: row[medium]["bytes"] for row in dataset}
    tried = 0
    for name, operation in ON_STREAMS.items():
        try:
            found = list(operation(dataset))
        except AttributeError:  # this version, or a stream, has no such method
            continue
        tried += 1
        assert found and all(row[medium]["bytes"] == clips[row[medium]["path"]] for row in found), name
        assert all(set(row[medium]) == {"bytes", "path"} for row in found), name
    assert tried > 12


def sound(rate=44_100, channels=2, frames=4_410, kind="WAV"):
    samples = (
        0.4 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(frames) / rate)[:, None] * numpy.linspace(1, 0.5, channels)
    )
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return {"bytes": file.getvalue(), "path": "a.wav"}, samples.astype("float32")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("wanted", [None, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("mono", [False, True])
def test_decode_audio(channels, wanted, mono):
    audio, samples = sound(channels=channels)
    found = emotiontalk.decode_audio(audio, sampling_rate=wanted, mono=mono)
    assert set(found) == {"array", "sampling_rate", "path"} and found["path"] == "a.wav"
    rate = wanted or 44_100
    assert found["sampling_rate"] == rate and found["array"].dtype == numpy.float32
    assert found["array"].shape[:-1] == (() if mono or channels == 1 else (2,))
    assert abs(found["array"].shape[-1] - 4_410 * rate / 44_100) <= 1
    level = numpy.abs(found["array"]).max(axis=-1)
    assert numpy.allclose(
        level, numpy.abs(samples).max(axis=0) if level.ndim else numpy.abs(samples.mean(axis=1)).max(), atol=0.01
    )


def test_decode_audio_takes_what_datasets_gives(call, tmp_path):
    audio, samples = sound()
    (tmp_path / "a.wav").write_bytes(audio["bytes"])
    by_path = emotiontalk.decode_audio({"bytes": None, "path": str(tmp_path / "a.wav")})
    assert (by_path["array"] == emotiontalk.decode_audio(audio)["array"]).all()
    decoded = emotiontalk.decode_audio(
        {"array": samples[:, 0].astype("float64"), "sampling_rate": 44_100, "path": None}, 16_000
    )
    assert decoded["array"].shape == (1_600,) and decoded["array"].dtype == numpy.float32
    for bad in (
        {"bytes": b"<html>", "path": "b.wav"},
        {"bytes": None, "path": None},
        {"bytes": None, "path": "nowhere.wav"},
    ):
        with pytest.raises(emotiontalk.AudioDecodeError, match=bad["path"] or "audio"):
            emotiontalk.decode_audio(bad)
    dataset = call("audio", split="test")
    seconds = dataset.map(lambda row: {"n": len(emotiontalk.decode_audio(row["audio"], 16_000, mono=True)["array"])})
    assert seconds["n"][:] == [19_200, 19_200, 640, 19_200, 480, 800, 640, 960]
    heard = dataset.with_transform(
        lambda batch: {"x": [emotiontalk.decode_audio(a, 16_000, mono=True)["array"] for a in batch["audio"]]}
    )
    assert heard[0]["x"].shape == (19_200,)


def test_soft_labels_are_the_shares_of_the_votes(call):
    for config in ("audio", "text", "multimodal", "video"):
        missing = 0
        for dataset in call(config).values():
            dataset = dataset.remove_columns([name for name in ("audio", "video") if name in dataset.column_names])
            for row in dataset:
                votes = [vote["emotion"] for vote in row["annotations"]]
                if None in votes:
                    assert row["soft_label"] is None
                    missing += 1
                else:
                    assert row["soft_label"] == [votes.count(label) / 5 for label in range(7)]
                    assert abs(sum(row["soft_label"]) - 1) < 1e-9
        assert missing or config == "video"


def test_turns_have_the_dialogues_own_time_line(call):
    turns = [turn for row in call("dialogues", split="all") for turn in row["turns"]]
    sounds = {row["id"]: row for row in call("audio", split="all").remove_columns("audio")}
    assert all(
        (turn["start"], turn["end"]) == (sounds[turn["id"]]["start"], sounds[turn["id"]]["end"]) for turn in turns
    )
    assert any(turn["start"] is not None for turn in turns) and any(turn["start"] is None for turn in turns)


def test_the_class_is_what_readers_of_scripts_look_for(tmp_path):
    """A `GeneratorBasedBuilder`, whose examples `features.encode_example` takes as they are."""
    assert issubclass(emotiontalk.EmotionTalk, datasets.GeneratorBasedBuilder)
    made = archives()
    for config in CONFIGS:
        builder = emotiontalk.EmotionTalk(
            config_name=config, data_dir=str(PROJECT / "dummy_data"), cache_dir=str(tmp_path)
        )
        manager = datasets.StreamingDownloadManager()
        for generator in builder._split_generators(manager):
            for key, example in builder._generate_examples(**generator.gen_kwargs):
                assert list(example) == list(builder.info.features)
                assert key == example.get("id", example.get("sample_id"))
                if "audio" in example:
                    assert example["audio"] == {
                        "bytes": made["Audio"]["Audio/wav/" + relative(key, "wav")],
                        "path": f"{key}.wav",
                    }
                try:
                    encoded = builder.info.features.encode_example(example)
                except ImportError as error:  # `Audio` of datasets 4 and later encodes with torchcodec alone
                    assert VERSION >= (4, 0) and "torchcodec" in str(error)
                    example = {name: value for name, value in example.items() if name not in ("audio", "video")}
                    features = datasets.Features({name: builder.info.features[name] for name in example})
                    encoded = features.encode_example(example)
                assert encoded.get("text") == example.get("text")
