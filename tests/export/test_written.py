"""What commands write: through no file of somebody else, over nothing that was edited, and of one request at a time."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import filelock
import pytest
from support import PROJECT, archives, command, once, some

from emotiontalk.folder import LOCK, Folder, holding
from emotiontalk.request_error import RequestError
from emotiontalk.sample_data import relative

DUMMY = ("--data-dir", PROJECT / "dummy_data")
PROBE = ("probe", "--config", "text", "--seeds", "1", *DUMMY)
UID = "G00003_13_06_001"
pytestmark = once

# arguments, and the files that they write
COMMANDS = {
    "score": (["score", "IN", "--partial", "--config", "audio", *DUMMY, "--out", "OUT"], "score.json", "confusion.png"),
    "probe": ([*PROBE, "--out", "OUT"], "result.json", "predictions.jsonl", "confusion.png"),
    "zh-en": (
        ["zh-en", "OUT", *DUMMY, "--transcripts", "OUT/t.jsonl"],
        "emotiontalk/zh-en.jsonl",
        f"emotiontalk/audio/zh/{UID}.wav",
        "t.jsonl",
    ),
    "files": (
        ["files", "OUT", "--for", "kaldi", "--for", "webdataset", "--split", "test", *DUMMY],
        f"audio/test/{UID}.wav",
        "kaldi/test/wav.scp",
        "kaldi/README.md",
        "webdataset/test-000000.tar",
    ),
    "parquet": (
        ["parquet", "OUT", "--config", "text", "--split", "test", *DUMMY],
        "text/test-00000-of-00008.parquet",
        "README.md",
    ),
    "report": (["report", "--clips", "0", *DUMMY, "--out", "OUT/page.html"], "page.html"),
    "dummy": (["dummy", "OUT"], "Audio.tar", "Text.tar"),
    "infos": (["infos", "--path", "OUT/infos.json"], "infos.json"),
}

ONE = {**{name: files[0] for name, (_, *files) in COMMANDS.items()}, "parquet": "README.md"}


def of(name, tmp_path):
    """(the arguments of a command, OUT, the files that it writes)"""
    (tmp_path / "in.json").write_text(json.dumps({UID: "happy"}))
    arguments, *files = COMMANDS[name]
    words = [str(word).replace("OUT", str(tmp_path / "out")) for word in arguments]
    (tmp_path / "out").mkdir()
    return [str(tmp_path / "in.json") if word == "IN" else word for word in words], tmp_path / "out", files


def left(out):
    """What is left of temporary files."""
    return [path for path in out.rglob(".*") if path.name.endswith(".part")]


@pytest.mark.parametrize("name", some(COMMANDS, "score", "infos"))
def test_a_users_part_stays_and_no_link_is_written_through(tmp_path, name):
    arguments, out, files = of(name, tmp_path)
    notes, users = tmp_path / "notes.txt", {}
    notes.write_text("my notes")
    for n, file in enumerate(files):
        for number, ending in enumerate((".part", f".{os.getpid()}.part", ".part.part", ".incomplete", ".tmp")):
            path = out / (file + ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = (n + number) % 3
            if kind == 0:
                path.write_text(f"mine {path}")
            elif kind == 1:
                path.symlink_to(notes)
            else:
                os.link(notes, path)
            users[path] = path.lstat().st_ino, path.read_bytes()
    if name == "parquet":  # an export goes to a folder that holds nothing else
        assert "and no export" in command(*arguments, status=1).stderr
        (out / Folder.MANIFEST).write_bytes(_an_export(tmp_path))
    for _ in range(2):
        command(*arguments)
    assert {path: (path.lstat().st_ino, path.read_bytes()) for path in users} == users
    assert notes.read_text() == "my notes" and all((out / file).is_file() for file in files if ".part" not in file)
    assert not left(tmp_path)


def _an_export(tmp_path):
    """The manifest of an export that has begun: its first lines."""
    command("parquet", tmp_path / "other", "--config", "text", "--split", "test", *DUMMY)
    lines = (tmp_path / "other" / Folder.MANIFEST).read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if b'"file"' not in line)


@pytest.mark.parametrize("name", some(COMMANDS, "score", "dummy"))
@pytest.mark.parametrize("kind", some(["a link", "a link to nothing", "a hard link"], "a link"))
def test_a_link_that_is_in_the_way_stays(tmp_path, name, kind):
    arguments, out, _ = of(name, tmp_path)
    notes, path = tmp_path / "notes.txt", out / ONE[name]
    if kind != "a link to nothing":
        notes.write_text("my notes")
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(notes, path) if kind == "a hard link" else path.symlink_to(notes)
    before = path.lstat()
    said = command(*arguments, status=1).stderr
    assert path.name in said and "Traceback" not in said
    assert path.lstat().st_ino == before.st_ino and notes.exists() == (kind != "a link to nothing")
    assert kind == "a link to nothing" or notes.read_text() == "my notes"


@pytest.mark.parametrize("name", some([name for name in COMMANDS if name not in ("report", "dummy", "infos")], "zh-en"))
@pytest.mark.parametrize("kept", [LOCK, Folder.MANIFEST])
def test_the_names_that_commands_keep_for_themselves(tmp_path, name, kept):
    """Not even these are written through a link, as where others have made the folder."""
    arguments, out, _ = of(name, tmp_path)
    notes, folder = tmp_path / "notes.txt", out / ("emotiontalk" if name == "zh-en" else "")
    notes.write_text("my notes")
    folder.mkdir(exist_ok=True)
    (folder / kept).symlink_to(notes)
    said = command(*arguments, status=1).stderr
    assert kept in said and "Traceback" not in said
    assert notes.read_text() == "my notes" and (folder / kept).is_symlink()


def edited(path, how):
    """Edit a file, so that its size, its size and times, or neither, is as before."""
    before, data = path.stat(), path.read_bytes()
    if how == "longer":
        path.write_bytes(data + b"\n")
        return
    at = len(data) // 2
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    if how == "times":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["longer", "size", "times"])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_was_edited_is_the_users(tmp_path, name, how):
    arguments, out, _ = of(name, tmp_path)
    for _ in range(2):  # the second run has read what the first wrote, and what its list says
        command(*arguments)
    path = out / ONE[name]
    edited(path, how)
    before = path.read_bytes()
    said = command(*arguments, status=1).stderr
    assert path.name in said and "did not create it" in said and path.read_bytes() == before
    path.unlink()
    command(*arguments)


@pytest.mark.parametrize("file", [f"audio/test/{UID}.wav", "kaldi/README.md", "webdataset/test-000000.tar"])
def test_each_file_of_a_folder_is_known_by_its_content(tmp_path, file):
    arguments, out, _ = of("files", tmp_path)
    command(*arguments)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name[0] != "."}
    for path in before:  # as in a copy: other times, the same content
        os.utime(path, (1, 1))
    command(*arguments)
    assert {path.stat().st_mtime_ns for path in before} == {1_000_000_000}
    edited(out / file, "times")
    said = command(*arguments, status=1).stderr
    assert (out / file).name in said and "did not create it" in said


def test_a_finished_shard_that_was_edited_stays(tmp_path):
    arguments, out, (file, *_) = of("parquet", tmp_path)
    command(*arguments)
    edited(out / file, "times")
    before = (out / file).read_bytes()
    assert (out / file).name in command(*arguments, status=1).stderr and (out / file).read_bytes() == before


@pytest.mark.slow
def test_a_page_that_was_edited_in_another_language_or_moved(tmp_path):
    arguments, out, _ = of("report", tmp_path)
    command(*arguments)
    (out / "page.html").rename(out / "moved.html")
    moved = [word.replace("page.html", "moved.html") for word in arguments]
    command(*moved, "--language", "zh")  # it is as it was written, whatever its name
    text = (out / "moved.html").read_text(encoding="utf-8")
    (out / "moved.html").write_text(text.replace("</body>", "<p>MY OWN NOTES</p></body>"), encoding="utf-8")
    assert "moved.html: refusing" in command(*moved, status=1).stderr
    assert "MY OWN NOTES" in (out / "moved.html").read_text(encoding="utf-8")


def test_a_list_with_hard_links_is_not_written_through(tmp_path):
    """As in a copy by `cp -al`."""
    arguments, out, _ = of("score", tmp_path)
    command(*arguments)
    os.link(out / Folder.MANIFEST, tmp_path / "backup")
    before = (tmp_path / "backup").read_bytes()
    (out / "score.json").unlink()
    command(*arguments)
    assert (tmp_path / "backup").read_bytes() == before


@pytest.mark.parametrize("name", some(["score", "probe", "zh-en", "files", "parquet"], "files", "score"))
def test_a_folder_of_an_earlier_version_is_refused_and_stays(tmp_path, name):
    arguments, out, _ = of(name, tmp_path)
    folder = out / ("emotiontalk" if name == "zh-en" else "")
    folder.mkdir(exist_ok=True)
    (folder / ".emotiontalk-files").write_text('["audio/test/a.wav", 1, 2, null, null, null]\n')
    before = tree(out)
    said = command(*arguments, status=1).stderr
    assert ".emotiontalk-files" in said and str(folder) in said and tree(out) == before


# --- stopped runs


def test_what_a_killed_run_has_begun_is_removed_by_the_next(tmp_path):
    """By the list, and nothing else: a file of the user's that is called so stays."""
    arguments, out, _ = of("files", tmp_path)
    code = (
        "import os, sys, emotiontalk.export.clips as files\n"
        "write = files._write_clip\n"
        "def killed(*given):\n"
        "    if given[1] >= 'G00015': os.killpg(0, 9)\n"
        "    return write(*given)\n"
        "files._write_clip = killed\n"
        "from emotiontalk.__main__ import main\n"
        "sys.argv = ['emotiontalk', *sys.argv[1:]]\n"
        "main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code, *arguments], cwd=PROJECT, start_new_session=True)
    assert run.returncode == -signal.SIGKILL
    begun, mine = left(out), out / "audio/test/.emotiontalk-0123456789abcdef.part"
    assert begun and all(re.fullmatch(r"\.emotiontalk-[0-9a-f]{16}\.part", path.name) for path in begun)
    mine.write_text("mine")
    command(*arguments)
    assert left(out) == [mine] and mine.read_text() == "mine"


KILLED_AT = """
import os, sys
from emotiontalk import folder, manifest
steps = iter(range(int(sys.argv.pop(1))))
def counted(function):
    def call(*arguments):
        if next(steps, None) is None:
            os.killpg(0, 9)
        return function(*arguments)
    return call
manifest.Manifest.append = counted(manifest.Manifest.append)  # before a line,
folder.Folder._rename = counted(folder.Folder._rename)  # behind it and before a name,
manifest.os.replace = counted(os.replace)  # before a new manifest
from emotiontalk.__main__ import main
sys.argv[0] = "emotiontalk"
main()
"""


@pytest.mark.parametrize("name", some(["parquet", "files", "zh-en"], "parquet"))
def test_killed_anywhere_a_second_run_gives_the_same_tree(tmp_path, name):
    """Killed at one step after the other, run after run, until one comes to its end."""
    arguments, out, _ = of(name, tmp_path)
    command(*arguments)
    whole = {key: value for key, value in tree(out).items() if not key.endswith((LOCK, Folder.MANIFEST))}
    shutil.rmtree(out)
    (out / ("emotiontalk" if name == "zh-en" else "")).mkdir(parents=True)
    runs, step = 0, 2
    while True:
        words = [sys.executable, "-c", KILLED_AT, str(step), *arguments]
        run = subprocess.run(words, cwd=PROJECT, start_new_session=True, capture_output=True, text=True)
        if run.returncode != -signal.SIGKILL:
            break
        runs, step = runs + 1, step + 9
    assert run.returncode == 0, run.stderr
    assert runs > 2 and not left(out)
    assert {key: value for key, value in tree(out).items() if not key.endswith((LOCK, Folder.MANIFEST))} == whole


def test_a_file_that_comes_meanwhile_stays(tmp_path, monkeypatch):
    """Between the look at what is there and the writing."""
    from emotiontalk import folder as written

    arguments, out, _ = of("report", tmp_path)
    new = written.name_new

    def name_new(path, target):
        target.write_text("mine")
        new(path, target)

    monkeypatch.setattr(written, "name_new", name_new)
    assert "page.html: refusing" in command(*arguments, status=1).stderr
    assert (out / "page.html").read_text() == "mine" and not left(out)


# --- two commands, one folder


@pytest.mark.parametrize("name", some(["score", "probe"], "score"))
def test_each_waits_for_the_lock(tmp_path, name):
    arguments, out, files = of(name, tmp_path)
    held = filelock.FileLock(str(out / LOCK))
    held.acquire()
    run = subprocess.Popen(
        [sys.executable, "-m", "emotiontalk", *arguments], cwd=PROJECT, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert any(
            line == f"Another `emotiontalk` writes to {out}: waiting until it has ended.\n" for line in run.stderr
        )
        time.sleep(0.3)
        assert run.poll() is None and os.listdir(out) == [LOCK]
        (out / files[0]).write_text("mine")  # somebody's own, meanwhile
        held.release()
        assert files[0] in run.communicate()[1] and run.returncode == 1
    finally:
        run.kill()
    assert (out / files[0]).read_text() == "mine"


@pytest.mark.slow
def test_what_two_probes_at_once_leave_is_of_one(tmp_path):
    out, options = tmp_path / "out", (["--label-set", "all"], ["--label-set", "four"])
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "emotiontalk", *map(str, PROBE), "--out", out, *one], cwd=PROJECT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for one in options
    ]  # fmt: skip
    said = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    # where they met, one has waited, and replaced what the other one had written
    assert sum("waiting until it has ended" in err for _, err in said) <= 1
    written = json.loads((out / "result.json").read_text())["settings"]["label_set"]
    last = next(n for n, (_, label_set) in enumerate(options) if label_set == written)
    alone = tmp_path / "alone"
    command(*PROBE, "--out", alone, *options[last])

    def found(folder):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}
        result = json.loads(files.pop("result.json"))
        del result["settings"]["date"], result["settings"]["command"]
        return files, result

    assert found(out) == found(alone)


