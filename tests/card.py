"""What README.md (the dataset card), README.zh.md and docs/ say, for tests that compare it with what is so.

Each document has a twin in Chinese: README.zh.md that of README.md, docs/zh/NAME.md that of docs/NAME.md.
"""

import posixpath
import re
import subprocess
import sys

import yaml
from support import PROJECT, VERSION

CARDS = ("README.md", "README.zh.md")
PAGES = tuple(path.relative_to(PROJECT).as_posix() for path in sorted((PROJECT / "docs").glob("*.md")))
TWINS = (CARDS, *((page, page.replace("docs/", "docs/zh/")) for page in PAGES))
DOCUMENTS = (*CARDS, *PAGES, "CONTRIBUTING.md")


def text_of(document):
    """The text of a document."""
    return (PROJECT / document).read_text(encoding="utf-8")


def card():
    """(YAML header, Markdown body) of the card."""
    _, header, body = text_of("README.md").split("---\n", 2)
    return yaml.safe_load(header), body


def class_counts(document="README.md"):
    """A card's table of classes: (config, split) -> utterances of each of the seven emotions, and of all."""
    lines = re.findall(r"^\| `(\w+)` \| (\w+) ((?:\| *[\d,]+ *)+)\|$", text_of(document), flags=re.M)
    return {(c, split): [int(n.replace(",", "")) for n in cells.strip("| ").split("|")] for c, split, cells in lines}


FORMATS = {  # as the cards name them: (rate in Hz, channels)
    "44.1 kHz, stereo": (44_100, 2), "44.1 kHz, mono": (44_100, 1), "16 kHz, mono": (16_000, 1),
    "44.1 kHz 双声道": (44_100, 2), "44.1 kHz 单声道": (44_100, 1), "16 kHz 单声道": (16_000, 1),
}  # fmt: skip


def audio_formats(document="README.md"):
    """A card's table of audio formats: (rate in Hz, channels) -> clips."""
    heading = {"README.md": "format", "README.zh.md": "格式"}[document]
    return {FORMATS[name]: int(count.replace(",", "")) for name, count in table(document, heading)}


def sections(document):
    """(level, title, text without code blocks) of each part of a document, in order."""
    body = card()[1] if document == "README.md" else text_of(document)
    parts = re.split(r"^(#+) (.*)\n", re.sub(r"^```.*?^```$", "", body, flags=re.M | re.S), flags=re.M)
    return [(len(level), title, text) for level, title, text in zip(*(parts[n::3] for n in (1, 2, 3)))]


def paragraphs(text):
    """The paragraphs and the points of lists of a part, without its tables."""
    prose = re.sub(r"^\|.*\n", "", text, flags=re.M)
    return [one for one in re.split(r"\n\n+|^(?=- |\d+\. )", prose, flags=re.M) if one.strip()]


def anchors(document):
    """The anchors of a document's headings, in order, as GitHub and the Hub make them."""
    return [re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for _, title, _ in sections(document)]


def links(document):
    """(text, document or URL, anchor) of each link of a document outside its code."""
    found = []
    for _, _, text in sections(document):
        for label, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text):
            path, _, anchor = ("", "", "") if target.startswith("https://") else target.partition("#")
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(document), path)) if path else document
            found.append((label, target if target.startswith("https://") else inside, anchor))
    return found


def codes(text):
    """What of a text is code."""
    return re.findall(r"`([^`]+)`", text)


def numbers(text):
    """The numbers of a text that are neither code, nor in an address, nor in a name such as F1."""
    text = re.sub(r"`[^`]+`|\]\([^)]*\)", " ", text)
    return re.findall(r"(?<![A-Za-z\d])\d(?:[\d,.]*\d)?", text)


def is_meant(cell, version=VERSION):
    """Whether a cell such as "2.14 to 2.19, as a script" or "4 and later" means a version."""
    bounds = [tuple(map(int, bound.split("."))) for bound in re.findall(r"\d+(?:\.\d+)?", cell)]
    return bounds[0] <= version[: len(bounds[0])] and ("later" in cell or version[: len(bounds[1])] <= bounds[1])


def blocks(document):
    """(language, text) of each code block of a document, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(document), flags=re.M | re.S)


def tables(document):
    """Every table of a document: the heading's cells, then those of each row."""
    return tables_in(text_of(document))


def tables_in(text):
    """Every table of a text."""
    found = re.findall(r"^\|.*\|\n\|[-:| ]+\|\n(?:\|.*\|\n)+", text, flags=re.M)
    rows = [[line for line in table.splitlines() if not re.fullmatch(r"[-:| ]+", line)] for table in found]
    return [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in table] for table in rows]


def section(document, title):
    """The text below a heading, up to the next heading of any level."""
    text = text_of(document)
    _, start = re.search(rf"^#+ {re.escape(title)}$", text, flags=re.M).span()
    following = re.search(r"^#+ ", text[start:], flags=re.M)
    return text[start : start + following.start() if following else None]


def table(document, *heading):
    """The rows of the table whose heading begins with these cells."""
    return next(rows[1:] for rows in tables(document) if tuple(rows[0][: len(heading)]) == heading)


def run(desk, arguments, cwd=None, status=0, **changes):
    folder, environment = desk
    done = subprocess.run(
        arguments, cwd=cwd or folder, env={**environment, **changes}, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(desk, code, **changes):
    return run(desk, [sys.executable, "-c", code], **changes)


def shell(desk, code, **options):
    """Each line of a block, as typed; `status` is that of each."""
    return [run(desk, ["bash", "-euc", line], **options) for line in code.splitlines() if line.strip()]


def only(document, language="python"):
    return [code for kind, code in blocks(document) if kind == language]
