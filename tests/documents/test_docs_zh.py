"""README.md and docs/ say the same in English and in Chinese: each document is compared with its twin."""

import posixpath
import re

import pytest
from card import PAGES, TWINS, anchors, blocks, codes, links, numbers, paragraphs, sections, tables, text_of
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


@each
def test_twins_have_the_same_tables(english, chinese):
    both = tables(english), tables(chinese)
    assert [[len(row) for row in rows] for rows in both[0]] == [[len(row) for row in rows] for rows in both[1]]
    for one, other in zip(*both):
        for row, same in zip(one[1:], other[1:]):
            for what in (codes, numbers):
                assert [sorted(what(cell)) for cell in row] == [sorted(what(cell)) for cell in same], (row, same)


@each
def test_twins_have_the_same_paragraphs_with_the_same_code_and_numbers(english, chinese):
    """A paragraph, or a point of a list, names what its twin names; a Chinese one may repeat what stands near it."""
    for (_, title, text), (_, _, same) in zip(sections(english), sections(chinese)):
        both = paragraphs(text), paragraphs(same)
        assert len(both[0]) == len(both[1]), f"{title}: {len(both[0])} paragraphs, {len(both[1])} in Chinese"
        for one, other in zip(*both):
            assert set(codes(one)) <= set(codes(other)), (title, one, other)
            assert set(numbers(one)) == set(numbers(other)), (title, one, other)
        assert set(codes(text)) == set(codes(same)), f"{title}: {sorted(set(codes(text)) ^ set(codes(same)))}"


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


@each
def test_chinese_pages_are_set_as_the_chinese_card(english, chinese):
    """A paragraph is one line, marks are full-width, and Latin letters and numbers stand off by a blank."""
    text = re.sub(r"^```.*?^```$", "", text_of(chinese), flags=re.M | re.S)
    lines = [line for line in text.split("\n") if not re.match(r"[|#\-\d\[]|$", line)]
    assert [line for line, after in zip(text.split("\n"), text.split("\n")[1:]) if line in lines and after] == []
    prose = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]+`", "`x`", text))
    assert re.findall(r"[\u4e00-\u9fff][,;:?!(]|[,;:?!)][\u4e00-\u9fff]", prose) == []
    assert re.findall(r"[\u4e00-\u9fff][A-Za-z\d`]|[A-Za-z\d`%][\u4e00-\u9fff]", prose) == []


def test_chinese_pages_are_in_the_words_of_the_chinese_card():
    """One name has one meaning: what the card says otherwise."""
    others = ("发言", "语句", "讲话人", "说话者", "数据集划分", "注释", "碎片", "流媒体", "抄本", "倾向性得分", "您")
    for _, chinese in TWINS:
        assert [word for word in others if word in text_of(chinese)] == [], chinese
