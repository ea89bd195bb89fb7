"""Examples straight from a release, for the commands that write files: any source that the script reads."""

from __future__ import annotations

import datasets
from tqdm import tqdm

import emotiontalk


class _Everything:
    def __contains__(self, _):
        return True


EVERYTHING = _Everything()  # as `builder.unread`: no sound or video is wanted, and from an address none is moved


def open_release(config: str, data_dir: str | None, cache_dir: str | None, token: str | None = None, splits=None, label_set="all"):
    """(builder, {split: gen_kwargs}) of a config. splits: those that are wanted; None: all that are there.

    `gen_kwargs` go to `builder._examples` or `_generate_tables`. From an address only the ranges of the groups
    are read; nothing is prepared or kept. Raises the errors of `load_dataset`.
    """
    builder = emotiontalk.EmotionTalk(
        config_name=config, cache_dir=cache_dir, token=token, prepare_splits=splits, label_set=label_set,
        **({"data_dir": data_dir} if data_dir else {}),
    )  # fmt: skip
    manager = datasets.StreamingDownloadManager(download_config=datasets.DownloadConfig(token=token))
    return builder, {generator.name: generator.gen_kwargs for generator in builder._split_generators(manager)}


def count(gen_kwargs: dict) -> int | None:
    """Utterances of the groups of a split where the release is whole; None where nobody knows before reading."""
    return sum(emotiontalk.GROUPS[group] for group in groups(gen_kwargs)) if gen_kwargs["whole"] else None


def media_bytes(builder, gen_kwargs: dict) -> int:
    """About how many bytes of sound or video a split holds."""
    media = emotiontalk.CONFIGS[builder.config.name].media
    if not media:
        return 0
    archive = builder._open(media[0], gen_kwargs["paths"][media[0]], gen_kwargs["known"])
    if archive.groups is emotiontalk.GROUPS:  # at an address, where single sizes are not known: as a share of all
        return archive.file.size * count(gen_kwargs) // emotiontalk.TOTAL
    return sum(len(member) for group in groups(gen_kwargs) for _, member in archive.media(group, media[1]))


def groups(gen_kwargs: dict) -> list[str]:
    """The groups of a split."""
    return sorted({group for group, _, _ in gen_kwargs["shards"]})


def examples(builder, gen_kwargs: dict, label: str):
    """The (id, example) of a split, sorted by id, behind a progress bar."""
    return tqdm(builder._examples(**gen_kwargs), total=count(gen_kwargs), unit=" utterances", desc=label)


def utterances(builder, gen_kwargs: dict):
    """Yield the `Utterance` of each example of a split, sorted by id: its annotations in all passes of the config, its media."""
    paths = gen_kwargs["paths"]
    known = gen_kwargs["known"]
    archives = {name: builder._open(name, paths[name], known) for name in paths}
    for run in emotiontalk.runs_of(gen_kwargs["shards"]):
        for utterance, _ in builder._utterances(run, archives, gen_kwargs["whole"], ("id",)):
            yield utterance


def state(builder, paths: dict) -> dict:
    """What tells the archives of one release from those of another, JSON-ready; not where a folder of them stands.

    paths: as in `gen_kwargs`. Behind an address: address, size and entity tag, None where the server gives none.
    """
    states = {}
    for name, path in paths.items():
        if emotiontalk.is_remote(path):
            file = builder._open(name, path, {}).file
            states[name] = [file.path, file.size, file.tag]
        else:
            states[name] = [list(entry[1:]) for entry in emotiontalk._state(path)]
    return states


def is_known(states: dict) -> bool:
    """Whether `state` tells all: a server without sizes and entity tags leaves open what is behind its address."""
    return not any(None in known for known in states.values())
