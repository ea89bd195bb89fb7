"""What README.md, README.zh.md and docs/ tell people to type, typed, against a Hub that has the miniature release.

`BLOCKS` says of each page what its blocks print; a block that no entry names is a failure.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from card import CARDS, DOCUMENTS, PAGES, blocks, card, class_counts, table, tables, text_of
from commit_server import TOKEN, CommitServer
from conftest import PROJECT, SHARED, VERSION, command, once
from hub_server import HubServer

import emotiontalk
from emotiontalk_tools.formats import FORMATS


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the blocks name, and the environment of somebody who has installed the project."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("emotiontalk.py", "README.md", "dataset_infos.json", "dummy_data", "examples", "benchmarks"):
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
    cards = ["sh", "python", "python", "bibtex"]
    assert counted == {
        "README.md": cards,
        "README.zh.md": cards,
        "docs/exports.md": ["sh", "python"],
        "docs/gpus.md": ["python", "sh", "python"],
        "docs/hub.md": ["sh"],
        "docs/internals.md": ["sh", "sh"],
        "docs/loading.md": ["python"],
        "docs/network.md": [],
        "docs/probe.md": ["sh", "sh"],
        "docs/toolkits.md": ["sh"],
        "docs/verify.md": ["sh", "sh"],
        "CONTRIBUTING.md": ["sh", "text"],
    }


@pytest.mark.parametrize("document", [CARDS[0], pytest.param(CARDS[1], marks=[once, pytest.mark.slow])])
def test_the_blocks_of_the_cards(desk, document):
    loading, miniature = only(document)
    last = miniature.rstrip().splitlines()[-1]
    said = python(desk, loading + "print(ds)\n" + miniature.replace(last, f"print({last})"))
    assert "num_rows: 8" in said and "(480,) happy\n" in said


@once
@pytest.mark.parametrize("document", ["README.md", "README.zh.md", "CONTRIBUTING.md"])
def test_the_targets_of_make_are_there(document):
    """`make demo` is run by CI on a fresh clone, `make test` is what runs this."""
    (code,) = only(document, "sh")
    for line in code.splitlines():
        plan = subprocess.run(
            ["bash", "-euc", line.replace("make", "make --dry-run", 1)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.search("emotiontalk_tools demo|pytest|ruff", plan.stdout), line


@pytest.mark.parametrize("document", CARDS)
def test_what_you_want_is_what_you_get(desk, document):
    heading = {"README.md": "what you want", "README.zh.md": "需要什么"}[document]
    calls = [cell.strip("`") for _, cell in table(document, heading)]
    assert len(calls) == 9
    if document == "README.zh.md":
        assert calls == [cell.strip("`") for _, cell in table("README.md", "what you want")]
        return
    code = "import emotiontalk\n" + "".join(
        f"print(len(next(iter(({call}).values())) if 'split' not in {call!r} else [*{call}]))\n" for call in calls
    )
    counts = [int(line) for line in python(desk, code).split()]
    # utterances (of the first split); five of train and all of validation; "Four" leaves some out; dialogues
    assert counts[:3] == [8, 8, 8] and counts[3] == 13 and counts[4:6] == [8, 8]
    assert 0 < counts[6] < 8 and counts[7:] == [2, 8]


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
    (mapped,) = only("docs/loading.md")
    assert python(desk, mapped + "print(heard[0]['seconds'])") == "0.03\n"


@once
def test_several_gpus(desk):
    nodes, labels = only("docs/gpus.md")
    counts = [int(python(desk, nodes + "print(len(list(ds)))", RANK=str(rank), WORLD_SIZE="2")) for rank in range(2)]
    assert counts == [4, 4]
    said = python(desk, labels + "print(len(labels), sorted(labels.columns), len(set(labels.id.str[:6])))")
    assert said == "8 ['emotion', 'id', 'text'] 2\n"
    for gpus, call, shards, workers in table("docs/gpus.md", "GPUs"):
        assert f"--nproc-per-node {gpus} " in call and int(shards) == emotiontalk.SHARDS["train"] // int(gpus)
        assert all(int(shards) % int(n) == 0 for n in workers.split(", "))


@once
def test_the_quickstart(desk):
    quickstart = (PROJECT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    for code in (
        quickstart,
        "import sys; sys.argv.append('dummy_data')\n" + quickstart.replace("from __future__", "# "),
    ):
        said = python(desk, code)
        assert "test: neutral 0, happy 3" in said and "0.03 s at 16,000 Hz, happy: 你好" in said
        assert "G00003_13:\n    06  你好" in said and "votes: happy 0.8, surprised 0.2" in said


def test_exports(desk, tmp_path):
    shell(desk, only("docs/exports.md", "sh")[0], cwd=tmp_path, H2T_DATADIR=str(tmp_path / "h2t"))
    assert len(list((tmp_path / "h2t/emotiontalk/audio/zh").glob("*.wav"))) == 8
    for out, ending in (("EXPORT", ".wav"), ("EXPORT16", ".flac")):
        dataset = datasets.load_dataset(str(tmp_path / out), "audio", split="test")
        dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
        assert [row["audio"]["path"] for row in dataset] == [row["id"] + ending for row in dataset]
    (hearing,) = only("docs/exports.md")
    said = python(desk, hearing + "print(len(ds), sound['sampling_rate'], sound['array'].shape)")
    assert said.startswith("8 44100 (")


@once
def test_toolkits(desk, tmp_path):
    shell(desk, only("docs/toolkits.md", "sh")[0], cwd=tmp_path)
    written = {path.name for path in (tmp_path / "OUT").iterdir() if path.is_dir()}
    assert written == {"audio", "kaldi", "lhotse", "speechbrain"}
    assert [row[0].strip("`") for row in table("docs/toolkits.md", "`--for`")] == list(FORMATS)


@pytest.mark.slow
@once
def test_verify_and_report(desk, tmp_path):
    (tmp_path / "RELEASE").symlink_to(PROJECT / "dummy_data")
    checks, page = only("docs/verify.md", "sh")
    for said in shell(desk, checks, cwd=tmp_path, status=1):  # a miniature is not the release
        assert "wrong" in said
    shell(desk, page, cwd=tmp_path)
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
@once
def test_probe(desk, tmp_path):
    for said in shell(desk, only("docs/probe.md", "sh")[0], cwd=tmp_path):
        assert "WAR" in said and "UAR" in said
    assert (tmp_path / "RESULT" / "result.json").is_file()


@once
@pytest.mark.slow
def test_probe_of_an_encoder(desk, tmp_path):
    pytest.importorskip("transformers")
    from test_probe import encoder

    encoder(tmp_path / "ENCODER", "audio")
    (said,) = shell(desk, only("docs/probe.md", "sh")[1], cwd=tmp_path)
    assert "WAR" in said


@pytest.mark.slow
@once
def test_internals(desk, tmp_path):
    (tmp_path / "benchmarks").symlink_to(PROJECT / "benchmarks")
    helps, generated = only("docs/internals.md", "sh")
    assert all("usage" in said for said in shell(desk, helps, cwd=tmp_path))
    shell(desk, generated, cwd=tmp_path)
    assert len(list((tmp_path / "NEW-FOLDER").glob("*.tar"))) == 4


@once
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
    rows = {name.strip("`"): (where, what) for name, where, what in table("README.md", "field")}
    assert set(rows) == {field for spec in emotiontalk.CONFIGS.values() for field in spec.fields}
    for config, spec in emotiontalk.CONFIGS.items():
        for field in spec.fields:
            where, what = rows[field]
            assert f"`{config}`" in where, (config, field)
            if field not in ("emotion", "soft_label", "annotations"):  # the card says "of the config's own pass"
                assert what == emotiontalk.description_of(config, field)
    assert [row[0].split("`")[1] for row in table("README.md", "config", "reads")] == list(emotiontalk.CONFIGS)


def codes(cell):
    """What of a cell is the same in every language: code, numbers, links."""
    return re.findall(r"`[^`]+`|\]\([^)#]+|[\d,.]+\d", cell)


@once
def test_the_chinese_card_says_what_the_card_says():
    english, chinese = tables("README.md"), tables("README.zh.md")
    assert [len(rows) for rows in english] == [len(rows) for rows in chinese]
    for one, other in zip(english, chinese):
        assert len(one[0]) == len(other[0])
        for row, same in zip(one[1:], other[1:]):
            assert [sorted(codes(cell)) for cell in row] == [sorted(codes(cell)) for cell in same], (row, same)
    assert class_counts("README.zh.md") == class_counts() and len(class_counts()) == 12

    levels = [re.findall(r"^(#+) (?!.*--)", text_of(document), flags=re.M) for document in CARDS]
    assert levels[0] == levels[1]
    four = [dict(re.findall(r"`(\w+)`\s([\d,/]+\d)", text_of(document))) for document in CARDS]
    for config in ("audio", "multimodal", "text", "video"):
        counts = [sum(class_counts()[config, split][:4]) for split in ("train", "validation", "test")]
        assert [found[config] for found in four] == 2 * ["/".join(f"{count:,}" for count in counts)]
    numbers = [sorted(re.findall(r"\d{1,3}(?:,\d{3})+", text_of(document))) for document in CARDS]
    assert numbers[0] == numbers[1]
    uncommented = [[re.sub(r" *#.*", "", code) for _, code in blocks(document)] for document in CARDS]
    assert uncommented[0] == uncommented[1]
    assert all(term in text_of("README.zh.md") for term in ("语音情感识别", "话语", "说话人", "标注者一致性"))


@once
def test_groups_without_common_speakers():
    """The card's five sets hold all groups and speakers once; with the labels at hand, they are those of the corpus."""
    rows = [[cell.split(", ") for cell in row] for row in table("README.md", "groups")]
    groups = [f"G000{group}" for row in rows for group in row[0]]
    speakers = [speaker for row in rows for speaker in row[1]]
    assert sorted(groups) == sorted(emotiontalk.GROUPS) and len(set(speakers)) == len(speakers) == 19
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
@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_every_link_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            page = (PROJECT / document).parent / path if path else PROJECT / document
            assert page.exists(), (document, target)
            if anchor:
                titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
                assert anchor in [re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles]


@once
def test_the_card_leads_to_every_page_and_back():
    for document in CARDS:
        assert all(f"]({page})" in text_of(document) for page in PAGES)
    assert all("](../README.md)" in text_of(page) for page in PAGES)
    assert "](README.zh.md)" in text_of("README.md") and "](README.md)" in text_of("README.zh.md")


@once
def test_the_cards_header():
    header, _ = card()
    assert header["license"] == "cc-by-nc-sa-4.0" and header["language"] == ["zh"]
    assert [config["config_name"] for config in header["configs"]] == list(emotiontalk.CONFIGS)
    assert header["size_categories"] == ["10K<n<100K"] and header["task_categories"]
    assert "extra_gated_prompt" in header
