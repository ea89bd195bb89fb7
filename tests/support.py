"""What the tests share: a clean Hugging Face home, the sample data, commands. Imported before `datasets`."""

import atexit
import contextlib
import csv
import functools
import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="emotiontalk-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
if "EMOTIONTALK_REBUILT" not in os.environ:  # workers, and CI's next run, find what the first has rebuilt
    os.environ["EMOTIONTALK_REBUILT"] = tempfile.mkdtemp(prefix="emotiontalk-rebuilt-")
    atexit.register(shutil.rmtree, os.environ["EMOTIONTALK_REBUILT"], ignore_errors=True)
os.environ["HF_HOME"] = HOME  # before `datasets` is imported
for name in ("HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT"):
    os.environ.pop(name, None)
import datasets  # noqa: E402
import pytest  # noqa: E402

import emotiontalk  # noqa: E402
import emotiontalk.__main__  # noqa: E402
from emotiontalk import sample_data as dummy  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
# datasets 4 and later run no scripts: there what is tried of loading goes through `emotiontalk.load_dataset` alone.
VERSION = tuple(int(part) for part in datasets.__version__.split(".")[:2])
RUNS_SCRIPTS = VERSION < (4, 0)
as_script = pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets 4 and later run no scripts")
# What does not depend on the version of datasets is tried on one or two of them.
once = pytest.mark.skipif(VERSION[:2] != (3, 6), reason="does not depend on the version of datasets")
CONFIGS = ("multimodal", "audio", "text", "video", "dialogues", "zh-en")


# The options of the smallest rebuilt release that has all splits: 13 % of the audio.
A_GROUP_A_SPLIT = ("--groups", "G00001,G00002,G00003", "--only", "Audio")


def some(cases, *quick):
    """All cases of a test; those that are not named are slow."""
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]


datasets.disable_progress_bars() if hasattr(datasets, "disable_progress_bars") else datasets.disable_progress_bar()


def trust():
    """The keywords with which this version of `datasets` runs a script without asking."""
    return {"trust_remote_code": True} if (2, 16) <= VERSION < (4, 0) else {}


def typed(config, **options):
    """The code of what users type on this version of `datasets`, in the project's folder."""
    if RUNS_SCRIPTS:
        return f"__import__('datasets').load_dataset('./emotiontalk.py', {config!r}, **{ {**options, **trust()}!r})"
    return f"__import__('emotiontalk').load_dataset({config!r}, **{options!r})"


_archives = functools.cache(dummy.archives)


def archives():
    """The members of the sample data, to change: {"Audio": {member name: bytes, …}, …}."""
    return {name: dict(files) for name, files in _archives().items()}


def published_labels():
    """The rows (dicts) of the published labels, sorted by id; without ../shared the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    with gzip.open(SHARED / "reference" / "labels.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def command(*arguments, status=0, **options):
    """Run `emotiontalk …`; the finished process, whose exit status must be this.

    Options (cwd, env) are for a process of its own; without them the command's own entry is called here, which saves
    the seconds of starting Python.
    """
    arguments = list(map(str, arguments))
    if options:
        run = subprocess.run(
            [sys.executable, "-m", "emotiontalk", *arguments], capture_output=True, text=True, **options
        )
    else:
        run = _command_here(arguments)
    assert run.returncode == status, run.stderr
    return run


def _command_here(arguments):
    emotiontalk.errors.warn_once.cache_clear()
    out, err, before, interrupt = io.StringIO(), io.StringIO(), sys.argv, signal.getsignal(signal.SIGINT)
    sys.argv = ["emotiontalk", *arguments]
    status = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            emotiontalk.__main__.main()
    except SystemExit as end:
        status = 1 if isinstance(end.code, str) else end.code or 0
        err.write(f"{end.code}\n" if isinstance(end.code, str) else "")
    except Exception:
        status = 1
        err.write(traceback.format_exc())
    finally:
        sys.argv = before
        signal.signal(signal.SIGINT, interrupt)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def manifest_of(out):
    """(what was asked, what the command has noted of its work) of a folder that a command has written to."""
    from emotiontalk.folder import Folder

    folder = Folder(out)
    return folder.request, folder.progress


def stopped(out):
    """Make an export one whose run was stopped before its end."""
    from emotiontalk.folder import Folder

    with open(out / Folder.MANIFEST, "a") as file:
        file.write('{"progress": {"complete": false}}\n')


def undecoded(dataset):
    """The dataset with audio and video as `{bytes, path}`."""
    for name, feature in (dataset.features or {}).items():
        if name in ("audio", "video") and hasattr(feature, "decode"):
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def rows(dataset):
    """All examples of a dataset (prepared or streamed) as dicts, media undecoded."""
    return list(undecoded(dataset))


def set_other_codec(members, uid):
    """Give the clip of an utterance a codec that nobody knows; `members` as `release` hands them to its change."""
    name = f"Audio/wav/{dummy.relative(uid, 'wav')}"
    members["Audio"][name] = members["Audio"][name][:20] + b"\x99\x99" + members["Audio"][name][22:]


def without_typer_and_rich(code):
    """Run code in a Python where neither can be imported, with the sample data as its argument."""
    code = f"import sys; sys.modules['typer'] = sys.modules['rich'] = None; import emotiontalk; {code}"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    arguments = [sys.executable, "-c", code, PROJECT / "dummy_data"]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