# --- one request for what toolkits share


@pytest.fixture
def made(tmp_path):
    def made(*options, status=0, data=PROJECT / "dummy_data"):
        return command("files", tmp_path / "out", *options, "--data-dir", data, status=status)

    return made


def tree(out):
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.name != Folder.MANIFEST
    }


OTHER = {
    "the released audio": ["--original"],
    "another rate": ["--sampling-rate", "8000"],
    "two channels": ["--channels", "2"],
    "FLAC": ["--format", "flac"],
    "four labels": ["--label-set", "four"],
    "another config": ["--config", "multimodal"],
    "no audio": ["--config", "text"],
    "a fold": ["--fold", "2"],
    "video": ["--config", "multimodal", "--media", "video"],
}


def test_another_request_does_not_go_to_the_files_of_one(made, tmp_path):
    made("--for", "kaldi", "--for", "speechbrain", "--split", "test")
    before = tree(tmp_path / "out")
    for case, options in OTHER.items():
        toolkit = {"no audio": "csv", "video": "messages"}.get(case, "lhotse")
        for name in {toolkit, "kaldi" if case not in ("no audio", "video") else toolkit}:
            said = made("--for", name, "--split", "test", *options, status=1).stderr
            assert str(tmp_path / "out") in said and "choose another folder" in said and "Traceback" not in said
            assert tree(tmp_path / "out") == before
    made("--for", "lhotse", "--split", "test")
    made("--for", "csv")  # more splits
    after = tree(tmp_path / "out")
    assert {name: after[name] for name in before} == before and "lhotse/cuts_test.jsonl.gz" in after


