"""What the tests share: a clean Hugging Face home, the miniature release, the rebuilt one, and `load`."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="emotiontalk-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["HF_HOME"] = HOME  # before `datasets` is imported
for name in ("HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT"):
    os.environ.pop(name, None)

import datasets  # noqa: E402
import pytest  # noqa: E402

from emotiontalk_tools.demo import trust  # noqa: E402
from emotiontalk_tools.dummy import archives, pack  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
# datasets 4 and later run no scripts: there only the exports are tried. What does not depend on its version is tried on one.
VERSION = tuple(int(part) for part in datasets.__version__.split(".")[:2])
RUNS_SCRIPTS = VERSION < (4, 0)
collect_ignore = [] if VERSION == (3, 6) else [f"test_{name}.py" for name in ("verify", "probe", "report")]
if not RUNS_SCRIPTS:
    names = ("loading", "layouts", "bad_input", "hub", "rebuilt_release", "project_files")
    collect_ignore += [f"test_{name}.py" for name in names]
CONFIGS = ("multimodal", "audio", "text", "video", "dialogues", "zh-en")

datasets.disable_progress_bars() if hasattr(datasets, "disable_progress_bars") else datasets.disable_progress_bar()


@pytest.fixture
def load(tmp_path):
    """`load_dataset` of the script with a cache of its own; by default on the miniature release."""

    def load(config=None, data_dir=PROJECT / "dummy_data", cache_dir=None, **kwargs):
        kwargs.setdefault("streaming", False)
        return datasets.load_dataset(
            str(PROJECT / "emotiontalk.py"),
            config,
            data_dir=str(data_dir) if data_dir else None,
            cache_dir=str(cache_dir or tmp_path / "cache"),
            **trust(),
            **kwargs,
        )

    return load


@pytest.fixture
def release(tmp_path):
    """A function that writes a miniature release, changed by another function, and gives its folder.

    The change gets and edits {"Audio": {member name: bytes, …}, …}.
    """

    def release(change=lambda members: None, folder="release"):
        members = archives()
        change(members)
        out = tmp_path / folder
        out.mkdir()
        for name, files in members.items():
            (out / f"{name}.tar").write_bytes(pack(files, compressed=name in ("Text", "Video")))
        return out

    return release


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory):
    """A function that rebuilds the release from the published labels (../shared), once for each set of options."""
    if not (SHARED / "make_release.py").is_file():
        pytest.skip("../shared is not here")
    made = {}

    def rebuilt(*options):
        if options not in made:
            made[options] = tmp_path_factory.mktemp("rebuilt")
            command = [sys.executable, str(SHARED / "make_release.py"), str(made[options]), *options]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return made[options]

    yield rebuilt
    for folder in made.values():
        shutil.rmtree(folder)


def command(*arguments, status=0, **options):
    """Run `python -m emotiontalk_tools …`; the finished process, whose exit status must be this."""
    run = subprocess.run([sys.executable, "-m", "emotiontalk_tools", *map(str, arguments)], capture_output=True, text=True, **options)
    assert run.returncode == status, run.stderr
    return run


def undecoded(dataset):
    """The dataset with sound and video as `{bytes, path}`."""
    for name, feature in (dataset.features or {}).items():
        if name in ("audio", "video") and hasattr(feature, "decode"):
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def rows(dataset):
    """All examples of a dataset (prepared or streamed) as dicts, media undecoded."""
    return list(undecoded(dataset))
