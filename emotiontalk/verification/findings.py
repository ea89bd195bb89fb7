"""What `emotiontalk.verify` checks and finds: the checks, a finding, and the audit that collects them."""

from __future__ import annotations

import collections
import dataclasses
import html
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
QUICK_SCOPE = """\
What this compares: the sizes of all four archives; the audio-only annotations (the first 64 MiB of Audio.tar), the
text-only and the silent-video annotations (Text.tar and Video.tar whole).
What it does not look at: the audio, the videos, and the audio-visual annotations; of these, only the sizes of their
archives."""


@dataclasses.dataclass
class Finding:
    """Something that is not as published.

    Attributes:
        check: the check that found it, a key of `CHECKS`.
        state: how bad it is, one of `STATES`.
        archive: its archive.
        where: the member or the id.
        what: what is wrong.
    """

    check: str
    state: str
    archive: str
    where: str
    what: str


Add = Callable[..., None]  # of the findings about one member or id: check, what, and state if it is not "wrong"
Annotated = tuple[str, "int | None", "float | None", "str | None"]  # id, label, score, text


class Audit:
    """What was examined and what was found. In a notebook it shows itself as a table.

    Attributes:
        quick: whether only sizes and first bytes were compared.
        examined: how often each check was made.
        findings: what was found.
        archives: of each archive its paths, bytes and SHA-256.
        annotated: of each condition and dialogue, what is annotated.
        times, seconds: of each id, length in seconds by the annotation, by the audio's header.
        formats: clips of each format (rate in Hz, channels, bits).
        overruled: labels that do not follow from the annotators', by the authors' decision.
    """

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self.examined: collections.Counter[str] = collections.Counter()
        self.findings: list[Finding] = []
        self.archives: dict[str, dict[str, Any]] = {}
        self.annotated: dict[tuple[str, str], list[Annotated]] = collections.defaultdict(list)
        self.times: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.formats: collections.Counter[tuple[int, int, int]] = collections.Counter()
        self.overruled = 0

    def __repr__(self) -> str:
        return f"Audit(ok={self.ok}, looked={self.looked}, findings={len(self.findings):,})"

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

    def findings_by_weight(self, check: str) -> list[Finding]:
        """Return the findings of a check, the worst first."""
        return sorted(self.of(check), key=lambda finding: -STATES.index(finding.state))

    def checks_to_show(self) -> dict[str, str]:
        """Return {check: title} of the table: of a quick verification, only what it examined or found."""
        return {
            check: title for check, title in CHECKS.items() if not self.quick or self.examined[check] or self.of(check)
        }

    def conclusions(self) -> list[str]:
        """Say what follows from all checks: audio formats, labels of experts, and whether something is wrong."""
        lines = []
        if self.formats:
            counts = (f"{n:,} {format_name(*form)}" for form, n in self.formats.most_common())
            reported = (f"{n:,}" for n in AUDIO_FORMATS.values())
            lines.append(f"Audio formats: {', '.join(counts)} (reported of the release: {', '.join(reported)}).")
        if self.overruled:
            lines.append(
                f"{self.overruled:,} labels do not follow from the annotators': the authors' decision, as published."
            )
        if not self.looked:
            lines.append("Nothing could be looked at: see above.")
        else:
            lines.append("Nothing is wrong." if self.ok else "Something is wrong: see above.")
        return lines

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

    def to_pandas(self) -> Any:
        """Return the findings as a `pandas.DataFrame`, a finding a row: check, state, archive, where, what."""
        import pandas

        columns = [field.name for field in dataclasses.fields(Finding)]
        return pandas.DataFrame([dataclasses.asdict(finding) for finding in self.findings], columns=columns)

    def _repr_html_(self, most: int = 5) -> str:
        """Return the audit as HTML for a notebook: the checks, of each the worst findings, and what follows."""
        rows, items = [], []
        for check, title in self.checks_to_show().items():
            findings = self.findings_by_weight(check)
            cells = (title, self.state(check), f"{self.examined[check]:,}", f"{len(findings):,}")
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
            items += [f"{f.state} {f.archive}: {f.where}: {f.what}" for f in findings[:most]]
            if len(findings) > most:
                items.append(f"and {len(findings) - most:,} more ({title.lower()}): to_pandas() has all")
        head = "".join(f"<th>{name}</th>" for name in ("check", "state", "looked at", "found"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        listed = "".join(f"<li>{html.escape(item)}</li>" for item in items)
        said = "<br>".join(map(html.escape, self.conclusions()))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><ul>{listed}</ul><p>{said}</p>"


def format_name(rate: int, channels: int, bits: int) -> str:
    """Name an audio format."""
    names = {1: "mono", 2: "stereo"}
    kilohertz = f"{rate / 1000:g} kHz {names.get(channels, f'{channels} channels')}"
    return kilohertz if bits == 16 else f"{kilohertz} {bits} bit"
