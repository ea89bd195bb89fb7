"""The card of somebody else's repository with the configs of an export in its YAML; its text stays as it is.

`huggingface_hub.DatasetCard` reads and writes the YAML: values stay, comments are lost.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator
from typing import Any

import huggingface_hub
import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from emotiontalk.errors import brief, printable
from emotiontalk.request_error import RequestError

FOLDER = "parquet"  # of somebody else's repository: where the shards go
LOST = "The YAML of the card is written again: its comments are lost, its other values stay."
MAX_YAML = 1 << 20  # characters
MAX_ALIASES, MAX_DEPTH = 10, 100  # a few dozen aliases can stand for more values than memory holds
Metadata = dict[str, Any]


class CardError(ValueError):
    """What is wrong with a card: the part of a sentence that follows its repository's name."""


def merged_card(card: bytes, export: bytes, repo: str) -> str:
    """Merge `configs` and `dataset_info` of an export's card into the card of a repository.

    Args:
        card: README.md of the repository; empty where it has none.
        export: README.md of the export.
        repo: the repository, for messages.

    Raises:
        RequestError: the card cannot be read, or has configs that would not load along with ours.
    """
    try:
        _, _, exported = _read(export)
        ours = {key: _entries(exported, key) for key in ("configs", "dataset_info")}
        if not all(ours.values()):
            raise CardError("it has no configs")
        for config in ours["configs"]:
            config["data_files"] = [{**f, "path": f"{FOLDER}/{f['path']}"} for f in config["data_files"]]
    except (CardError, LookupError, TypeError):
        raise RequestError("README.md of the export was changed: export to another folder.") from None
    try:
        return _merged(card, ours)
    except CardError as error:
        raise RequestError(f"{repo}: {error}. Nothing was sent: ask its owner.") from None


def difference(card: bytes, merged: str) -> str:
    """Show what a merge changes, and say that comments are lost; control characters are escaped."""
    names = ("README.md", "README.md with the export")
    lines = list(difflib.unified_diff(card.decode().splitlines(), merged.splitlines(), *names, lineterm=""))
    return "".join(f"{printable(line)}\n" for line in ([LOST, *lines] if lines else []))


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Raise `CardError` for what yaml and huggingface_hub raise on a card that anybody may have written."""
    try:
        yield
    except CardError:
        raise
    except RecursionError:
        raise CardError("the YAML of its card is nested too deeply") from None
    except Exception as error:  # a value that is not a date, a key that is not an argument, …: whatever Python does
        raise CardError(f"the YAML of its card cannot be read ({brief(error)})") from None


def _read(data: bytes) -> tuple[str, huggingface_hub.DatasetCard, Metadata]:
    """Return what is before the YAML of a card, the card, and its YAML. Raises `CardError`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CardError(f"its card is not UTF-8 (byte {error.start:,})") from None
    card = text.lstrip("\ufeff")
    before = text[: len(text) - len(card)]
    if re.match(r"\s*---[ \t]*(?:[\r\n]|\Z)", card):
        card = card.lstrip()
        before = text[: len(text) - len(card)]
    else:
        line_break = "\r\n" if "\r\n" in card else "\n"
        card = f"---{2 * line_break}---{line_break}{card}"
    block = REGEX_YAML_BLOCK.search(card)
    if not block:
        raise CardError("its card begins with ---, but holds no YAML between two lines of ---")
    with _readable():
        metadata = _load(block[2])
        return before, huggingface_hub.DatasetCard(card), metadata


def _load(text: str) -> Metadata:
    """Read YAML that is neither too large nor made so by aliases, and has no key twice: the first would be lost."""
    if len(text) > MAX_YAML:
        raise CardError(f"the YAML of its card has {len(text):,} characters")
    aliases = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if aliases > MAX_ALIASES or depth > MAX_DEPTH:
            what = f"more than {MAX_ALIASES} aliases" if aliases > MAX_ALIASES else f"more than {MAX_DEPTH} levels"
            raise CardError(f"the YAML of its card has {what}")
    root, metadata = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise CardError("the YAML of its card is not a mapping")
    keys = [key.value for key, _ in root.value]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise CardError(f"its card has `{brief(twice[0])}` more than once")
    return metadata


