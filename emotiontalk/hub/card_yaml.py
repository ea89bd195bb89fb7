"""The YAML of a dataset card that somebody else wrote: reading it, and putting other values for a few of its keys.

The card may hold anything, so it is checked before it is read. `CardError` says in a sentence what is wrong with it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from emotiontalk.errors import brief

# Of the YAML, far above what cards have: values, each as often as aliases stand for it, and levels of nesting.
MAX_VALUES, MAX_DEPTH = 100_000, 100

# What the Hub takes for the YAML of a card; besides, there may be no line at all between the two of ---.
HEAD = re.compile(
    r"(?P<head>\s*---(?P<line_break>\r\n|\r|\n))(?:(?P<yaml>[\S\s]*?)(?:\r\n|\r|\n))??---[ \t]*(?:\r\n|\n|\Z)"
)
OPENED = re.compile(r"\s*---[ \t]*(?:[\r\n]|\Z)")
LINE_BREAK = re.compile(r"\r\n|\r|\n")
KEY = re.compile(r"^[\w-]+(?=[ \t]*:)", re.MULTILINE)
# What a terminal would obey; the last ones turn text around.
KINDS = {dict: "a mapping", list: "a list", type(None): "empty", int: "a number", bytes: "binary data", tuple: "a pair"}

Metadata = dict[str, Any]
Pairs = list[tuple[yaml.Node, yaml.Node]]


class CardError(ValueError):
    """What is wrong with a card: the part of a sentence that follows its repository's name."""


class Card(NamedTuple):
    """A card in three parts, `head + yaml + tail`; one without YAML gets empty YAML."""

    head: str
    yaml: str  # without its last line break
    tail: str
    line_break: str


class _Dumper(yaml.SafeDumper):
    """Writes no aliases: the card may have some of the same names."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def told(value: object) -> str:
    """Say what a value is; a short one is quoted."""
    if isinstance(value, str):
        return f"'{(brief(value, 80))}'"
    if isinstance(value, (bool, float, datetime.date)) or (isinstance(value, int) and abs(value) < 10**18):
        return str(value)
    return KINDS.get(type(value), f"a {type(value).__name__}")


def split(data: bytes) -> Card:
    """Divide a card. Raises `CardError` where it is not clear what its YAML is."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CardError(f"its card is not UTF-8 (byte {error.start:,})") from None
    body = text.lstrip("\ufeff")
    mark, match = text[: len(text) - len(body)], HEAD.match(body)
    if match and match["yaml"] is not None:
        return Card(mark + match["head"], match["yaml"], body[match.end("yaml") :], match["line_break"])
    if match:
        return Card(mark + match["head"], "", match["line_break"] + body[match.end("head") :], match["line_break"])
    if OPENED.match(body):
        raise CardError("its card begins with ---, but holds no YAML between two lines of ---")
    line_break = "\r\n" if re.match(r"[^\n]*\r\n", body) else "\n"
    return Card(f"{mark}---{line_break}", "", f"{line_break}---{line_break}{body}", line_break)


def load(card: Card) -> Metadata:
    """Read the YAML of a card. Raises `CardError` for all but a mapping whose keys are strings."""
    try:
        _check_size(card)
        metadata = yaml.safe_load(card.yaml)
    except (CardError, RecursionError):
        raise
    except Exception as error:  # a value that is no date, no number, … raises whatever Python does
        raise _unreadable(card, _position(card.yaml, error), _reason(error)) from None
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise CardError(f"the YAML of its card is {told(metadata)}, not a mapping")
    for key in metadata:
        if not isinstance(key, str):
            raise CardError(f"the YAML of its card has a key that is {told(key)}, not text")
    return metadata


def _check_size(card: Card) -> None:
    """Raise `CardError` for YAML that is too long or too deep to be a card's, or that a few aliases make so."""
    begun: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}  # by anchor
    total = 0
    for event in yaml.parse(card.yaml, Loader=yaml.SafeLoader):
        at, problem = event.start_mark.index, ""
        if isinstance(event, yaml.AliasEvent):
            problem = "" if event.anchor in sizes else f"the alias *{brief(event.anchor)} stands for nothing before it"
            total += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = 1
            total += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total += 1
        if total > MAX_VALUES:
            problem = f"more than {MAX_VALUES:,} values, with those that aliases stand for"
        if len(begun) > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} levels"
        if problem:
            raise _unreadable(card, at, problem)


def _unreadable(card: Card, position: int | None, problem: str) -> CardError:
    """Make the error for YAML that cannot be read; it names the key and the line of the card, where they are known."""
    place = ""
    if position is not None:
        keys = [match[0] for match in KEY.finditer(card.yaml) if match.start() <= position]
        line = len(LINE_BREAK.findall(card.head + card.yaml[:position])) + 1
        place = f"{f'`{brief(keys[-1])}`, ' if keys else ''}line {line:,}: "
    return CardError(f"the YAML of its card cannot be read ({place}{problem})")


