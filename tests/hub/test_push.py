"""To the Hub and back: what `emotiontalk push` sends to a server that takes commits loads from there."""

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys

import pandas
import pytest
from card import TWINS
from commit_server import TOKEN
from support import PROJECT, RUNS_SCRIPTS, archives, command, manifest_of, once, rows, some, stopped

import emotiontalk
from emotiontalk import sample_data as dummy
from emotiontalk.sample_data import relative

DUMMY = str(PROJECT / "dummy_data")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    out = tmp_path_factory.mktemp("push") / "export"
    command("parquet", out, "--config", "audio", "--config", "text", "--data-dir", DUMMY)
    return out


@pytest.fixture
def at(hub, tmp_path):
    """The environment of somebody who is logged in to that server."""
    return {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip


def refused(*arguments, env):
    run = command(*arguments, status=1, env=env)
    assert "Traceback" not in run.stderr
    return run.stderr


LOADED = """
import datasets, json, sys
repo, config, options = json.loads(sys.argv[1])
loaded = datasets.load_dataset(repo, config, **options)
text = {
    split: [(row["id"], row["emotion"], row["text"]) for row in dataset.select_columns(["id", "emotion", "text"])]
    for split, dataset in loaded.items()
}
sound = {}
if config == "audio":
    for split, dataset in loaded.items():
        for row in dataset.cast_column("audio", datasets.Audio(decode=False)):
            sound[row["id"]] = row["audio"]["bytes"].hex()
json.dump([text, sound], sys.stdout)
"""


def loaded(env, repo, config, **options):
    argument = json.dumps([repo, config, options])
    run = subprocess.run([sys.executable, "-c", LOADED, argument], capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def check(text, sound):
    assert {split: len(rows) for split, rows in text.items()} == {"train": 8, "validation": 8, "test": 8}
    made = archives()["Audio"]
    assert all(bytes.fromhex(data) == made["Audio/wav/" + relative(uid, "wav")] for uid, data in sound.items())
    return len(sound)


@pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets 4 and later run no scripts")
@pytest.mark.parametrize("repo", some(["me/emotiontalk", "lab-x/EmotionTalk-loader"], "lab-x/EmotionTalk-loader"))
def test_the_script_loads_from_the_hub(hub, at, repo, load):
    said = command("push", repo, env=at).stdout
    name = repo.split("/")[1]
    sent = hub.files(repo)
    archives = {f"dummy_data/{archive}.tar" for archive in ("Audio", "Multimodal", "Text", "Video")}
    assert {f"{name}.py", "README.md", "README.zh.md", "dataset_infos.json", *archives} <= set(sent)
    assert {page for twins in TWINS for page in twins} <= set(sent)  # the manual, in both languages
    assert not [other for other in sent if other.endswith((".tar", ".wav", ".mp4")) and other not in archives]
    for page in (path for path in sent if path.endswith(".md")):  # what a page leads to is there, too
        for target in re.findall(r"\]\(([^)\s#]+)", sent[page].read_text(encoding="utf-8")):
            lead = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            assert target.startswith("https://") or lead in sent, (page, target)
    assert hub.repos[repo]["private"] is False and "CC BY-NC-SA" in said and f"{hub.url}/datasets/{repo}" in said
    assert f'load_dataset("{repo}", "audio"' in hub.files(repo)["README.md"].read_text(encoding="utf-8")
    text, sound = loaded(at, repo, "audio", data_dir=DUMMY, trust_remote_code=True)
    assert check(text, sound) == 24
    assert text["test"] == [[row["id"], row["emotion"], row["text"]] for row in rows(load("audio")["test"])]


@pytest.mark.slow
@pytest.mark.parametrize("config", ["audio", "text"])
def test_the_export_loads_from_the_hub(hub, at, export, config):
    said = command("push", "me/emotion", "--as", "parquet", "--export", export, env=at).stdout
    assert hub.repos["me/emotion"]["private"] is True and "gated" in said
    assert ".emotiontalk-manifest" not in hub.files("me/emotion") and "README.md" in hub.files("me/emotion")
    assert check(*loaded(at, "me/emotion", config)) == (24 if config == "audio" else 0)


@pytest.mark.slow
@once
def test_a_push_that_is_repeated_sends_no_shard_again_and_leaves_none_behind(hub, at, export):
    for _ in range(2):
        command("push", "me/emotion", "--as", "parquet", "--export", export, env=at)
        assert len(hub.uploaded) == len(set(hub.uploaded)) == len(list(export.glob("*/*.parquet")))
        (hub.folder / "me/emotion/audio/test-00001-of-00007.parquet").write_bytes(b"of an earlier export")
    said = command("push", "me/emotion", "--as", "parquet", "--export", export, env=at).stdout
    assert "Removed, of an earlier export: audio/test-00001-of-00007.parquet" in said
    assert check(*loaded(at, "me/emotion", "audio")) == 24


@once
def test_a_dry_run_sends_nothing(hub, at, export, tmp_path):
    for arguments in (["push", "me/a"], ["push", "me/a", "--as", "parquet", "--export", export]):
        said = command(*arguments, "--dry-run", env=at).stdout
        assert "README.md" in said and "Nothing was sent" in said and "CC BY-NC-SA" in said
    assert all(
        str(path.relative_to(export)) in said and f"{path.stat().st_size:,}" in said
        for path in export.glob("*/*.parquet")
    )
    said = command(
        "push", "me/a", "--as", "parquet", "--export", tmp_path / "none", "--config", "text", "--dry-run", env=at
    ).stdout
    assert "text/test-SHARD-of-SHARDS.parquet" in said and not (tmp_path / "none").exists()
    assert hub.log == [] and hub.repos == {}


@pytest.mark.slow
def test_gated_media_go_to_no_public_repository_unasked(hub, at, export):
    hub.repos["me/open"] = {"private": False}
    arguments = ("push", "me/open", "--as", "parquet", "--export", export)
    assert "me/open is public" in refused(*arguments, env=at)
    assert not hub.files("me/open") and all(method == "GET" for method, _ in hub.log)
    command(*arguments, "--public", env=at)
    assert len(hub.files("me/open")) == 1 + len(list(export.glob("*/*.parquet")))


def test_a_server_that_makes_the_repository_public_all_the_same_gets_nothing(hub, at, export):
    create = hub.create

    def public(request):
        create(request)
        hub.repos["me/a"]["private"] = False

    hub.create = public
    assert "nothing was uploaded" in refused("push", "me/a", "--as", "parquet", "--export", export, env=at)
    assert not hub.files("me/a") and not hub.uploaded


@pytest.mark.slow
def test_script_and_parquet_do_not_mix(hub, at, export):
    command("push", "me/a", "--private", env=at)
    assert hub.repos["me/a"]["private"] is True
    assert "a.py" in refused("push", "me/a", "--as", "parquet", "--export", export, env=at)
    command("push", "me/b", "--as", "parquet", "--export", export, env=at)
    assert "Parquet" in refused("push", "me/b", "--private", env=at)


@pytest.mark.slow
@once
def test_an_export_is_made_where_there_is_none_and_a_stopped_one_is_refused(hub, at, tmp_path):
    arguments = ("push", "me/a", "--as", "parquet", "--export", tmp_path / "e", "--config", "text", "--data-dir", DUMMY)
    command(*arguments, env=at)
    assert check(*loaded(at, "me/a", "text")) == 0
    stopped(tmp_path / "e")
    assert "not a finished export" in refused(*arguments[:-2], "--dry-run", env=at)
    before = sorted((tmp_path / "e").rglob("*"))
    command(*arguments[:-4], env=at)  # it goes on where it was, with what it was begun with
    assert sorted((tmp_path / "e").rglob("*")) == before
    assert manifest_of(tmp_path / "e")[1]["complete"]
    shutil.rmtree(tmp_path / "e/text")
    assert "00000-of-00008.parquet is gone" in refused(*arguments[:-4], env=at)


@pytest.mark.slow
def test_configs_that_were_not_asked_for_do_not_go_along(hub, at, export):
    arguments = ("push", "me/a", "--as", "parquet", "--export", export, "--public")
    for configs in (("text",), ("audio", "text", "dialogues")):
        options = [option for config in configs for option in ("--config", config)]
        assert "holds audio, text" in refused(*arguments, *options, env=at)
    before = sorted(export.rglob("*"))
    said = command(*arguments, "--data-dir", DUMMY, "--dry-run", env=at).stdout
    assert "multimodal" not in said and sorted(export.rglob("*")) == before
    assert hub.log == [] and hub.repos == {}


@pytest.mark.slow
def test_what_else_is_in_a_repository_stays(hub, at, export):
    hub.repos["me/other"] = {"private": True}
    for name in ("README.md", "data/train-00000-of-00001.parquet"):
        (hub.folder / "me/other" / name).parent.mkdir(parents=True, exist_ok=True)
        (hub.folder / "me/other" / name).write_bytes(b"somebody's own")
    assert "not EmotionTalk's" in refused("push", "me/other", "--as", "parquet", "--export", export, env=at)
    (hub.folder / "me/other/data/train-00000-of-00001.parquet").rename(hub.folder / "me/other/data/train.csv")
    assert "data/train.csv" in refused("push", "me/other", env=at)
    assert all(path.read_bytes() == b"somebody's own" for path in hub.files("me/other").values())


@pytest.mark.slow
def test_what_stands_in_dummy_data_is_not_what_goes(hub, at):
    command("push", "me/a", env=at)
    for name, data in dummy.files().items():
        assert (
            hub.files("me/a")[f"dummy_data/{name}"].read_bytes() == data == (PROJECT / "dummy_data" / name).read_bytes()
        )


@pytest.mark.slow
@once
def test_no_server_wrong_names_and_wrong_tokens_are_told_in_a_line(hub, at):
    assert "no connection" in refused("push", "me/a", env={**at, "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "OWNER/NAME" in refused("push", "emotiontalk", env=at)
    assert "emotion--talk" in refused("push", "me/emotion--talk", "--dry-run", env=at)
    assert "offline" in refused("push", "me/a", env={**at, "HF_HUB_OFFLINE": "1"}).lower()
    assert "dot" in refused("push", "me/emotion.talk", env=at)
    hub.repos["me/a"] = {"private": True}
    hub.create = lambda request: hub.refuse(request, 403, "Forbidden")
    assert "403" in refused("push", "me/a", env={**at, "HF_TOKEN": "hf_wrong"})


# --- to somebody else's repository -----------------------------------------------------------------------------------

CARD = """---
license: cc-by-nc-sa-4.0
extra_gated_fields:
  Name: text
configs:
- config_name: theirs
  data_files: other/*.parquet
  default: true
---

# EmotionTalk

所有字句照旧。  Every word stays.
"""


@pytest.fixture
def theirs(hub):
    """The authors' repository: gated, with a card of its own, archives and another folder."""
    hub.repos["BAAI/Emotiontalk"] = {"private": False, "gated": "auto"}
    folder = hub.folder / "BAAI/Emotiontalk"
    (folder / "other").mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "Text.tar").write_bytes(b"theirs")
    pandas.DataFrame({"a": [1], "b": [2]}).to_parquet(folder / "other" / "a.parquet")
    return folder


@pytest.mark.slow
@once
def test_a_pull_request_adds_shards_and_yaml_and_changes_nothing_else(hub, theirs, at, export):
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    arguments = ("push", "BAAI/Emotiontalk", "--as", "parquet", "--export", export, "--pr")
    said = command(*arguments, "--dry-run", env=at).stdout
    for told in ("parquet/audio/test-00000-of-00008.parquet", "+- config_name: audio", "Nothing was sent"):
        assert told in said
    assert "-所有" not in said and not any(method == "POST" and "/commit/" in path for method, path in hub.log)
    said = command(*arguments, env=at).stdout
    assert f"Opened: {hub.url}/datasets/BAAI/Emotiontalk/discussions/1" in said
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before
    proposed = hub.folder / "BAAI/Emotiontalk.pr"
    card = (proposed / "README.md").read_text(encoding="utf-8")
    assert card.split("---\n", 2)[2] == CARD.split("---\n", 2)[2]
    assert "extra_gated_fields" in card and "license: cc-by-nc-sa-4.0" in card
    assert not (proposed / "Text.tar").exists()
    # As it is once it is merged:
    shutil.copytree(theirs, proposed, dirs_exist_ok=True, ignore=lambda folder, names: ["README.md"])
    (proposed / "Text.tar").unlink()
    assert check(*loaded({**at, "HF_HUB_OFFLINE": "0"}, str(proposed), "audio")) == 24
    assert loaded(at, str(proposed), "text")[0] == loaded(at, str(export), "text")[0]
    # Their default stays the default.
    code = "import datasets, sys; print(datasets.load_dataset(sys.argv[1])['train'].column_names)"
    run = subprocess.run([sys.executable, "-c", code, str(proposed)], capture_output=True, text=True, env=at)
    assert run.stdout == "['a', 'b']\n", run.stderr


@pytest.mark.slow
@once
def test_a_pull_request_is_refused_where_it_would_do_harm(hub, theirs, at, export, tmp_path):
    arguments = ("push", "BAAI/Emotiontalk", "--as", "parquet", "--export", export)
    assert "BAAI/Emotiontalk is public" in refused(*arguments, env=at)  # without --pr as ever
    assert "add --as parquet" in refused("push", "BAAI/Emotiontalk", "--pr", env=at)
    assert "BAAI/None" in refused("push", "BAAI/None", *arguments[2:], "--pr", env=at)
    (theirs / "README.md").write_text(CARD.replace("theirs", "audio"), encoding="utf-8")
    assert "config audio" in refused(*arguments, "--pr", env=at)
    (theirs / "README.md").write_text(CARD.replace(".parquet", ".csv"), encoding="utf-8")
    assert "config theirs" in refused(*arguments, "--pr", env=at)
    (theirs / "parquet").mkdir()
    (theirs / "parquet" / "x.parquet").write_bytes(b"")
    assert "parquet/x.parquet, which is not" in refused(*arguments, "--pr", env=at)
    hub.repos["BAAI/Emotiontalk"]["gated"] = False
    assert "is not gated" in refused(*arguments, "--pr", env=at)
    hub.repos["BAAI/Emotiontalk"]["gated"] = "auto"
    (theirs / "parquet" / "x.parquet").unlink()
    assert "pushed as a whole" in refused(*arguments, "--pr", "--config", "text", env=at)
    assert "--data-dir" in refused(*arguments, "--pr", "--data-dir", DUMMY, env=at)
    assert not any("create_pr" in path for _, path in hub.log) and not (hub.folder / "BAAI/Emotiontalk.pr").exists()


OPTIONS = [
    ({"export": "x"}, "export="),
    ({"configs": ["audio"]}, "configs="),
    ({"kind": "zip"}, "kind="),
    ({"kind": "parquet", "configs": "audio"}, "configs="),
    ({"kind": "parquet", "configs": ["speech"]}, "configs="),
]


@pytest.mark.parametrize("options, named", OPTIONS)
def test_options_of_a_push_that_are_refused(options, named):
    with pytest.raises(emotiontalk.RequestError, match=re.escape(named)):
        emotiontalk.push("me/a", dry_run=True, **options)


@pytest.mark.parametrize("repo", ["emotiontalk", "me/emotion--talk", "me/emotion.talk", 5])
def test_names_of_repositories_that_are_refused(repo):
    with pytest.raises(emotiontalk.RequestError, match=re.escape(str(repo))):
        emotiontalk.push(repo, dry_run=True)


def test_a_push_in_python(export, tmp_path):
    plan = emotiontalk.push("me/a", kind="parquet", export=export, dry_run=True)
    assert isinstance(plan, emotiontalk.PushResult) and plan.url is None and plan.private is True
    assert plan.files == {name: (export / name).stat().st_size for name in plan.files}
    assert plan.to_dict() == json.loads(json.dumps(plan.to_dict())) and plan.to_dict()["removed"] == []
    assert all(name in plan._repr_html_() and name in str(plan) for name in plan.files)
    script = emotiontalk.push("me/a", dry_run=True)
    assert "a.py" in script.files and script.private is False
    none = emotiontalk.push("me/a", kind="parquet", export=tmp_path / "none", configs=["text"], dry_run=True)
    assert set(none.files.values()) == {None} and not (tmp_path / "none").exists()


SENT = """
import emotiontalk, json, sys
export, = sys.argv[1:]
pushed = emotiontalk.push("me/emotion", kind="parquet", export=export)
planned = emotiontalk.open_pull_request("BAAI/Emotiontalk", export, dry_run=True)
opened = emotiontalk.open_pull_request("BAAI/Emotiontalk", export)
json.dump([result.to_dict() for result in (pushed, planned, opened)], sys.stdout)
assert opened._repr_html_().count("Opened: ") == pushed._repr_html_().count("Uploaded: ") == 1
"""


@once
def test_what_is_sent_from_python(hub, theirs, at, export):
    run = subprocess.run([sys.executable, "-c", SENT, export], capture_output=True, text=True, env=at)
    assert run.returncode == 0, run.stderr
    pushed, planned, opened = json.loads(run.stdout)
    assert pushed["url"] == f"{hub.url}/datasets/me/emotion" and set(pushed["files"]) == set(hub.files("me/emotion"))
    assert planned == {**opened, "url": None} and opened["url"].endswith("/BAAI/Emotiontalk/discussions/1")
    assert set(opened["files"]) == set(hub.files("BAAI/Emotiontalk.pr"))
    assert "comments are lost" in opened["diff"] and "+- config_name: audio" in opened["diff"]


@pytest.mark.slow
@once
def test_a_card_that_nothing_can_be_merged_into_is_told_in_a_sentence(hub, theirs, at, export):
    (theirs / "README.md").write_bytes(b"---\nlicense: !%1b[31m mit\n---\n")
    said = refused("push", "BAAI/Emotiontalk", "--as", "parquet", "--export", export, "--pr", env=at)
    sentence = said.rstrip("\n").split("\n")[-1]
    assert sentence.startswith("emotiontalk: BAAI/Emotiontalk: ") and sentence.isprintable() and len(sentence) < 500
    assert {method for method, _ in hub.log} <= {"GET", "HEAD"}
    (theirs / "README.md").write_bytes(b"x" * (10 * 2**20 + 1))
    said = refused("push", "BAAI/Emotiontalk", "--as", "parquet", "--export", export, "--pr", env=at)
    assert "10,485,761 bytes" in said and {method for method, _ in hub.log} <= {"GET", "HEAD"}


@once
def test_a_hub_that_does_not_take_the_card_is_told_in_a_sentence(hub, theirs, at, export):
    answer = hub.answer

    def strict(request, body):
        if request.path != "/api/validate-yaml":
            return answer(request, body)
        return hub.json(request, {"errors": [{"message": '"license" must be\n\x1b[31mone of …'}], "warnings": []}, 400)

    hub.answer = strict
    said = refused("push", "BAAI/Emotiontalk", "--as", "parquet", "--export", export, "--pr", env=at)
    sentence = said.rstrip("\n").split("\n")[-1]
    assert sentence.startswith("emotiontalk: BAAI/Emotiontalk: the Hub does not take") and sentence.isprintable()
    assert '"license" must be' in sentence and not hub.uploaded and not (hub.folder / "BAAI/Emotiontalk.pr").exists()
