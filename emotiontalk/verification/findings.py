"""What `emotiontalk verify` checks and finds: the checks, a finding, and the audit that collects them."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

from emotiontalk.corpus import AUDIO_FORMATS
from emotiontalk.errors import printable

# What is checked, in the order of the table. A check of the content looks at what people typed, not at the download.
CHECKS = {
    "archives": "The archives are there, and whole",
    "size": "Size of each archive, as pinned",
    "sha256": "SHA-256 of each archive, as pinned",
    "prefix": "First 64 MiB of Audio.tar, as reported",
    "utterances": "Utterances of each group, in each annotation condition",
    "conditions": "Each utterance is annotated in all four conditions",
    "media": "Annotation and audio or video, both ways",
    "duplicates": "No duplicate ids",
    "json": "Annotations are JSON",
    "labels": "Labels are among the seven emotions",
    "published": "Labels, scores and texts are the published ones",
    "votes": "The label follows from the annotators' labels",
    "scores": "The score is the mean of the ratings",
    "names": "Paths inside agree with the file's name",
    "wav": "Audio: WAV headers, not empty",
    "format": "Audio: counts of its formats, as reported",
    "length": "Audio is as long as its times say",
    "mp4": "Video: MP4, not empty",
    "raw": "Texts, times and captions can be read",
    "marks": "Marks in transcriptions are well-formed",
}
CONTENT = ("labels", "published", "votes", "scores", "names", "raw", "length")
STATES = ("ok", "unknown", "warning", "wrong")  # in the order of their weight


@dataclasses.dataclass
class Finding:
    """What is not as published: which check, how bad (one of `STATES`), the archive, the member or id, what."""

    check: str
    state: str
    archive: str
    where: str
    what: str


Add = Callable[..., None]  # of the findings about one member or id: check, what, and state if it is not "wrong"
Annotated = tuple[str, "int | None", "float | None", "str | None"]  # id, label, score, text


class Audit:
    """What was examined and what was found.

    Attributes:
        examined: how often each check was made.
        findings: what was found.
        archives: of each archive its paths, bytes and SHA-256.
        annotated: of each condition and dialogue, what is annotated.
        times, seconds: of each id, length in seconds by the annotation, by the audio's header.
        formats: clips of each format (rate in Hz, channels, bits).
        overruled: labels that do not follow from the annotators', by the authors' decision.
    """

    def __init__(self) -> None:
        self.examined: collections.Counter[str] = collections.Counter()
        self.findings: list[Finding] = []
        self.archives: dict[str, dict[str, Any]] = {}
        self.annotated: dict[tuple[str, str], list[Annotated]] = collections.defaultdict(list)
        self.times: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.formats: collections.Counter[tuple[int, int, int]] = collections.Counter()
        self.overruled = 0

    def add(self, check: str, archive: str, where: str, what: str, state: str = "wrong") -> None:
        """Add a finding."""
        self.findings.append(Finding(check, state, archive, printable(where), printable(what)))

    def about(self, archive: str, where: str) -> Add:
        """Return `add` for the findings about one member or id: a function of the check, what, and the state."""
        return lambda check, what, state="wrong": self.add(check, archive, where, what, state)

    def of(self, check: str) -> list[Finding]:
        """Return the findings of a check."""
        return [finding for finding in self.findings if finding.check == check]

    def state(self, check: str) -> str:
        """Return the worst state among the findings of a check; "unknown" where nothing could be examined."""
        states = [finding.state for finding in self.of(check)] or ["ok" if self.examined[check] else "unknown"]
        return max(states, key=STATES.index)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.state == "wrong" for finding in self.findings)

    @property
    def looked(self) -> bool:
        """Whether there was anything to examine: not where no archive could be opened."""
        return self.examined["archives"] > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the whole audit as JSON-ready values."""
        checks = [
            {"check": check, "title": title, "state": self.state(check), "examined": self.examined[check],
             "findings": [dataclasses.asdict(finding) for finding in self.of(check)]}
            for check, title in CHECKS.items()
        ]  # fmt: skip
        return {
            "ok": self.ok,
            "looked": self.looked,
            "overruled": self.overruled,
            "formats": {format_name(*form): count for form, count in self.formats.most_common()},
            "archives": self.archives,
            "checks": checks,
        }


def format_name(rate: int, channels: int, bits: int) -> str:
    """Name an audio format."""
    names = {1: "mono", 2: "stereo"}
    kilohertz = f"{rate / 1000:g} kHz {names.get(channels, f'{channels} channels')}"
    return kilohertz if bits == 16 else f"{kilohertz} {bits} bit"


def print_table(audit: Audit, names: int = 5, only_examined: bool = False) -> None:
    """Print the audit as a table; of each check, as many findings by name.

    only_examined: leave out the checks that looked at nothing, and found nothing.
    """
    import rich.console
    import rich.table
    import rich.text

    styles = {"ok": "green", "unknown": "cyan", "warning": "yellow", "wrong": "bold red"}
    right = [rich.table.Column(title, justify="right") for title in ("looked at", "found")]
    table = rich.table.Table("check", "state", *right)
    for check, title in CHECKS.items():
        state, found = audit.state(check), len(audit.of(check))
        if only_examined and not audit.examined[check] and not found:
            continue
        table.add_row(title, rich.text.Text(state, styles[state]), f"{audit.examined[check]:,}", f"{found:,}")
    console = rich.console.Console(highlight=False, soft_wrap=True)
    console.print(table)
    for check, title in CHECKS.items():
        findings = sorted(audit.of(check), key=lambda finding: -STATES.index(finding.state))
        for finding in findings[:names]:
            what = f"  {finding.archive}: {finding.where}: {finding.what}"
            console.print(rich.text.Text.assemble((finding.state, styles[finding.state]), what))
        if len(findings) > names:
            more = f"{len(findings) - names:,} more ({title.lower()}): --names {len(findings)}, or --json"
            console.print(f"    and {more}", markup=False)
    if audit.formats:
        counts = (f"{n:,} {format_name(*form)}" for form, n in audit.formats.most_common())
        reported = (f"{n:,}" for n in AUDIO_FORMATS.values())
        console.print(f"Audio formats: {', '.join(counts)} (reported of the release: {', '.join(reported)}).")
    if audit.overruled:
        console.print(
            f"{audit.overruled:,} labels do not follow from the annotators': the authors' decision, as published."
        )
    if not audit.looked:
        console.print("Nothing could be looked at: see above.")
    else:
        console.print("Nothing is wrong." if audit.ok else "Something is wrong: see above.")