def _merged(data: bytes, ours: dict[str, list[Metadata]]) -> str:
    before, card, metadata = _read(data)
    names = {config["config_name"] for config in ours["configs"]}
    configs, infos = _entries(metadata, "configs"), _entries(metadata, "dataset_info")
    for config in configs:
        _check_config(config, names)
    others = [config for config in configs if config["config_name"] not in names]
    if _has_default(others):  # theirs stays the default
        ours["configs"] = [{key: c[key] for key in c if key != "default"} for c in ours["configs"]]
    infos = [info for info in infos if info.get("config_name", "default") not in names]
    wanted = {"configs": [*others, *ours["configs"]], "dataset_info": [*infos, *ours["dataset_info"]]}
    with _readable():
        if all(repr(metadata.get(key)) == repr(value) for key, value in wanted.items()):
            return data.decode()
        for key, value in wanted.items():
            setattr(card.data, key, value)
        merged = before + str(card)
        start, written, result = _read(merged.encode())
        expected = {key: value for key, value in {**metadata, **wanted}.items() if value is not None}
        same = {key: repr(value) for key, value in result.items()} == {k: repr(v) for k, v in expected.items()}
        ours_are_there = all(repr(written.data.get(key)) == repr(value) for key, value in wanted.items())
    if not (same and ours_are_there and (start, written.text) == (before, card.text)):
        raise CardError("`huggingface_hub` does not write its card so that the rest stays the same")
    return merged


def _entries(metadata: Metadata, key: str) -> list[Metadata]:
    """Return `configs` or `dataset_info` of a card. Raises `CardError` unless these are mappings with a name."""
    entries = metadata.get(key) or []
    unnamed = None
    if key == "dataset_info":
        entries, unnamed = [entries] if isinstance(entries, dict) else entries, "default"
    are_mappings = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not are_mappings or not all(isinstance(entry.get("config_name", unnamed), str) for entry in entries):
        raise CardError(f"`{key}` of its card is not a list of mappings with a `config_name`")
    return list(entries)


def _check_config(config: Metadata, names: set[str]) -> None:
    """Raise `CardError` where a config of a card is in the way of ours, which have these names."""
    name, paths = config["config_name"], _paths(config)
    if name in names and not (paths and all(path.startswith(f"{FOLDER}/{name}/") for path in paths)):
        raise CardError(f"its card has a config {brief(name)} of its own ({brief(paths)})")
    # `datasets` reads all configs of a repository with one reader
    if not (paths and all(re.search(r"\.parquet\b", path) for path in paths)):
        raise CardError(f"its config {brief(name)} is not Parquet, and `datasets` would not read both")


def _paths(config: Metadata) -> list[str]:
    """Return the paths of a config. Raises `CardError` for what `datasets` does not take for paths."""
    files, paths = config.get("data_files") or [], list[Any]()
    for file in files if isinstance(files, list) else [files]:
        if isinstance(file, dict) and set(file) == {"split", "path"} and isinstance(file["split"], str):
            paths += file["path"] if isinstance(file["path"], list) else [file["path"]]
        else:
            paths.append(file)
    if not all(isinstance(path, str) for path in paths):
        raise CardError(f"`data_files` of the config {brief(config['config_name'])} of its card are not paths")
    return paths


def _has_default(configs: list[Metadata]) -> bool:
    """Whether `datasets` loads one of these by default. Raises `CardError` where it would be several."""
    names = list(dict.fromkeys(c["config_name"] for c in configs if c.get("default") or c["config_name"] == "default"))
    if len(names) > 1:
        raise CardError(f"its card has several default configs, {brief(names[0])} and {brief(names[1])}")
    return bool(names)
