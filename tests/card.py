"""What README.md (the dataset card), README.zh.md and docs/ say, for tests that compare it with what is so."""

import re

import yaml
from conftest import PROJECT

CARDS = ("README.md", "README.zh.md")
PAGES = tuple(path.relative_to(PROJECT).as_posix() for path in sorted((PROJECT / "docs").glob("*.md")))
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
