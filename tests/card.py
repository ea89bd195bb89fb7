"""What README.md, the dataset card, says, for tests that compare it with what is so."""

import re

import yaml
from conftest import PROJECT


def card():
    """(YAML header, Markdown body) of the card."""
    _, header, body = (PROJECT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), body


def class_counts():
    """The card's table of classes: (config, split) -> utterances of each of the seven emotions, and of all."""
    _, body = card()
    lines = re.findall(r"^\| `(\w+)` \| (\w+) ((?:\| *[\d,]+ *)+)\|$", body, flags=re.M)
    return {(config, split): [int(n.replace(",", "")) for n in cells.strip("| ").split("|")] for config, split, cells in lines}


def snippets(language):
    """The texts of the card's code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", card()[1], flags=re.M | re.S)
