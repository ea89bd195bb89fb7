"""Statistics of an export with Ray Data, on one machine or a cluster: its shards are read in parallel.

    python examples/ray_statistics.py EXPORT [CONFIG]

EXPORT is a folder of `emotiontalk parquet`, or such a folder at any URL that Ray reads (s3://…, hf://…). CONFIG is
one with audio: audio (default), multimodal. Prints utterances by split and emotion, and the length of their clips.
"""

from __future__ import annotations

import io
import sys

import pandas
import pyarrow as pa
import ray.data
import soundfile

import emotiontalk


def measure(rows: pa.Table) -> pa.Table:
    """`split`, `emotion` (0…6) and `seconds` of some rows. Runs where the shard is read: audio goes no further."""
    splits = [path.rsplit("/", 1)[-1].split("-", 1)[0] for path in rows["path"].to_pylist()]
    files = rows["audio"].combine_chunks().field("bytes")
    infos = [soundfile.info(io.BytesIO(file.as_buffer())) for file in files]  # headers alone: nothing is decoded
    return pa.table(
        {"split": splits, "emotion": rows["emotion"], "seconds": [info.frames / info.samplerate for info in infos]}
    )


def clips(export: str, config: str = "audio") -> pandas.DataFrame:
    """A row for each utterance: `split`, `emotion` (a name), `seconds`; both as ordered categories."""
    shards = ray.data.read_parquet(f"{export}/{config}", include_paths=True, file_extensions=["parquet"])
    table = (
        shards.select_columns(["path", "emotion", "audio"])
        .map_batches(measure, batch_format="pyarrow", batch_size=64)
        .to_pandas()
    )
    table["split"] = pandas.Categorical(table["split"], emotiontalk.SPLITS, ordered=True)
    table["emotion"] = pandas.Categorical.from_codes(table["emotion"], emotiontalk.EMOTIONS, ordered=True)
    return table


if __name__ == "__main__":
    table = clips(*sys.argv[1:])
    statistics = table.groupby(["split", "emotion"], observed=True)["seconds"].agg(
        ["count", "sum", "mean", "min", "max"]
    )
    print(statistics.to_string(float_format="{:,.2f}".format))
    print(f"\n{len(table):,} utterances, {table['seconds'].sum() / 3600:.2f} hours")
