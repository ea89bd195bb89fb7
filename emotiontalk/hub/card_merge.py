"""The card of somebody else's repository with the configs of our export: what else is in it stays as it is.

Either the two are merged, or `RequestError` says in a sentence what is wrong with that card.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import huggingface_hub

from emotiontalk.errors import brief, printable
from emotiontalk.hub import card_yaml
from emotiontalk.hub.card_yaml import CardError, Metadata, told
from emotiontalk.request_error import RequestError

FOLDER = "parquet"  # of somebody else's repository: where the shards go


def merged_card(card: bytes, export: bytes, repo: str) -> str:
    """Merge `configs` and `dataset_info` of an export's card into the YAML of the card of `repo`.

    Raises `RequestError` where that card cannot be read, or has configs that would not load along with ours.
    """
    ours = _ours(export)
    try:
        return _merged(card_yaml.split(card), ours)
    except CardError as wrong:
        raise RequestError(f"{repo}: {wrong}. Ask its owner.") from None
    except RecursionError:
        raise RequestError(f"{repo}: the YAML of its card is nested too deeply. Ask its owner.") from None


def difference(card: bytes, merged: str) -> str:
    """Show what a merge has changed, control characters escaped."""
    names = ("README.md", "README.md with the export")
    lines = difflib.unified_diff(card.decode().splitlines(), merged.splitlines(), *names, lineterm="")
    return "".join(f"{printable(line)}\n" for line in lines)


def _ours(export: bytes) -> dict[str, list[Metadata]]:
    """Return `configs` and `dataset_info` of an export, its files where a pull request puts them."""
    try:
        metadata = card_yaml.load(card_yaml.split(export))
        configs = [
            {**config, "data_files": [{**file, "path": f"{FOLDER}/{file['path']}"} for file in config["data_files"]]}
            for config in _entries(metadata, "configs")
        ]
        return {"configs": configs, "dataset_info": _entries(metadata, "dataset_info")}
    except (CardError, LookupError, RecursionError, TypeError):
        raise RequestError(
            "The README.md of the export is not as `emotiontalk parquet` wrote it: export to another folder."
        ) from None


def _merged(card: card_yaml.Card, ours: Mapping[str, list[Metadata]]) -> str:
    metadata = card_yaml.load(card)
    configs, infos = _entries(metadata, "configs"), _entries(metadata, "dataset_info")
    names = {config["config_name"] for config in ours["configs"]}
    for config in configs:
        _check_config(config, names)
    others = [config for config in configs if config["config_name"] not in names]
    dropped = "default" if _has_default(others) else None  # theirs stays the default
    given = [{key: value for key, value in config.items() if key != dropped} for config in ours["configs"]]
    infos = [info for info in infos if info.get("config_name", "default") not in names]
    wanted = {"configs": [*others, *given], "dataset_info": [*infos, *ours["dataset_info"]]}
    changed = {key: card_yaml.dumped(key, wanted[key]) for key in wanted if wanted[key] != (metadata.get(key) or [])}
    merged = card.head + card_yaml.replaced(card, changed) + card.tail
    _check_readable(merged, changed)
    return merged


def _entries(metadata: Metadata, key: str) -> list[Metadata]:
    """Return `configs` or `dataset_info` of a card. Raises `CardError` unless these are mappings with a name."""
    given = metadata.get(key) or []
    if key == "dataset_info" and isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        raise CardError(f"`{key}` of its card is {told(given)}, not a list of mappings")
    for number, entry in enumerate(given, 1):
        which = f"entry {number} of `{key}` of its card"
        if not isinstance(entry, dict):
            raise CardError(f"{which} is {told(entry)}, not a mapping")
        if key == "configs" and "config_name" not in entry:
            raise CardError(f"{which} has no `config_name`")
        name = entry.get("config_name", "default")
        if not isinstance(name, str):
            raise CardError(f"`config_name` of {which} is {told(name)}, not text")
    return given


def _check_config(config: Metadata, names: set[str]) -> None:
    """Raise `CardError` where a config of a card is in the way of ours, which have these names."""
    name, paths = config["config_name"], _paths(config)
    if name in names and not (paths and all(path.startswith(f"{FOLDER}/{name}/") for path in paths)):
        shown = brief(", ".join(paths)) or "no `data_files`"
        raise CardError(f"its card has a config {brief(name)} of its own ({shown})")
    # `datasets` reads all configs of a repository with one reader
    if not (paths and all(re.search(r"\.parquet\b", path) for path in paths)):
        raise CardError(f"its config {brief(name)} is no Parquet, and `datasets` would not read both")


def _paths(config: Metadata) -> list[str]:
    """Return the paths of a config. Raises `CardError` for what `datasets` takes for none."""
    given = config.get("data_files") or []
    paths: list[Any] = []
    for file in given if isinstance(given, list) else [given]:
        if isinstance(file, dict) and set(file) == {"split", "path"} and isinstance(file["split"], str):
            paths += file["path"] if isinstance(file["path"], list) else [file["path"]]
        else:
            paths.append(file)
    if not all(isinstance(path, str) for path in paths):
        raise CardError(
            f"`data_files` of the config {brief(config['config_name'])} of its card is neither a path, nor paths, nor "
            "mappings of `split` and `path`"
        )
    return paths


def _has_default(configs: list[Metadata]) -> bool:
    """Whether `datasets` loads one of these by default. Raises `CardError` where it would be several."""
    names = list(dict.fromkeys(c["config_name"] for c in configs if c.get("default") or c["config_name"] == "default"))
    if len(names) > 1:
        raise CardError(f"its card has several default configs, {brief(names[0])} and {brief(names[1])}")
    return bool(names)


def _check_readable(card: str, values: Mapping[str, str]) -> None:
    """Raise `CardError` unless `huggingface_hub`, with which `datasets` reads cards, finds these values in a card."""
    try:
        data = huggingface_hub.DatasetCard(card.lstrip("\ufeff")).data
        found = {key: data.get(key) for key in values}
    except RecursionError:
        raise
    except Exception as error:  # it takes keys for arguments and attributes: any of them may be in its way
        raise CardError(f"`huggingface_hub` cannot read its card ({brief(error)})") from None
    for key, text in values.items():
        if card_yaml.dumped(key, found[key]) != text:
            raise CardError(f"`huggingface_hub` does not find `{key}` in the YAML of its card")
