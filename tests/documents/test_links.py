"""Links lead somewhere, and the places that the documents name are there."""

import importlib
import importlib.metadata
import itertools
import re
import subprocess

import pytest
from card import (
    DOCUMENTS,
    TWINS,
    anchors,
    links,
    only,
    section,
    text_of,
)
from support import PROJECT, once


@once
@pytest.mark.parametrize("document", [*dict.fromkeys(itertools.chain(*TWINS, DOCUMENTS)), "CHANGELOG.md"])
def test_every_link_leads_somewhere(document):
    for _, target, anchor in links(document):
        if not target.startswith("https://"):
            assert (PROJECT / target).exists(), (document, target)
            assert not anchor or anchor in anchors(target), (document, target, anchor)


@once
def test_the_card_leads_to_every_page_and_back():
    for (card_of_language, *pages), back in zip(zip(*TWINS), ("../README.md", "../../README.zh.md")):
        assert all(f"]({page})" in text_of(card_of_language) for page in pages)
        assert all(f"]({back})" in text_of(page) for page in pages)


@once
def test_what_internals_and_contributing_name_is_there():
    for document in ("docs/internals.md", "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:emotiontalk|tests|benchmarks|docs|tools)/[\w./]*)`", text_of(document)):
            assert (PROJECT / path).exists(), (document, path)
    named = re.findall(
        r"`(emotiontalk/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", section("docs/internals.md", "Where is what")
    )
    assert len(named) > 15
    for path, names in named:
        module = importlib.import_module(path[: -len(".py")].replace("/", "."))
        assert all(hasattr(module, name) for name in re.findall(r"\w+", names)), path
    dotted = re.findall(r"`(emotiontalk[\w.]+)\.([A-Z]+)`", text_of("CONTRIBUTING.md"))
    assert dotted and all(hasattr(importlib.import_module(module), name) for module, name in dotted)


@once
def test_every_target_of_make_that_a_page_names_is_there():
    targets = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[1].split()
    named = {name for document in DOCUMENTS for name in re.findall(r"`make ([\w-]+)", text_of(document))}
    assert {"demo", "script", "infos", "dummy", "test-all"} <= named <= set(targets)


@once
@pytest.mark.parametrize("document", ["README.md", "README.zh.md", "CONTRIBUTING.md"])
def test_the_targets_of_make_are_there(document):
    """`make demo` is run by CI on a fresh clone, `make test` is what runs this."""
    code = only(document, "sh")[-1]
    assert code.count("make ") == len(code.splitlines())
    for line in code.splitlines():
        plan = subprocess.run(
            ["bash", "-euc", line.replace("make", "make --dry-run", 1)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.search("python examples/demo.py|pytest|ruff", plan.stdout), line