def test_the_request_of_a_run_that_was_stopped_before_its_first_file(made, tmp_path):
    (tmp_path / "out/audio/test").mkdir(parents=True)
    (tmp_path / f"out/audio/test/{UID}.wav").write_text("mine")
    made("--for", "kaldi", "--split", "test", status=1)
    (tmp_path / f"out/audio/test/{UID}.wav").unlink()
    made("--for", "kaldi", "--split", "test", "--original")


def test_a_clip_of_another_release_stays_out_of_other_toolkits_audio(made, release, tmp_path):
    name = "Audio/wav/" + relative(UID, "wav")
    data = archives()["Audio"][name]
    other = release(lambda members: members["Audio"].update({name: data[:-400] + bytes(400)}))
    made("--for", "kaldi", "--for", "webdataset", "--split", "test")
    before = tree(tmp_path / "out")
    said = made("--for", "lhotse", "--split", "test", data=other, status=1).stderr
    assert f"{UID}.wav" in said and "kaldi" in said and "webdataset" not in said
    assert tree(tmp_path / "out") == before and not left(tmp_path / "out")
    made("--for", "lhotse", "--for", "kaldi", "--split", "test", data=other)
    assert tree(tmp_path / "out")[f"audio/test/{UID}.wav"] != before[f"audio/test/{UID}.wav"]


