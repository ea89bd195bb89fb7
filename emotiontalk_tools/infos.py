"""`emotiontalk infos`: dataset_infos.json, made from the facts in the script.

`datasets` reads the file beside the script and compares the sizes of the splits after preparing them. What
cannot be known without the gated files (the bytes of the prepared splits) is left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import datasets

import emotiontalk

from .written import write_file


def features(config: str) -> dict:
    """The features as JSON that every version of `datasets` reads, also those without `Video`."""
    given = emotiontalk.features_of(config)
    if "video" in given:
        value = datasets.Value("string")
        given["video"] = {"bytes": datasets.Value("binary"), "path": value}
    return _plain(given.to_dict())


def _plain(feature):
    """Without what only some versions write: `List` for a list, and empty ids."""
    if isinstance(feature, list):
        return [_plain(item) for item in feature]
    if not isinstance(feature, dict):
        return feature
    if feature.get("_type") == "List":
        return [_plain(feature["feature"])]
    return {key: _plain(value) for key, value in feature.items() if value is not None}


def infos() -> dict:
    """What dataset_infos.json says: for each config its features, splits and downloads."""
    made, version = {}, emotiontalk.EmotionTalk.VERSION
    for name, config in emotiontalk.CONFIGS.items():
        archives = {archive: emotiontalk.ARCHIVES[archive] for archive in emotiontalk.archives_of(name)}
        made[name] = {
            "description": config.description,
            "citation": emotiontalk.CITATION,
            "homepage": emotiontalk.HOMEPAGE,
            "license": emotiontalk.LICENSE,
            "features": features(name),
            "builder_name": "emotiontalk",
            "config_name": name,
            "version": {
                "version_str": str(version),
                "major": version.major,
                "minor": version.minor,
                "patch": version.patch,
            },
            "splits": {
                split: {"name": split, "num_examples": size} for split, size in emotiontalk.split_sizes(name).items()
            },
            "download_checksums": {
                emotiontalk.address_of(archive, emotiontalk.DEFAULT_SOURCE): {"num_bytes": size, "checksum": sha256}
                for archive, (size, sha256) in archives.items()
            },
        }
    return made


def _text() -> str:
    return json.dumps(infos(), ensure_ascii=False, indent=2) + "\n"


def write(path: Path):
    """Write the file. Raises `CommandError` where another kind of file is."""
    write_file(path, _text().encode(), _is_infos)


def _is_infos(data: bytes) -> bool:
    try:
        return all(info["builder_name"] == "emotiontalk" for info in json.loads(data).values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def is_current(path: Path) -> bool:
    """Whether a file is what `write` would write."""
    return path.is_file() and path.read_text(encoding="utf-8") == _text()
