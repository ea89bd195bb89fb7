"""The page of `emotiontalk report` in English and in Chinese: the same page, and no word of the other language."""

import html.parser
import json
import re
import struct
import warnings

import pytest
from support import PROJECT, command

import emotiontalk
from emotiontalk.reporting import page as report_page
from emotiontalk.reporting import wording as report_texts

CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
# What a Chinese page writes in Latin letters, besides ids and URLs
LATIN = {"EmotionTalk", "BAAI", "Emotiontalk", "CC", "BY", "NC", "SA", "WAV", "kHz", "bit", "Cohen", "Fleiss"}
TRANSLATED = {"lang", "aria-label", "data-text"}
EMPTY = {"meta", "link", "br"}


class Page(html.parser.HTMLParser):
    """The elements of a page, and what is said in each, but what the corpus says (`lang`), styles and scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.says, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("name") == "emotiontalk-sha256":  # of this page alone
            return
        self.elements.append((tag, {name: value for name, value in attributes.items() if name not in TRANSLATED}))
        quiet = tag in ("style", "script") or ("lang" in attributes and tag != "html")
        said = [value for name, value in attributes.items() if name in TRANSLATED - {"lang"}]
        self.says.append((tag, said))
        if tag not in EMPTY:
            self.open.append((tag, None if quiet or (self.open and self.open[-1][1] is None) else said))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1][1] is not None:
            self.open[-1][1].append(data.strip())

    @property
    def texts(self):
        return [text for _, said in self.says for text in said]

    def of(self, *tags):
        return [" ".join(said) for tag, said in self.says if tag in tags]


def written(folder, language, *options, data_dir=PROJECT / "dummy_data"):
    out = folder / f"{language}.html"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Gg]lyph")  # matplotlib's, where its font lacks one
        command("report", "--out", out, "--language", language, "--data-dir", data_dir, *options)
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {language: written(folder, language) for language in ("en", "zh")}


@pytest.fixture(scope="module")
def pages(texts):
    return {language: Page(text) for language, text in texts.items()}


def untranslated(page):
    """What a Chinese page says in English."""
    left = [re.sub(r"G\d{5}\w*|\w+://\S+", "", text) for text in page.texts]
    return [text for text in left if set(re.findall("[A-Za-z]{2,}", text)) - LATIN]


def test_both_pages_have_the_same_parts_and_numbers(pages, texts):
    english, chinese = pages["en"], pages["zh"]
    assert english.elements == chinese.elements  # sections, charts with all their lines and bars, tables, clips
    numbers = [[sorted(re.findall(r"\d+", " ".join(said))) for _, said in page.says] for page in (english, chinese)]
    assert numbers[0] == numbers[1] and sum(map(len, numbers[0])) > 500
    assert english.of("td") == chinese.of("td") and len(english.of("td")) > 400
    for tag, count in (("h2", 8), ("svg", 10), ("table", 19), ("caption", 19), ("summary", 11 + 24)):
        assert len(english.of(tag)) == len(chinese.of(tag)) == count
    data = [re.search(r'id="numbers">(.*?)</script>', text, flags=re.S)[1] for text in texts.values()]
    assert data[0] == data[1] and json.loads(data[0])["utterances"] == 24


def test_no_page_has_a_word_of_the_other_language(pages, texts):
    assert untranslated(pages["zh"]) == []
    assert [text for text in pages["en"].texts if CHINESE.search(text)] == []
    assert len(untranslated(pages["en"])) > 200 and sum(1 for text in pages["zh"].texts if CHINESE.search(text)) > 200
    assert '<html lang="en">' in texts["en"] and '<html lang="zh-CN">' in texts["zh"]
    for text in texts.values():  # nothing is escaped twice
        assert "&amp;" not in text and "Noto Sans CJK SC" in text


def test_the_names_of_the_corpus_in_chinese(pages, texts):
    chinese = pages["zh"]
    labels = ["中性", "高兴", "悲伤", "愤怒", "惊讶", "厌恶", "恐惧"]
    heads = chinese.of("th", "span")
    for names in (labels, ["训练集", "验证集", "测试集"], ["消极", "弱消极", "中性", "弱积极", "积极"]):
        assert any(heads[n : n + len(names)] == names for n in range(len(heads))), names
    drawn = re.findall(r'<svg role="img" aria-label="(.*?)".*?</svg>', texts["zh"], flags=re.S)
    assert drawn[:4] == [f"{name}标签，见下表" for name in ("仅文本", "仅音频", "无声视频", "音视频")]
    assert chinese.of("figcaption")[:4] == [f"{name}标签" for name in ("仅文本", "仅音频", "无声视频", "音视频")]
    first = re.search(r"<svg .*?</svg>", texts["zh"], flags=re.S)[0]
    assert [text for text in re.findall(r">([^<>]+)</text>", first) if not text.replace(".", "").isdigit()] == [
        *labels, "占该划分的比例", "训练集", "验证集", "测试集",
    ]  # fmt: skip
    names = {*emotiontalk.EMOTIONS, *emotiontalk.SENTIMENTS, *emotiontalk.SPLITS, *emotiontalk.CONDITION_NAMES.values()}
    assert set(report_texts.NAMES) == names | {"mono", "stereo", "channels"}
    chinese = report_texts.Wording("zh")
    assert chinese.audio_format("44.1 kHz stereo") == "44.1 kHz 双声道"
    assert chinese.audio_format("8 kHz 3 channels 24 bit") == "8 kHz 3 声道 24 bit"


def test_the_charts_of_one_question_share_an_axis(texts):
    charts = re.findall(r"<svg .*?</svg>", texts["en"], flags=re.S)[:4]
    tick = re.compile(r'<g id="ytick_\d+">.*?<use [^>]*? y="([\d.]+)".*?<text [^>]*>([^<]+)</text>', re.S)
    axes = [tick.findall(chart) for chart in charts]
    assert len(axes[0]) > 3 and axes[1:] == axes[:1] * 3


def test_formats_are_counted_by_split(pages, texts):
    found = json.loads(re.search(r'id="numbers">(.*?)</script>', texts["en"], flags=re.S)[1])["formats"]
    table = re.search(r'<table id="formats".*?</table>', texts["en"], flags=re.S)[0]
    rows = {
        row[0]: row[1:] for row in (Page(r).of("th", "td") for r in re.findall("<tr><th scope=.row.*?</tr>", table))
    }
    for name, counts in rows.items():
        by_split = [found[split][name] for split in emotiontalk.SPLITS]
        assert counts == [str(count) for count in (*by_split, sum(by_split))]
    assert set(rows) == {"44.1 kHz stereo", "44.1 kHz mono", "16 kHz mono"}
    assert sum(int(counts[-1]) for counts in rows.values()) == 24


def hard(members):
    """Change the sample data: one label, a speaker of two splits, no audio that can be decoded."""
    for files in members.values():
        for name, data in list(files.items()):
            if name.endswith(".json") and "/._" not in name:
                record = json.loads(data.decode("utf-8-sig"))
                record["emotion_result"] = "sad"
                files[name] = json.dumps(record).encode()
            elif name.endswith(".wav"):
                form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 44_100, 4 * 44_100, 4, 32)
                body = form + struct.pack("<4sI", b"data", 2_000) + b"\0\0\xc0\x7f" * 500  # floats, each NaN
                files[name] = struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body
            files[name.replace("G00001_11_02", "G00001_11_06")] = files.pop(name)


@pytest.mark.slow
def test_every_text_is_used_and_has_the_same_blanks(tmp_path, release, monkeypatch):
    """On the pages of the sample data as if it were whole, and of one in which most is amiss."""
    used = set()
    call = report_texts.Wording.__call__
    monkeypatch.setattr(report_texts.Wording, "__call__", lambda self, key, **o: used.add(key) or call(self, key, **o))
    bad = release(hard)
    for language in ("en", "zh"):
        with monkeypatch.context() as whole:
            whole.setattr(report_page, "TOTAL", 24)
            text = written(tmp_path, language)
            assert "18,612" in text and "23.6" in text
        odd = Page(written(tmp_path, language, data_dir=bad))
        assert untranslated(odd) == [] if language == "zh" else not any(map(CHINESE.search, odd.texts))
    assert used == set(report_texts.TEXTS)
    for texts in report_texts.TEXTS.values():
        english, chinese = (set(re.findall(r"\{\w*\}", text)) for text in texts)
        assert english == chinese
