"""Tables: `<split>.csv` for pandas, and `<split>/{<id>.wav,metadata.jsonl}` for `datasets`' audiofolder.

JSONL, because audiofolder makes 2 of the speaker "02" where it reads a metadata.csv.

Cells are data: a text that begins with `=` stays as it is, which a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import io

from emotiontalk.export.job import Job, Rows, readable
from emotiontalk.folder import jsonl

TOOLKIT, AUDIO = "pandas and audiofolder", None


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        records = []
        for row in utterances:
            fields = {k: v for k, v in readable(row).items() if not isinstance(v, (list, dict)) and k != "soft_label"}
            fields["text"] = row.text
            if row.path:
                job.link(row, f"csv/{split}/{row.id}.{job.suffix}")
                fields = {"file_name": f"{row.id}.{job.suffix}", **fields, "seconds": row.seconds}
            records.append(fields)
        if records and "file_name" in records[0]:
            job.folder.discard(f"csv/{split}/metadata.csv")  # of earlier versions: audiofolder reads no two kinds
            job.write(f"csv/{split}/metadata.jsonl", jsonl(records))
            records = [{**fields, "file_name": f"{split}/{fields['file_name']}"} for fields in records]
        text = io.StringIO()
        writer = csv.DictWriter(text, records[0] if records else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        job.write(f"csv/{split}.csv", text.getvalue())


def start(job: Job) -> str:
    """See `toolkits`."""
    lines = [f'    pandas.read_csv("csv/{job.example}.csv", dtype={{"speaker_id": str}})    # else "02" becomes 2\n']
    if job.config != "text":
        lines.append('    datasets.load_dataset("audiofolder", data_dir="csv")\n')
        lines.append(
            "\n`file_name` is below `csv/` in the CSV, below `csv/<split>/` in `metadata.jsonl`. "
            "`datasets` 4 and\nlater needs torchcodec to read it.\n"
        )
    return "".join(lines)
