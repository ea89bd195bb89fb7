"""What docs/ tells people to type, typed, against a Hub that has the sample data."""

import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import re
import shlex
import signal
import subprocess

import datasets
import numpy
import pytest
from card import DOCUMENTS, blocks, is_meant, only, python, section, shell, table, text_of
from commit_server import CommitServer
from stand_in import TORCHCODEC
from support import PROJECT, VERSION, command, once, rows

import emotiontalk
import emotiontalk.audio
import emotiontalk.rows.show
from emotiontalk.export.formats import FORMATS


def test_every_block_of_every_page_is_run_by_a_test_below():
    """Who adds a block adds its test: the number of blocks of each page. Ray's is run in test_exports.py."""
    counted = {document: [kind for kind, _ in blocks(document)] for document in DOCUMENTS}
    cards = ["sh", "python", "python", "python", "sh", "bibtex"]
    assert counted == {
        "README.md": cards,
        "README.zh.md": cards,
        "docs/evaluation.md": ["sh", "python", "sh", "sh"],
        "docs/examples.md": ["sh", "python", "sh"],
        "docs/exports.md": ["sh", "python"],
        "docs/gpus.md": ["python", "python", "sh", "python"],
        "docs/hub.md": ["sh"],
        "docs/internals.md": ["text", "sh", "sh"],
        "docs/loading.md": ["python", "python", "python", "python"],
        "docs/network.md": ["sh"],
        "docs/python.md": ["python", "python", "python", "python"],
        "docs/toolkits.md": ["sh", "python"],
        "docs/verify.md": ["sh", "sh"],
        "CONTRIBUTING.md": ["sh"],
    }


@once
def test_network(rebuilt, tmp_path, monkeypatch):
    """Both lines write the same indexes, for the two archives that are plain tars."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    names = {"RELEASE": str(rebuilt()), "INDEXES": str(tmp_path / "given")}
    for line in only("docs/network.md", "sh")[0].splitlines():
        words = [names.get(word, word) for word in shlex.split(line, comments=True)]
        assert words[0] == "emotiontalk" and command(*words[1:]).stdout.count(str(tmp_path)) == 2
    cached, given = (sorted(path.name for path in folder.glob("*.json")) for folder in
                     (tmp_path / "emotiontalk-indexes", tmp_path / "given"))  # fmt: skip
    assert cached == given and [name.split("-")[0] for name in given] == ["Audio", "Multimodal"]


@pytest.mark.slow
def test_loading(desk):
    converted, mapped, cast, _ = only("docs/loading.md")
    encoded = "ds = emotiontalk.load_dataset('audio', 'dummy_data', split='test', sampling_rate=16000, mono=True)\n"
    shown = "print([(a['sampling_rate'], a['array'].shape) for a in map(emotiontalk.decode_audio, ds[:3]['audio'])])"
    rate = "print(getattr(ds.features['audio'], 'sampling_rate', 16000))\n"  # a plain struct where nobody can decode it
    said = python(desk, converted + rate + shown)
    assert said == "16000\n[(16000, (19200,)), (16000, (19200,)), (16000, (640,))]\n"
    assert python(desk, "import emotiontalk\n" + encoded + shown) == said.splitlines()[1] + "\n"
    assert python(desk, mapped + "print(timed[0]['seconds'])") == "1.2\n"
    assert python(desk, cast + "print(ds.features['audio'].sampling_rate)") == "16000\n"


@pytest.fixture(scope="module")
def torchcodec(tmp_path_factory):
    """What PYTHONPATH needs to have a torchcodec: nothing where it is installed, else one of the same interface.

    It shows what `datasets` asks of its decoder, and what it makes of the answer.
    """
    if importlib.util.find_spec("torchcodec"):
        return str(PROJECT)
    folder = tmp_path_factory.mktemp("torchcodec")
    for module in ("__init__", "decoders", "encoders"):
        (folder / "torchcodec").mkdir(exist_ok=True)
        text = TORCHCODEC if module == "decoders" else "class AudioEncoder:\n    pass\n"
        (folder / "torchcodec" / f"{module}.py").write_text(text, encoding="utf-8")
    return os.pathsep.join([str(folder), str(PROJECT)])


CHANNELS = """
import emotiontalk
import emotiontalk.rows.show
from datasets import Audio

ds = emotiontalk.load_dataset("audio", "dummy_data", split="test")
def shape(array):
    return "x".join(map(str, array.shape))
