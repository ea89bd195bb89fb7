"""Files that leave the script: the benchmark's manifest and clips, Parquet that every version reads."""

import collections
import hashlib
import inspect
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time

import datasets
import numpy
import pyarrow.parquet as pq
import pytest
import soundfile
from benchmark_files import manifest_of as benchmark_manifest
from card import blocks
from datasets.distributed import split_dataset_by_node
from hub_server import HubServer
from support import (
    A_GROUP_A_SPLIT,
    PROJECT,
    RUNS_SCRIPTS,
    archives,
    command,
    manifest_of,
    once,
    published_labels,
    rows,
    set_other_codec,
    some,
)

import emotiontalk
from emotiontalk.export import parquet
from emotiontalk.folder import Folder
from emotiontalk.sample_data import pack, relative, utterances


def written(out):
    clips = {path.name: path.read_bytes() for path in (out / "emotiontalk/audio/zh").iterdir()}
    return (out / "emotiontalk/zh-en.jsonl").read_bytes(), clips


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
def test_the_benchmarks_files(rebuilt, tmp_path, remote):
    server = HubServer(rebuilt())
    source = server.url + "/files" if remote else rebuilt()
    command("zh-en", tmp_path / "out", "--data-dir", source, "--cache-dir", tmp_path / "cache")
    manifest, clips = written(tmp_path / "out")
    assert len(clips) == 1_929 and manifest.count(b"\n") == 1_929
    assert (manifest, clips) == benchmark_manifest(rebuilt())
    server.close()


@pytest.mark.slow
@once
@pytest.mark.parametrize("remote", [False, True])
def test_a_stopped_run_goes_on(rebuilt, tmp_path, remote):
    server = HubServer(rebuilt())
    source = server.url + "/files" if remote else str(rebuilt())
    out = tmp_path / "out"
    arguments = ["zh-en", str(out), "--data-dir", source, "--cache-dir", str(tmp_path / "cache")]
    process = subprocess.Popen([sys.executable, "-m", "emotiontalk", *arguments], stderr=subprocess.DEVNULL)
    clips = out / "emotiontalk/audio/zh"
    while process.poll() is None and (not clips.is_dir() or len(os.listdir(clips)) < 900):
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (out / "emotiontalk/zh-en.jsonl").exists()
    before = {path.name: path.stat().st_mtime_ns for path in clips.glob("*.wav")}
    assert 800 < len(before) < 1_929
    server.forget()
    command(*arguments)
    assert written(out) == benchmark_manifest(rebuilt())
    assert all((clips / name).stat().st_mtime_ns == at for name, at in before.items())
    if remote:  # annotations again, and the clips that were missing
        left = sum(path.stat().st_size + 1024 for path in clips.iterdir() if path.name not in before)
        assert server.bytes["Audio.tar"] < left + 0.02 * (rebuilt() / "Audio.tar").stat().st_size
    server.close()


@pytest.mark.slow
def test_the_benchmarks_scripts_get_their_files(rebuilt, tmp_path):
    """As sarapapi/hearing2translate 11b65587, infer.py, and the notebook 27590a95 of analysis/emotiontalk read them."""
    manifests, oracle = tmp_path / "clone/manifests", tmp_path / "oracle.jsonl"
    options = ("--manifests", manifests, "--transcripts", oracle, "--data-dir", rebuilt())
    assert "is not a folder" in command("zh-en", tmp_path / "out", *options, status=1).stderr
    assert not (tmp_path / "out").exists()
    manifests.mkdir(parents=True)
    command("zh-en", tmp_path / "out", *options)
    manifest, _ = written(tmp_path / "out")
    assert manifest == benchmark_manifest(rebuilt())[0] == (manifests / "emotiontalk/zh-en.jsonl").read_bytes()
    assert [path.name for path in (manifests / "emotiontalk").glob("*.jsonl")] == ["zh-en.jsonl"]  # all are read
    records = [json.loads(line) for line in manifest.decode().splitlines()]
    clean = [json.loads(line) for line in (tmp_path / "out/emotiontalk/zh-en-clean.jsonl").open(encoding="utf-8")]
    assert [{**record, "src_ref": None} for record in records] == [{**record, "src_ref": None} for record in clean]
    assert sum(one["src_ref"] != other["src_ref"] for one, other in zip(records, clean)) == 622
    assert not any(set(record["src_ref"]) & set("[]【】") for record in clean)
    transcripts = {}
    for line in oracle.open(encoding="utf-8"):
        entry = json.loads(line)
        assert list(entry) == ["dataset_id", "sample_id", "src_lang", "tgt_lang", "output"]
        transcripts[entry["dataset_id"], entry["sample_id"]] = entry["output"]
    assert [transcripts[record["dataset_id"], record["sample_id"]] for record in clean] == [
        record["src_ref"] for record in clean
    ]
    assert {entry["tgt_lang"], entry["src_lang"]} == {"zh"}


