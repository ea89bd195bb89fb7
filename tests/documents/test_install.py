"""What is installed works as it is: on bare `datasets`, from a wheel, with and without the extras."""

import os
import shutil
import subprocess
import sys

import pytest
from hub_server import HubServer
from support import PROJECT

import emotiontalk

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path):
    """A function that makes a virtual environment of its own with these packages; the path of its Python."""

    def environment(*packages):
        folder = tmp_path / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        install(folder / "bin" / "python", *packages)
        return folder / "bin" / "python"

    return environment


def install(python, *packages):
    """With this environment's pip: one of its own takes seconds, and so does compiling what nobody imports."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-compile", *map(str, packages)], check=True)


def run(command, cwd, status=0, **variables):
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(cwd / "home"), **variables}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done


STREAMED = """
import sys
import emotiontalk
for source in sys.argv[1:]:
    row = next(iter(emotiontalk.load_dataset("audio", source, split="test", streaming=True)))
    print(row["id"], len(row["audio"]["bytes"]), emotiontalk.load_dataset("text", source, split="test").num_rows)
"""


# The oldest that is promised, with libraries of its time.
OLDEST = ["datasets==2.14.7", "huggingface_hub<0.24", "fsspec<2023.11", "numpy<2", "pyarrow<15"]


@pytest.mark.parametrize(
    "packages",
    [["datasets==5.2.0"], OLDEST],
    ids=lambda packages: packages[0],
)
def test_bare_datasets_is_enough(environment, tmp_path, packages):
    """Nothing is imported that `datasets` does not bring: rows come from disk and over HTTP."""
    python = environment(*packages)
    server = HubServer(PROJECT / "dummy_data")
    sources = [PROJECT / "dummy_data", server.url + "/files"]
    said = run([python, "-c", STREAMED, *sources], tmp_path, PYTHONPATH=str(PROJECT)).stdout
    assert said == "G00003_13_06_001 211724 8\n" * 2 and server.bytes
    server.close()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from what git knows: as somebody without a checkout gets it."""
    folder = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    for name in files.stdout.splitlines():
        if (PROJECT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder / "source"]
    subprocess.run(list(map(str, command)), check=True)
    return next(folder.glob("*.whl"))


COMMANDS = [
    # arguments, status with the tools, what is said
    (["--version"], 0, f"emotiontalk {emotiontalk.__version__}"),
    (["-h"], 0, "Commands"),
    (["dummy", "release"], 0, ""),
    (["infos"], 1, "needs a checkout"),
    (["zh-en", "h2t", "--data-dir", "release"], 0, "8 records"),
    (["parquet", "export", "--config", "audio", "--data-dir", "release"], 0, 'load_dataset("export", "audio"'),
    (["push", "me/emotiontalk", "--dry-run"], 1, "needs a checkout"),
    (["push", "me/emotiontalk", "--as", "parquet", "--export", "export", "--dry-run"], 0, "Nothing was sent"),
    (["verify", "--data-dir", "release"], 1, "Something is wrong"),
    (["probe", "--data-dir", "release"], 0, "WAR"),
    (
        ["probe", "--upstream", "me/encoder", "--config", "audio", "--data-dir", "release"],
        1,
        'pip install ".[encoders]"',
    ),
    (["report", "--data-dir", "release"], 0, "24 utterances"),
    (["score", "none.csv", "--data-dir", "release"], 2, "No such file"),
]


def test_a_wheel_is_a_whole_product(environment, wheel, tmp_path):
    python = environment(wheel)
    script, site = python.parent / "emotiontalk", sorted(python.parent.parent.rglob("site-packages"))[0]

    def installed():
        return {
            path: path.stat().st_mtime_ns
            for path in site.rglob("*")
            if "emotiontalk" in str(path) and "__pycache__" not in str(path) and path.is_file()
        }

    before = installed()
    streamed = run([python, "-c", STREAMED, PROJECT / "dummy_data"], tmp_path).stdout
    assert streamed.startswith("G00003_13_06_001 211724 8")
    heard = (
        "import emotiontalk; "
        f"row = emotiontalk.load_dataset('audio', {str(PROJECT / 'dummy_data')!r}, split='test')[0];"
        "print(emotiontalk.decode_audio(row['audio'], 16000, mono=True)['array'].shape)"
    )
    assert run([python, "-c", heard], tmp_path).stdout == "(19200,)\n"
    for arguments, _, _ in COMMANDS[2::4]:  # the base alone: one line that names the extra
        said = run([script, *arguments], tmp_path, status=1).stderr
        assert said.count("\n") == 1 and 'pip install ".[tools]" in a clone of this project' in said
    assert run([script, "--version"], tmp_path).stdout == f"emotiontalk {emotiontalk.__version__}\n"
    install(python, f"{wheel}[tools]")
    for arguments, status, says in COMMANDS:
        done = run([script, *arguments], tmp_path, status=status)
        assert says in done.stdout + done.stderr and "Traceback" not in done.stderr
        assert status == 0 or arguments[0] == "verify" or len(done.stderr.strip().splitlines()) == 1
    assert installed() == before
