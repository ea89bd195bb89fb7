"""A release as the commands that write files read it: any source that the script reads, and nothing is prepared."""

from __future__ import annotations

import hashlib
import json
import os

from tqdm import tqdm

import emotiontalk

LABELLED = ("audio", "multimodal", "text")  # configs of utterances with a label of their own, but for the clips


class _Everything:
    def __contains__(self, _):
        return True


EVERYTHING = _Everything()  # as `builder.skip_media`: no sound or video is wanted, and from an address none is moved


def open_release(config, data_dir, cache_dir, token=None, splits=None, label_set="all"):
    """(builder, {split: gen_kwargs}) of a config. splits: those that are wanted; None: all that are there.

    `gen_kwargs` go to the builder's `examples`, `tables` and `utterances`. From an address only the groups' ranges are
    read. Raises the errors of `load_dataset`.
    """
    source = {"data_dir": str(data_dir)} if data_dir else {}
    options = {"cache_dir": cache_dir, "token": token, "prepare_splits": splits, "label_set": label_set}
    builder = emotiontalk.EmotionTalk(config_name=config, **options, **source)
    return builder, builder.open_splits()


def find_place(name: str, source: str, token: str | None = None) -> emotiontalk.Place:
    """The place of an archive below a folder or an address, where it is read as it is.

    Raises `MissingArchiveError`, also for an archive that is in several parts at an address.
    """
    if not emotiontalk.is_remote(source):
        return emotiontalk.Place(name, emotiontalk.find_archive(name, source))
    cached = emotiontalk.cached_file(emotiontalk.address_of(name, source))
    if cached:
        return emotiontalk.Place(name, (cached,))
    urls = emotiontalk.find_remote(name, source, token)
    if len(urls) > 1:
        way_out = "Download them, and pass data_dir= with their folder."
        raise emotiontalk.MissingArchiveError(f"{emotiontalk.shown(source)}: {name} is in {len(urls)} parts. {way_out}")
    return emotiontalk.Place(name, address=urls[0])


def groups(gen_kwargs: dict) -> list[str]:
    """The groups of a split."""
    return sorted({group for group, _, _ in gen_kwargs["shards"]})


def count(gen_kwargs: dict) -> int | None:
    """Utterances of the groups of a split where the release is whole; None where nobody knows before reading."""
    return sum(emotiontalk.GROUPS[group] for group in groups(gen_kwargs)) if gen_kwargs["release"].complete else None


def media_bytes(builder, gen_kwargs: dict) -> int:
    """About how many bytes of sound or video a split holds."""
    if not builder.spec.media:
        return 0
    name, suffix = builder.spec.media
    archive = builder.open_archives(gen_kwargs["release"])[name]
    if not archive.scanned:  # at an address, where single sizes are not known: as a share of all
        return archive.file.size * (count(gen_kwargs) or 0) // emotiontalk.TOTAL
    return sum(len(member) for group in groups(gen_kwargs) for _, member in archive.media(group, suffix))


def examples(builder, gen_kwargs: dict, label: str):
    """The (id, example) of a split, sorted by id, behind a progress bar."""
    return tqdm(builder.examples(**gen_kwargs), total=count(gen_kwargs), unit=" utterances", desc=label)


def parts_of(gen_kwargs: dict, number: int) -> list[dict]:
    """The `gen_kwargs` of a split in `number` parts, as even as its shards let them be."""
    shards = gen_kwargs["shards"]
    bounds = [len(shards) * n // number for n in range(number + 1)]
    return [{**gen_kwargs, "shards": shards[begin:end]} for begin, end in zip(bounds, bounds[1:])]


def even_number(most: int, gen_kwargs: dict) -> int:
    """In how many files a split is written: a number that divides by 8, where there is so much to share out."""
    number = min(most, len(gen_kwargs["shards"]))
    return number - number % 8 if number >= 8 else number


def state(release: emotiontalk.Release, token: str | None = None) -> dict:
    """What differs between the archives of two releases, JSON-ready; not where a folder of them stands.

    Behind an address: address, size and entity tag, None where the server gives none.
    """
    states = {}
    for name, place in release.places.items():
        if place.paths:
            states[name] = [list(entry[1:]) for entry in emotiontalk.state_of(place.paths)]
        else:
            file = place.file(token)
            states[name] = [file.path, file.size, file.tag]
    return states


def is_known(states: dict) -> bool:
    """Whether `state` says all: a server without sizes and entity tags leaves open what is behind its address."""
    return not any(None in known for known in states.values())


def origin(states: dict, *facts) -> str:
    """A digest of what a file is made from; where `state` does not say all, one that no other run has."""
    if not is_known(states):
        return os.urandom(16).hex()
    return hashlib.sha256(json.dumps([states, *facts], default=str).encode()).hexdigest()
