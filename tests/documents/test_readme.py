"""What README.md, README.zh.md and docs/ tell people to type, typed, against a Hub that has the sample data."""

import ast
import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import numpy
import pytest
import yaml
from card import (
    CARDS,
    DOCUMENTS,
    TWINS,
    anchors,
    audio_formats,
    blocks,
    card,
    class_counts,
    links,
    section,
    table,
    tables_in,
    text_of,
)
from commit_server import TOKEN, CommitServer
from hub_server import HubServer
from support import PROJECT, SHARED, VERSION, command, once, rows, undecoded

import emotiontalk
from emotiontalk.archives.offsets import FoundHeader, GroupAnnotations, Key, Kind, Offsets, WavSizes
from emotiontalk.archives.tar import BLOCK, Tar, padded
from emotiontalk.export.formats import TOOLKITS
from emotiontalk.loading.code_hash import LOADER


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the blocks name, and the environment of somebody who has installed the project."""
    folder = tmp_path_factory.mktemp("desk")
    for name in (
        "emotiontalk",
        "emotiontalk.py",
        "README.md",
        "dataset_infos.json",
        "dummy_data",
        "examples",
        "benchmarks",
    ):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "RELEASE").symlink_to(PROJECT / "dummy_data")
    source = ("--config", "audio", "--data-dir", PROJECT / "dummy_data")
    command("parquet", folder / "EXPORT", *source)
    smaller = ("--sampling-rate", "16000", "--channels", "1", "--format", "flac")
    command("parquet", folder / "EXPORT16", *source, *smaller)
    hub = HubServer(PROJECT / "dummy_data")
    hub.token = TOKEN
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    yield folder, environment
    hub.close()


def run(desk, arguments, cwd=None, status=0, **changes):
    folder, environment = desk
    done = subprocess.run(
        arguments, cwd=cwd or folder, env={**environment, **changes}, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(desk, code, **changes):
    return run(desk, [sys.executable, "-c", code], **changes)


def shell(desk, code, **options):
    """Each line of a block, as typed; `status` is that of each."""
    return [run(desk, ["bash", "-euc", line], **options) for line in code.splitlines() if line.strip()]


def only(document, language="python"):
    return [code for kind, code in blocks(document) if kind == language]


# --- every block runs


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
        "docs/network.md": [],
        "docs/toolkits.md": ["sh", "python"],
        "docs/verify.md": ["sh", "sh"],
        "CONTRIBUTING.md": ["sh", "text"],
    }


@pytest.mark.parametrize("document", [CARDS[0], pytest.param(CARDS[1], marks=[once, pytest.mark.slow])])
def test_the_blocks_of_the_cards(desk, document):
    loading, sample, _ = only(document)
    last = sample.rstrip().splitlines()[-1]
    said = python(desk, loading + "print(ds)\n" + sample.replace(last, f"print({last})"))
    assert "num_rows: 8" in said and "(19200,) happy\n" in said


def is_shown(shown, value):
    """Whether a value is the one that a card shows; `...` is any value, at the end of a list any further ones."""
    if shown is ...:
        return True
    if isinstance(shown, dict):
        return list(shown) == list(value) and all(is_shown(shown[key], value[key]) for key in shown)
    if isinstance(shown, list):
        cut = shown[-1:] == [...]
        first = shown[:-1] if cut else shown
        long_enough = len(value) > len(first) if cut else len(value) == len(first)
        return long_enough and all(map(is_shown, first, value))
    return type(shown) is type(value) and shown == value


@pytest.mark.parametrize("document", CARDS)
def test_the_example_is_the_first_row_of_the_sample_data(call, document):
    code = only(document)[2]
    dataset = call("multimodal", split="test")
    row = rows(dataset)[0]
    row["audio"] = {key: row["audio"][key] for key in ("bytes", "path")}  # `datasets` has either order
    assert is_shown(ast.literal_eval(code), row)
    assert not is_shown({**ast.literal_eval(code), "turn": 2}, row)
    labels = re.findall(r'^    "(\w+)": (\d),  # (\w+)', code, flags=re.M)
    assert len(labels) == 5
    assert all(dataset.features[field].int2str(int(number)) == name for field, number, name in labels)


@once
@pytest.mark.parametrize("document", CARDS)
def test_what_pip_installs(document):
    """The extras that the cards name, and the command; `test_install.py` installs the wheel."""
    installed = only(document, "sh")[0].splitlines()
    assert [line.split("  ")[0] for line in installed] == ["pip install .", 'pip install ".[tools]"']
    project = importlib.metadata.distribution("emotiontalk")
    named = set(re.findall(r'pip install "\.\[(\w+)\]"', "".join(map(text_of, DOCUMENTS))))
    assert named == {"tools", "encoders", "training", "video", "opensmile", "cluster"} and named <= set(
        project.metadata.get_all("Provides-Extra")
    )
    commands = [entry.name for entry in project.entry_points if entry.group == "console_scripts"]
    assert commands == ["emotiontalk"] == re.findall(r"(\w+)$", installed[1].replace("加载器和命令", "the command"))


@once
@pytest.mark.parametrize("document", ["README.md", "README.zh.md", "CONTRIBUTING.md"])
def test_the_targets_of_make_are_there(document):
    """`make demo` is run by CI on a fresh clone, `make test` is what runs this."""
    code = only(document, "sh")[-1]
    assert code.count("make ") == len(code.splitlines())
    for line in code.splitlines():
        plan = subprocess.run(
            ["bash", "-euc", line.replace("make", "make --dry-run", 1)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.search("python -m emotiontalk demo|pytest|ruff", plan.stdout), line


@once
def test_every_target_of_make_that_a_page_names_is_there():
    targets = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[1].split()
    named = {name for document in DOCUMENTS for name in re.findall(r"`make ([\w-]+)", text_of(document))}
    assert {"demo", "script", "infos", "dummy", "test-all"} <= named <= set(targets)


@pytest.mark.parametrize("document", CARDS)
def test_what_you_want_is_what_you_get(desk, document):
    heading = {"README.md": "what you want", "README.zh.md": "需求"}[document]
    calls = [cell.strip("`") for _, cell in table(document, heading)]
    assert len(calls) == 10
    if document == "README.zh.md":
        assert calls == [cell.strip("`") for _, cell in table("README.md", "what you want")]
        return
    code = "import emotiontalk\n" + "".join(
        f"print(len(next(iter(({call}).values())) if 'split' not in {call!r} else [*{call}]))\n" for call in calls
    )
    counts = [int(line) for line in python(desk, code).split()]
    # utterances (of the first split); five of train and all of validation; "Four" leaves some out; dialogues
    assert counts[:3] == [8, 8, 8] and counts[3] == 13 and counts[4:7] == [8, 8, 8]
    assert 0 < counts[7] < 8 and counts[8:] == [2, 8]


def is_meant(cell, version=VERSION):
    """Whether a cell such as "2.14 to 2.19, as a script" or "4 and later" means a version."""
    bounds = [tuple(map(int, bound.split("."))) for bound in re.findall(r"\d+(?:\.\d+)?", cell)]
    return bounds[0] <= version[: len(bounds[0])] and ("later" in cell or version[: len(bounds[1])] <= bounds[1])


def test_your_version_of_datasets_and_what_you_type(desk):
    rows = table("README.md", "your `datasets`")
    assert [is_meant("2.14 to 2.19", v) for v in ((2, 13), (2, 19), (2, 20))] == [False, True, False]
    meant = [cell for version, cell in rows if is_meant(version)]
    assert len(rows) == 4 and len(meant) == (3 if VERSION < (4, 0) else 2)
    for cell in meant:
        call = re.match(r"`((?:emotiontalk\.)?load_dataset\(.*?\))`", cell)[1]
        imports = "import emotiontalk\nfrom datasets import load_dataset\n"
        said = python(desk, f"{imports}ds = {call}\nprint(len(ds), ds.column_names)")
        assert said.startswith("8 ['id', 'group'") and "'audio'" in said


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


TORCHCODEC = """\
import io
import soundfile
import soxr