@pytest.mark.parametrize(
    "line",
    [
        '{"begun": "../victim.txt"}', '{"begun": "notes.txt"}', '{"begun": "sub/../../victim.txt"}',
        '{"begun": "/VICTIM"}', '{"begun": 5}', '{"begun": null}', '{"begun": "a\\u0000b"}', '{"begun": "\\ud800"}',
        '{"file": "a\\u0000b", "size": 1, "sha256": "x"}', "[" * 100_000, '{"file": "x", "size": "y", "sha256": "z"}',
        '{"file": "x", "size": 1, "sha256": 2, "state": 3}', "{}", "[5]", '"x"', '{"request": 5}', '{"progress": [1]}',
        '{"file": "../victim.txt", "size": 9, "sha256": "0"}', '{"file": "x", "size": 1}',
        '{"file": "x", "size": 1, "sha256": "0", "staged": "notes.txt"}',
    ],
    ids=range(20),
)  # fmt: skip
def test_a_manifest_that_was_damaged_removes_nothing(tmp_path, line):
    """Copied from elsewhere, or with a flipped bit: what it names is not believed."""
    out, victim = tmp_path / "out", tmp_path / "victim.txt"
    out.mkdir()
    for path in (victim, out / "notes.txt"):
        path.write_text("my notes\n")
    (out / Folder.MANIFEST).write_text(line.replace("/VICTIM", str(victim)) + "\n")
    with holding(out) as folder:
        folder.write("made.txt", b"made")
        folder.discard("../victim.txt")
        folder.publish(["x"])
    assert victim.read_text() == (out / "notes.txt").read_text() == "my notes\n"
    assert (out / "made.txt").read_bytes() == b"made" and "made.txt" in Folder(out).names()


