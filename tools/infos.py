"""`emotiontalk infos`: dataset_infos.json, made from the facts in the loader.

`datasets` reads the file next to the script and compares the sizes of the splits after preparing them. What
cannot be known without the gated files (the bytes of the prepared splits) is left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emotiontalk.archives.urls import archive_url
from emotiontalk.corpus import ARCHIVES, CITATION, DEFAULT_SOURCE, HOMEPAGE, LICENSE
from emotiontalk.folder import ZEROS, seal, write_file
from emotiontalk.loading.emotiontalk import EmotionTalk
from emotiontalk.schema import CONFIGS, MEDIA_FEATURE, archives_of, features_of, split_sizes

MARK = b'"sha256": "'


def features(config: str) -> dict[str, Any]:
    """Return the features as JSON that every version of `datasets` reads, also those without `Video`."""
    given = features_of(config)
    if "video" in given:
        given["video"] = MEDIA_FEATURE
    plain: dict[str, Any] = _plain(given.to_dict())
    return plain


def _plain(feature: Any) -> Any:
    """Leave out what only some versions write: `List` for a list, and empty ids."""
    if isinstance(feature, list):
        return [_plain(item) for item in feature]
    if not isinstance(feature, dict):
        return feature
    if feature.get("_type") == "List":
        return [_plain(feature["feature"])]
    return {key: _plain(value) for key, value in feature.items() if value is not None}


def infos() -> dict[str, dict[str, Any]]:
    """Return what dataset_infos.json says: for each config its features, splits and downloads."""
    # not by `datasets.info.DatasetInfosDict`: each version writes other keys and nulls, and 5.2 cannot write `List`
    made, version = {}, EmotionTalk.VERSION
    for name, config in CONFIGS.items():
        archives = {archive: ARCHIVES[archive] for archive in archives_of(name)}
        made[name] = {
            "description": config.description,
            "citation": CITATION,
            "homepage": HOMEPAGE,
            "license": LICENSE,
            "features": features(name),
            "builder_name": "emotiontalk",
            "config_name": name,
            "version": {
                "version_str": str(version),
                "major": version.major,
                "minor": version.minor,
                "patch": version.patch,
            },
            "splits": {split: {"name": split, "num_examples": size} for split, size in split_sizes(name).items()},
            "download_checksums": {
                archive_url(archive, DEFAULT_SOURCE): {"num_bytes": size, "checksum": sha256}
                for archive, (size, sha256) in archives.items()
            },
        }
    return made


def text() -> str:
    """Return the text of dataset_infos.json."""
    return seal(_text(), MARK).decode()


def _text() -> bytes:
    made = infos()
    first = next(iter(made))
    made[first] = {"sha256": ZEROS.decode(), **made[first]}  # which `datasets` ignores
    return (json.dumps(made, ensure_ascii=False, indent=2) + "\n").encode()


def write(path: Path) -> None:
    """Write the file. Raises `RequestError` where another kind of file is, or one that was edited."""
    write_file(path, _text(), MARK)


def is_current(path: Path) -> bool:
    """Whether a file is what `write` would write."""
    return path.is_file() and path.read_bytes() == text().encode()
