"""The tables of a score on the terminal, drawn by rich."""

from __future__ import annotations

import rich.console
import rich.table
import rich.text

from emotiontalk.evaluation.summary import Result, TextTable, heading_lines, remarks, tables_of


def print_tables(result: Result) -> None:
    """Print a table for each system and part, and one for each comparison. result: as `Score.to_dict`."""
    console = rich.console.Console(highlight=False, soft_wrap=True)

    def print_line(text: str) -> None:
        console.print(rich.text.Text(text))

    for line in heading_lines(result):
        print_line(line)
    for title, tables in tables_of(result):
        print_line(f"\n{title}")
        for table in tables:
            if table.caption:
                print_line(table.caption)
            console.print(_drawn(table))
    for line in remarks(result):
        print_line(line)


def _drawn(table: TextTable) -> rich.table.Table:
    first, *others = table.heading
    drawn = rich.table.Table(first, *(rich.table.Column(title, justify="right") for title in others))
    for section in table.sections:
        for cells in section:
            drawn.add_row(*map(rich.text.Text, cells))
        drawn.add_section()
    return drawn
