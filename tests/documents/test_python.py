"""What comes after loading, called from Python as docs/python.md shows it, without the command line's libraries."""

import ast
import re
import subprocess
import sys

import pytest
from card import only, python, table
from support import PROJECT, VERSION, once

import emotiontalk

pytestmark = [once, pytest.mark.skipif(VERSION < (3, 6), reason="the tools are tried on later versions")]
WITHOUT_TYPER = """\
import sys

class NoTyper:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("typer", "click"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NoTyper())
"""


def test_the_page_names_the_public_functions():
    rows = table("docs/python.md", "command", "function")
    names = [row[1].strip("`").removeprefix("emotiontalk.") for row in rows]
    assert all(callable(getattr(emotiontalk, name)) for name in names) and len(names) == len(set(names)) == 11
    for row, name in zip(rows, names):
        for result in re.findall(r"`([A-Z]\w+)`", row[2]):
            assert hasattr(getattr(emotiontalk, result), "to_dict"), name


def test_the_blocks_of_the_page(desk, tmp_path):
    """In one folder and process, as in a notebook, and with neither typer nor click."""
    (tmp_path / "RELEASE").symlink_to(PROJECT / "dummy_data")
    said = python(desk, WITHOUT_TYPER + "\n".join(only("docs/python.md")), cwd=tmp_path)
    assert "text-tfidf, linear head" in said and "'counts'" in said and "\n24\n" in said
    for name in ("RESULT/result.json", "PARQUET/README.md", "FILES/kaldi/test/wav.scp", "report.html"):
        assert (tmp_path / name).is_file(), name


def test_features_are_extracted(tmp_path):
    table_of_audio = emotiontalk.extract_features(
        "logmel", config="audio", splits="test", data_dir=PROJECT / "dummy_data", cache_dir=tmp_path
    )
    assert table_of_audio.features.shape == (8, 80) and set(table_of_audio.splits) == {"test"}
    assert list(table_of_audio.to_dict()) == table_of_audio.ids == list(table_of_audio.to_pandas()["id"])
    assert (tmp_path / "emotiontalk-features").is_dir()
    for wrong in ({"upstream": "text-tfidf"}, {"upstream": "logmel", "splits": "dev"}):
        with pytest.raises(emotiontalk.RequestError):
            emotiontalk.extract_features(**wrong, data_dir=PROJECT / "dummy_data", cache_dir=tmp_path)


def messages(path):
    """The texts that a module raises or logs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        logs = isinstance(node, ast.Call) and re.match(r"logger\.|warn_once", ast.unparse(node.func))
        if isinstance(node, ast.Raise) or logs:
            yield from (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def test_the_library_speaks_of_options_as_python_has_them():
    """No flag in a message outside the command line, which shows options as flags."""
    package = PROJECT / "emotiontalk"
    flags = {
        f"{path.relative_to(package)}: {text}"
        for path in package.rglob("*.py")
        if "cli" not in path.parts
        for text in messages(path)
        # commands of other programs (hf, tar), which are quoted
        if re.search(r"(?<![\w-])--[a-z]", text) and not re.search(r"`(?:hf|tar|git) [^`]*--", text)
    }
    assert {
        text for text in flags if not re.search("--(local-dir|repo-type|revision|dereference|sparse)", text)
    } == set()


def test_the_command_line_shows_them_as_flags():
    from emotiontalk.cli.rendering import as_flags

    flags = {
        "fold": "--fold",
        "partial": "--partial",
        "data_dir": "--data-dir",
        "private": "--private",
        "formats": "--for",
    }
    for message, shown in {
        "fold=7: choose from 1, 2": "--fold 7: choose from 1, 2",
        "remove fold=, or": "remove --fold, or",
        "partial=True scores": "--partial scores",
        'data_dir="modelscope".': "--data-dir modelscope.",
        "pass private=False if": "pass --public if",
        "https://x/y?fold=1": "https://x/y?fold=1",
        "formats=csv": "--for csv",
    }.items():
        assert as_flags(message, flags) == shown


def test_importing_the_package_imports_no_library():
    """`--help` and `dir` do without `datasets`; a name imports what it needs."""
    code = "import sys, emotiontalk; dir(emotiontalk); print('datasets' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said.stdout == "False False\n"
    assert set(emotiontalk.__all__) <= set(dir(emotiontalk))
