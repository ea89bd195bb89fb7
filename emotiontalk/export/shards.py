"""In how many files each split is written, and how these are called: Parquet and WebDataset."""

from __future__ import annotations

from emotiontalk.release import SplitReader

# Of a config with audio or video: 250 MB of train, 60 MB of the others.
MOST_SHARDS = {"train": 48, "validation": 24, "test": 24}
FEW_SHARDS = 8  # of a config without


def number_of_shards(split: SplitReader) -> int:
    """Return in how many Parquet shards a split is written."""
    most = MOST_SHARDS[
        "train" if split.builder.config.fold else split.name
    ]  # each split of a fold can be the large one
    return split.even_number(most if split.builder.spec.media else FEW_SHARDS)


def shard_name(split: str, n: int, number: int) -> str:
    """Return the file name of a Parquet shard."""
    return f"{split}-{n:05d}-of-{number:05d}.parquet"
