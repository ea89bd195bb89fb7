"""No command replaces or loads along a file that it did not write; what it writes says what is in it."""

import os
import re

import datasets
import pytest
from support import PROJECT, archives, command

from emotiontalk.sample_data import relative, utterances

IDS = [uid for uid, _ in utterances()]
UID = "G00003_13_06_003"


def clip(change):
    """A change of the audio of one utterance."""

    def edit(members):
        name = "Audio/wav/" + relative(UID, "wav")
        members["Audio"][name] = change(members["Audio"][name])

    return edit


DUMMY = ("--data-dir", PROJECT / "dummy_data")


@pytest.mark.parametrize(
    "arguments, name",
    [
        (["parquet", "OUT", "--config", "text", *DUMMY], "README.md"),
        pytest.param(["parquet", "OUT", "--config", "text", *DUMMY], "notes.txt", marks=pytest.mark.slow),
        pytest.param(["zh-en", "OUT", *DUMMY], "emotiontalk/zh-en.jsonl", marks=pytest.mark.slow),
        (["zh-en", "OUT", *DUMMY], f"emotiontalk/audio/zh/{UID}.wav"),
        (["probe", "--config", "text", "--out", "OUT", *DUMMY], "result.json"),
        pytest.param(["probe", "--config", "text", "--out", "OUT", *DUMMY], "confusion.png", marks=pytest.mark.slow),
        (["report", "--out", "OUT/page.html", *DUMMY], "page.html"),
        pytest.param(["dummy", "OUT"], "Audio.tar", marks=pytest.mark.slow),
        (["infos", "--path", "OUT/infos.json"], "infos.json"),
    ],
)
def test_no_command_replaces_what_it_did_not_write(tmp_path, arguments, name):
    arguments = [str(argument).replace("OUT", str(tmp_path)) for argument in arguments]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"somebody's own")
    run = command(*arguments, status=1)
    assert name.split("/")[-1] in run.stderr and "Traceback" not in run.stderr
    assert (tmp_path / name).read_bytes() == b"somebody's own"
    (tmp_path / name).unlink()
    command(*arguments)
    command(*arguments)  # its own files it writes again
    assert (tmp_path / name).exists() == (name != "notes.txt")


def test_a_card_that_was_edited_stays(tmp_path):
    command("parquet", tmp_path / "out", "--config", "text", *DUMMY)
    (tmp_path / "out" / "README.md").write_text("mine")
    assert "README.md" in command("parquet", tmp_path / "out", "--config", "dialogues", *DUMMY, status=1).stderr
    assert (tmp_path / "out" / "README.md").read_text() == "mine"


def test_the_benchmarks_audio_is_that_of_the_archive_at_hand(release, tmp_path):
    """After a run on a bad copy a run on the good one leaves none of its audio."""
    good, bad = release(), release(clip(lambda data: data[:-400] + bytes(400)), folder="bad")
    made = archives()["Audio"]
    for source, same in ((bad, False), (good, True), (bad, False), (good, True)):
        command("zh-en", tmp_path / "out", "--data-dir", source)
        written = (tmp_path / "out/emotiontalk/audio/zh" / f"{UID}.wav").read_bytes()
        assert (written == made["Audio/wav/" + relative(UID, "wav")]) is same
    (tmp_path / "out/emotiontalk/audio/zh" / f"{UID}.wav").write_bytes(b"")
    assert f"{UID}.wav" in command("zh-en", tmp_path / "out", "--data-dir", good, status=1).stderr


def test_an_unfinished_export_does_not_load(release, tmp_path):
    name = next(uid for uid in IDS if uid.startswith("G00015"))  # of the last group of test
    bad = release(lambda members: members["Text"].update({"Text/json/" + relative(name, "json"): b"{"}), folder="bad")
    assert "is not JSON" in command("parquet", tmp_path / "out", "--config", "text", "--data-dir", bad, status=1).stderr
    assert not list((tmp_path / "out").rglob("*.parquet")) and not (tmp_path / "out" / "README.md").exists()
    with pytest.raises(Exception):
        datasets.load_dataset(str(tmp_path / "out"), "text", cache_dir=str(tmp_path / "cache"))


def test_the_card_of_a_converted_export_says_what_is_in_it(tmp_path):
    command(
        "parquet",
        tmp_path / "out",
        "--config",
        "audio",
        "--sampling-rate",
        "16000",
        "--channels",
        "1",
        "--format",
        "flac",
        *DUMMY,
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "two channels" not in card and "44.1" not in card
    assert re.search(r"\| `audio` \| the audio clip, converted to 16,000 Hz .*mono.*FLAC", card)


@pytest.mark.slow
def test_options_that_mean_nothing_are_refused(tmp_path):
    said = command("parquet", tmp_path / "out", "--config", "text", "--sampling-rate", "16000", *DUMMY, status=1).stderr
    assert "text has no audio" in said
    assert "--as parquet" in command("push", "me/a", "--export", tmp_path / "out", "--dry-run", status=1).stderr
    home = {**os.environ, "HOME": str(tmp_path)}
    command("report", "--out=~/page.html", "--clips", "0", *DUMMY, env=home)
    assert "<audio" not in (tmp_path / "page.html").read_text(encoding="utf-8").split("<main>")[1]