def test_manifests_and_transcripts_of_the_users_stay(tmp_path):
    source = ("--data-dir", PROJECT / "dummy_data")
    mine = tmp_path / "manifests/emotiontalk/zh-en.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    said = command("zh-en", tmp_path / "out", "--manifests", tmp_path / "manifests", *source, status=1).stderr
    assert f"{mine}: refusing to overwrite" in said and mine.read_text() == "mine"
    said = command("zh-en", tmp_path / "out", "--transcripts", mine, *source, status=1).stderr
    assert f"{mine}: refusing to overwrite" in said and mine.read_text() == "mine"
    assert (
        "cannot be written" in command("zh-en", tmp_path / "out", "--transcripts", tmp_path, *source, status=1).stderr
    )


CONFIGS = ("multimodal", "audio", "text", "dialogues", "zh-en")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The miniature release as Parquet."""
    out = tmp_path_factory.mktemp("export")
    command("parquet", out, "--data-dir", PROJECT / "dummy_data", "--cache-dir", out / "cache")
    return out


@pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets 4 and later run no scripts")
@pytest.mark.parametrize("config", some(CONFIGS, "audio", "dialogues"))
def test_the_export_has_the_scripts_rows(load, export, config, tmp_path):
    expected = load(config)
    found = datasets.load_dataset(str(export), config, cache_dir=str(tmp_path / "found"))
    assert list(found) == list(expected)
    for split in expected:
        assert found[split].features == expected[split].features
        assert rows(found[split]) == rows(expected[split])
        streamed = datasets.load_dataset(str(export), config, split=split, streaming=True)
        assert rows(streamed) == rows(expected[split])


@pytest.mark.skipif(RUNS_SCRIPTS, reason="datasets before 4 run scripts")
def test_where_scripts_do_not_run_the_export_loads(export):
    with pytest.raises(RuntimeError, match="Dataset scripts are no longer supported, but found emotiontalk.py"):
        datasets.load_dataset(str(PROJECT / "emotiontalk.py"), data_dir=str(PROJECT / "dummy_data"))
    made = archives()["Audio"]
    for config in CONFIGS:
        for split in ("train", "validation", "test") if config != "zh-en" else ("test",):
            dataset = datasets.load_dataset(str(export), config, split=split)
            assert len(dataset) == (2 if config == "dialogues" else 8)
            for row in rows(dataset):
                if "audio" in row:
                    uid = row["audio"]["path"][:-4]
                    assert row["audio"]["bytes"] == made["Audio/wav/" + relative(uid, "wav")]
    emotion = datasets.load_dataset(str(export), "audio", split="test").features["emotion"]
    assert emotion.names == ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"]


@pytest.fixture(scope="module")
def whole(rebuilt, tmp_path_factory):
    """The whole release as Parquet: (the config audio as released, the same for speech encoders)."""
    out = tmp_path_factory.mktemp("whole")
    arguments = ("--config", "audio", "--data-dir", rebuilt(), "--cache-dir", out / "cache")
    command("parquet", out / "as-released", *arguments)
    command("parquet", out / "16k", *arguments, "--sampling-rate", "16000", "--channels", "1", "--format", "flac")
    return out / "as-released", out / "16k"


@pytest.mark.slow
def test_the_whole_release_exported(whole, clips, tmp_path):
    out, _ = whole
    found = datasets.load_dataset(str(out), "audio", cache_dir=str(tmp_path / "found"))
    assert {split: len(d) for split, d in found.items()} == {"train": 15_413, "validation": 1_908, "test": 1_929}
    assert all(d["id"][:] == sorted(d["id"]) for d in found.values())
    for dataset in found.values():
        for row in rows(dataset):
            assert row["audio"]["bytes"] == clips[row["id"]] and row["audio"]["path"] == row["id"] + ".wav"
    for path in out.glob("audio/*.parquet"):
        assert path.stat().st_size < 500_000_000
        assert pq.ParquetFile(path).metadata.row_group(0).total_byte_size < 64 << 20
    for split, number in {"train": 48, "validation": 24, "test": 24}.items():
        counts = [pq.ParquetFile(path).metadata.num_rows for path in sorted(out.glob(f"audio/{split}-*.parquet"))]
        assert len(counts) == number and max(counts) < 1.1 * min(counts)
        streamed = datasets.load_dataset(str(out), "audio", split=split, streaming=True)
        parts = [[row["id"] for row in rows(split_dataset_by_node(streamed, rank, 8))] for rank in range(8)]
        assert streamed.n_shards == number and sorted(uid for part in parts for uid in part) == found[split]["id"][:]


def test_readers_can_skip_pages(export):
    """Where pyarrow can: an offset index of every column, a column index where there is a minimum and a maximum."""
    options = parquet.layout()
    parameters = inspect.signature(pq.ParquetWriter.__init__).parameters
    assert set(options) == {"write_page_index", "use_content_defined_chunking"} & set(parameters)
    for path in export.glob("*/*.parquet"):
        metadata = pq.read_metadata(path)
        columns = [metadata.row_group(0).column(n) for n in range(metadata.num_columns)]
        if "write_page_index" in options:
            assert all(column.has_offset_index for column in columns), path
            assert [c.has_column_index for c in columns if c.path_in_schema == "id"] in ([True], [])
        chunked = b"content_defined_chunking" in metadata.metadata
        assert chunked == ("use_content_defined_chunking" in options)


def chunked(path):
    """(digest, bytes) of a file in chunks of about 64 kB that end where the content says, as the Hub's storage has."""
    data = path.read_bytes()
    values = numpy.random.default_rng(1).integers(0, 2**32, 256, dtype=numpy.uint64)
    sums = numpy.cumsum(values[numpy.frombuffer(data, numpy.uint8)], dtype=numpy.uint64)
    hashes = ((sums[32:] - sums[:-32]) * numpy.uint64(0x9E3779B97F4A7C15)) >> numpy.uint64(48)
    ends = [0, *(numpy.flatnonzero(hashes == 0) + 33), len(data)]
    return [(hashlib.sha256(data[a:b]).digest(), b - a) for a, b in zip(ends, ends[1:])]