class AudioDecoder:
    def __init__(self, source, *, stream_index=None, sample_rate=None, num_channels=None):
        self.metadata, self.samples = type("Metadata", (), {})(), None
        samples, self.rate = soundfile.read(io.BytesIO(source), dtype="float32", always_2d=True)
        if sample_rate and sample_rate != self.rate:
            samples, self.rate = soxr.resample(samples, self.rate, sample_rate), sample_rate
        self.samples = samples.mean(axis=1, keepdims=True) if num_channels == 1 else samples

    @property
    def data(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.samples.T

    @property
    def sample_rate(self):
        return self.rate

    def get_all_samples(self):
        return self

    def get_samples_played_in_range(self, start, stop):
        return self

class VideoDecoder:
    pass
"""


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
    assert [row[0].strip("`") for row in table("docs/toolkits.md", "`--for`")] == list(TOOLKITS)


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
    linear, superb, layers, fused = shell(desk, only("docs/evaluation.md", "sh")[2], cwd=tmp_path)
    assert all("WAR" in said for said in (linear, superb, layers, fused))
    assert "superb head" in superb and "layer  2" in layers and "text-tfidf, linear head, concat" in fused


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


@once
def test_what_the_evaluation_page_says_of_recipes():
    from emotiontalk.probing.heads.recipes import RECIPES

    rows = {row[0].strip("`"): row[1] for row in table("docs/evaluation.md", "`--head`")}
    assert list(rows) == ["linear", *RECIPES]
    for name, recipe in RECIPES.items():
        length = f"{recipe.epochs} epochs" if recipe.epochs else f"{recipe.steps:,} steps"
        rate = f"{recipe.learning_rate:.0e}".replace("e-0", "e-")
        batch = f"batch {recipe.batch}" + (f" × {recipe.accumulation}" if recipe.accumulation > 1 else "")
        for words in (length, f"{recipe.optimiser} {rate}", batch, f"{recipe.hidden} units"):
            assert words in rows[name], (name, words)


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


# --- the pages agree with the code, with one another, and lead somewhere


@once
def test_the_card_describes_every_field_of_every_config():
    for config, spec in emotiontalk.CONFIGS.items():
        document, title = (
            ("README.md", f"`{config}`") if config != "zh-en" else ("docs/exports.md", "The zh→en benchmark")
        )
        (rows,) = tables_in(section(document, title))
        expected = [[f"`{field}`", emotiontalk.description_of(config, field)] for field in spec.fields]
        assert rows == [["field", "what it holds"], *expected]
        if config != "zh-en":
            assert spec.description in " ".join(section(document, title).split())


@once
def test_the_cards_name_the_annotation_conditions_as_the_code_does():
    names = {
        config: name.replace("silent-video", "silent video") for config, name in emotiontalk.CONDITION_NAMES.items()
    }
    assert [(row[0], row[2]) for row in table("README.md", "annotation condition")] == [
        (names[condition], f"`{condition}`") for condition in emotiontalk.CONDITIONS
    ]
    configs = table("README.md", "config", "reads")
    assert [row[0].split("`")[1] for row in configs] == list(emotiontalk.CONFIGS)
    for (config, spec), (_, reads, label, splits) in zip(emotiontalk.CONFIGS.items(), configs):
        label_of = "all four, in each turn" if config == "dialogues" else names[spec.condition]
        assert label.split(", as a string")[0] == label_of
        archives = (
            set(emotiontalk.ARCHIVES)
            if reads == "annotations in all four archives"
            else set(re.findall(r"`(\w+)\.tar`", reads))
        )
        assert archives == set(emotiontalk.archives_of(config))
        assert splits == ("all" if spec.splits == emotiontalk.SPLITS else ", ".join(spec.splits))


def paper_links():
    """The paper at the ACL anthology, and its arXiv version."""
    acl = re.search(r"url\s+= \{(.*)\}", emotiontalk.CITATION)[1]
    return acl, "https://arxiv.org/abs/" + re.search(r"arXiv:([\d.]+)", emotiontalk.CITATION)[1]


@once
def test_the_citation_file_says_what_the_citation_says():
    file = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(file)  # what the format requires
    (reference,) = file["references"]
    entries = re.findall(r"^@(\w+)\{.*?^\}", emotiontalk.CITATION, flags=re.M | re.S)
    assert entries == ["inproceedings", "article"] and reference["type"] == "article"
    for cited, entry, link in zip(
        (file["preferred-citation"], reference), emotiontalk.CITATION.split("\n\n"), paper_links()
    ):
        found = {key: " ".join(value.split()) for key, value in re.findall(r"(\w+)\s+= \{(.*?)\}[,\n]", entry, re.S)}
        assert cited["title"] == found["title"] and str(cited["year"]) == found["year"] and cited["url"] == link
        authors = [f"{name['family-names']}, {name['given-names']}" for name in cited["authors"]]
        assert " and ".join(authors) == found["author"]
        if cited is reference:
            assert cited["journal"] == found["journal"]
        else:
            assert cited["type"] == "conference-paper" and cited["collection-title"] == found["booktitle"]
            assert f"{cited['start']}--{cited['end']}" == found["pages"]


@once
def test_the_formats_of_audio_and_where_they_are_named():
    assert audio_formats() == audio_formats("README.zh.md") == emotiontalk.AUDIO_FORMATS
    assert sum(audio_formats().values()) == emotiontalk.TOTAL
    for document, title, not_theirs in (
        ("README.md", "Audio formats", "They are not the authors' numbers: their card says 44.1 kHz"),
        ("README.zh.md", "音频格式", "由一个公开项目在发布的 tar 包中统计得到，并非作者给出"),
        ("docs/verify.md", "Is your download complete?", "counted by a public project, not by the authors"),
    ):
        text = " ".join(section(document, title).split())
        assert not_theirs in text
        assert [text.count(f"{count:,}") for count in emotiontalk.AUDIO_FORMATS.values()] == [1, 1, 1]
    checks = " ".join(section("docs/verify.md", "Is your download complete?").split())
    named = re.findall(r"([\d,]+)(?: clips)? of ([\w. ]+?)(?=,)", checks[checks.index("**Audio formats**") :])
    format_name = importlib.import_module("emotiontalk.verification.findings").format_name
    expected = [(f"{n:,}", format_name(*form, 16)) for form, n in emotiontalk.AUDIO_FORMATS.items()]
    assert named == expected


@once
def test_verify_says_one_line_about_formats(release):
    """Formats of a part of the release; an unknown one is named."""

    def halve(members):
        name = next(name for name in members["Audio"] if name.endswith("G00003_13_06_001.wav"))
        wav = bytearray(members["Audio"][name])
        wav[24:28] = (22_050).to_bytes(4, "little")
        members["Audio"][name] = bytes(wav)

    said = command("verify", "--data-dir", release(halve), status=1).stdout
    (line,) = [line for line in said.splitlines() if line.startswith("Audio formats:")]
    reported = ", ".join(f"{count:,}" for count in emotiontalk.AUDIO_FORMATS.values())
    counts = "21 44.1 kHz stereo, 1 22.05 kHz stereo, 1 44.1 kHz mono, 1 16 kHz mono"
    assert line == f"Audio formats: {counts} (reported of the release: {reported})."
    (unknown,) = [line for line in said.splitlines() if "unknown format" in line]
    assert unknown.startswith("warning") and "G00003_13_06_001.wav" in unknown and "22,050 Hz" in unknown


def test_label_set_four_is_as_the_card_says(call):
    found = call("audio", label_set="four")
    for dataset in found.values():
        assert dataset.features["emotion"].names == list(emotiontalk.FOUR)
        shares = [row["soft_label"] for row in undecoded(dataset)]
        assert all(soft is None or (len(soft) == 4 and abs(sum(soft) - 1) < 1e-9) for soft in shares)
    text = " ".join(section("README.md", "Splits").split())
    assert "`emotion` has four classes, with the same numbers" in text and "They sum to 1. `soft_label` is null" in text
    assert "四个类别" in text_of("README.zh.md") and "和为 1；没有标注者选择这四类时为 null" in text_of("README.zh.md")
    dataset = call("multimodal", split="test", label_set="four")
    assert dataset.features["emotion_audio"].names == list(emotiontalk.EMOTIONS)


@once
@pytest.mark.parametrize("document", CARDS)
def test_the_cards_cite_and_number_as_the_code_does(document):
    assert dict(blocks(document))["bibtex"] == emotiontalk.CITATION
    acl, arxiv = paper_links()
    assert (
        text_of(document).index(acl) < text_of(document).index(arxiv) < 400 + text_of(document).index("# EmotionTalk")
    )
    text = " ".join(text_of(document).split())
    for names in (emotiontalk.EMOTIONS, emotiontalk.SENTIMENTS):
        at = -1
        for number, name in enumerate(names):
            found = re.compile(rf"\b{number} {name}\b").search(text, at + 1)
            assert found and (at < 0 or found.start() - at < 40), name
            at = found.start()


@once
def test_the_agreement_that_the_card_gives_is_that_of_the_report():
    text = " ".join(section("README.md", "Dataset creation").split())
    kappa = importlib.import_module("emotiontalk.reporting.report").PAPER_KAPPA
    for condition, name in emotiontalk.CONDITION_NAMES.items():
        assert re.search(rf"{name.replace('-video', ' video')} {kappa[condition]}\b", text)


@once
def test_what_the_card_counts():
    """Labels that differ, shares of classes, dialogues."""
    text = " ".join(text_of("README.md").split())
    *classes, total = class_counts()["audio", "test"]
    shares = {name: f"{100 * count / total:.0f} %" for name, count in zip(emotiontalk.EMOTIONS, classes)}
    assert f"{shares['neutral']} are neutral and {shares['fearful']} are fearful" in text
    train, validation, test = emotiontalk.DIALOGUES.values()
    assert f"{train} are in train, {validation} in validation and {test} in test" in text
    assert f"Of the {train + validation + test} dialogues" in text
    labels = SHARED / "reference" / "labels.csv.gz"
    if labels.is_file():
        import pandas

        table = pandas.read_csv(labels)
        table = table[table["id"].str[:6].map(emotiontalk.split_of) == "test"]
        differ = int((table["emotion_audio"] != table["emotion_multimodal"]).sum())
        assert f"differ for {differ} of {len(table):,} utterances" in text


# --- docs/internals.md and CONTRIBUTING.md say where things are


@once
def test_what_internals_and_contributing_name_is_there():
    for document in ("docs/internals.md", "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:emotiontalk|tests|benchmarks|docs)/[\w./]*)`", text_of(document)):
            assert (PROJECT / path).exists(), (document, path)
    named = re.findall(r"`(emotiontalk/\w+\.py)`: ((?:`\w+`(?:, )?)+)", section("docs/internals.md", "Where is what"))
    *places, (_, commands) = table("docs/internals.md", "what", "where")
    assert all(re.match(r"`emotiontalk/\w+\.py`: `\w+`", where) for _, where in places) and len(named) >= len(places)
    assert commands == "`emotiontalk/cli/`: a module with the name of the command"
    for registered in importlib.import_module("emotiontalk.cli.app").app.registered_commands:
        assert (PROJECT / "emotiontalk" / "cli" / f"{registered.callback.__name__}.py").is_file()
    for path, names in named:
        module = importlib.import_module(path[: -len(".py")].replace("/", "."))
        assert all(hasattr(module, name) for name in re.findall(r"\w+", names)), path
    modules = [row[0].strip("`") for row in table("CONTRIBUTING.md", "module")]
    assert modules == list(LOADER)
    there = {path.stem for path in (PROJECT / "emotiontalk").glob("*.py")}
    for_rows = set(re.findall(r"`emotiontalk/(\w+)\.py` \(", text_of("CONTRIBUTING.md")))
    assert there == {*modules, *for_rows, "__init__", "__main__", "script"} and len(for_rows) == 3
    dotted = re.findall(r"`(emotiontalk\.\w+)\.([A-Z]+)`", text_of("CONTRIBUTING.md"))
    assert dotted and all(hasattr(importlib.import_module(module), name) for module, name in dotted)


@once
def test_the_way_of_an_utterance(document="CONTRIBUTING.md"):
    """The names of the figure, in the order of the modules that have them."""
    (figure,) = only(document, "text")
    modules = [importlib.import_module(f"emotiontalk.{row[0].strip('`')}") for row in table(document, "module")]
    words = [word for word in re.findall(r"\w+", figure) if word not in ("or", "and", "of", "a", "group")]
    assert words.pop() == "datasets" and {"media", "annotation_files"} <= set(words)
    for word in words:
        places = [*modules, emotiontalk.archives.locations.LocalArchive]
        assert any(hasattr(place, word) for place in places), word


@once
def test_the_figure_of_offsets():
    """In a sorted tar come annotations, then media, each by id; an anchor and the sizes between give an offset."""
    (figure,) = only("docs/internals.md", "text")
    assert re.findall(r"annotations|media", figure)[:2] == ["annotations", "media"]
    assert re.findall(r"G\d{5}|…", figure)[:8] == 2 * ["G00001", "G00002", "…", "G00015"]
    data = (PROJECT / "dummy_data" / "Audio.tar").read_bytes()
    offsets = Offsets(len(data), data[: 64 << 10])
    headers = list(offsets.scan(data, 0))
    assert [header.key for header in headers] == sorted(header.key for header in headers)
    for header in headers:
        offsets.add(header)
    tar = Tar("Audio", str(PROJECT / "dummy_data" / "Audio.tar"))
    sizes = {m.name.rsplit("/", 1)[1][:-4].upper(): m.size for m in tar.members() if m.name.lower().endswith(".wav")}
    media = [header for header in headers if header.key.in_group(Kind.MEDIA, "G00003")]
    assert len(media) > 2
    for anchor in media:
        for target in media:
            between = [h.key.id for h in media if anchor.start <= h.start < target.start]
            if between:
                assert anchor.start + sum(512 + padded(sizes[uid]) for uid in between) == target.start
    assert BLOCK == 512 and offsets.start(Key(Kind.MEDIA, "G00003", media[0].key.id)) == media[0].start


@once
def test_the_constants_of_offsets():
    modules = [importlib.import_module(f"emotiontalk.{name}") for name in ("offsets", "remote_tar")]
    named = table("docs/internals.md", "constant", "value")
    for name, value, _ in named:
        found = {getattr(module, name.strip("`"), None) for module in modules} - {None}
        number = value.split()[0].replace(",", "")
        given = {round(one, len(number.partition(".")[2])) for one in found}
        assert given == {float(number)} and ("." in number) == (found != given), name
    assert len(named) == 11
    text = " ".join(text_of("docs/internals.md").split())
    assert set(re.findall(r"`([A-Z_]{4,})`", section("docs/internals.md", "How offsets are predicted"))) == {
        *(name.strip("`") for name, _, _ in named), "GROUPS",
    }  # fmt: skip
    numbers = {6: "After six wrong guesses", 64: "After 64 attempts"}
    assert numbers[emotiontalk.archives.offsets.BISECT_AFTER + 1] in text
    assert numbers[emotiontalk.archives.offsets.MOST_ATTEMPTS] in text


MIB = 1 << 20


def group_of(clips, known, size=64 * MIB):
    """A group of G00001 with clips of 1 s, and `Offsets` that knows the headers of some; {number: start}."""
    ids = tuple(f"G00001_01_01_{n:03}" for n in range(clips))
    annotations = GroupAnnotations(ids, ids, (0,) * clips, (1.0,) * clips, (0,) * clips, b"")
    offsets = Offsets(size, b"")
    offsets.sizes = WavSizes()
    member = BLOCK + padded(offsets.sizes.usual_size(1.0))
    for number, start in known.items():
        offsets.add(FoundHeader(start, start, start + member, Key(Kind.MEDIA, "G00001", ids[number])))
    return offsets, annotations, member


@once
def test_the_three_cases_of_offsets():
    """Near: exact. Between two anchors: in proportion. From one far away: a little behind the wanted clip."""
    of = emotiontalk.archives.offsets

    def aimed(number, known, attempt=0):
        offsets, annotations, member = group_of(90, known)
        key = Key(Kind.MEDIA, "G00001", annotations.ids[number])
        attempts = list(itertools.islice(offsets.attempts(key, 0, annotations), attempt + 1))
        (offset,), _ = attempts[attempt]
        return offset, member

    _, member = aimed(0, {50: 32 * MIB})
    for far in (1, of.NEAR):  # reading begins a little before
        offset, _ = aimed(50 - far, {50: 32 * MIB})
        assert offset == 32 * MIB - far * member - of.PREDICTION_ERROR
        behind = 32 * MIB + max(member, far * member - of.PREDICTION_ERROR)  # no earlier than where the anchor ends
        assert aimed(50 + far, {50: 32 * MIB})[0] == behind
    offset, _ = aimed(20, {50: 32 * MIB})
    assert offset == 32 * MIB - int(of.MEAN_SHARE * (30 - of.AIM_BEHIND) * member) - of.PREDICTION_ERROR
    offset, _ = aimed(40, {0: 8 * MIB, 80: 16 * MIB})
    assert abs(offset + of.PREDICTION_ERROR - 12 * MIB) < BLOCK
    # doubled with every third attempt by lengths; after ten of them, bisection
    early = [32 * MIB - member - aimed(49, {50: 32 * MIB}, attempt)[0] for attempt in range(10)]
    assert early == [of.PREDICTION_ERROR << attempt // 3 for attempt in range(10)]
    offsets, annotations, _ = group_of(90, {50: 32 * MIB})
    key = Key(Kind.MEDIA, "G00001", annotations.ids[49])
    assert aimed(49, {50: 32 * MIB}, 10)[0] == sum(offsets.bounds(key)) // 2
    assert "after ten where it guesses by lengths" in " ".join(text_of("docs/internals.md").split())


@once
def test_the_usual_format():
    """That of the real archive at first; a clip of another format does not change it."""
    head = emotiontalk.audio.wav_file
    import numpy

    sizes = WavSizes()
    usual = sizes.usual_size(1.0)
    for rate, channels in emotiontalk.AUDIO_FORMATS:
        clip = head(numpy.zeros((rate, channels), "<i2"), rate)
        sizes.see(len(clip), clip[:BLOCK])
        assert sizes.usual_size(1.0) == usual == 44 + 4 * 44_100
        assert len(clip) <= usual if (rate, channels) == (44_100, 2) else len(clip) < 0.51 * usual
    assert len(clip) < usual / 5


@once
def test_the_chinese_card_says_what_the_card_says():
    """`test_docs_zh.py` compares headings, tables, code, numbers and links of the cards, and of the pages."""
    assert class_counts("README.zh.md") == class_counts() and len(class_counts()) == 12
    four = [dict(re.findall(r"`(\w+)`\s([\d,/]+\d)", text_of(document))) for document in CARDS]
    for config in ("audio", "multimodal", "text", "video"):
        counts = [sum(class_counts()[config, split][:4]) for split in ("train", "validation", "test")]
        assert [found[config] for found in four] == 2 * ["/".join(f"{count:,}" for count in counts)]
    thousands = [sorted(re.findall(r"\d{1,3}(?:,\d{3})+", text_of(document))) for document in CARDS]
    assert thousands[0] == thousands[1]
    cards = (card()[1], text_of("README.zh.md"))
    decimals = [sorted(re.findall(r"(?<![\d.])\d\.\d+(?!\d|\.\d)", text)) for text in cards]
    assert decimals[0] == decimals[1]
    assert all(term in text_of("README.zh.md") for term in ("语音情感识别", "话语", "说话人", "标注者一致性"))


@once
def test_groups_without_common_speakers():
    """The card's five sets hold all groups and speakers once; with the labels at hand, they are those of the corpus."""
    numbered = table("README.md", "`speaker_set`", "groups")
    assert [(int(row[0]), emotiontalk.speaker_set_of(f"G000{row[1][:2]}")) for row in numbered] == [
        (number, number) for number in range(1, 6)
    ]
    rows = [[cell.split(", ") for cell in row[1:]] for row in numbered]
    groups = [f"G000{group}" for row in rows for group in row[0]]
    speakers = [speaker for row in rows for speaker in row[1]]
    assert sorted(groups) == sorted(emotiontalk.GROUPS) and len(set(speakers)) == len(speakers) == 19
    assert [tuple(f"G000{group}" for group in row[0]) for row in rows] == list(emotiontalk.SPEAKER_SETS)
    for row in rows:
        assert {emotiontalk.split_of(f"G000{group}") for group in row[0]} == set(row[2])
    labels = SHARED / "reference" / "labels.csv.gz"
    if labels.is_file():
        import pandas

        ids = pandas.read_csv(labels)["id"].str.split("_")
        found = ids.groupby(ids.str[0]).agg(lambda parts: {part[2] for part in parts})
        for row in rows:
            assert set().union(*(found[f"G000{group}"] for group in row[0])) == set(row[1])


@once
@pytest.mark.parametrize("document", ["README.md", "README.zh.md"])
def test_the_folds_of_the_cards(document):
    speakers = {number: len(row[2].split(", ")) for number, row in enumerate(table("README.md", "`speaker_set`"), 1)}
    expected = []
    for fold in emotiontalk.FOLDS:
        sizes, dialogues = (emotiontalk.split_sizes(config, fold) for config in ("text", "dialogues"))
        expected.append([fold, sizes["train"], sizes["test"], dialogues["test"], speakers[fold]])
    found = [[int(cell.replace(",", "")) for cell in row] for row in table(document, "`fold`")]
    assert found == expected
    assert '`sorted(set(train["dialogue"]))[9::10]`' in text_of(document)


@once
@pytest.mark.parametrize("document", [*dict.fromkeys(itertools.chain(*TWINS, DOCUMENTS)), "CHANGELOG.md"])
def test_every_link_leads_somewhere(document):
    for _, target, anchor in links(document):
        if not target.startswith("https://"):
            assert (PROJECT / target).exists(), (document, target)
            assert not anchor or anchor in anchors(target), (document, target, anchor)


@once
def test_the_card_leads_to_every_page_and_back():
    for (card_of_language, *pages), back in zip(zip(*TWINS), ("../README.md", "../../README.zh.md")):
        assert all(f"]({page})" in text_of(card_of_language) for page in pages)
        assert all(f"]({back})" in text_of(page) for page in pages)


@once
def test_the_cards_header():
    header, _ = card()
    assert header["license"] == "cc-by-nc-sa-4.0" and header["language"] == ["zh"]
    assert [config["config_name"] for config in header["configs"]] == list(emotiontalk.CONFIGS)
    assert header["size_categories"] == ["10K<n<100K"] and header["task_categories"]
    assert "translation" not in header["task_categories"]  # zh-en has no targets
    assert header["multilinguality"] == ["monolingual"] and header["source_datasets"] == ["original"]
    assert header["annotations_creators"] == ["expert-generated"]
    assert "extra_gated_prompt" in header


WORDS = (  # what the field says otherwise, in documents for users
    "sounds?", "anew", "mended", "shared out", "way out", "what moves", "passes over", "beside", "miniature",
    "made-up", "my copy", "address", "kept", "goes on where", "places",
)  # fmt: skip


@once
def test_lines_of_documents_end_at_120_columns():
    """But tables; the Chinese card has a paragraph a line, because a break would be shown as a blank."""
    documents = [path for folder in (".", "docs", "benchmarks") for path in (PROJECT / folder).glob("*.md")]
    lines = [line for path in documents if ".zh" not in path.name for line in path.read_text("utf-8").splitlines()]
    assert len(documents) > 12 and [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@once
@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md", "benchmarks/README.md"])
def test_documents_are_in_the_words_of_the_field(document):
    found = re.findall(rf"\b(?:{'|'.join(WORDS)})\b", text_of(document), flags=re.IGNORECASE)
    assert found == []


@once
def test_the_chinese_card_is_in_the_words_of_the_field():
    found = [
        word for word in ("并带有", "票", "怎么写", "表演语音", "虚构", "更新记录") if word in text_of("README.zh.md")
    ]
    assert found == []
    words = [
        "音频",
        "用法",
        "下载量",
        "线性探针",
        "划分切片",
        "合成示例数据",
        "采样率",
        "单声道",
        "双声道",
        "重采样",
        "时长",
        "说话人集合",
    ]
    assert [word for word in words if word not in text_of("README.zh.md")] == []
