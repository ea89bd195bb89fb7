"""The fixtures of the tests: the loader as users call it, the sample data, the rebuilt release, servers."""

# isort: off
from support import PROJECT, RUNS_SCRIPTS, SHARED, VERSION, archives, command, trust  # first: it sets the environment

# isort: on
import logging
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import datasets
import filelock
import pytest
from commit_server import TOKEN
from hub_server import HubServer

import emotiontalk
import emotiontalk.__main__
from emotiontalk import sample_data as dummy

collect_ignore_glob = (
    []
    if VERSION >= (3, 6)
    else [f"*/test_{name}.py" for name in ("verify", "probe", "report", "report_languages", "score")]
)


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


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A folder with what the blocks name, and the environment of somebody who has installed the project."""
    folder = tmp_path_factory.mktemp("desk")
    for name in (
        "emotiontalk",
        "emotiontalk.py",
        "README.md",
        "dataset_infos.json",
        "dummy_data",
        "examples",
        "benchmarks",
    ):
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
