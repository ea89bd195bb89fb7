"""What the tests share: a clean Hugging Face home, the sample data, the rebuilt release, and `load`."""

import atexit
import contextlib
import csv
import functools
import gzip
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import tarfile
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
import filelock  # noqa: E402
import pytest  # noqa: E402

import emotiontalk  # noqa: E402
import emotiontalk.__main__  # noqa: E402
from emotiontalk.cli import dummy  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
# datasets 4 and later run no scripts: there what is tried of loading goes through `emotiontalk.load_dataset` alone.
VERSION = tuple(int(part) for part in datasets.__version__.split(".")[:2])
RUNS_SCRIPTS = VERSION < (4, 0)
as_script = pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets 4 and later run no scripts")
# What does not depend on the version of datasets is tried on one or two of them.
once = pytest.mark.skipif(VERSION[:2] != (3, 6), reason="does not depend on the version of datasets")
collect_ignore = (
    []
    if VERSION >= (3, 6)
    else [f"test_{name}.py" for name in ("verify", "probe", "report", "report_languages", "score")]
)
CONFIGS = ("multimodal", "audio", "text", "video", "dialogues", "zh-en")


def some(cases, *quick):
    """All cases of a test; those that are not named are slow."""
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]


datasets.disable_progress_bars() if hasattr(datasets, "disable_progress_bars") else datasets.disable_progress_bar()


def trust():
    """The keywords with which this version of `datasets` runs a script without asking."""
    return {"trust_remote_code": True} if (2, 16) <= VERSION < (4, 0) else {}


@pytest.fixture
def script(tmp_path):
    """`datasets.load_dataset` of the script with a cache of its own; by default on the sample data."""

    def script(config=None, data_dir=PROJECT / "dummy_data", cache_dir=None, **options):
        cache_dir = str(cache_dir or tmp_path / "cache")
        path = str(PROJECT / "emotiontalk.py")
        return datasets.load_dataset(path, config, data_dir=str(data_dir), cache_dir=cache_dir, **trust(), **options)

    return script


@pytest.fixture
def call(tmp_path):
    """`emotiontalk.load_dataset` with a cache of its own; by default on the sample data."""

    def call(config="multimodal", data_dir=PROJECT / "dummy_data", cache_dir=None, **options):
        return emotiontalk.load_dataset(config, data_dir, cache_dir=cache_dir or tmp_path / "called", **options)

    return call


@pytest.fixture
def load(script, call):
    """What users type on this version of `datasets`: the script below 4, the call from 4 on.

    `prepare_splits` is for scripts alone: the call gets the same splits as its `split`.
    """

    def load(config=None, *arguments, prepare_splits=None, **options):
        if prepare_splits and "split" not in options:
            options["split"] = {name: name for name in prepare_splits}
        return call(config, *arguments, **options)

    if not RUNS_SCRIPTS:
        return load
    return script


def typed(config, **options):
    """The code of what users type on this version of `datasets`, in the project's folder."""
    if RUNS_SCRIPTS:
        return f"__import__('datasets').load_dataset('./emotiontalk.py', {config!r}, **{ {**options, **trust()}!r})"
    return f"__import__('emotiontalk').load_dataset({config!r}, **{options!r})"


_archives = functools.cache(dummy.archives)


def archives():
    """The members of the sample data, to change: {"Audio": {member name: bytes, …}, …}."""
    return {name: dict(files) for name, files in _archives().items()}


@pytest.fixture
def release(tmp_path):
    """A function that writes a sample data, changed by another function, and gives its folder.

    The change gets and edits {"Audio": {member name: bytes, …}, …}.
    """

    def release(change=lambda members: None, folder="release"):
        members = archives()
        change(members)
        out = tmp_path / folder
        out.mkdir()
        for name, files in members.items():
            (out / f"{name}.tar").write_bytes(dummy.pack(files, compressed=name in ("Text", "Video")))
        return out

    return release


def published_labels():
    """The rows (dicts) of the published labels, sorted by id; without ../shared the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    with gzip.open(SHARED / "reference" / "labels.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pytest_runtest_logreport(report):
    """Note what needs ../shared, for CI, which runs it where that is."""
    path = os.environ.get("EMOTIONTALK_NOT_RUN")
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if path and not is_worker and report.skipped and "../shared" in str(report.longrepr):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}\n")


@pytest.fixture(scope="session")
def rebuilt():
    """A function that rebuilds the release from the published labels (../shared), once for each set of options."""
    if not (SHARED / "make_release.py").is_file():
        pytest.skip("../shared is not here")

    def rebuilt(*options):
        folder = Path(os.environ["EMOTIONTALK_REBUILT"], "-".join(options).strip("-") or "release")
        with filelock.FileLock(f"{folder}.lock"):
            if not folder.exists():
                command = [sys.executable, str(SHARED / "make_release.py"), f"{folder}.part", *options]
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                os.rename(f"{folder}.part", folder)
        return folder

    return rebuilt


@pytest.fixture
def said(caplog):
    """The warnings of the loader."""
    emotiontalk.errors.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        yield caplog


@pytest.fixture
def ends():
    """Fail a test that hangs, where the code under test might never end."""

    def hangs(*_):
        raise AssertionError("it does not end")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def clips(rebuilt):
    """Utterance id -> WAV, straight from the archive."""
    with tarfile.open(rebuilt() / "Audio.tar") as tar:
        return {m.name.split("/")[-1][:-4]: tar.extractfile(m).read() for m in tar if m.name.endswith(".wav")}


@pytest.fixture
def serve():
    """A function that serves a folder and gives the server; closed after the test."""
    from hub_server import HubServer

    servers = []

    def serve(folder, **settings):
        servers.append(HubServer(folder))
        for name, value in settings.items():
            setattr(servers[-1], name, value)
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def hub(tmp_path):
    """A server that takes commits, as the Hub does; closed after the test."""
    from commit_server import CommitServer

    server = CommitServer(tmp_path / "hub")
    server.folder.mkdir()
    yield server
    server.close()


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
    handler = logging.StreamHandler(err)
    logging.getLogger("emotiontalk").addHandler(handler)
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
        logging.getLogger("emotiontalk").removeHandler(handler)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def undecoded(dataset):
    """The dataset with audio and video as `{bytes, path}`."""
    for name, feature in (dataset.features or {}).items():
        if name in ("audio", "video") and hasattr(feature, "decode"):
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def rows(dataset):
    """All examples of a dataset (prepared or streamed) as dicts, media undecoded."""
    return list(undecoded(dataset))
