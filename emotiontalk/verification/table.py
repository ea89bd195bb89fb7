"""The table of an audit in a terminal. `rich` draws it, and is imported when it is printed."""

from __future__ import annotations

from emotiontalk.verification.findings import QUICK_SCOPE, Audit

STYLES = {"ok": "green", "unknown": "cyan", "warning": "yellow", "wrong": "bold red"}


def print_audit(audit: Audit, most: int = 5, how_to_see_all: str = "to_pandas() has all") -> None:
    """Print an audit.

    Args:
        audit: what to print.
        most: how many findings of each check to name.
        how_to_see_all: what to say where a check has more; `{number}` stands for how many it has.
    """
    import rich.console
    import rich.table
    import rich.text

    right = [rich.table.Column(title, justify="right") for title in ("looked at", "found")]
    table = rich.table.Table("check", "state", *right)
    checks = audit.checks_to_show()
    for check, title in checks.items():
        state = audit.state(check)
        counts = f"{audit.examined[check]:,}", f"{len(audit.of(check)):,}"
        table.add_row(title, rich.text.Text(state, STYLES[state]), *counts)
    console = rich.console.Console(highlight=False, soft_wrap=True)
    console.print(table)
    for check, title in checks.items():
        findings = audit.findings_by_weight(check)
        for finding in findings[:most]:
            what = f"  {finding.archive}: {finding.where}: {finding.what}"
            console.print(rich.text.Text.assemble((finding.state, STYLES[finding.state]), what))
        if len(findings) > most:
            all_of_them = how_to_see_all.format(number=len(findings))
            console.print(f"    and {len(findings) - most:,} more ({title.lower()}): {all_of_them}", markup=False)
    for line in audit.conclusions():
        console.print(line, markup=False)
    if audit.quick and audit.looked:
        console.print(QUICK_SCOPE, markup=False)
