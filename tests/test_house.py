"""The loader as a text, and what people who build on it rely on: order, old names, public methods."""

import ast
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings

import datasets
import pytest
from conftest import CONFIGS, PROJECT, once, rows
from hub_server import HubServer

import emotiontalk

DUMMY = PROJECT / "dummy_data"
TREE = ast.parse((PROJECT / "emotiontalk.py").read_text(encoding="utf-8"))


def names_in(node):
    """The names that a statement, function or class reads and does not define; annotations do not count."""
    annotations = [getattr(child, kind, None) for child in ast.walk(node) for kind in ("annotation", "returns")]
    skipped = {id(part) for annotation in filter(None, annotations) for part in ast.walk(annotation)}
    names = [child for child in ast.walk(node) if isinstance(child, ast.Name)]
    local = {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}
    local |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names if isinstance(name.ctx, ast.Load) and id(name) not in skipped} - local


def defined_by(node):
    """The names that a statement at the top level defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {n.id for target in filter(None, targets) for n in ast.walk(target) if isinstance(n, ast.Name)}


@once
def test_the_loader_reads_from_top_to_bottom():
    """What a statement, a function or a class uses of the file stands before it."""
    top, defined = set().union(*map(defined_by, TREE.body)), set()
    ahead = {}
    for node in TREE.body:
        defined |= defined_by(node)
        ahead[getattr(node, "name", node.lineno)] = (names_in(node) & top) - defined
    assert {name: used for name, used in ahead.items() if used} == {}


@once
def test_lines_of_documents_end_at_120_columns():
    """But tables; the Chinese card has a paragraph a line, because a break would be shown as a blank."""
    documents = [path for folder in (".", "docs", "benchmarks") for path in (PROJECT / folder).glob("*.md")]
    lines = [line for path in documents if ".zh" not in path.name for line in path.read_text("utf-8").splitlines()]
    assert len(documents) > 12 and [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@once
def test_errors_stand_in_one_place():
    lines = [n.lineno for n in TREE.body if isinstance(n, ast.ClassDef) and n.name.endswith("Error")]
    others = [n.lineno for n in TREE.body if isinstance(n, ast.ClassDef) and not n.name.endswith("Error")]
    assert len(lines) == 8 and not any(min(lines) < line < max(lines) for line in others)


@once
def test_public_functions_have_types_and_docstrings():
    for node in ast.walk(TREE):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node):
            arguments = [a for a in node.args.args + node.args.kwonlyargs if a.arg not in ("self", "cls")]
            assert node.returns is not None and all(a.annotation for a in arguments), node.name
    nodes = [n for n in TREE.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")]
    assert all(ast.get_docstring(node) for node in nodes)


# Of version 1.2: what a user could have typed, and what works in its place.
EARLIER = {
    "Config": lambda: emotiontalk.ConfigSpec,
    "Field": lambda: emotiontalk.FieldSpec,
    "Loaded": lambda: b"abc",
    "archive_url": lambda: f"{emotiontalk.DEFAULT_SOURCE}/Audio.tar",
    "open_archive": lambda: ["G00003", "G00015"],
}


@once
@pytest.mark.parametrize("name", [*EARLIER, "remote_file"])
def test_names_of_the_last_release_work_and_say_the_new_one(name):
    with pytest.warns(DeprecationWarning, match=rf"emotiontalk\.{name} is [A-Za-z_.]+ from version 1\.3 on"):
        value = getattr(emotiontalk, name)
    if name == "Loaded":
        value = value("label", b"abc").read()
    elif name == "archive_url":
        value = value("Audio")
    elif name == "open_archive":
        value = [g for g in value("Text", (str(DUMMY / "Text.tar"),)).groups if emotiontalk.split_of(g) == "test"]
    elif name == "remote_file":
        server = HubServer(DUMMY)
        assert value("Audio", server.url + "/files", None).size == (DUMMY / "Audio.tar").stat().st_size
        server.close()
        return
    assert value == EARLIER[name]()


PUBLIC = """
ANNOTATORS ARCHIVES Annotations Answer Archive BATCH_ROWS BLOCK_BYTES BRACKETS BadUtteranceError BusyError CITATION
CONFIGS Config DEFAULT_SOURCE DIALOGUES EMOTIONS EXTENDED_BYTES EmotionTalk EmotionTalkConfig EmotionTalkError FIELDS
FOUR Field FsspecFile GROUPS HEAD_BYTES HELD_OUT HOMEPAGE ID_INSIDE INSTEAD IN_FLIGHT KEY_FIELDS LEAST_RATE LICENSE
LONGEST_BYTES LONGEST_MEDIA LONGEST_WAIT UNREAD_NAME Loaded MAJOR MARKS MEDIA MEMBER Mark Member MissingArchiveError
NOUNS NoConnectionError NoUtteranceError NotSortedError PASSES PREPARED_BYTES REPO_ID REVISION RemoteArchive
RemoteFile SEND_TOKEN SENTIMENTS SHARDS SLACK SPLITS STREAMED_BYTES Sequence SoundError Stream TAR_NAME TIMEOUTS TOTAL
TURN_FIELDS TYPES Tar Tree UNKNOWN_SIZE Utterance WAITS WHOLE_BYTES address_states archive_url archives_of brief
cached_file checked_token clip_seconds decode_audio description_of download downloaded_file emotion_id features_of
filesystem find_archive find_remote forget_addresses http_url is_pinned is_remote load_dataset match_member number
offline open_archive padded parse_annotation parse_extended parse_header remote_file runs_of sentiment_id shards_of
shown split_hf_url split_of split_sizes spoken_text wav_format write_out
"""


@once
def test_every_public_name_of_the_last_release_is_there():
    public = re.findall(r"\w+", PUBLIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert [name for name in public if not hasattr(emotiontalk, name)] == []
    assert emotiontalk.CONFIGS["video"].own == "video"
    for name, says in {"nothing": "'nothing'$", "write_json": "it is writing now"}.items():
        with pytest.raises(AttributeError, match=says):
            getattr(emotiontalk, name)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_public_methods_give_the_rows(config, call, tmp_path):
    builder = emotiontalk.EmotionTalk(config_name=config, data_dir=str(DUMMY), cache_dir=str(tmp_path / "tools"))
    for split, kwargs in builder.open_splits().items():
        expected = rows(call(config, split=split))
        found = dict(builder.examples(**kwargs))
        assert [row.get("id", row.get("sample_id")) for row in expected] == list(found)
        assert sum(len(table) for _, table in builder.tables(**kwargs)) == len(expected)
        if config != "dialogues":
            assert [utterance.id for utterance, _ in builder.utterances(**kwargs)] == list(found)
        assert set(builder.open_archives(kwargs["release"])) == set(emotiontalk.archives_of(config))
        assert pickle.loads(pickle.dumps(kwargs)) == kwargs
    assert not list((tmp_path / "tools").rglob("*.arrow"))


@pytest.mark.slow
@once
def test_what_is_skipped_cannot_be_read_by_mistake(rebuilt, tmp_path):
    """From an address no byte of it has come: reading it is an error, not six bytes of sound."""
    server = HubServer(rebuilt())
    builder = emotiontalk.EmotionTalk(
        config_name="audio", data_dir=server.url + "/files", cache_dir=str(tmp_path), prepare_splits=["test"]
    )
    kwargs = builder.open_splits()["test"]
    kwargs["shards"] = kwargs["shards"][:1]
    builder.skip_media = {uid for uid, _ in builder.examples(**kwargs)}
    skipped = [example["audio"]["bytes"] for _, example in builder.examples(**kwargs)]
    assert skipped and builder.unread == builder.skip_media
    for member in skipped:
        for read in (member.read, lambda member=member: member.part(0, 4)):
            with pytest.raises(RuntimeError, match=r"G00003_.*\.wav was not fetched: its id is in skip_media"):
                read()
    with pytest.raises(RuntimeError, match="was not fetched"):
        list(builder.tables(**kwargs))
    server.close()


@pytest.mark.parametrize("shape", ["other keywords", "not called"])
def test_another_way_of_preparing_loses_nothing_but_speed(shape, call, monkeypatch, tmp_path):
    """`_prepare_split_single` is private to `datasets`: one that calls it in another way prepares the same rows."""
    expected = rows(call("audio", split="test"))
    own = emotiontalk.EmotionTalk._prepare_split_single
    if shape == "other keywords":
        base = datasets.ArrowBasedBuilder._prepare_split_single

        def renamed(self, *, where, **kwargs):
            return base(self, fpath=where, **kwargs)

        monkeypatch.setattr(datasets.ArrowBasedBuilder, "_prepare_split_single", renamed)
        monkeypatch.setattr(
            emotiontalk.EmotionTalk,
            "_prepare_split_single",
            lambda self, fpath, **kwargs: own(self, where=fpath, **kwargs),
        )
    else:
        monkeypatch.delattr(emotiontalk.EmotionTalk, "_prepare_split_single")
    assert rows(call("audio", split="test", cache_dir=tmp_path / "other")) == expected


@once
def test_lint_is_the_same_everywhere():
    """pyproject.toml and the pre-commit configuration pin the same versions; CI runs it."""
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    pinned = set(re.findall(r'"((?:ruff|mypy)==[\d.]+)"', project))
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert len(pinned) == 2 and set(re.findall(r'"((?:ruff|mypy)==[\d.]+)"', hooks)) == pinned
    assert "make lint" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")


CACHED = """
import sys

import emotiontalk

ds = emotiontalk.load_dataset("audio", sys.argv[1], split="test", cache_dir="cache")
print(ds.map(lambda row: {"rate": emotiontalk.decode_audio(row["audio"])["sampling_rate"]})._fingerprint)
"""


def test_what_map_has_made_is_found_again_wherever_the_file_is(tmp_path):
    """`datasets` knows a function by what it uses: the module by its name, not by all that it holds."""
    shutil.copy(PROJECT / "emotiontalk.py", tmp_path)
    command = [sys.executable, "-c", CACHED, str(DUMMY)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    runs = [
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""
    assert not re.search("hashed|Pickling", runs[0].stderr + runs[1].stderr)