# --- the folder by itself


def staged(folder, name, data):
    folder.partial(name).write_bytes(data)
    folder.stage(name)


def test_staged_files_get_their_names_together(tmp_path):
    with holding(tmp_path) as folder:
        staged(folder, "a/one", b"1")
        staged(folder, "two", b"2")
        staged(folder, "three", b"3")
        assert folder.is_finished("a/one") and not folder.is_own("a/one") and not (tmp_path / "a/one").exists()
    with holding(tmp_path) as folder:  # another run: they are still there
        assert all(map(folder.is_finished, ("a/one", "two", "three")))
        (tmp_path / "two").write_bytes(b"mine")
        with pytest.raises(RequestError, match="two"):
            folder.publish(["a/one", "two"])
        assert not (tmp_path / "a/one").exists()
        (tmp_path / "two").unlink()
        folder.publish(["a/one", "two"])
        assert folder.is_own("a/one") and folder.is_own("two") and not folder.is_finished("three")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and path.name[0] != ".") == ["one", "two"]
    assert not left(tmp_path) and Folder(tmp_path).is_own("two")


@pytest.mark.parametrize("step", ["before", "between", "behind"])
def test_a_run_that_is_killed_while_it_publishes(tmp_path, monkeypatch, step):
    """Killed before a name, between the two names of a file, or behind it: the next run publishes all."""

    def killed(path, target):
        if step == "between":
            os.link(path, target)
        if step == "behind":
            os.rename(path, target)
        raise KeyboardInterrupt

    folder = Folder(tmp_path)
    for name in ("one", "two"):
        staged(folder, name, name.encode())
    with monkeypatch.context() as patch:
        patch.setattr("emotiontalk.folder.name_new", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.publish(["one", "two"])  # and `end` is never called
    with holding(tmp_path) as folder:
        assert all(map(folder.is_finished, ("one", "two")))
        folder.publish(["one", "two"])
    assert {name: (tmp_path / name).read_bytes() for name in ("one", "two")} == {"one": b"one", "two": b"two"}
    assert not left(tmp_path) and (tmp_path / "one").stat().st_nlink == 1


def test_a_request_is_recorded_and_another_one_names_what_differs(tmp_path):
    def in_words(option, value):
        return f"<{option} is {value}>"

    with holding(tmp_path) as folder:
        folder.record_request({"rate": 8}, in_words)
        folder.record_request({"rate": 16, "kind": "x"}, in_words)  # nothing is written yet
        folder.write("a", b"a")
        folder.record_progress(done=[1])
        folder.record_progress(complete=True)
    with holding(tmp_path) as folder:
        assert folder.request == {"rate": 16, "kind": "x"} and folder.progress == {"done": [1], "complete": True}
        folder.record_request({"rate": 16, "kind": "x"}, in_words)
        with pytest.raises(RequestError, match="<rate is 16>.*<rate is 8>"):
            folder.record_request({"kind": "x", "rate": 8}, in_words)
    first = json.loads((tmp_path / Folder.MANIFEST).read_text().splitlines()[0])
    assert first == {"request": {"rate": 16, "kind": "x"}}


def test_a_manifest_whose_last_line_was_cut_goes_on(tmp_path):
    Folder(tmp_path).write("one", b"1")
    with open(tmp_path / Folder.MANIFEST, "a") as file:
        file.write('{"file": "tw')
    Folder(tmp_path).write("two", b"2")
    assert Folder(tmp_path).is_own("one") and Folder(tmp_path).is_own("two")
