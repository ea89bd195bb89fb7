"""WebDataset: tars of even size, of each utterance the audio, `.json` (all fields) and `.txt`.

The number of tars divides by 8 wherever a split has eight utterances.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable

from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Audio, Format
from emotiontalk.export.shards import MOST_SHARDS
from emotiontalk.export.utterances import UtteranceRow, Utterances
from emotiontalk.progress import progress_bar
from emotiontalk.release import SplitReader
from emotiontalk.workers import workers


class WebDatasetFormat(Format):
    """What WebDataset reads."""

    name = "webdataset"
    toolkit = "WebDataset"
    audio = Audio.PACKED

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        counts = {}
        with workers() as pool:
            for split, reader in utterances.readers.items():
                number, counts[split] = _number_of_tars(reader), 0
                parts = progress_bar(reader.parts(number), unit=" shards", desc=f"webdataset, {split}")
                for n, part in enumerate(parts):
                    name = f"webdataset/{split}-{n:06d}.tar"
                    _write_tar(context, name, number, utterances.with_audio(part, pool))
                    with tarfile.open(context.request.out / name) as tar:
                        counts[split] += sum(member.name.endswith(".txt") for member in tar)
        return counts

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        split = context.example_split
        number = _number_of_tars(utterances.readers[split])
        return f"""The audio is in the tars ({context.request.suffix}), not next to them.

    webdataset.WebDataset("webdataset/{split}-{{000000..{number - 1:06d}}}.tar", shardshuffle={number})
    files = {{"{split}": "webdataset/{split}-*.tar"}}
    datasets.load_dataset("webdataset", data_files=files, split="{split}", streaming=True)

`datasets` 4 and later needs torchcodec for it, also to cast the audio to `Audio(decode=False)`.
"""


def _number_of_tars(split: SplitReader) -> int:
    """Return in how many tars a split is written."""
    return split.even_number(MOST_SHARDS[split.name])


def _write_tar(context: WriterContext, name: str, number: int, clips: Iterable[tuple[UtteranceRow, bytes]]) -> None:
    """Write a tar, but not one that is finished. number: of the tars of its split."""
    origin = f"{context.origin} {number} {context.request.config} {context.request.label_set}"
    if context.folder.is_own(name, origin):
        return
    context.folder.refuse_foreign(name)
    with tarfile.open(context.folder.partial(name), "w", format=tarfile.USTAR_FORMAT) as tar:
        for row, audio in clips:
            _add(tar, f"{row.id}.{context.request.suffix}", audio)
            _add(tar, f"{row.id}.json", json.dumps(row.named_fields(), ensure_ascii=False).encode())
            _add(tar, f"{row.id}.txt", row.text.encode())
    context.folder.finish(name, origin)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
