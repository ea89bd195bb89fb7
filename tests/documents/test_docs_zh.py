"""README.md and docs/ have the same headings, code and links in English and in Chinese."""

import posixpath
import re

import pytest
from card import PAGES, TWINS, anchors, blocks, links, sections
from support import PROJECT, once

ENGLISH = {chinese: english for english, chinese in TWINS}


pytestmark = once


each = pytest.mark.parametrize(("english", "chinese"), TWINS)


def test_every_page_has_its_twin():
    """Who adds, renames or removes a page of docs/ does the same in docs/zh/."""
    there = {path.name for path in (PROJECT / "docs" / "zh").glob("*.md")}
    assert {page.removeprefix("docs/") for page in PAGES} == there


@each
def test_twins_lead_to_each_other_at_the_top(english, chinese):
    for document, twin, label in ((english, chinese, "中文"), (chinese, english, "English")):
        link = f"[{label}]({posixpath.relpath(twin, posixpath.dirname(document) or '.')})"
        top = sections(document)[0][2].strip().split("\n\n")[0]
        assert top.endswith(link), f"{document}: no {link} below its title"


@each
def test_twins_have_the_same_headings(english, chinese):
    levels = [[level for level, _, _ in sections(document)] for document in (english, chinese)]
    assert levels[0] == levels[1]
    for document in (english, chinese):
        assert len(set(anchors(document))) == len(anchors(document)), f"{document}: two headings are the same"


@each
def test_twins_have_the_same_code(english, chinese):
    """All but comments: a Chinese page needs no run of its own."""
    both = [[(kind, re.sub(r" *#.*", "", code)) for kind, code in blocks(document)] for document in (english, chinese)]
    assert both[0] == both[1]


def place(document, target, anchor):
    """Where a link leads, for both languages: to which document, and to its how manieth heading."""
    return ENGLISH.get(target, target), anchor and anchors(target).index(anchor)


@each
def test_twins_have_the_same_links(english, chinese):
    """A Chinese page leads to Chinese ones, and to the same heading."""
    both = []
    for document, twin in ((english, chinese), (chinese, english)):
        both.append(sorted(str(place(document, *link)) for _, *link in links(document) if link != [twin, ""]))
    assert both[0] == both[1]
    for _, target, _ in links(chinese):
        assert target == english or target not in ENGLISH.values(), f"{chinese} leads to {target}, not to its twin"
