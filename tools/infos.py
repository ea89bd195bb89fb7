"""`emotiontalk infos`: dataset_infos.json, made from the facts in the loader.

`datasets` reads the file next to the script and compares the sizes of the splits after preparing them. What
cannot be known without the gated files (the bytes of the prepared splits) is not in it.
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


def features_as_json(config: str) -> dict[str, Any]:
    """Return the features as JSON that every version of `datasets` reads, also those without `Video`."""
    features = features_of(config)
    if "video" in features:
        features["video"] = MEDIA_FEATURE
    as_json: dict[str, Any] = _in_every_version(features.to_dict())
    return as_json


def _in_every_version(feature: Any) -> Any:
    """Remove what only some versions write: `List` for a list, and empty ids."""
    if isinstance(feature, list):
        return [_in_every_version(item) for item in feature]
    if not isinstance(feature, dict):
        return feature
    if feature.get("_type") == "List":
        return [_in_every_version(feature["feature"])]
    return {key: _in_every_version(value) for key, value in feature.items() if value is not None}


def dataset_infos() -> dict[str, dict[str, Any]]:
    """Return what dataset_infos.json says: for each config its features, splits and downloads."""
    # not by `datasets.info.DatasetInfosDict`: each version writes other keys and nulls, and 5.2 cannot write `List`
    infos, version = {}, EmotionTalk.VERSION
    for name, config in CONFIGS.items():
        archives = {archive: ARCHIVES[archive] for archive in archives_of(name)}
        infos[name] = {
            "description": config.description,
            "citation": CITATION,
            "homepage": HOMEPAGE,
            "license": LICENSE,
            "features": features_as_json(name),
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
    return infos


def dataset_infos_text() -> str:
    """Return the text of dataset_infos.json."""
    return seal(_unsealed_text(), MARK).decode()


def _unsealed_text() -> bytes:
    """Return the file, with zeros for its digest: a key of the first config, which `datasets` ignores.

    By the digest an edit is known, which must not be overwritten.
    """
    infos = dataset_infos()
    first = next(iter(infos))
    infos[first] = {"sha256": ZEROS.decode(), **infos[first]}
    return (json.dumps(infos, ensure_ascii=False, indent=2) + "\n").encode()


def write_dataset_infos(path: Path) -> None:
    """Write the file. Raises `RequestError` where another kind of file is, or one that was edited."""
    write_file(path, _unsealed_text(), MARK)


def is_current(path: Path) -> bool:
    """Whether a file is what `write_dataset_infos` would write."""
    return path.is_file() and path.read_bytes() == dataset_infos_text().encode()
