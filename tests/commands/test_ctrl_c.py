"""A hand on Ctrl-C: commands, and preparing with several processes, end at once and leave no process behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import PROJECT, command, once, some

from emotiontalk.cli import stop
from emotiontalk.workers import workers

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")


def session(leader):
    """The processes of a session that are still alive."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if fields[3] == str(leader) and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def start(*arguments):
    """Start Python in a session of its own; (the process, a list that its stderr is added to as it comes)."""
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    run = subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=PROJECT, env=env, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = bytearray()
    reader = threading.Thread(target=lambda: [said.extend(c) for c in iter(lambda: run.stderr.read1(4096), b"")])
    reader.start()
    return run, said, reader


def stopped(run, said, reader, by, send=os.killpg, signal_=signal.SIGINT):
    """Send a signal at a moment; (exit status, stderr), or None where the process had ended. Nothing may be left."""
    while run.poll() is None and not by(said):
        time.sleep(0.002)
    if run.poll() is not None:
        return None
    send(run.pid, signal_)
    try:
        run.wait(30)
        for _ in range(100):
            if not session(run.pid):
                break
            time.sleep(0.05)
        left = session(run.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    reader.join()
    assert not left
    return run.returncode, said.decode("utf-8", "replace")


def tree(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


COMMANDS = {
    "files": ["files", "--for", "kaldi", "--for", "webdataset", "--split", "test"],
    "zh-en": ["zh-en"],
    "parquet": ["parquet", "--config", "audio", "--split", "test", "--sampling-rate", "16000"],
}


@once
@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_stops_at_once_and_goes_on(rebuilt, tmp_path, name):
    release, (first, *options) = rebuilt(), COMMANDS[name]
    times = 0
    for moment in (None, b"0%", b"1"):
        arguments = [first, tmp_path / "out", *options, "--data-dir", release]
        reached = (lambda said: True) if moment is None else lambda said, moment=moment: moment in said
        process = start("-m", "emotiontalk", *arguments)
        if moment is None:
            time.sleep(0.4)  # while libraries are imported
        end = stopped(*process, reached)
        if end and end[0] == 130:  # 0: it was all but done
            assert end[1].rstrip().splitlines()[-1] == stop.LINE
            times += 1
        assert end is None or (end[0] in (0, 130) and "Traceback" not in end[1] and end[1].count(stop.LINE) <= 1), end
    assert times
    command(first, tmp_path / "out", *options, "--data-dir", release)
    command(first, tmp_path / "whole", *options, "--data-dir", release)
    resumed, whole = tree(tmp_path / "out"), tree(tmp_path / "whole")
    clips = [name for name in whole if name.suffix in (".wav", ".parquet", ".tar")]
    assert resumed.keys() == whole.keys() and clips and all(resumed[name] == whole[name] for name in clips)


@pytest.mark.parametrize("module", [b"emotiontalk.forks\n", b"datasets", b"typer\n"])
def test_a_command_stops_while_it_starts(module):
    """From its first import on there is one line, or none, and no traceback."""
    process = start("-X", "importtime", "-m", "emotiontalk", "infos", "--path", "/nowhere/at/all")
    end = stopped(*process, lambda said: module in said)
    assert end is not None and end[0] in (130, -signal.SIGINT) and "Traceback" not in end[1], end


def test_a_program_that_imports_the_package_gets_its_interrupts(tmp_path):
    """Also where it is run as `python -m`."""
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text("import emotiontalk\n")
    (tmp_path / "trainer" / "__main__.py").write_text("import signal\nprint(signal.getsignal(signal.SIGINT))\n")
    env = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{tmp_path}"}
    run = subprocess.run([sys.executable, "-m", "trainer"], env=env, capture_output=True, text=True, check=True)
    assert "default_int_handler" in run.stdout


@pytest.mark.parametrize("send", some([os.killpg, os.kill], os.killpg))
def test_files_stops_while_its_workers_convert(rebuilt, tmp_path, send):
    arguments = ["files", tmp_path / "out", "--for", "kaldi", "--data-dir", rebuilt(), "--split", "train"]
    process = start("-m", "emotiontalk", *arguments)
    status, said = stopped(*process, lambda said: b"64/" in said, send)
    assert (status, said.rstrip().splitlines()[-1]) == (130, stop.LINE)
    assert "Traceback" not in said and list((tmp_path / "out").rglob("*.wav"))


@pytest.mark.parametrize("signal_", some([signal.SIGKILL, signal.SIGTERM], signal.SIGKILL))
def test_workers_end_with_a_process_that_is_killed(rebuilt, tmp_path, signal_):
    process = start("-m", "emotiontalk", "files", tmp_path / "out", "--for", "kaldi", "--data-dir", rebuilt())
    stopped(*process, lambda said: b"64/" in said, os.kill, signal_)


def test_a_stopped_process_does_not_wait_for_a_server(serve, rebuilt, tmp_path):
    """Nor for the minutes that a server asks it to wait."""
    for settings in ({"rate": 20_000}, {"broken": 10**6, "busy": (429, "250")}):
        server = serve(rebuilt(), **settings)
        process = start("-m", "emotiontalk", "zh-en", tmp_path / "out", "--data-dir", f"{server.url}/files")
        begun = time.monotonic()
        status, said = stopped(*process, lambda said, begun=begun: time.monotonic() > begun + 4)
        assert (status, said.rstrip().splitlines()[-1]) == (130, stop.LINE)


@once
def test_no_thread_of_killed_workers_is_left_for_the_interpreter():
    """One that ends while the interpreter ends printed a traceback after the command's one line."""
    with pytest.raises(KeyError), workers() as pool:
        thread = pool._executor_manager_thread
        raise KeyError
    assert not thread.is_alive()