def shown(ds):
    for n in (0, 1, 3):  # 44.1 kHz stereo, 44.1 kHz mono, 16 kHz mono
        audio, array = ds[n]["audio"], ds[n]["audio"]["array"]  # each decoded once: see docs/loading.md
        every = audio.get_all_samples().data.cpu().numpy() if hasattr(audio, "get_all_samples") else array
        mean = every.mean(axis=0) if every.ndim > 1 else every
        averaged = abs(array - mean).max() < 1e-6
        print(shape(array), shape(every), audio["sampling_rate"], averaged, end="; ")
    print()
shown(ds)
shown(ds.cast_column("audio", Audio(sampling_rate=16000)))
"""


@pytest.mark.slow
def test_loading_says_what_datasets_does_about_channels_and_rates(desk, torchcodec):
    """Below 4 librosa averages; from 4 on `array` does, and `get_all_samples` gives all channels."""
    other = {"mono": False} if VERSION < (4, 0) else {"num_channels": 2} if VERSION >= (4, 4) else {}
    code = CHANNELS + f"shown(ds.cast_column('audio', Audio(**{other})))\n"
    said = [line.split("; ")[:3] for line in python(desk, code, PYTHONPATH=torchcodec).splitlines()]
    released, at_16_khz, both = said
    stereo, one, stereo_at_16 = ("2x52920", "1x52920", "2x19200") if VERSION >= (4, 0) else ("52920", "52920", "19200")
    one_at_16 = stereo_at_16.replace("2x", "1x")
    # the 16 kHz clip comes at 44.1 kHz, as the feature says
    assert released == [f"52920 {stereo} 44100 True", f"52920 {one} 44100 True", f"52920 {one} 44100 True"]
    assert at_16_khz == [f"19200 {of} 16000 True" for of in (stereo_at_16, one_at_16, one_at_16)]
    if VERSION < (4, 0):
        assert both[:2] == ["2x52920 2x52920 44100 False", "52920 52920 44100 True"]
    else:
        assert both[0] == "52920 2x52920 44100 True"  # datasets#8005
    page = section("docs/loading.md", "Decode audio and video")
    channels = {row[0]: row for row in table("docs/loading.md", "your `datasets`", "one channel")}
    meant = [row for version, row in channels.items() if is_meant(version)]
    assert {row[1] for row in meant} == {'`row["audio"]["array"]`'} and len(channels) == 3
    ways = ["Audio(mono=False)", "decode_audio("] if VERSION < (4, 0) else ["get_all_samples().data"]
    assert len(meant) == len(ways) and all(way in row[2] for way, row in zip(ways, meant))
    parameters = inspect.signature(datasets.Audio).parameters
    assert ("num_channels" in parameters) == (VERSION >= (4, 4)) and "From 4.4 on, `Audio(sampling_rate=1600" in page
    assert ("mono" in parameters) == (VERSION < (4, 0))


@pytest.mark.skipif(VERSION >= (4, 0), reason="datasets 4 and later decode with torchcodec")
def test_all_channels_of_a_stream_below_4(call):
    """`Audio(mono=False)` fails where the stream encodes the clip again; undecoded clips never do."""
    stream = call("audio", split="test", streaming=True)
    both = stream.cast_column("audio", datasets.Audio(mono=False)).remove_columns(["turn"])
    with pytest.raises(Exception, match="Format not recognised|Error opening"):
        list(both)
    for plain in (
        stream.cast_column("audio", datasets.Audio(decode=False)).remove_columns(["turn"]),
        stream.cast_column("audio", datasets.Audio(decode=False)).filter(lambda row: True),
    ):
        shapes = [numpy.shape(emotiontalk.decode_audio(row["audio"])["array"]) for row in plain]
        assert shapes[0] == (2, 52_920) and shapes[1] == (52_920,)


def test_one_channel_of_ffmpeg_is_not_the_average():
    """Where torchcodec is installed."""
    decoders = pytest.importorskip("torchcodec.decoders")
    import numpy

    left = (9_000 * numpy.sin(numpy.arange(44_100) / 20)).astype("int16")
    for right, factor in ((left, 2**0.5), (left // 2, 2**0.5), (None, 1)):
        samples = left[:, None] if right is None else numpy.stack([left, right], axis=1)
        decoder = decoders.AudioDecoder(emotiontalk.audio.wav_file(samples, 44_100), num_channels=1)
        level = abs(decoder.get_all_samples().data.numpy()).max() * 32_768 / abs(samples.mean(axis=1)).max()
        assert abs(level - factor) < 1e-3
    assert "FFmpeg multiplies the sum of the two channels by 0.707" in " ".join(text_of("docs/loading.md").split())
    version = tuple(map(int, re.findall(r"\d+", importlib.metadata.version("torchcodec"))[:2]))
    for rate, resampled in ((44_100, 16_000), (16_000, 44_100)):
        decoder = decoders.AudioDecoder(emotiontalk.audio.wav_file(left[:, None], rate), sample_rate=resampled)
        first, second = (decoder.get_all_samples().data.numpy() for _ in range(2))
        if version in ((0, 13), (0, 17)):
            assert (abs(first - second).max() < 1e-6) == (version == (0, 17))


@once
def test_what_loading_says_of_conversion(call):
    page = " ".join(section("docs/loading.md", "Convert audio while it is read").split())
    options = {row[0].strip("`"): row for row in table("docs/loading.md", "option", "values")}
    assert list(options) == ["label_set", "sampling_rate", "mono", "strict", "fold"]
    parameters = inspect.signature(emotiontalk.load_dataset).parameters
    for name, row in options.items():
        assert f"`{str(parameters[name].default).replace('all', chr(34) + 'all' + chr(34))}` (default)" in row[1]
    lowest, highest = emotiontalk.audio.LOWEST_RATE, emotiontalk.audio.HIGHEST_RATE
    assert f"from {lowest:,} to {highest:,}" in options["sampling_rate"][1]
    refused = [config for config, spec in emotiontalk.CONFIGS.items() if "audio" not in spec.fields]
    assert "The configs** " + "`{}`, `{}` and `{}` have no".format(*refused) in page
    for option, config in itertools.product(({"sampling_rate": 16_000}, {"mono": True}), refused):
        with pytest.raises(ValueError, match="convert audio, which"):
            call(config, split="test", **option)
    for name, released, taken in ((name, *re.findall(r"(\d+\.\d+) GB", text)[::-1]) for name, text in (
        ("loading", page), ("card", section("README.md", "Audio formats")))
    ):  # fmt: skip
        assert 0.15 < float(taken) / float(released) < 0.2, name
    released, mono = (rows(call("audio", split="test", **options)) for options in ({}, {"mono": True}))
    assert (
        [row["audio"]["bytes"] == mono[n]["audio"]["bytes"] for n, row in enumerate(released[:4])]
        == [row["channels"] == 1 for row in released[:4]]
        == [False, True, False, True]
    )
    assert {row["sampling_rate"] for row in mono} == {44_100, 16_000}


@once
@pytest.mark.slow
def test_several_gpus(desk):
    nodes, resumed, labels = only("docs/gpus.md")
    counts = [int(python(desk, nodes + "print(len(list(ds)))", RANK=str(rank), WORLD_SIZE="2")) for rank in range(2)]
    assert counts == [4, 4]
    rest = nodes + resumed.replace("1_000", "3") + "print([r['id'] for r in rows] == [r['id'] for r in ds][3:])"
    assert python(desk, rest) == "True\n"
    said = python(desk, labels + "print(len(labels), sorted(labels.columns), len(set(labels.id.str[:6])))")
    assert said == "8 ['emotion', 'id', 'text'] 2\n"
    for gpus, call, shards, workers in table("docs/gpus.md", "GPUs"):
        assert f"--nproc-per-node {gpus} " in call and int(shards) == emotiontalk.SHARDS["train"] // int(gpus)
        assert all(int(shards) % int(n) == 0 for n in workers.split(", "))


@once
@pytest.mark.slow
def test_the_quickstart(desk):
    quickstart = (PROJECT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    for code in (
        quickstart,
        "import sys; sys.argv.append('dummy_data')\n" + quickstart.replace("from __future__", "# "),
    ):
        said = python(desk, code)
        assert "test: neutral 0, happy 3" in said and "1.20 s at 16,000 Hz, happy: 你好" in said
        assert "G00003_13:\n    06  你好" in said and "votes: happy 0.8, surprised 0.2" in said


@pytest.mark.slow
def test_in_a_notebook(desk):
    code = only("docs/loading.md")[3]
    shown = code.replace("emotiontalk.show(ds[0:5])", "shown = emotiontalk.show(ds[0:5])")
    said = python(
        desk, shown + "print(shown._repr_html_().count('<audio controls'), shown)\nprint(table['emotion'][0])"
    )
    assert said.startswith("G00003_13_06_001: speaker 06") and said.endswith("\nhappy\n")  # a script prints it
    assert "\n5 G00003_13_06_001: speaker 06" in said
    page = " ".join(section("docs/loading.md", "In a notebook").split())
    assert f"up to {emotiontalk.rows.show.LONGEST_VIDEO >> 20} MB" in page and emotiontalk.rows.show.RATE == 16_000


@once
@pytest.mark.slow
def test_the_examples(desk, tmp_path):
    """The short ones; test_examples.py runs each."""
    quickstart, conversation, soft_labels = shell(desk, only("docs/examples.md", "sh")[0])
    assert "votes: happy" in quickstart and "k=3: WAR" in conversation and "trained on votes: KL" in soft_labels
    said = python(desk, only("docs/examples.md")[0]).splitlines()
    assert said[:3] == ["G00003_13_06_001 0 []", "G00003_13_07_002 1 ['06']", "G00003_13_06_003 2 ['06', '07']"]


@pytest.mark.slow
@once
def test_fine_tuning(desk, tmp_path):
    from test_probe import encoder

    pytest.importorskip("accelerate")
    for name in ("examples", "dummy_data"):
        (tmp_path / name).symlink_to(PROJECT / name)
    encoder(tmp_path / "ENCODER", "audio")
    for said in shell(desk, only("docs/examples.md", "sh")[1], cwd=tmp_path, PYTHONPATH=str(PROJECT)):
        assert re.search(r"^validation: WAR .*\ntest: WAR [^\n]*\n$", said, flags=re.M | re.S)
    assert (tmp_path / "RUN/model.safetensors").is_file()


@pytest.mark.slow
def test_exports(desk, tmp_path):
    manifests = tmp_path / "hearing2translate/manifests"  # of a clone of the benchmark
    manifests.mkdir(parents=True)
    shell(desk, only("docs/exports.md", "sh")[0], cwd=tmp_path, H2T_DATADIR=str(tmp_path / "h2t"))
    assert (manifests / "emotiontalk/zh-en.jsonl").read_bytes() == (
        tmp_path / "h2t/emotiontalk/zh-en.jsonl"
    ).read_bytes()
    assert len(list((tmp_path / "h2t/emotiontalk/audio/zh").glob("*.wav"))) == 8
    for out, ending in (("EXPORT", ".wav"), ("EXPORT16", ".flac")):
        dataset = datasets.load_dataset(str(tmp_path / out), "audio", split="test")
        dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
        assert [row["audio"]["path"] for row in dataset] == [row["id"] + ending for row in dataset]
    (decoding,) = only("docs/exports.md")
    said = python(desk, decoding + "print(len(ds), audio['sampling_rate'], audio['array'].shape)")
    assert said.startswith("8 44100 (")


@once
@pytest.mark.slow
def test_toolkits(desk, tmp_path):
    shell(desk, only("docs/toolkits.md", "sh")[0], cwd=tmp_path)
    written = {path.name for path in (tmp_path / "OUT").iterdir() if path.is_dir()}
    assert written == {"audio", "kaldi", "lhotse", "speechbrain"}
    assert [row[0].strip("`") for row in table("docs/toolkits.md", "`--for`")] == list(FORMATS)


@pytest.mark.slow
@once
def test_the_recipe_for_lhotse(desk, tmp_path):
    pytest.importorskip("lhotse")
    command("files", tmp_path / "OUT", "--for", "lhotse", "--data-dir", PROJECT / "dummy_data")
    said = python(desk, only("docs/toolkits.md")[0] + "print(len(cuts), cuts[0].supervisions[0].speaker)", cwd=tmp_path)
    assert said == "8 06\n" and len(list((tmp_path / "manifests").iterdir())) == 6


@pytest.mark.slow
@once
def test_verify_and_report(desk, tmp_path):
    (tmp_path / "RELEASE").symlink_to(PROJECT / "dummy_data")
    checks, page = only("docs/verify.md", "sh")
    for said in shell(desk, checks, cwd=tmp_path, status=1):  # sample data are not the release
        assert "wrong" in said
    shell(desk, page, cwd=tmp_path)
    for name, language in (("report.html", "en"), ("report.zh.html", "zh-CN")):
        assert f'<html lang="{language}">' in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.slow
@once
def test_probe(desk, tmp_path):
    text, audio, sentiment = shell(desk, only("docs/evaluation.md", "sh")[1], cwd=tmp_path)
    for said in (text, audio):
        assert "WAR" in said and "UAR" in said
    assert "CCC" in sentiment
    assert (tmp_path / "RESULT" / "result.json").is_file()


@once
@pytest.mark.slow
def test_score(desk, tmp_path):
    ids = [row["id"] for row in emotiontalk.load_dataset("text", PROJECT / "dummy_data", split="test", streaming=True)]
    for name, value in (("PREDICTIONS", "happy"), ("A", "1"), ("SCORES", "0.5")):
        lines = "".join(f"{uid},{value}\n" for uid in ids)
        (tmp_path / f"{name}.csv").write_text(f"id,pred\n{lines}", encoding="utf-8")
    lines = "".join(json.dumps({"key": uid, "pred": "anger"}) + "\n" for uid in ids)
    (tmp_path / "B.jsonl").write_text(lines, encoding="utf-8")
    one, two, sentiment = shell(desk, only("docs/evaluation.md", "sh")[0], cwd=tmp_path)
    assert "WAR" in one and "audio-only label" in one and (tmp_path / "RESULT/score.json").is_file()
    assert "A − B" in two and "CCC" in sentiment
    assert python(desk, only("docs/evaluation.md")[0]).startswith("{'value': ")


@once
@pytest.mark.slow
def test_probe_of_encoders(desk, tmp_path):
    from test_probe import encoder
    from test_upstreams import vision

    encoder(tmp_path / "ENCODER", "audio")
    for part in vision(pytest.importorskip("transformers"), "videomae"):
        part.save_pretrained(tmp_path / "VIDEO-ENCODER")
    linear, superb, layers, fused = only("docs/evaluation.md", "sh")[2].splitlines()
    linear, layers, fused = shell(desk, "\n".join((linear, layers, fused)), cwd=tmp_path)
    assert all("WAR" in said for said in (linear, layers, fused))
    assert "layer  2" in layers and "text-tfidf, linear head, concat" in fused
    # its 30,000 steps take minutes: stopped when it trains
    _, environment = desk
    command = ["bash", "-euc", f"exec {superb.split('#')[0]}"]
    training = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    shown = ""
    while "superb, seed 0, validation" not in shown and (more := training.stderr.read(1)):
        shown += more
    training.send_signal(signal.SIGINT)
    training.communicate(timeout=30)
    assert "superb, seed 0, validation" in shown and training.returncode == 130, shown


@once
@pytest.mark.slow
def test_the_folds_of_the_evaluation_page(rebuilt, tmp_path):
    command("probe", "--config", "text", "--folds", "--seeds", "1", "--data-dir", rebuilt(), "--out", tmp_path)
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["folds"]
    for fold, war, interval, uar, baseline in table("docs/evaluation.md", "`fold`"):
        one = found[fold]
        expected = one["intervals"]["test"]["metrics"]["war"]
        assert [float(x) for x in interval.split(" … ")] == [round(100 * expected[k], 2) for k in ("low", "high")]
        assert [float(war), float(uar)] == pytest.approx([100 * one["war"][0], 100 * one["uar"][0]], abs=0.4)
        assert float(baseline) == round(100 * one["baseline"]["war"], 2)


@pytest.mark.slow
@once
def test_internals(desk, tmp_path):
    (tmp_path / "benchmarks").symlink_to(PROJECT / "benchmarks")
    helps, generated = only("docs/internals.md", "sh")
    assert all("usage" in said for said in shell(desk, helps, cwd=tmp_path))
    shell(desk, generated, cwd=tmp_path)
    assert len(list((tmp_path / "NEW-FOLDER").glob("*.tar"))) == 4


@once
@pytest.mark.slow
def test_the_hub(desk, tmp_path):
    folder, environment = desk
    hub = CommitServer(tmp_path)
    shell((folder, {**environment, "HF_ENDPOINT": hub.url}), only("docs/hub.md", "sh")[0])
    private = {repo: state["private"] for repo, state in hub.repos.items()}
    assert private == {"me/emotiontalk": False, "me/emotiontalk-16k": True}
    hub.close()
