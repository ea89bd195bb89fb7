"""Arrow tables of examples: a clip is read straight to its place in an Arrow buffer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from ..schema import MEDIA

# Audio or video in one batch: what is held in memory, read and written at a time. Measured (benchmarks/README.md):
# small batches cost a prepared dataset time when it is opened, large ones a stream time to its first example.
PREPARED_BYTES, STREAMED_BYTES, BATCH_ROWS = 40 << 20, 4 << 20, 500


def _media_array(values: list[dict[str, Any]], kind: pa.StructType) -> pa.StructArray:
    """Make an Arrow array of `{bytes, path}`, of which all bytes are in one buffer."""
    ends = list(itertools.accumulate((len(value["bytes"]) for value in values), initial=0))
    pa.default_memory_pool().release_unused()  # of the last batch but one
    data = pa.allocate_buffer(ends[-1])
    view = memoryview(data).cast("B")
    for value, start, end in zip(values, ends, ends[1:]):
        value["bytes"].read_into(view[start:end])
    offsets = pa.array(ends, type=pa.int32()).buffers()[1]
    children = {
        "bytes": pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, offsets, data]),
        "path": pa.array([value["path"] for value in values], type=pa.string()),
    }
    return pa.StructArray.from_arrays([children[field.name] for field in kind], fields=list(kind))


def table_of(examples: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a `pyarrow.Table` of examples; their audio and video, still a `Member` each, are read now."""
    columns = []
    for field in schema:
        values = [example[field.name] for example in examples]
        make = _media_array if field.name in MEDIA else pa.array
        columns.append(make(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def tables_of(
    examples: Iterable[tuple[str, dict[str, Any]]], schema: pa.Schema, batch_bytes: int
) -> Iterator[tuple[str, pa.Table]]:
    """Yield (key of the last example, table) of about `batch_bytes` of media each."""
    batch: list[dict[str, Any]] = []
    size, limit = 0, 0 if batch_bytes == STREAMED_BYTES else batch_bytes  # a stream's first example comes alone
    key = ""
    for key, example in examples:
        batch.append(example)
        size += sum(len(example[name]["bytes"]) for name in MEDIA.intersection(example))
        if (size >= limit and (size or len(batch) > 1)) or len(batch) == BATCH_ROWS:
            yield key, table_of(batch, schema)
            batch, size, limit = [], 0, min(batch_bytes, max(2 * limit, 1 << 20))
    if batch:
        yield key, table_of(batch, schema)