@pytest.mark.slow
@once
def test_an_upload_of_a_changed_export_repeats_little(rebuilt, tmp_path):
    whole = rebuilt("--only", "Audio", "--groups", "G00001", "--time-scale", "0.5")
    with tarfile.open(whole / "Audio.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    changed = tmp_path / "changed"
    changed.mkdir()
    gone = sorted(name.split("/")[-1][:-4] for name in members if name.endswith(".wav"))[10::400]
    left = {name: data for name, data in members.items() if name.split("/")[-1].rsplit(".", 1)[0] not in gone}
    (changed / "Audio.tar").write_bytes(pack(left, compressed=False))
    found = []
    for number, release in enumerate((whole, changed)):
        command("parquet", tmp_path / str(number), "--config", "audio", "--data-dir", release)
        shards = (tmp_path / str(number) / "audio").glob("*.parquet")
        found.append([chunk for path in shards for chunk in chunked(path)])
    before, after = {digest for digest, _ in found[0]}, found[1]
    sent = sum(size for digest, size in after if digest not in before)
    assert len(gone) == 3 and sent < 0.1 * sum(size for _, size in after)


def test_a_pyarrow_without_these_options_is_not_asked_for_them(tmp_path, monkeypatch):
    class Older(pq.ParquetWriter):
        def __init__(self, where, schema, compression, use_dictionary, write_statistics):
            super().__init__(where, schema, compression=compression, use_dictionary=use_dictionary)

    monkeypatch.setattr(pq, "ParquetWriter", Older)
    command("parquet", tmp_path / "out", "--config", "text", "--data-dir", PROJECT / "dummy_data")
    found = datasets.load_dataset(str(tmp_path / "out"), "text", cache_dir=str(tmp_path / "cache"))
    assert {split: len(dataset) for split, dataset in found.items()} == {"train": 8, "validation": 8, "test": 8}


def test_a_finished_shard_is_not_written_again(export):
    before = {path: path.stat().st_mtime_ns for path in export.glob("*/*.parquet")}
    mine = export / "audio" / "test-00003-of-00008.part.part"
    mine.write_bytes(b"half")
    (export / "audio" / "test-00003-of-00008.parquet").unlink()
    command("parquet", export, "--data-dir", PROJECT / "dummy_data", "--cache-dir", export / "cache")
    changed = {path.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {"test-00003-of-00008.parquet"} and mine.read_bytes() == b"half"


def test_an_export_that_was_copied_goes_on(tmp_path):
    """With other times, as `cp -r` gives them: another config is added, and no shard is written again."""
    source = ("--data-dir", PROJECT / "dummy_data")
    command("parquet", tmp_path / "one", "--config", "text", *source)
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("*.parquet")}
    (tmp_path / "two" / "README.md").unlink()
    command("parquet", tmp_path / "two", "--config", "dialogues", *source)
    assert before and all(path.stat().st_mtime_ns == at for path, at in before.items())
    found = datasets.load_dataset(str(tmp_path / "two"), "dialogues", cache_dir=str(tmp_path / "cache"))
    assert len(found["test"]) == 2


def test_only_the_splits_that_are_asked_for(tmp_path):
    """The test split first; a run stopped within another one is named, and nothing loads before it is finished."""
    out, source = tmp_path / "out", ("--config", "audio", "--data-dir", PROJECT / "dummy_data")
    said = command("parquet", out, *source, "--split", "test").stderr
    assert "audio: test 0.00 GB\n" in said and "are free" in said
    found = datasets.load_dataset(str(out), "audio", cache_dir=str(tmp_path / "test"))
    assert {split: len(dataset) for split, dataset in found.items()} == {"test": 8}
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    said = command("parquet", out, *source).stderr
    assert said.index("audio: test") < said.index("validation 0.00 GB") < said.index("train 0.00 GB")
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    found = datasets.load_dataset(str(out), "audio", cache_dir=str(tmp_path / "all"))
    assert {split: len(dataset) for split, dataset in found.items()} == {"train": 8, "validation": 8, "test": 8}
    next(out.glob("audio/train-*.parquet")).unlink()
    said = command("parquet", out, "--config", "text", "--data-dir", PROJECT / "dummy_data", status=1).stderr
    assert "audio, train" in said
    no_train = ("--config", "zh-en", "--split", "train", *source[2:])
    assert "zh-en has no train" in command("parquet", tmp_path / "no", *no_train, status=1).stderr


def test_no_room_is_told_before_the_first_byte(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    run = command("parquet", tmp_path / "out", "--config", "audio", "--data-dir", PROJECT / "dummy_data", status=1)
    assert "0.00 GB are free" in run.stderr and not (tmp_path / "out").exists()


def test_another_kind_of_export_is_refused(export):
    run = command("parquet", export, "--data-dir", PROJECT / "dummy_data", "--format", "flac", status=1)
    assert "choose another folder" in run.stderr and "Traceback" not in run.stderr


def test_another_release_does_not_go_into_the_same_export(tmp_path, release):
    out = tmp_path / "out"
    first, other = release(), release(lambda members: members["Text"].popitem(), folder="other")

    def exported(data_dir, config="text", status=1):
        return command("parquet", out, "--config", config, "--data-dir", data_dir, status=status).stderr

    exported(first, status=0)
    moved = first.rename(tmp_path / "moved")
    exported(moved, status=0)
    told = manifest_of(out)
    assert "text of another release" in exported(other)
    assert manifest_of(out) == told and told[1]["complete"]
    assert "there is no folder" in exported(tmp_path / "none")
    assert "Text.tar that has changed" in exported(other, "dialogues")  # another config of the same archive
    assert manifest_of(out) == told
    (out / Folder.MANIFEST).write_text("{")
    assert "and no export" in exported(moved)


def test_no_shard_of_the_users_is_loaded_along(tmp_path):
    out, source = tmp_path / "out", ("--data-dir", PROJECT / "dummy_data")
    command("parquet", out, "--config", "text", *source)
    shutil.copy(out / "text/test-00000-of-00008.parquet", out / "text/test-mine.parquet")
    for config in ("text", "dialogues"):
        refused = command("parquet", out, "--config", config, *source, status=1)
        assert "text/test-mine.parquet: refusing" in refused.stderr
    (out / "text/test-mine.parquet").unlink()
    command("parquet", out, "--config", "dialogues", *source)


def test_a_sound_that_cannot_be_converted_is_named(tmp_path, release):
    uid, _ = next(iter(utterances()))
    broken = release(lambda members: set_other_codec(members, uid))
    run = command("parquet", tmp_path / "out", "--config", "audio", "--format", "flac", "--data-dir", broken, status=1)
    assert f"{uid}.wav: its audio cannot be decoded" in run.stderr and "Traceback" not in run.stderr


def compared(converted, original):
    """(difference of the lengths in samples, of the levels in dB, rate) of mono audio and what it was made of.

    The level is that below 7 kHz, which both have: the audio of the rebuilt release is white noise.
    """
    converted, rate = soundfile.read(io.BytesIO(converted), always_2d=True)
    original, source_rate = soundfile.read(io.BytesIO(original), always_2d=True)
    levels = []
    for samples, per_second in ((converted[:, 0], rate), (original.mean(axis=1), source_rate)):
        spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
        frequencies = numpy.fft.rfftfreq(len(samples), 1 / per_second)
        levels.append(10 * numpy.log10((spectrum[frequencies < 7_000] ** 2).sum() / len(samples) ** 2))
    return abs(len(converted) - len(original) * rate / source_rate), abs(levels[0] - levels[1]), rate


@pytest.mark.slow
def test_every_clip_for_speech_encoders_keeps_its_length_and_level(whole, clips, tmp_path):
    _, out = whole
    loaded = datasets.load_dataset(str(out), "audio", cache_dir=str(tmp_path / "found"))
    differences = {
        row["id"]: compared(row["audio"]["bytes"], clips[row["id"]]) for split in loaded.values() for row in rows(split)
    }
    assert set(differences) == set(clips)
    assert all(longer <= 1 and rate == 16_000 for longer, _, rate in differences.values())
    # of a clip of some milliseconds the window cuts off a part that is not quite the same
    seconds = {uid: soundfile.info(io.BytesIO(clip)).duration for uid, clip in clips.items()}
    assert max(louder for uid, (_, louder, _) in differences.items() if seconds[uid] > 0.05) < 0.1


@pytest.mark.slow
def test_an_engine_counts_the_published_labels(rebuilt, tmp_path):
    """The example for Ray Data, as docs/gpus.md shows it, on the shards in parallel."""
    pytest.importorskip("ray")
    (line,) = [code for kind, code in blocks("docs/gpus.md") if kind == "sh"]
    assert line.split("#")[0].split() == ["python", "examples/ray_statistics.py", "EXPORT16"]
    release, out = rebuilt(*A_GROUP_A_SPLIT), tmp_path / "out"
    speech = ("--sampling-rate", "16000", "--channels", "1", "--format", "flac")
    command("parquet", out, "--config", "audio", "--data-dir", release, *speech)
    run = subprocess.run(
        [sys.executable, "examples/ray_statistics.py", str(out)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, "RAY_DATA_DISABLE_PROGRESS_BARS": "1"},
    )
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    split, counts = None, {}
    for line in lines:
        split = line.pop(0) if line and line[0] in ("train", "validation", "test") else split
        if len(line) == 6 and line[0] != "count":
            counts.setdefault(split, []).append(int(line[1]))
    published = collections.Counter()
    for row in published_labels():
        if row["id"][:6] in A_GROUP_A_SPLIT[1]:
            published[emotiontalk.split_of(row["id"][:6]), row["emotion_audio"]] += 1
    assert counts == {
        split: [published[split, emotion] for emotion in emotiontalk.EMOTIONS]
        for split in ("train", "validation", "test")
    }
    assert f"{sum(published.values()):,} utterances" in run.stdout


def test_sound_for_speech_encoders(tmp_path):
    out = tmp_path / "out"
    command("parquet", out, "--config", "audio", "--data-dir", PROJECT / "dummy_data",
            "--cache-dir", tmp_path / "cache",
            "--sampling-rate", "16000", "--channels", "1", "--format", "flac")  # fmt: skip
    found = datasets.load_dataset(str(out), "audio", split="test", cache_dir=str(tmp_path / "found"))
    assert found.features["audio"].sampling_rate == 16_000
    made = archives()["Audio"]
    for row in rows(found):
        assert row["audio"]["path"] == row["id"] + ".flac"
        assert soundfile.info(io.BytesIO(row["audio"]["bytes"])).format == "FLAC"
        longer, louder, rate = compared(row["audio"]["bytes"], made["Audio/wav/" + relative(row["id"], "wav")])
        assert rate == 16_000 and longer <= 1 and louder < 0.1
    assert "16,000 Hz" in (out / "README.md").read_text(encoding="utf-8")


def test_a_stopped_export_without_its_list_says_so_before_it_writes(tmp_path, release):
    """Copied with `cp OUT/*`, which leaves out what begins with a dot."""
    uid = next(uid for uid, _ in utterances() if uid.startswith("G00015"))
    bad = release(lambda members: members["Text"].update({"Text/json/" + relative(uid, "json"): b"{"}))
    command("parquet", tmp_path / "one", "--config", "text", "--data-dir", bad, status=1)
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns(".*"))
    before = sorted((tmp_path / "two").rglob("*"))
    said = command("parquet", tmp_path / "two", "--config", "text", "--data-dir", bad, status=1).stderr
    assert "and no export" in said and sorted((tmp_path / "two").rglob("*")) == before
