"""`emotiontalk report`: its numbers are the published ones; its page works in a browser, from a file, offline."""

import collections
import html
import itertools
import json
import re
import shutil
import struct
import tarfile
import wave

import pytest
from card import class_counts
from support import PROJECT, command, published_labels, without_typer_and_rich

import emotiontalk

EMOTIONS = ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"]
PASSES = ["text", "audio", "video", "multimodal"]


def numbers_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="numbers">(.*?)</script>', text, flags=re.S)[1])


@pytest.fixture(scope="module")
def page(rebuilt, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    said = command("report", "--out", out, "--data-dir", rebuilt()).stdout
    assert "19,250 utterances" in said
    return out


@pytest.fixture(scope="module")
def chinese(rebuilt, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    command("report", "--out", out, "--data-dir", rebuilt(), "--language", "zh")
    return out


@pytest.fixture(scope="module")
def labels():
    rows = published_labels()
    split = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
    return [
        {
            **row,
            "split": split.get(row["id"][:6], "train"),
            "dialogue": row["id"][:9],
            "speaker": row["id"].split("_")[2],
        }
        for row in rows
    ]


@pytest.mark.slow
def test_the_numbers_are_the_published_ones(page, labels, rebuilt):
    found = numbers_of(page)
    table = class_counts()
    for name in PASSES:
        for split in ("train", "validation", "test"):
            assert [*found["classes"][name][split], found["splits"][split]] == table[name, split]
    for pair, (first, second) in zip(found["agreement"], itertools.combinations(PASSES, 2)):
        assert pair["conditions"] == [first, second]
        counts = collections.Counter((row[f"emotion_{first}"], row[f"emotion_{second}"]) for row in labels)
        assert pair["matrix"] == [[counts[a, b] for b in EMOTIONS] for a in EMOTIONS]
        same = sum(counts[a, a] for a in EMOTIONS) / len(labels)
        chance = (
            sum(sum(counts[a, b] for b in EMOTIONS) * sum(counts[b, a] for b in EMOTIONS) for a in EMOTIONS)
            / len(labels) ** 2
        )
        assert pair["same"] == pytest.approx(same) and pair["cohen"] == pytest.approx((same - chance) / (1 - chance))
    speakers = collections.Counter((row["speaker"], row["split"]) for row in labels)
    assert {(s, split): n for s, by in found["speakers_by_split"].items() for split, n in by.items() if n} == dict(
        speakers
    )
    dialogues = collections.Counter(row["dialogue"] for row in labels)
    assert found["dialogues"] == len(dialogues) == 742 and found["speakers"] == 19
    assert max(by["max"] for by in found["utterances_by_dialogue"].values()) == max(dialogues.values())
    sentiment = [0] * 5
    for row in labels:
        score = float(row["sentiment_score"])
        sentiment[0 if score <= -1 else 1 if score < 0 else 2 if score == 0 else 3 if score < 1 else 4] += 1
    assert [sum(by) for by in zip(*found["sentiment"].values())] == sentiment
    with tarfile.open(rebuilt() / "Audio.tar") as tar:
        seconds = []
        for member in tar:
            if member.name.endswith(".wav"):
                with wave.open(tar.extractfile(member)) as sound:
                    seconds.append(sound.getnframes() / sound.getframerate())
    assert found["hours"] == pytest.approx(sum(seconds) / 3600)
    assert max(by["max"] for by in found["seconds"].values()) == pytest.approx(max(seconds))
    assert found["kappa"]["audio"]["paper"] == 0.79


@pytest.mark.slow
def test_fleiss_kappa_is_that_of_the_votes(page, rebuilt):
    """By its definition (Fleiss 1971), from the annotation files."""
    found = numbers_of(page)["kappa"]
    for name in ("text", "video"):
        shares, agreement, n = collections.Counter(), 0.0, 0
        with tarfile.open(rebuilt() / f"{name.capitalize()}.tar") as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    votes = collections.Counter(
                        vote["emotion"] for vote in json.load(tar.extractfile(member))["data"].values()
                    )
                    shares.update(votes)
                    agreement += sum(k * (k - 1) for k in votes.values()) / 20
                    n += 1
        chance = sum((k / (5 * n)) ** 2 for k in shares.values())
        assert found[name]["utterances"] == n == 19_250
        assert found[name]["kappa"] == pytest.approx((agreement / n - chance) / (1 - chance))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        yield chromium
        chromium.close()


def opened(browser, page, **options):
    """The page in a tab, and what it asked for and complained of."""
    tab, requests, complaints = browser.new_page(**options), [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(page.as_uri())
    return tab, requests, complaints


@pytest.mark.slow
def test_the_page_in_a_browser(page, browser):
    tab, requests, complaints = opened(browser, page)
    visible = ".clips > li:visible"
    everything = tab.locator(visible).count()
    assert everything == 63 and tab.locator("#shown").inner_text() == "63 of 63 shown"
    tab.get_by_label("Emotion", exact=True).select_option("fearful")
    assert tab.locator(visible).count() == 9
    tab.get_by_label("Split", exact=True).select_option("test")
    assert tab.locator(visible).count() == 3 and tab.locator("#shown").inner_text() == "3 of 63 shown"
    assert all("fearful" in text for text in tab.locator(visible).all_inner_texts())
    play = """player => new Promise((done, failed) => {
        player.onended = () => done(player.duration);
        player.onerror = () => failed(player.error.message);
        player.play().catch(failed);
    })"""
    assert tab.locator(visible).first.locator("audio").evaluate(play) > 0.01
    tab.get_by_label("Emotion", exact=True).select_option("all")
    assert tab.locator(visible).count() == 21
    assert complaints == [] and [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    tab.close()


@pytest.mark.slow
def test_the_page_by_keyboard_and_on_a_phone_in_the_dark(page, browser, tmp_path):
    tab, _, complaints = opened(browser, page, viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.emulate_media(color_scheme="light")
    assert dark != tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.get_by_label("Emotion", exact=True).focus()
    tab.keyboard.type("sad")
    tab.keyboard.press("Enter")
    assert tab.locator("#shown").inner_text() == "9 of 63 shown"
    # every table has a caption and heads, every picture and player a name
    for tag, name in (("table", "caption"), ("table", "th[scope]")):
        assert tab.evaluate(f"[...document.querySelectorAll('{tag}')].every(e => e.querySelector('{name}'))")
    assert tab.evaluate(
        "[...document.querySelectorAll('svg[role=img], audio')].every(e => e.getAttribute('aria-label'))"
    )
    assert tab.locator("svg[role=img]").count() == 10
    picture = tab.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert len(picture) > 50_000 and complaints == []
    tab.close()


# Of each grid its rows: how many stand in it, and which part of the width they fill without the gaps
ROWS = """() => [...document.querySelectorAll(".grid, .clips")].map(grid => {
    const rows = {};
    for (const child of grid.children) {
        const box = child.getBoundingClientRect();
        if (box.width) (rows[Math.round(box.top)] ??= []).push(box);
    }
    const width = grid.getBoundingClientRect().width, gap = parseFloat(getComputedStyle(grid).columnGap);
    return Object.values(rows).map(boxes => [
        boxes.length, boxes.reduce((sum, box) => sum + box.width, gap * (boxes.length - 1)) / width
    ]);
})"""
# The parts that are narrower than the room they have
NARROW = """() => [...document.querySelectorAll("figure svg, .agreement, .whole")].map(
    part => [part.getBoundingClientRect().width, part.parentElement.getBoundingClientRect().width]
).filter(([width, room]) => width < 0.95 * room)"""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["page", "chinese"])
def test_two_charts_a_row_and_no_empty_half(request, browser, language):
    tab, _, complaints = opened(browser, request.getfixturevalue(language), viewport={"width": 1280, "height": 800})
    charts = [2] * 2, [2], [2], [2] * 3, [2]
    for emotion, clips in (("", [2] * 31 + [1]), ("fearful", [2] * 4 + [1])):  # the last of an odd number has both
        tab.locator("#emotion").select_option(emotion)
        rows = tab.evaluate(ROWS)
        assert [[number for number, _ in grid] for grid in rows] == [*charts, clips]
        assert all(filled == pytest.approx(1, abs=0.01) for grid in rows for _, filled in grid)
    assert tab.evaluate(NARROW) == [] and complaints == []
    assert tab.locator("table").count() == 19 and tab.locator("details table").count() == 11
    assert tab.locator("details table:visible").count() == 0
    tab.locator("#classes-text").evaluate("table => table.closest('details').querySelector('summary').click()")
    assert tab.locator("details table:visible").count() == 1
    tab.close()


WIDER = """() => [...document.querySelectorAll("table")].filter(
    table => table.getBoundingClientRect().width > table.parentElement.getBoundingClientRect().width + 1
).map(table => table.id || table.dataset.conditions)"""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["page", "chinese"])
def test_nothing_is_wider_than_a_phone(request, browser, language):
    """Tables that are folded may scroll in their own frame; those that always show must not."""
    tab, _, _ = opened(browser, request.getfixturevalue(language), viewport={"width": 390, "height": 844})
    shown = {"formats", "kappas"} | {" ".join(pair) for pair in itertools.combinations(PASSES, 2)}
    assert not shown & set(tab.evaluate(WIDER))
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["page", "chinese"])
def test_a_print_has_all_tables_and_none_is_cut(request, browser, language):
    paper = {"width": 703, "height": 1000}  # A4 without its margins
    tab, _, _ = opened(browser, request.getfixturevalue(language), viewport=paper, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.locator("table:visible").count() == tab.locator("table").count() == 19
    assert tab.evaluate(WIDER) == [] and tab.evaluate("document.documentElement.scrollWidth") <= 703
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("audio:visible, nav:visible, select:visible").count() == 0
    assert tab.pdf(format="A4").startswith(b"%PDF")
    tab.close()


CONTRAST = """() => {
    const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const light = rgb => {
        const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number);
        return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    };
    const page = light(getComputedStyle(document.body).backgroundColor);
    return ["body", ".soft", ".mark", "svg text", "dt"].map(query => {
        const style = getComputedStyle(document.querySelector(query));
        const text = light(query === "svg text" ? style.fill : style.color);
        return (Math.max(page, text) + 0.05) / (Math.min(page, text) + 0.05);
    });
}"""


# Of the cells of the agreement matrices, and the share that each one's colour shows
CELLS = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const rgb = colour => colour.startsWith("color(") ? numbers(colour) : numbers(colour).map(n => n / 255);
    const channel = c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const page = rgb(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll("td.heat")].map(cell => {
        const style = getComputedStyle(cell), over = rgb(style.backgroundColor), alpha = over[3] ?? 1;
        const ground = light(page.map((c, n) => alpha * over[n] + (1 - alpha) * c)), text = light(rgb(style.color));
        const contrast = (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
        return [contrast, Number(style.getPropertyValue("--share")), Math.abs(ground - light(page))];
    });
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page, browser, scheme):
    tab, _, _ = opened(browser, page, color_scheme=scheme)
    assert min(tab.evaluate(CONTRAST)) >= 4.5  # WCAG 2, AA
    cells = tab.evaluate(CELLS)
    assert len(cells) == 6 * 49 and min(contrast for contrast, _, _ in cells) >= 4.5
    away = [difference for _, _, difference in sorted(cells, key=lambda cell: cell[1])]
    assert away[0] < 0.01 and away[-1] > 0.05  # a larger share is farther from the page's colour
    assert all(later >= earlier - 0.001 for earlier, later in zip(away, away[1:]))
    tab.close()


def test_the_miniature_release_gives_a_page(tmp_path):
    out = tmp_path / "new folder" / "report.html"
    command("report", "--out", out, "--data-dir", PROJECT / "dummy_data")
    text, found = out.read_text(encoding="utf-8"), numbers_of(out)
    assert found["utterances"] == 24 and found["kappa"]["text"]["utterances"] == 23
    assert text.count("<audio") > 12 and 'http-equiv="Content-Security-Policy"' in text
    assert not re.search(r'(src|href)="(?!data:|#|https://huggingface.co/datasets/BAAI)', text)
    assert "is a folder" in command("report", "--out", tmp_path, "--data-dir", PROJECT / "dummy_data", status=1).stderr


@pytest.mark.slow
def test_a_page_without_clips_says_nothing_of_sound(tmp_path):
    out = tmp_path / "report.html"
    said = command("report", "--out", out, "--clips", "0", "--data-dir", PROJECT / "dummy_data").stdout
    page = out.read_text(encoding="utf-8")
    assert "gated" not in said and "audio below" not in page and "Listen" not in page and "<script>" not in page
    assert numbers_of(out)["utterances"] == 24


def test_what_people_typed_is_text_on_the_page(tmp_path, release):
    def change(members):
        for name, data in members["Audio"].items():
            if name.endswith(".json"):
                record = json.loads(data.decode("utf-8-sig"))
                record["sourceAttr"] = {"spe_cap": "</script><script>alert(1)</script>"}
                members["Audio"][name] = json.dumps(record).encode()

    out = tmp_path / "report.html"
    command("report", "--out", out, "--data-dir", release(change))
    text = out.read_text(encoding="utf-8")
    assert "alert(1)" in text and "<script>alert(1)" not in text


def test_sounds_that_are_no_sounds_have_no_player(tmp_path, release):
    def change(members):
        for name in members["Audio"]:
            if name.endswith(".wav"):
                # 500 floats, each NaN
                form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 44_100, 4 * 44_100, 4, 32)
                data = struct.pack("<4sI", b"data", 2_000) + b"\0\0\xc0\x7f" * 500
                members["Audio"][name] = struct.pack("<4sI4s", b"RIFF", 4 + len(form + data), b"WAVE") + form + data

    out, bad = tmp_path / "report.html", release(change)
    command("report", "--out", out, "--data-dir", bad)
    assert "<audio" not in out.read_text(encoding="utf-8").split("<main>")[1] and numbers_of(out)["hours"] > 0
    run = command(
        "probe", "--upstream", "logmel", "--config", "audio", "--data-dir", bad, "--cache-dir", tmp_path, status=1
    )
    assert "not finite numbers" in run.stderr and "Traceback" not in run.stderr


def test_odd_texts_and_one_class_alone_give_a_page(tmp_path, release):
    def change(members):
        for archive in members:
            for name, data in members[archive].items():
                if name.endswith(".json") and "/._" not in name:
                    record = json.loads(data.decode("utf-8-sig"))
                    record.update(emotion_result="sad", content="好\ud83d")
                    members[archive][name] = json.dumps(record).encode()

    out = tmp_path / "report.html"
    command("report", "--out", out, "--data-dir", release(change))
    assert numbers_of(out)["agreement"][0]["cohen"] is None and "NaN" not in out.read_text(encoding="utf-8")


def test_a_report_in_python(tmp_path):
    report = emotiontalk.report(clips=1, data_dir=PROJECT / "dummy_data")
    assert isinstance(report, emotiontalk.Report) and "24 utterances" in repr(report)
    assert report.to_dict() == report.numbers == json.loads(json.dumps(report.numbers))
    table = report.to_pandas()
    assert len(table) == 24 and table["seconds"].sum() / 3600 == pytest.approx(report.numbers["hours"])
    assert table["multimodal"].between(0, 6).all() and set(table["split"]) == {"train", "validation", "test"}
    out = tmp_path / "new" / "page.html"
    assert report.save(out) == out and numbers_of(out) == report.numbers
    shown = re.fullmatch(r'<iframe srcdoc="([^"]*)"[^>]*></iframe>', report._repr_html_())
    assert html.unescape(shown[1]) == report.html and "<audio" in report.html
    report.save(out)  # our own page
    edited = out.read_bytes().replace(b"</body>", b"<p>mine</p></body>")
    out.write_bytes(edited)
    with pytest.raises(emotiontalk.RequestError, match=re.escape(str(out))):
        report.save(out)
    assert out.read_bytes() == edited
    zh = emotiontalk.report(clips=0, language="zh", data_dir=PROJECT / "dummy_data")
    assert zh.numbers == report.numbers and "zh-CN" in zh.html and "<audio" not in zh.html


@pytest.mark.parametrize("options", [{"language": "fr"}, {"clips": -1}, {"clips": "3"}])
def test_options_of_a_report_that_are_refused(options):
    (name,) = options
    with pytest.raises(emotiontalk.RequestError, match=f"{name}="):
        emotiontalk.report(data_dir=PROJECT / "dummy_data", **options)


def test_a_page_that_cannot_be_written_is_known_before_the_work(tmp_path):
    out = tmp_path / "mine.html"
    out.write_text("mine")
    said = command("report", "--out", out, "--data-dir", tmp_path / "none", status=1).stderr
    assert str(out) in said and "none" not in said and out.read_text() == "mine"


def test_a_report_needs_neither_typer_nor_rich():
    run = without_typer_and_rich("print(emotiontalk.report(data_dir=sys.argv[1]).numbers['utterances'])")
    assert run.stdout == "24\n", run.stderr
