"""A cache that another user has prepared, and that this one may only read: the error names the file and the fix."""

import os
import shutil
import subprocess
import sys

import pytest
from support import PROJECT, some, typed

# root may write everything, unless it gives that up
PREFIX = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(PREFIX) and not shutil.which("setpriv"), reason="root may write every file")
@pytest.mark.parametrize("which", some(["locks", "folders", "both"], "locks"))
def test_a_cache_that_cannot_be_written_names_what_failed(tmp_path, which):
    cache = tmp_path / "cache"
    code = "print(len(" + typed("text", data_dir="dummy_data", cache_dir=str(cache), split="test") + "))"

    def load(*prefix):
        command = [*prefix, sys.executable, "-c", code]
        env = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home")}
        return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True)

    assert load().stdout == "8\n"
    for path in [cache, *cache.rglob("*")]:
        if path.is_dir() and which != "locks":
            path.chmod(0o555)
        if path.is_file() and which != "folders":
            path.chmod(0o444)
    run = load(*PREFIX)
    for path in [cache, *cache.rglob("*")]:
        path.chmod(0o755)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1]
        assert "EmotionTalkError: " in last and f"{cache}{os.sep}" in last and "umask 002" in last, run.stderr
    else:
        assert run.stdout == "8\n" and which == "folders"
