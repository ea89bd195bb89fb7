"""One `metadata.csv` a split, `file_name` first: what `datasets`' audiofolder and pandas read.

Cells are data: a text that begins with `=` stays as it is, which a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import io

from ..job import Job, Rows, readable

TOOLKIT, AUDIO = "pandas and audiofolder", None


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        text, writer = io.StringIO(), None
        for row in utterances:
            fields = {k: v for k, v in readable(row).items() if not isinstance(v, (list, dict)) and k != "soft_label"}
            fields["text"] = row.text
            if row.path:
                job.link(row, f"csv/{split}/{row.id}.{job.suffix}")
                fields = {"file_name": f"{row.id}.{job.suffix}", **fields, "seconds": row.seconds}
            if writer is None:
                writer = csv.DictWriter(text, fields, lineterminator="\n")
                writer.writeheader()
            writer.writerow(fields)
        job.write(f"csv/{split}/metadata.csv", text.getvalue())


def start(job: Job) -> str:
    """See `toolkits`."""
    lines = [f'    pandas.read_csv("csv/{job.example}/metadata.csv", dtype={{"speaker_id": str}})\n']
    if job.config != "text":
        lines.append(
            '    datasets.load_dataset("audiofolder", data_dir="csv")      # below datasets 4 with pandas 1 or 2\n'
        )
    return "".join(lines)
