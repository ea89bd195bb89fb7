"""A disk that is full, or files that may not become so large; two commands that write to one folder."""

import gzip
import os
import re
import resource
import subprocess
import sys
import threading
import time

import filelock
import pytest
from support import PROJECT, archives, command, some

from emotiontalk.folder import LOCK
from emotiontalk.sample_data import pack

DUMMY = PROJECT / "dummy_data"


def limited(largest, *arguments, status=1):
    """Run a command whose files may have so many bytes at most; the last line that it says."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    run = subprocess.run(
        [sys.executable, "-m", "emotiontalk", *map(str, arguments)], cwd=PROJECT, capture_output=True, text=True,
        preexec_fn=limit,
    )  # fmt: skip
    assert run.returncode == status and "Traceback" not in run.stderr, run.stderr
    return run.stderr.rstrip().splitlines()[-1]


@pytest.mark.parametrize(
    "arguments, folder",
    [
        pytest.param(["files", "OUT", "--for", "kaldi", "--original"], "OUT", marks=pytest.mark.slow),
        (["files", "OUT", "--for", "kaldi", "--format", "flac"], "OUT"),
        pytest.param(["files", "OUT", "--for", "webdataset"], "OUT", marks=pytest.mark.slow),
        pytest.param(["zh-en", "OUT"], "OUT/emotiontalk", marks=pytest.mark.slow),
        pytest.param(["parquet", "OUT", "--config", "audio"], "OUT", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_names_the_folder_and_what_to_do(tmp_path, arguments, folder):
    arguments = [str(tmp_path / "out") if word == "OUT" else word for word in arguments]
    said = limited(3_000, *arguments, "--data-dir", DUMMY)
    assert said.startswith(f"emotiontalk: {folder.replace('OUT', str(tmp_path / 'out'))}: there is no room left")
    assert "File too large" in said and "same command" in said
    command(*arguments, "--data-dir", DUMMY)


def test_a_full_disk_while_decompressing_is_no_corrupt_archive(tmp_path):
    (tmp_path / "Audio.tar").write_bytes(gzip.compress((DUMMY / "Audio.tar").read_bytes()))
    said = limited(50_000, "files", tmp_path / "out", "--for", "kaldi", "--data-dir", tmp_path)
    assert "Audio.tar: no room" in said and "Set TMPDIR" in said and "corrupt" not in said


WHAT = {
    "probe": (["probe", "--config", "text", "--seeds", "1", "--out", "OUT", "--data-dir", "DATA"], "OUT"),
    "score": (["score", "IN", "--config", "audio", "--partial", "--out", "OUT", "--data-dir", "DATA"], "OUT"),
    "report": (["report", "--clips", "0", "--out", "OUT/a/page.html", "--data-dir", "DATA"], "OUT/a"),
    "dummy": (["dummy", "OUT"], "OUT"),
    "infos": (["infos", "--path", "OUT/a/infos.json"], "OUT/a"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WHAT)
def test_a_full_disk_names_what_is_needed(tmp_path, name):
    """And nothing that is not complete is left: the same command then writes all of it."""
    (tmp_path / "in.json").write_text('{"G00003_13_06_001": "happy"}')
    names = {"IN": str(tmp_path / "in.json"), "DATA": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    for archive, members in archives().items():  # not compressed: nothing is written to read them
        (tmp_path / "data" / f"{archive}.tar").write_bytes(pack(members))
    arguments, folder = WHAT[name]
    out = str(tmp_path / "out")
    arguments = [names.get(str(word), str(word).replace("OUT", out)) for word in arguments]
    said = limited(1_000, *arguments)
    assert said.startswith(f"emotiontalk: {folder.replace('OUT', out)}: there is no room left")
    needed = int(re.search(r"about ([\d,]+) bytes are needed", said)[1].replace(",", ""))
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and ".emotiontalk-" not in path.name]
    assert "File too large" in said and not [path for path in files if path.stat().st_size >= 1_000]
    command(*arguments)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and ".emotiontalk-" not in path.name]
    assert sum(path.stat().st_size for path in files) == pytest.approx(needed, rel=0.01)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", some(["files", "zh-en", "parquet"], "zh-en"))
def test_a_second_command_waits_for_the_first(tmp_path, name):
    """Whoever writes to a folder holds its lock; here it is a test that does."""
    options = {"files": ["--for", "kaldi"], "zh-en": [], "parquet": ["--config", "text"]}[name]
    folder = tmp_path / "out" / ("emotiontalk" if name == "zh-en" else "")
    folder.mkdir(parents=True)
    held = filelock.FileLock(str(folder / LOCK))
    held.acquire()
    run = subprocess.Popen(
        [sys.executable, "-m", "emotiontalk", name, tmp_path / "out", *options, "--data-dir", DUMMY],
        cwd=PROJECT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    for line in run.stderr:
        said.append(line)
        if line.startswith("Another"):
            break
    assert said[-1] == f"Another `emotiontalk` writes to {folder}: waiting until it has ended.\n"
    time.sleep(0.3)
    assert run.poll() is None and os.listdir(folder) == [LOCK]
    held.release()
    assert "Another" not in run.communicate()[1] and run.returncode == 0


@pytest.mark.slow
def test_two_commands_at_once_write_what_one_writes(rebuilt, tmp_path):
    release = rebuilt("--groups", "G00003,G00015", "--only", "Audio")
    arguments = ["files", tmp_path / "out", "--for", "kaldi", "--for", "csv", "--split", "test", "--data-dir", release]
    runs = []

    def run():
        runs.append(subprocess.run([sys.executable, "-m", "emotiontalk", *arguments], cwd=PROJECT, capture_output=True))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.returncode for run in runs] == [0, 0], [run.stderr for run in runs]
    assert len(list((tmp_path / "out" / "audio" / "test").glob("*.wav"))) == 1_929


@pytest.mark.slow
def test_two_exports_at_once(tmp_path):
    """The second finds what the first has written, and nothing foreign."""
    arguments = ["parquet", tmp_path / "out", "--config", "audio", "--sampling-rate", "48000", "--data-dir", DUMMY]
    runs = [
        subprocess.Popen([sys.executable, "-m", "emotiontalk", *arguments], cwd=PROJECT, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [run.communicate()[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said


def test_an_export_that_another_command_begins_meanwhile(tmp_path, monkeypatch):
    """What the other one has begun, and not named yet, is not taken for something foreign."""
    from emotiontalk.export import parquet
    from emotiontalk.folder import LOCK

    out, check = tmp_path / "out", parquet._check_folder
    partial = out / "something.part"

    def meanwhile(folder, request):
        if not out.exists():  # the first look: between two steps of the other command
            out.mkdir(parents=True)
            (out / LOCK).touch()
            partial.touch()
            try:
                check(folder, request)
            finally:
                partial.unlink()
        check(folder, request)

    monkeypatch.setattr(parquet, "_check_folder", meanwhile)
    parquet.export_parquet(out, ["text"], data_dir=DUMMY)
    assert (out / "README.md").is_file()


def test_what_zh_en_writes_elsewhere(tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine.jsonl"
    for path in (out / "emotiontalk" / "zh-en.jsonl", out / "emotiontalk" / "more.jsonl"):
        (out / "emotiontalk").mkdir(parents=True, exist_ok=True)
        run = command("zh-en", out, "--transcripts", path, "--data-dir", DUMMY, status=1)
        assert "transcripts" in run.stderr
    mine.write_text("my own\n")
    run = command("zh-en", out, "--transcripts", mine, "--data-dir", DUMMY, status=1)
    assert "mine.jsonl: refusing to overwrite" in run.stderr
    assert mine.read_text() == "my own\n" and not list(out.rglob("*.wav"))  # before the work
    theirs, partial = tmp_path / "theirs.jsonl", tmp_path / "theirs.jsonl.part"
    partial.write_text("mine, too\n")
    for _ in range(2):
        command("zh-en", out, "--transcripts", theirs, "--data-dir", DUMMY)
    assert partial.read_text() == "mine, too\n" and len(theirs.read_text().splitlines()) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["mine.jsonl", "out", partial.name, theirs.name])


@pytest.mark.parametrize("name", ["a b", "trailing ", " leading"])
def test_kaldi_takes_no_folder_with_a_blank(tmp_path, name):
    run = command("files", tmp_path / name, "--for", "kaldi", "--data-dir", DUMMY, status=1)
    assert "wav.scp" in run.stderr and not (tmp_path / name).exists()
