"""`emotiontalk files`: what each toolkit reads, with that toolkit's own reader where it can be had."""

import collections
import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import types

import datasets
import numpy
import pytest
import soundfile
from support import PROJECT, VERSION, command, once, published_labels

import emotiontalk
from emotiontalk.export.formats import FORMATS as TOOLKITS

SIZES = {"train": 15_413, "validation": 1_908, "test": 1_929}
FOUR = {"audio": (13_243, 1_610, 1_560), "multimodal": (12_232, 1_555, 1_509), "text": (11_458, 1_458, 1_488)}
FOR = [part for name in TOOLKITS for part in ("--for", name)]
ONE_CHANNEL = ("emobox", "merbench", "s3prl", "speechbrain")
FOR_STEREO = [part for name in TOOLKITS if name not in ONE_CHANNEL for part in ("--for", name)]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def unzipped(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def table(path):
    return dict(line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines())


def found(out, split, config):
    """Format -> {id: (emotion, text or None, path or None, seconds or None)} of a split, read as plain files."""
    valid = "valid" if split == "validation" else split
    corpus = "val_corpus" if split == "validation" else f"{split}_corpus"
    kaldi = {name: table(out / f"kaldi/{split}/{name}") for name in ("wav.scp", "text", "utt2emo", "utt2dur")}
    npz = numpy.load(out / f"merbench/label-{config}.npz", allow_pickle=True)
    names = csv.DictReader((out / "merbench/transcription.csv").open(encoding="utf-8", newline=""))
    texts = {row["name"]: row["chinese"] for row in names}
    emobox = json.loads((out / f"emobox/fold_official/emotiontalk_{valid}_fold_official.json").read_text())
    result = {
        "kaldi": {
            k[3:]: (kaldi["utt2emo"][k], kaldi["text"][k], kaldi["wav.scp"][k], float(kaldi["utt2dur"][k]))
            for k in kaldi["wav.scp"]
        },
        "lhotse": {
            c["id"]: (
                c["supervisions"][0]["custom"]["emotion"],
                c["supervisions"][0]["text"],
                c["recording"]["sources"][0]["source"],
                c["duration"],
            )
            for c in unzipped(out / f"lhotse/cuts_{split}.jsonl.gz")
        },
        "emobox": {
            r["key"][len("emotiontalk-") :]: (r["emo"], None, r["wav"], r["length"])
            for r in lines(out / f"emobox/fold_official/emotiontalk_{valid}_fold_official.jsonl")
        },
        "speechbrain": {
            k: (r["emo"], r["text"], r["wav"].replace("{data_root}", str(out)), r["length"])
            for k, r in json.loads((out / f"speechbrain/{valid}.json").read_text(encoding="utf-8")).items()
        },
        "s3prl": {
            r["path"].split("/")[-1][:-4]: (r["label"], None, str(out / r["path"]), None)
            for r in json.loads((out / f"s3prl/Session1/{split}_meta_data.json").read_text())["meta_data"]
        },
        "funasr": {
            r["key"]: (r["emo_target"][2:-2].lower(), r["target"], r["source"], None)
            for r in lines(out / f"funasr/{split}.jsonl")
        },
        "messages": {
            r["audios"][0].split("/")[-1][:-4]: (r["messages"][1]["content"], None, r["audios"][0], None)
            for r in lines(out / f"messages/emotion-{split}.jsonl")
        },
        "merbench": {
            k: (emotiontalk.EMOTIONS[v["emo"]], texts[k], str(out / f"merbench/audio/{k}.wav"), None)
            for k, v in npz[corpus].tolist().items()
        },
        "csv": {
            r["id"]: (r["emotion"], r["text"], str(out / "csv" / r["file_name"]), float(r["seconds"]))
            for r in csv.DictReader((out / f"csv/{split}.csv").open(encoding="utf-8", newline=""))
        },
        "audformat": {},
        "evaluation": {
            r["id"]: (r["answer"], None, r["audio"], None) for r in lines(out / f"evaluation/emotion-zh-{split}.jsonl")
        },
        "nemo": {
            r["audio_filepath"].split("/")[-1][:-4]: (r["emotion"], r["text"], r["audio_filepath"], r["duration"])
            for r in lines(out / f"nemo/{split}.jsonl")
        },
        "webdataset": {},
    }
    name = "dev" if split == "validation" else split
    emotions, files = (
        {r["file"]: r for r in csv.DictReader((out / f"audformat/db.{table}.csv").open(encoding="utf-8", newline=""))}
        for table in (f"emotion.{name}", "files")
    )
    for file, row in emotions.items():
        seconds = float(files[file]["duration"].split(":")[-1])
        found = (row["emotion"], files[file]["transcription"], str(out / "audformat" / file), seconds)
        result["audformat"][file.split("/")[-1][:-4]] = found
    assert list(emobox) == [f"emotiontalk-{uid}" for uid in result["emobox"]]
    for path in sorted((out / "webdataset").glob(f"{split}-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    fields = json.load(tar.extractfile(member))
                    result["webdataset"][fields["id"]] = (
                        fields["emotion"],
                        tar.extractfile(f"{fields['id']}.txt").read().decode(),
                        None,
                        None,
                    )
    return result


def check(out, split, config, published):
    """Every format has the published ids and labels of a split; texts without marks; sounds as long as they say."""
    lengths = {}
    for name, records in found(out, split, config).items():
        assert {uid: record[0] for uid, record in records.items()} == published, name
        for _, text, path, seconds in records.values():
            assert text is None or not set(text) & set("[]【】"), name
            assert path is None or os.path.isfile(path), name
            if seconds is not None:
                lengths[path] = lengths.get(path) or soundfile.info(path)
                assert abs(seconds - lengths[path].frames / lengths[path].samplerate) < 1 / 16_000, name
    assert {(info.samplerate, info.channels, info.subtype) for info in lengths.values()} == {(16_000, 1, "PCM_16")}


def labels(config, split):
    rows = published_labels()
    return {row["id"]: row[f"emotion_{config}"] for row in rows if emotiontalk.split_of(row["id"][:6]) == split}


@pytest.fixture(scope="module")
def made(rebuilt, tmp_path_factory):
    """The test split of the whole release, for every toolkit."""
    out = tmp_path_factory.mktemp("files") / "out"
    command("files", out, *FOR, "--split", "test", "--data-dir", rebuilt())
    return out


@pytest.mark.slow
@once
def test_every_format_has_the_published_labels(made):
    check(made, "test", "audio", labels("audio", "test"))
    assert len(list(made.glob("webdataset/test-*.tar"))) == 24 and not list(made.glob("*/train*"))
    for path in (made / "kaldi/test").iterdir():
        data = path.read_bytes().splitlines()
        assert data == sorted(data)
    for name in TOOLKITS:
        told = (made / name / "README.md").read_text(encoding="utf-8")
        assert "**audio-only**" in told and "16,000 Hz" in told and "neutral, happy, sad, angry" in told


@pytest.mark.slow
def test_another_config_and_split_for_every_toolkit(rebuilt, tmp_path, config="multimodal"):
    command("files", tmp_path / "out", *FOR, "--config", config, "--split", "validation", "--data-dir", rebuilt())
    for split, size in [("validation", SIZES["validation"])]:
        published = labels(config, split)
        assert len(published) == size
        check(tmp_path / "out", split, config, published)
        assert len(list((tmp_path / "out").glob(f"webdataset/{split}-*.tar"))) % 8 == 0


@pytest.mark.slow
@pytest.mark.parametrize("config", ["audio", "multimodal", "text"])
def test_the_papers_four(rebuilt, tmp_path, config):
    arguments = ("--config", config, "--label-set", "four", "--data-dir", rebuilt())
    names = ("csv", "messages") if config == "text" else ("s3prl",)
    splits = list(SIZES) if config == "text" else ["test"]
    command(
        "files",
        tmp_path,
        *[part for name in names for part in ("--for", name)],
        *arguments,
        *[p for s in splits for p in ("--split", s)],
    )
    for split, size in zip(SIZES, FOUR[config]):
        if split in splits:
            expected = {uid: label for uid, label in labels(config, split).items() if label in emotiontalk.FOUR}
            assert len(expected) == size
            if config == "text":
                got = {
                    r["id"]: r["emotion"]
                    for r in csv.DictReader((tmp_path / f"csv/{split}.csv").open(encoding="utf-8", newline=""))
                }
                assert len(lines(tmp_path / f"messages/emotion-{split}.jsonl")) == size
            else:
                told = json.loads((tmp_path / f"s3prl/Session1/{split}_meta_data.json").read_text())
                assert told["labels"] == {"neutral": 0, "happy": 1, "sad": 2, "angry": 3}
                got = {r["path"].split("/")[-1][:-4]: r["label"] for r in told["meta_data"]}
            assert got == expected


@pytest.fixture
def small(tmp_path):
    def small(*arguments, status=0, out=tmp_path / "out"):
        return command("files", out, *arguments, "--data-dir", PROJECT / "dummy_data", status=status)

    return small


def test_another_toolkit_writes_no_sound_again_and_the_sound_can_be_chosen(small, tmp_path):
    small("--for", "kaldi")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")}
    assert len(before) == 24
    small("--for", "speechbrain", "--for", "messages", "--task", "asr", "--prompt-language", "en")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")} == before
    small("--for", "messages", "--task", "caption")
    assert sorted(json.loads((tmp_path / "out/messages/dataset_info.json").read_text())) == sorted(
        f"emotiontalk_{task}_{split}" for task in ("asr", "caption") for split in SIZES
    )
    small("--for", "kaldi", "--original", out=tmp_path / "original")
    local = emotiontalk.load_dataset("audio", PROJECT / "dummy_data", split="test", streaming=True)
    for row in local.cast_column("audio", datasets.Audio(decode=False)):
        assert (tmp_path / f"original/audio/test/{row['id']}.wav").read_bytes() == row["audio"]["bytes"]
    small("--for", "lhotse", "--format", "flac", "--sampling-rate", "8000", "--channels", "2", out=tmp_path / "flac")
    cut = unzipped(tmp_path / "flac/lhotse/cuts_test.jsonl.gz")[0]
    info = soundfile.info(cut["recording"]["sources"][0]["source"])
    assert (info.format, info.samplerate, info.channels) == ("FLAC", 8_000, 2) and cut["channel"] == [0, 1]


def test_webdataset_alone_writes_no_sound_beside(small, tmp_path):
    small("--for", "webdataset")
    assert not (tmp_path / "out/audio").exists() and len(list(tmp_path.rglob("*.tar"))) == 24


def test_what_needs_sound_says_so(small):
    for name in set(TOOLKITS) - {"csv", "messages"}:
        assert f"{name} needs audio" in small("--for", name, "--config", "text", status=1).stderr


def test_foreign_files_stay(small, tmp_path):
    (tmp_path / "out/audio/test").mkdir(parents=True)
    foreign = tmp_path / "out/audio/test/G00003_13_06_001.wav"
    foreign.write_bytes(b"mine")
    assert f"{foreign}: refusing" in small("--for", "kaldi", status=1).stderr
    assert foreign.read_bytes() == b"mine"
    foreign.unlink()
    (tmp_path / "out/kaldi/test").mkdir(parents=True)
    (tmp_path / "out/kaldi/test/text").write_text("mine")
    assert "kaldi/test/text: refusing" in small("--for", "kaldi", status=1).stderr
    assert (tmp_path / "out/kaldi/test/text").read_text() == "mine"


def contents(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name != ".emotiontalk-manifest"
    }


@pytest.mark.slow
@once
def test_a_killed_run_goes_on_to_the_same_files(made, rebuilt, tmp_path):
    out = tmp_path / "out"
    arguments = ["files", str(out), *FOR, "--split", "test", "--data-dir", str(rebuilt())]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotiontalk", *arguments], stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and (not (out / "audio/test").is_dir() or len(os.listdir(out / "audio/test")) < 900):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("G*.wav")}
    assert 500 < len(before) < 1_929 and not (out / "kaldi").exists()
    command(*arguments)
    assert sum(path.stat().st_mtime_ns == at for path, at in before.items()) > 0.9 * len(before)
    here, there = contents(out), contents(made)
    assert set(here) == set(there)
    assert all(
        data == there[name].replace(str(made).encode(), str(out).encode())
        for name, data in here.items()
        if not name.endswith(".gz")
    )


@pytest.mark.slow
def test_from_an_address_only_the_splits_asked_for_move(serve, rebuilt, tmp_path):
    server = serve(rebuilt())
    source = ("--split", "test", "--data-dir", server.url + "/files", "--cache-dir", tmp_path / "c")
    command("files", tmp_path / "out", "--for", "kaldi", *source)
    assert len(table(tmp_path / "out/kaldi/test/utt2emo")) == 1_929
    assert server.bytes["Audio.tar"] < 0.13 * (rebuilt() / "Audio.tar").stat().st_size
    # What packs sounds itself gets all of them, also where they stand beside from an earlier run.
    said = command("files", tmp_path / "out", "--for", "kaldi", "--for", "webdataset", *source).stdout
    assert "webdataset: test 1,929" in said


def test_each_readme_says_how_to_start_with_what_was_written(small, tmp_path):
    small(*FOR_STEREO, "--split", "train", "--original")

    def told(toolkit, out="out"):
        return (tmp_path / out / toolkit / "README.md").read_text(encoding="utf-8")

    assert 'load_kaldi_data_dir("kaldi/train", sampling_rate=44100)' in told("kaldi")
    assert '"lhotse/cuts_train.jsonl.gz"' in told("lhotse")
    assert "train-{000000..000007}.tar" in told("webdataset") and "shardshuffle=8" in told("webdataset")
    assert (tmp_path / "out/webdataset/train-000007.tar").is_file() and "test" not in told("webdataset")
    assert "csv/train.csv" in told("csv") and "audiofolder" in told("csv")
    assert "torchcodec" in told("csv") and "torchcodec" in told("webdataset")
    small("--for", "csv", "--config", "text", out=tmp_path / "text")
    assert "csv/test.csv" in told("csv", "text") and 'load_dataset("audiofolder"' not in told("csv", "text")


def test_options_that_would_do_nothing_are_refused(small):
    for option in (("--sampling-rate", "8000"), ("--channels", "2"), ("--format", "flac")):
        assert "--original" in small("--for", "kaldi", "--original", *option, status=1).stderr
    for option in (("--task", "asr"), ("--prompt-language", "en")):
        assert "--for messages" in small("--for", "kaldi", *option, status=1).stderr


# --- the toolkits' own readers ---------------------------------------------------------------------------------------


def test_datasets_reads_the_messages(small, tmp_path):
    small("--for", "messages")
    said = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out/messages/emotion-test.jsonl"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert said[0]["messages"][0]["content"].startswith("<audio>") and os.path.isfile(said[0]["audios"][0])


@pytest.fixture
def sound_files_load():
    if VERSION < (3, 6):
        pytest.skip("older versions read audiofolder and webdataset in another way")
    if VERSION >= (4, 0):
        pytest.importorskip("torchcodec")  # with which `datasets` 4 and later read any sound file


def test_datasets_reads_audiofolder(small, tmp_path, sound_files_load):
    small("--for", "csv")
    folder = datasets.load_dataset("audiofolder", data_dir=str(tmp_path / "out/csv"), streaming=True)
    for split in SIZES:
        read = list(folder[split].cast_column("audio", datasets.Audio(decode=False)))
        assert len(read) == 8 and all(
            row["id"] in row["audio"]["path"] and row["emotion"] in emotiontalk.EMOTIONS for row in read
        )
        assert all(row["speaker_id"] == row["id"][10:12] for row in read)  # "02", and not 2


def test_datasets_reads_webdataset(small, tmp_path, sound_files_load):
    small("--for", "webdataset")
    tars = {split: str(tmp_path / f"out/webdataset/{split}-*.tar") for split in SIZES}
    stream = datasets.load_dataset("webdataset", data_files=tars, split="test", streaming=True)
    read = list(stream.cast_column("wav", datasets.Audio(decode=False)))
    assert len(read) == 8 and all(row["json"]["id"] == row["__key__"] and row["wav"]["bytes"] for row in read)


@pytest.mark.slow
def test_lhotse_reads_its_manifests_and_kaldis(made, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    from lhotse.kaldi import load_kaldi_data_dir
    from lhotse.qa import validate_recordings_and_supervisions

    recordings, supervisions, _ = load_kaldi_data_dir(made / "kaldi/test", sampling_rate=16_000)
    assert len(recordings) == len(supervisions) == 1_929
    recordings, supervisions = (
        lhotse.load_manifest(made / f"lhotse/{name}_test.jsonl.gz") for name in ("recordings", "supervisions")
    )
    validate_recordings_and_supervisions(recordings, supervisions, read_data=False)
    cuts = lhotse.CutSet.from_file(made / "lhotse/cuts_test.jsonl.gz")
    lhotse.validate(cuts)
    emotions = collections.Counter(cut.supervisions[0].custom["emotion"] for cut in cuts)
    assert emotions == collections.Counter(labels("audio", "test").values())
    cuts.to_shar(tmp_path, fields={"recording": "flac"}, shard_size=1000)  # as the README says
    shar = lhotse.CutSet.from_shar(in_dir=tmp_path)
    assert [cut.supervisions[0].custom["emotion"] for cut in shar] == [
        cut.supervisions[0].custom["emotion"] for cut in cuts
    ]
    cut = max(cuts, key=lambda cut: cut.duration)
    assert cut.load_audio().shape == (1, cut.num_samples) and cut.compute_features(lhotse.Fbank()).shape[1] == 80


@pytest.mark.slow
def test_webdataset_reads_its_tars(made):
    webdataset = pytest.importorskip("webdataset")
    read = list(webdataset.WebDataset(str(made / "webdataset/test-{000000..000023}.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in read] == sorted(labels("audio", "test"))
    assert all(
        sample["wav"][:4] == b"RIFF" and json.loads(sample["json"])["text"].split() == sample["txt"].decode().split()
        for sample in read
    )


@pytest.mark.slow
def test_speechbrain_reads_its_manifests(made, monkeypatch):
    pytest.importorskip("torch")
    try:
        import torchaudio  # noqa: F401
    except (
        ImportError,
        OSError,
    ):  # no build for this torch loads here; what reads manifests imports it and does not use it
        stand_in = types.ModuleType("torchaudio")
        stand_in.__version__, stand_in.list_audio_backends = "2.8.0", lambda: ["soundfile"]
        monkeypatch.setitem(sys.modules, "torchaudio", stand_in)
    dataset = pytest.importorskip("speechbrain.dataio.dataset")
    read = dataset.DynamicItemDataset.from_json(
        made / "speechbrain/test.json",
        replacements={"data_root": str(made)},
        output_keys=["id", "wav", "emo", "length"],
    )
    assert {item["id"]: item["emo"] for item in read} == labels("audio", "test")
    assert all(os.path.isfile(item["wav"]) and item["length"] > 0 for item in read)


# --- characters that formats have no place for ------------------------------------------------------------------------

ODD = "=1+1\x00\x1b[0m <|HAPPY|> <audio>\u2028好\ufffe"
CLEAN = "=1+1\ufffd\ufffd0m <|HAPPY|> <audio> 好\ufffd"  # brackets are never part of a text


def test_a_text_that_formats_have_no_place_for(release, tmp_path):
    uid = "G00003_13_06_003"

    def edit(members):
        name = next(name for name in members["Audio"] if name.endswith(f"{uid}.json"))
        annotation = json.loads(members["Audio"][name])
        annotation["content"] = ODD
        members["Audio"][name] = json.dumps(annotation).encode()

    out, folder = tmp_path / "out", release(edit)
    run = command("files", out, *FOR, "--split", "test", "--data-dir", folder)
    assert run.stderr.count("U+FFFD") == 1
    assert "1 utterances hold" in run.stderr and f"The first: {uid}." in run.stderr
    kaldi = dict(line.split(" ", 1) for line in (out / "kaldi/test/text").read_text().split("\n") if line)
    assert [text for key, text in kaldi.items() if key.endswith(uid)] == [CLEAN]
    with (out / "csv/test.csv").open(encoding="utf-8", newline="") as file:
        assert {row["id"]: row["text"] for row in csv.DictReader(file)}[uid] == CLEAN
    assert not [
        path for path in out.rglob("*") if path.suffix in (".csv", ".json", ".jsonl") and b"\0" in path.read_bytes()
    ]
    target = {line["key"]: line for line in lines(out / "funasr/test.jsonl")}[uid]
    assert target["target"] == CLEAN.replace("<|", "< |").replace("<a", "< a")


def test_a_text_is_no_tag_of_a_conversation(release, tmp_path):
    def edit(members):
        for name in [name for name in members["Text"] if "/G0" in name and "/._" not in name]:
            annotation = json.loads(members["Text"][name].decode("utf-8-sig"))
            annotation["content"] = "<|im_end|><audio></video>好"
            members["Text"][name] = json.dumps(annotation).encode()

    for task in ("emotion", "asr"):
        options = ["--for", "messages", "--task", task, "--config", "text", "--split", "test"]
        command("files", tmp_path / "out", *options, "--data-dir", release(edit, f"release-{task}"))
        said = (tmp_path / f"out/messages/{task}-test.jsonl").read_text(encoding="utf-8")
        assert "< |im_end|>< audio>< /video>好" in said and "<|" not in said and "<audio>" not in said
