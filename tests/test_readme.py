"""What README.md tells people to type, typed: its tables and code blocks, against a Hub that has the miniature release."""

import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from card import card, snippets
from commit_server import TOKEN, CommitServer
from conftest import PROJECT, VERSION, command
from hub_server import HubServer

import emotiontalk
from emotiontalk_tools.formats import FORMATS


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the snippets name, and the environment of somebody who has installed the project."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("emotiontalk.py", "README.md", "dataset_infos.json", "dummy_data"):
        (folder / name).symlink_to(PROJECT / name)
    source = ("--config", "audio", "--data-dir", PROJECT / "dummy_data")
    command("parquet", folder / "EXPORT", *source)
    command("parquet", folder / "EXPORT16", *source, "--sampling-rate", "16000", "--channels", "1", "--format", "flac")
    hub = HubServer(PROJECT / "dummy_data")
    hub.token = TOKEN
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    yield folder, environment
    hub.close()


def typed(desk, code, **changes):
    folder, environment = desk
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, env={**environment, **changes}, capture_output=True, text=True)
    assert run.returncode == 0, code + run.stderr
    return run.stdout


def table(heading):
    """Rows of the card's table with this heading, as lists of cells."""
    lines = card()[1].split(heading)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


WANTED = table("| what you want | what you type |")
VERSIONS = table("| your `datasets` | what you type |")


def test_what_you_want_is_what_you_get(desk):
    assert len(WANTED) >= 9
    calls = [cell.strip("`") for _, cell in WANTED]
    code = "import emotiontalk\n" + "".join(
        f"print(len(next(iter(({call}).values())) if 'split' not in {call!r} else [*{call}]))\n" for call in calls
    )
    counts = [int(line) for line in typed(desk, code).split()]
    # utterances (of the first split); "Four" leaves some out; dialogues; five of train and all of validation
    expected = {"the paper's \"Four\" setting": range(1, 8), "dialogues in turn order": [2], "a part of a split, two splits in one": [13]}
    assert all(count in expected.get(what, [8]) for (what, _), count in zip(WANTED, counts))


def is_meant(cell, version=VERSION):
    """Whether a cell such as "2.14 to 2.19, as a script" or "4 and later" means a version."""
    bounds = [tuple(map(int, bound.split("."))) for bound in re.findall(r"\d+(?:\.\d+)?", cell)]
    return bounds[0] <= version[: len(bounds[0])] and ("later" in cell or version[: len(bounds[1])] <= bounds[1])


def test_your_version_of_datasets_and_what_you_type(desk):
    assert [is_meant("2.14 to 2.19", v) for v in ((2, 13), (2, 19), (2, 20))] == [False, True, False]
    assert len(VERSIONS) == 4
    meant = [cell for version, cell in VERSIONS if is_meant(version)]
    assert len(meant) == (3 if VERSION < (4, 0) else 2)
    for cell in meant:
        call = re.match(r"`((?:emotiontalk\.)?load_dataset\(.*?\))`", cell)[1]
        said = typed(desk, f"import emotiontalk\nfrom datasets import load_dataset\nds = {call}\nprint(len(ds), ds.column_names)")
        assert said.startswith("8 ['id', 'group'") and "'audio'" in said


def test_the_blocks_of_python(desk):
    loading, miniature, mapped, hearing, nodes, labels = snippets("python")
    last = miniature.rstrip().splitlines()[-1]
    said = typed(desk, loading + "print(ds)\n" + miniature.replace(last, f"print({last})") + mapped + "print(heard[0]['seconds'])")
    assert "num_rows: 8" in said and "(480,) happy\n0.03" in said
    assert typed(desk, hearing + "print(len(ds), sound['sampling_rate'], sound['array'].shape)").startswith("8 44100 (")
    counts = [int(typed(desk, nodes + "print(len(list(ds)))", RANK=str(rank), WORLD_SIZE="2")) for rank in range(2)]
    assert counts == [4, 4]
    assert typed(desk, labels + "print(len(labels), sorted(labels.columns), len(set(labels.id.str[:6])))") == "8 ['emotion', 'id', 'text'] 2\n"


def test_the_commands_for_toolkits(desk):
    folder, environment = desk
    block = next(block for block in snippets("sh") if "emotiontalk files" in block)
    subprocess.run(["bash", "-euc", block], cwd=folder, env=environment, check=True, capture_output=True)
    assert {path.name for path in (folder / "OUT").iterdir() if path.is_dir()} == {"audio", "kaldi", "lhotse", "speechbrain"}
    assert [row[0].strip("`") for row in table("| `--for` | what is written")] == list(FORMATS)


def test_gpus_share_the_shards_out():
    for gpus, typed_, shards, workers in table("| GPUs | what you type | shards of train for each |"):
        assert f"--nproc-per-node {gpus} " in typed_ and int(shards) == emotiontalk.SHARDS["train"] // int(gpus)
        assert all(int(shards) % int(n) == 0 for n in workers.split(", "))


def test_the_quickstart(desk):
    quickstart = (PROJECT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    for code in (quickstart, "import sys; sys.argv.append('dummy_data')\n" + quickstart.replace("from __future__", "# ")):
        said = typed(desk, code)
        assert "test: neutral 0, happy 3" in said and "0.03 s at 16,000 Hz, happy: 你好" in said
        assert "G00003_13:\n    06  你好" in said and "votes: happy 0.8, surprised 0.2" in said


def test_the_commands_that_write_files(desk):
    folder, environment = desk
    block = next(block for block in snippets("sh") if "emotiontalk zh-en" in block)
    made = folder / "made"
    made.mkdir()
    environment = {**environment, "H2T_DATADIR": str(made / "h2t")}
    subprocess.run(["bash", "-euc", block], cwd=made, env=environment, check=True, capture_output=True)
    assert len(list((made / "h2t/emotiontalk/audio/zh").glob("*.wav"))) == 8
    for out, ending in (("EXPORT", ".wav"), ("EXPORT16", ".flac")):
        dataset = datasets.load_dataset(str(made / out), "audio", split="test").cast_column("audio", datasets.Audio(decode=False))
        assert [row["audio"]["path"] for row in dataset] == [row["id"] + ending for row in dataset]


def test_the_commands_that_push(desk, tmp_path):
    folder, environment = desk
    hub = CommitServer(tmp_path)
    environment = {**environment, "HF_ENDPOINT": hub.url}
    block = next(block for block in snippets("sh") if "emotiontalk push" in block)
    subprocess.run(["bash", "-euc", block], cwd=folder, env=environment, check=True, capture_output=True)
    assert {repo: state["private"] for repo, state in hub.repos.items()} == {"me/emotiontalk": False, "me/emotiontalk-16k": True}
    hub.close()
