"""Tables: `<split>.csv` for pandas, and `<split>/{<id>.wav,metadata.jsonl}` for `datasets`' audiofolder.

JSONL, because audiofolder makes 2 of the speaker "02" where it reads a metadata.csv.

Cells are data: a text that begins with `=` stays as it is, which a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import io

from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import Audio, Format
from emotiontalk.export.utterances import Utterances
from emotiontalk.folder import jsonl


class CsvFormat(Format):
    """What pandas and audiofolder read."""

    name = "csv"
    toolkit = "pandas and audiofolder"
    audio = Audio.FILES_IF_ANY

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            records = []
            for row in rows:
                fields = {
                    k: v for k, v in row.named_fields().items() if not isinstance(v, (list, dict)) and k != "soft_label"
                }
                fields["text"] = row.text
                if row.path:
                    context.link_clip(row, f"csv/{split}/{row.id}.{context.request.suffix}")
                    fields = {"file_name": f"{row.id}.{context.request.suffix}", **fields, "seconds": row.seconds}
                records.append(fields)
            if records and "file_name" in records[0]:
                context.folder.discard(
                    f"csv/{split}/metadata.csv"
                )  # of earlier versions: audiofolder reads no two kinds
                context.write_file(f"csv/{split}/metadata.jsonl", jsonl(records))
                records = [{**fields, "file_name": f"{split}/{fields['file_name']}"} for fields in records]
            text = io.StringIO()
            writer = csv.DictWriter(text, records[0] if records else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
            context.write_file(f"csv/{split}.csv", text.getvalue())
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        split = context.example_split
        lines = [f'    pandas.read_csv("csv/{split}.csv", dtype={{"speaker_id": str}})    # else "02" becomes 2\n']
        if context.request.config != "text":
            lines.append('    datasets.load_dataset("audiofolder", data_dir="csv")\n')
            lines.append(
                "\n`file_name` is below `csv/` in the CSV, below `csv/<split>/` in `metadata.jsonl`. "
                "`datasets` 4 and\nlater needs torchcodec to read it.\n"
            )
        return "".join(lines)
