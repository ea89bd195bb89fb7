"""The site of `make docs`, which CI makes before the tests: what ends a build, and how the pages are in Chromium."""

import contextlib
import functools
import http.server
import shutil
import subprocess
import threading

import pytest
from support import PROJECT, once

PYTHON = PROJECT / ".venv-docs" / "bin" / "python"

pytestmark = [
    once,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="`make docs` makes .venv-docs"),
]


def build(root):
    """(exit status, what was said) of the command of `make docs`."""
    arguments = [PYTHON, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def copied(folder):
    """What the site is made of, in a folder of its own."""
    names = (
        "README.md",
        "README.zh.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "mkdocs.yml",
        "benchmarks/README.md",
    )
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    for name in ("docs", "emotiontalk", "examples"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A built site, in `site/` of this folder."""
    folder = copied(tmp_path_factory.mktemp("site"))
    status, said = build(folder)
    assert status == 0, said
    return folder


def test_every_document_is_a_page(root):
    pages = {path.relative_to(root / "site").as_posix() for path in (root / "site").rglob("*.html")}
    manual = {path.relative_to(root / "docs").with_suffix(".html").as_posix() for path in (root / "docs").rglob("*.md")}
    others = {"404.html", "api.html", "benchmarks.html", "changelog.html", "contributing.html", "index.html"}
    assert pages == {*manual, *others, "zh/index.html"}


@pytest.mark.parametrize(
    ("document", "old", "new", "said"),
    [
        ("docs/hub.md", "](../README.md)", "](../NONE.md)", "NONE.md"),
        ("docs/zh/gpus.md", "](exports.md)", "](exports.md#没有)", "没有"),
        ("README.md", "| [The Hub](docs/hub.md)", "| [The Hub](docs/network.md)", "hub.md"),
        ("docs/hub.md", "Then load it", "<img src='https://example.com/a.png'> Then load it", "another server"),
        ("docs/site/extra.css", "/*", "@import url(https://example.com/a.css); /*", "another server"),
        ("mkdocs.yml", "  font: false", "  font: {text: Roboto}", "another server"),
        ("emotiontalk/__init__.py", '"EMOTIONS",', '"NO_SUCH_NAME",', "NO_SUCH_NAME"),
    ],
)
def test_what_ends_a_build(tmp_path, document, old, new, said):
    path = copied(tmp_path) / document
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    status, told = build(tmp_path)
    assert status != 0 and said in told


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def served(root):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_need_no_other_server(root, served, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    for path in sorted((root / "site").rglob("*.html")):
        name = path.relative_to(root / "site").as_posix()
        if name == "404.html":  # it is made for the root of a server
            continue
        page.goto(f"{served}/{name}", wait_until="networkidle")
        with contextlib.suppress(Exception):  # a large page may still be laid out
            page.wait_for_function(f"document.documentElement.scrollWidth <= {width}", timeout=10_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("document.documentElement.lang") == ("zh" if name.startswith("zh/") else "en")
    assert [url for url in asked if not url.startswith((served, "data:"))] == [] and errors == []
    page.close()


def test_the_switch_of_languages_leads_to_the_twin_and_the_search_knows_chinese_words(served, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{served}/loading.html", wait_until="networkidle")
    for language, expected in (("zh", "zh/loading.html"), ("en", "loading.html")):
        page.hover(".md-select button")
        page.click(f"a.md-select__link[hreflang={language}]")
        page.wait_for_url(f"{served}/{expected}")
    page.goto(f"{served}/zh/index.html", wait_until="networkidle")
    page.click(".md-search__input")
    page.keyboard.type("置信区间")
    page.keyboard.press("End")  # an input method ends with a key, which is what the search waits for
    page.wait_for_selector(".md-search-result__item")
    assert "zh/evaluation.html" in page.inner_html(".md-search-result__list")
    page.close()
