"""The package and the script that is built from it: one code, one hash, one cache, whichever of them is used."""

import os
import pickle
import re
import shutil
import subprocess
import sys

import pytest
from support import CONFIGS, PROJECT, command, once, some

import emotiontalk
from emotiontalk.hub.checkout import tool

DUMMY = PROJECT / "dummy_data"


def python(code, cwd, *arguments, path=None):
    """Run some code in a process of its own, with modules from this folder."""
    environment = {**os.environ, "PYTHONPATH": str(path or PROJECT)}
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=True)


@pytest.fixture(params=some(["package", "script"], "script"))
def alone(request, tmp_path):
    """A folder that holds nothing but the package, or the script."""
    folder = tmp_path / "alone"
    folder.mkdir()
    if request.param == "script":
        shutil.copy(PROJECT / "emotiontalk.py", folder)
    else:
        shutil.copytree(PROJECT / "emotiontalk", folder / "emotiontalk", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@once
def test_the_script_is_what_the_package_builds():
    text = (PROJECT / "emotiontalk.py").read_text(encoding="utf-8")
    assert text == tool("build_script", "a test").build()
    assert "make script" in text[:400] and "emotiontalk.load_dataset(" in text[:700]
    assert not re.search(r"^\s*from \.", text, flags=re.M)
    imports = re.findall(r"^(?:import|from) .*", text, flags=re.M)
    assert len(imports) > 40 and not [line for line in imports if line.startswith("import") and "," in line]


def copy_of_the_clone(folder):
    for name in ("emotiontalk", "tools"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


BROKEN = {
    "another name twice": ("audio.py", "\nWAITS = 3\n", "defines WAITS, as"),
    "a relative import within a function": (
        "audio.py",
        "\ndef f():\n    from .corpus import TOTAL\n",
        "within a function",
    ),
    "an import that comes late": ("audio.py", "\nimport wave\n", "imports come before everything else"),
    "what comes later": ("corpus.py", None, "comes after it in the script"),
}


@once
@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_joined_is_an_error(case, tmp_path):
    name, added, says = BROKEN[case]
    copy_of_the_clone(tmp_path)
    module = tmp_path / "emotiontalk" / name
    text = module.read_text(encoding="utf-8")
    text = text + added if added else text.replace("import re\n", "import re\n\nfrom .errors import brief\n", 1)
    module.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, tmp_path / "tools" / "build_script.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and says in run.stderr and not (tmp_path / "emotiontalk.py").exists()
    assert (
        subprocess.run([sys.executable, PROJECT / "tools" / "build_script.py", "--check"], check=False).returncode == 0
    )


def test_a_stale_script_is_told(tmp_path):
    copy_of_the_clone(tmp_path)
    command = [sys.executable, tmp_path / "tools" / "build_script.py"]
    for text in (None, "stale"):
        if text:
            (tmp_path / "emotiontalk.py").write_text(text)
        run = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
        assert run.returncode == 1 and "make script" in run.stderr
    subprocess.run(command, check=True)
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    assert (tmp_path / "emotiontalk.py").read_bytes() == (PROJECT / "emotiontalk.py").read_bytes()


def test_in_a_clone_the_package_wins():
    said = python("import emotiontalk; print(emotiontalk.__file__)", PROJECT).stdout
    assert said.strip() == str(PROJECT / "emotiontalk" / "__init__.py")
    assert all(hasattr(emotiontalk, name) for name in emotiontalk.__all__)


CACHED = """
import sys, emotiontalk
ds = emotiontalk.load_dataset("text", sys.argv[1], split="test", cache_dir=sys.argv[2])
print(ds.cache_files[0]["filename"], ds[0]["text"])
"""


@pytest.mark.slow
def test_package_and_script_share_the_cache(tmp_path, alone):
    """One hash of the code: what the clone's package has prepared is found, and nothing is prepared again."""
    first = python(CACHED, tmp_path, DUMMY, tmp_path / "cache")
    again = python(CACHED, tmp_path, DUMMY, tmp_path / "cache", path=alone)
    assert first.stdout == again.stdout and "/cache/emotiontalk/text-" in first.stdout
    assert "Generating" in first.stderr and "Generating" not in again.stderr


@pytest.mark.parametrize("module", some(["annotations", "corpus", "loading/load_dataset"], "corpus"))
def test_other_code_never_gives_the_rows_of_this_one(tmp_path, module):
    """The same call, cache and archives, and a module that was changed: prepared again."""
    copy_of_the_clone(tmp_path)
    before = python(CACHED, tmp_path, DUMMY, tmp_path / "cache", path=tmp_path)
    with open(tmp_path / "emotiontalk" / f"{module}.py", "a", encoding="utf-8") as file:
        file.write("\n\nCHANGED = True\n")
    after = python(CACHED, tmp_path, DUMMY, tmp_path / "cache", path=tmp_path)
    assert before.stdout.split("/")[-1] == after.stdout.split("/")[-1] and before.stdout != after.stdout
    assert "Generating" in after.stderr


MAPPED = """
import sys, emotiontalk
ds = emotiontalk.load_dataset("audio", sys.argv[1], split="test", cache_dir="cache")
print(ds.map(lambda row: {"rate": emotiontalk.decode_audio(row["audio"])["sampling_rate"]})._fingerprint)
"""


@pytest.mark.slow
def test_what_map_has_made_is_found_again_wherever_the_code_is(tmp_path, alone):
    """`datasets` knows a function by what it uses: the module by its name, not by all that it holds."""
    runs = [python(MAPPED, tmp_path, DUMMY, path=alone) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != ""
    assert not re.search("hashed|Pickling", runs[0].stderr + runs[1].stderr)


SPAWNED = """
import multiprocessing, pickle, sys

def first(pickled):
    builder, kwargs = pickle.loads(pickled)
    return next(builder.examples(**kwargs))[0]

if __name__ == "__main__":
    import emotiontalk
    builder = emotiontalk.EmotionTalk(config_name="audio", data_dir=sys.argv[1], cache_dir="cache")
    pickled = pickle.dumps((builder, builder.open_splits()["test"]))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(first, [pickled]))
"""


@pytest.mark.slow
@once
def test_a_builder_goes_to_a_process_that_is_spawned(tmp_path, alone):
    (tmp_path / "spawned.py").write_text(SPAWNED)
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    command = [sys.executable, "spawned.py", str(DUMMY)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "G00003_13_06_001\n"
    assert pickle.loads(pickle.dumps(emotiontalk.decode_audio)) is emotiontalk.decode_audio
    assert pickle.loads(pickle.dumps(emotiontalk.EmotionTalk)) is emotiontalk.EmotionTalk


@pytest.mark.parametrize("config", CONFIGS)
def test_the_constructor_asks_no_server(config, tmp_path):
    """A builder of an address where nobody listens is made at once; it is an error when something is read."""
    builder = emotiontalk.EmotionTalk(
        config_name=config, data_dir="http://127.0.0.1:9/none", cache_dir=str(tmp_path / "cache")
    )
    assert builder.config.name == config


@once
def test_lint_is_the_same_everywhere():
    """pyproject.toml and the pre-commit configuration pin the same versions; CI runs it."""
    tools = r'"((?:ruff|mypy|import-linter)==[\d.]+)"'
    pinned = set(re.findall(tools, (PROJECT / "pyproject.toml").read_text(encoding="utf-8")))
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert len(pinned) == 3 and set(re.findall(tools, hooks)) == pinned and "script.py --check" in hooks
    assert "make lint" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "emotiontalk.py linguist-generated" in (PROJECT / ".gitattributes").read_text(encoding="utf-8")


@once
def test_help_imports_neither_datasets_nor_numpy():
    """`--help` of each command is there at once."""
    code = (
        "import sys; sys.argv = ['emotiontalk', *sys.argv[1:]]\n"
        "import emotiontalk.__main__\n"
        "try: emotiontalk.__main__.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('datasets', 'numpy', 'pandas', 'huggingface_hub', 'rich') if name in sys.modules])"
    )
    for words in (["--help"], ["probe", "-h"], ["files", "-h"], ["push", "-h"]):
        said = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True).stdout
        assert said.startswith("Usage: ") and said.endswith("[]\n"), said[-200:]


@once
def test_what_the_options_can_be_is_what_there_is():
    from emotiontalk import choices
    from emotiontalk.export import formats as toolkits
    from emotiontalk.probing.heads.recipes import RECIPES
    from emotiontalk.probing.upstreams.upstream import POOLINGS

    specs = emotiontalk.CONFIGS
    assert tuple(specs) == choices.CONFIGS and set(choices.LABELED) == {
        n for n in specs if "emotion" in specs[n].fields
    }
    assert ("linear", *RECIPES) == choices.HEADS and (*choices.POOLINGS, "frames") == POOLINGS
    assert tuple(name for name in specs if specs[name].splits != emotiontalk.SPLITS) == choices.WITHOUT_FOLDS
    assert tuple(toolkits.FORMATS) == choices.TOOLKITS and all(each.toolkit for each in toolkits.FORMATS.values())


def test_a_word_that_is_no_option_names_the_nearest(call):
    with pytest.raises(ValueError, match=r"sampling_rte= is not an option .* Did you mean sampling_rate=\?"):
        call("audio", sampling_rte=16_000)
    with pytest.raises(ValueError, match=r"folds= is not an option .* Did you mean fold=\?"):
        call("audio", folds=1)
    with pytest.raises(ValueError, match=r"xyzzy= is not an option of emotiontalk.load_dataset\.$"):
        call("audio", xyzzy=1)


@once
def test_commands_find_the_clone_that_they_are_run_in(tmp_path, monkeypatch):
    """After `pip install .`, which copies the package away from the clone."""
    from emotiontalk.hub import checkout as project
    from emotiontalk.hub import push

    monkeypatch.setattr(project, "PACKAGE", tmp_path)
    monkeypatch.chdir(PROJECT / "docs")
    assert project.find_checkout() == PROJECT
    assert "CONTRIBUTING.md" in push.script_files("me/emotiontalk")
    assert command("infos", "--check").returncode == 0
    monkeypatch.chdir(tmp_path)
    assert project.find_checkout() is None
    with pytest.raises(emotiontalk.RequestError, match="checkout of the project"):
        push.script_files("me/emotiontalk")
    assert "needs a checkout of the project, version" in command("infos", status=1).stderr
    for name in ("pyproject.toml", "dataset_infos.json"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    (tmp_path / "emotiontalk").mkdir()
    (tmp_path / "emotiontalk/corpus.py").write_text('__version__ = "0.9"\n', encoding="utf-8")
    assert project.find_checkout() is None  # another version


@once
def test_dummy_says_what_it_has_written(tmp_path):
    said = command("dummy", tmp_path / "out").stdout
    assert f"{tmp_path / 'out'}: Audio.tar, Multimodal.tar, Text.tar, Video.tar" in said