def _reason(error: Exception) -> str:
    """Say why a value cannot be read."""
    said = ", ".join(filter(None, (getattr(error, name, None) for name in ("context", "problem", "reason"))))
    if not said and not isinstance(error, (yaml.YAMLError, ValueError, OverflowError)):
        return "it is not what its tag says"
    return brief(said or error)


def _position(text: str, error: Exception) -> int | None:
    """Return where in YAML an error is, as far as that is known."""
    unclosed = re.search("flow|quoted", getattr(error, "context", None) or "")
    mark = getattr(error, "context_mark" if unclosed else "problem_mark", None)
    position = mark.index if mark else getattr(error, "position", None)
    if position is not None:
        return int(position)
    for _, value in _pairs(yaml.compose(text)):  # a value that cannot be made, for example a date of a 13th month
        try:
            yaml.SafeLoader("").construct_document(value)
        except Exception:
            return int(value.start_mark.index)
    return None


def dumped(key: str, value: object) -> str:
    """Return a key and its value as YAML. Raises `CardError` where that cannot be."""
    try:
        return str(yaml.dump({key: value}, Dumper=_Dumper, allow_unicode=True, sort_keys=False))
    except ValueError as error:  # a number of more digits than Python writes
        raise CardError(f"`{key}` of its card cannot be written ({brief(error)})") from None


def replaced(card: Card, values: Mapping[str, str]) -> str:
    """Return the YAML of a card with these values (as `dumped`) of these keys; the others have those that they had.

    Their lines stay as they are; where that cannot be, as in `{a: 1}`, the YAML is serialized again. Raises `CardError`
    where neither can be.
    """
    pairs = _pairs(yaml.compose(card.yaml))
    for key in values:
        if [name.value for name, _ in pairs].count(key) > 1:
            raise CardError(f"its card has `{key}` more than once")
    new = {key: text.rstrip("\n").replace("\n", card.line_break) for key, text in values.items()}
    rest = _without(pairs, new)
    for text in _candidates(card, rest, new):
        if _holds(text, rest, new):
            return text
    raise CardError(f"`{'` and `'.join(values)}` of its card cannot be replaced so that the rest stays the same")


def _pairs(root: yaml.Node | None) -> Pairs:
    return root.value if isinstance(root, yaml.MappingNode) else []


def _without(pairs: Pairs, keys: Mapping[str, str]) -> yaml.MappingNode:
    """Return all but these keys, as a mapping in block style."""
    kept = [(key, value) for key, value in pairs if key.value not in keys]
    return yaml.MappingNode("tag:yaml.org,2002:map", kept, flow_style=False)


def _candidates(card: Card, rest: yaml.MappingNode, new: Mapping[str, str]) -> Iterator[str]:
    """Yield the YAML with these keys, the best way first. It may be wrong: see `_holds`."""
    for serialized in (False, True):
        text = card.yaml
        if serialized:
            text = yaml.serialize(rest, Dumper=yaml.SafeDumper, allow_unicode=True) if rest.value else ""
            text = text.removesuffix("\n").replace("\n", card.line_break)
        pairs = _pairs(yaml.compose(text))
        yield _spliced(text, pairs, new, card.line_break, in_front=False)
        # a text at the very end would get another line break
        yield _spliced(text, pairs, new, card.line_break, in_front=True)


def _spliced(text: str, pairs: Pairs, new: Mapping[str, str], line_break: str, in_front: bool) -> str:
    """Put keys in the place of those of the same name, or else behind (or in front of) the others."""
    starts = [*(key.start_mark.index for key, _ in pairs), len(text)]
    added = line_break.join(value for key, value in new.items() if key not in [name.value for name, _ in pairs])
    for (key, _), start, end in reversed(list(zip(pairs, starts, starts[1:]))):
        if key.value in new:
            text = text[:start] + _in_place(text[start:end], new[key.value]) + text[end:]
    if not added:
        return text
    if in_front:
        return text[: starts[0]] + added + line_break + text[starts[0] :]
    return text + (line_break if text and text[-1] not in "\r\n" else "") + added


def _in_place(old: str, new: str) -> str:
    """Put a key for another; the comments and the empty lines that follow it stay."""
    lines = old.splitlines(keepends=True)
    end = len(lines)
    while end > 1 and lines[end - 1].strip()[:1] in ("", "#"):
        end -= 1
    last = lines[end - 1]
    return "".join([new, last[len(last.rstrip("\r\n")) :], *lines[end:]])


def _holds(text: str, rest: yaml.MappingNode, new: Mapping[str, str]) -> bool:
    """Whether YAML holds the new keys, and of the others exactly these."""
    try:
        pairs = _pairs(yaml.compose(text))
    except yaml.YAMLError:
        return False
    kept = [yaml.serialize(node, canonical=True) for node in (_without(pairs, new), rest)]
    return kept[0] == kept[1] and {key.value for key, _ in pairs} >= set(new)
