"""`emotiontalk.show`: rows to look at and to listen to, in a notebook and in a terminal."""

from __future__ import annotations

import base64
import builtins
import html
import io
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Union

import numpy as np

from emotiontalk.audio import decode_audio
from emotiontalk.corpus import EMOTIONS
from emotiontalk.errors import brief, printable
from emotiontalk.rows.context import dicts_of
from emotiontalk.rows.label_names import FEATURES, labels_to_names

RATE = 16_000  # Hz, of the clip in a player: one channel, as FLAC
LONGEST_VIDEO = 8 << 20  # bytes of a video clip in a player; in the release the mean is 1.1 MB
LONGEST_PRINTED = 200  # bytes that `load_ipython_extension` leaves as they are
BAR = 20  # characters of a share of 1
LABELS = ("emotion", "emotion_text", "emotion_audio", "emotion_video", "emotion_multimodal", "sentiment")
# Shown in the title or beside another field, or in none of the lines at the end.
ELSEWHERE = frozenset(
    {"id", "sample_id", "dialogue", "group", "speaker_id", "speaker_set", "turn", "duration", "sampling_rate",
     "channels", "audio", "video", "transcription", "text", "src_ref", "sentiment_score", "soft_label", "captions",
     "annotations", "turns", "start", "end", *LABELS}
)  # fmt: skip
BOX = "border:1px solid rgba(128,128,128,.4);border-radius:6px;padding:.5em .8em;margin:.4em 0;max-width:60em"
PLAIN = "margin:0;color:inherit"  # the notebook's own color, light or dark
CELL = "text-align:left;vertical-align:top;padding:.1em .8em .1em 0"  # notebooks align cells to the right
FILLED = "display:inline-block;height:.7em;background:rgba(74,144,217,.8)"


class Line(NamedTuple):
    """A field and its value, printable."""

    name: str
    text: str


class Bars(NamedTuple):
    """Shares of labels, 0…1."""

    name: str
    shares: list[tuple[str, float]]


class Table(NamedTuple):
    """Cells below heads, printable."""

    name: str
    heads: Sequence[str]
    rows: list[list[str]]


class Clip(NamedTuple):
    """The field `audio` or `video` as it stands in the row, and what is said of it, printable."""

    name: str
    media: Any
    text: str


Part = Union[Line, Bars, Table, Clip]


def _text(value: Any) -> str:
    """Return a value as one printable line; of bytes how many there are."""
    if hasattr(value, "tolist"):  # numpy, torch
        value = value.tolist()
    if value is None:
        return "–"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value):,} bytes"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return printable(value)
    try:
        return brief(value)
    except Exception:  # of a number with thousands of digits, or whatever has no text
        return f"<{type(value).__name__}>"


def _label(value: Any, name: str) -> str:
    """Return a label as a word; what is not a class stays."""
    try:
        return _text(value if isinstance(value, bool) else labels_to_names(value, FEATURES[name]))
    except (ValueError, TypeError):
        return _text(value)


def _number(value: Any) -> float | None:
    """Return a finite number; None for anything else, which is shown as it is."""
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _measured(value: Any, form: str, unit: str, divisor: float = 1) -> str:
    """Return a number with its unit."""
    number = _number(value)
    return f"{_text(value) if number is None else format(number / divisor, form)} {unit}"


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # of arrays
        return False


def _dicts(values: Any) -> list[Mapping[str, Any]] | None:
    """Return a list of dicts as `dicts_of`, or one dict in a list; None for anything else, which is shown as it is."""
    if isinstance(values, Mapping):
        lists = [one for one in values.values() if _is_list(one)]
        if not lists:
            return [values]
        whole = len(lists) == len(values) and len({len(one) for one in lists}) == 1
        return list(dicts_of(values)) if whole else None
    return list(values) if _is_list(values) and all(isinstance(one, Mapping) for one in values) else None


def _title(row: Mapping[str, Any]) -> str:
    """Return the id, and whose turn it is."""
    title = _text(row.get("id", row.get("sample_id", "")))
    who = [f"{word} {_text(row[name])}" for name, word in (("speaker_id", "speaker"), ("turn", "turn")) if name in row]
    return ": ".join(filter(None, [title, ", ".join(who)]))


def _clip(row: Mapping[str, Any], name: str) -> Clip:
    """Return the clip of a row. What is said of it is taken from other fields: it is not decoded for that."""
    media, said = row[name], []
    path = media.get("path") if isinstance(media, Mapping) else None
    seconds, rate, channels = (row.get(field) for field in ("duration", "sampling_rate", "channels"))
    if path is not None:
        said.append(_text(path))
    if seconds is not None and name == "audio":
        said.append(_measured(seconds, ".2f", "s"))
    if rate is not None and name == "audio":
        said.append(_measured(rate, "g", "kHz" if _number(rate) else "Hz", 1000))
    if channels is not None and name == "audio":
        said.append({1.0: "mono", 2.0: "stereo"}.get(_number(channels) or 0, _measured(channels, "g", "channels")))
    return Clip(name, media, ", ".join(said) or "there")


def _votes(soft_label: Any) -> Part:
    """Return the labels that have votes, with their shares; four shares are those of the first four labels."""
    given = list(soft_label) if _is_list(soft_label) else [soft_label]
    shares = [0.0 if share is None else _number(share) for share in given]
    known = [min(1.0, max(0.0, share)) for share in shares if share is not None and -1e-6 <= share <= 1 + 1e-6]
    if len(known) < len(given) or not _is_list(soft_label) or len(given) > len(EMOTIONS):
        return Line("votes", _text(soft_label))
    return Bars("votes", [(name, share) for name, share in zip(EMOTIONS, known) if share > 0])


def _captions(captions: Any) -> list[Part]:
    """Return captions as lines; also where they are one text, or a list of texts."""
    given = captions if isinstance(captions, Mapping) else {"overall": captions}
    lines = [Line(f"caption, {_text(name)}", _text(given[name])) for name in given if name != "overall"]
    overall: Any = given.get("overall")
    lines += [Line("caption", _text(one)) for one in (overall if _is_list(overall) else [overall])]
    return [line for line in lines if line.text != "–"]


def _annotations(annotations: Any) -> Part:
    fields = ("annotator", "emotion", "confidence", "sentiment")
    rows, votes = [], _dicts(annotations)
    if votes is None:
        return Line("annotations", _text(annotations))
    for vote in votes:
        label = _label(vote.get("emotion"), "emotion")
        rows.append([label if field == "emotion" else _text(vote.get(field)) for field in fields])
    keep = [n for n in range(len(fields)) if n < 2 or any(row[n] != "–" for row in rows)]
    return Table("annotations", [fields[n] for n in keep], [[row[n] for n in keep] for row in rows])


def _turns(turns: Any) -> Part:
    given = _dicts(turns)
    if given is None:
        return Line("turns", _text(turns))
    labels = [name for name in LABELS if any(name in turn for turn in given)]
    rows = []
    for turn in given:
        said = turn.get("transcription", turn.get("text"))
        who = [_text(turn.get("turn")), _text(turn.get("speaker_id"))]
        rows.append([*who, *(_label(turn.get(name), name) for name in labels), _text(said)])
    return Table(
        "turns", ["turn", "speaker", *(name.replace("emotion_", "") for name in labels), "transcription"], rows
    )


def _parts(row: Mapping[str, Any]) -> list[Part]:
    """Return what is shown of a row, in order; fields of the user's own come last."""
    parts: list[Part] = [_clip(row, name) for name in ("audio", "video") if row.get(name) is not None]
    parts += [Line(name, _text(row[name])) for name in ("transcription", "src_ref") if name in row]
    if "text" in row and not _same(row["text"], row.get("transcription")):
        parts.append(Line("text", _text(row["text"])))
    for name in LABELS:
        if name in row:
            score = f" ({_text(row['sentiment_score'])})" if name == "sentiment" and "sentiment_score" in row else ""
            parts.append(Line(name, _label(row[name], name) + score))
    if "sentiment_score" in row and "sentiment" not in row:
        parts.append(Line("sentiment_score", _text(row["sentiment_score"])))
    if row.get("soft_label") is not None:
        parts.append(_votes(row["soft_label"]))
    parts += _captions(row["captions"]) if row.get("captions") is not None else []
    tables = (("annotations", _annotations), ("turns", _turns))
    parts += [table(row[name]) for name, table in tables if row.get(name) is not None]
    if row.get("start") is not None and row.get("end") is not None:
        start, end = (_measured(row[name], ".2f", "").rstrip() for name in ("start", "end"))
        parts.append(Line("time", f"{start} … {end} s of the dialogue"))
    parts += [Line(_text(name), _text(value)) for name, value in row.items() if name not in ELSEWHERE]
    return parts


def _in_text(part: Part, width: int) -> str:
    """Return a part for a terminal: the name, and what it says beside it."""
    if isinstance(part, Bars):
        longest = max((len(name) for name, _ in part.shares), default=0)
        lines = [f"{name:{longest}} {share:4.0%} {'█' * round(BAR * share)}" for name, share in part.shares]
    elif isinstance(part, Table):
        cells = [list(part.heads), *part.rows]
        widths = [max(len(row[n]) for row in cells) for n in range(len(part.heads))]
        lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths)).rstrip() for row in cells]
    else:
        lines = [part.text]
    return "\n".join(f"  {part.name if n == 0 else '':{width}}  {line}" for n, line in enumerate(lines or ["–"]))


def _flac(audio: Any) -> bytes:
    """Return audio for a player: 16 kHz, mono, FLAC. Raises the errors of `decode_audio`."""
    samples = decode_audio(audio, RATE, mono=True)["array"]
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.nan_to_num(samples), RATE, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _player(clip: Clip) -> str:
    """Return the player of a clip; where there can be none, why."""
    if clip.name == "audio":
        try:
            kind, data = "audio/flac", _flac(clip.media)
        except Exception as error:  # whatever stands there
            return f"<i>{html.escape(f'It cannot be played here: {brief(error)}')}</i>"
    else:
        given = getattr(clip.media, "_hf_encoded", clip.media)  # of a decoder: what it was made from
        kind, data = "video/mp4", (given.get("bytes") if isinstance(given, Mapping) else None) or b""
        if not isinstance(data, (bytes, bytearray)) or not 0 < len(data) <= LONGEST_VIDEO:
            return "<i>It cannot be played here: load it with <code>datasets.Video(decode=False)</code>.</i>"
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    style = "max-width:24em;display:block"
    return f'<{clip.name} controls preload="metadata" style="{style}" src="{source}"></{clip.name}>'


def _in_html(part: Part) -> str:
    """Return a part as a row of an HTML table."""
    if isinstance(part, Bars):
        rows = [
            f'<tr><td style="{CELL}">{html.escape(name)}</td><td style="{CELL};min-width:10em"><span style="{FILLED};'
            f'width:{8 * share:.2f}em"></span> {share:.0%}</td></tr>'
            for name, share in part.shares
        ]
        said = f'<table style="{PLAIN}">{"".join(rows)}</table>' if rows else "–"
    elif isinstance(part, Table):
        heads = "".join(f'<th style="{CELL}">{html.escape(head)}</th>' for head in part.heads)
        rows = ["".join(f'<td style="{CELL}">{html.escape(cell)}</td>' for cell in row) for row in part.rows]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        said = f'<table style="{PLAIN}"><tr>{heads}</tr>{body}</table>'
        if part.name == "annotations":  # five lines that not everybody wants to see at once
            said = f"<details><summary>{len(rows)}</summary>{said}</details>"
    else:
        said = html.escape(part.text)
    if isinstance(part, Clip):
        said += _player(part)
    name = f'<td style="{CELL};opacity:.7">{html.escape(part.name)}</td>'
    return f'<tr style="background:none">{name}<td style="{CELL}">{said}</td></tr>'


class Shown:
    """Rows to look at: HTML with players in a notebook, text elsewhere. Everything of the rows is escaped.

    Args:
        rows: the rows.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        self._html: str | None = None

    def __repr__(self) -> str:
        texts = []
        for row in self.rows:
            parts = _parts(row)
            width = max((len(part.name) for part in parts), default=0)
            texts.append("\n".join([_title(row), *(_in_text(part, width) for part in parts)]))
        return "\n\n".join(texts) or "no rows"

    def _repr_html_(self) -> str:
        """Return the rows for a notebook, made once: with torchcodec 0.13 a clip can be decoded only once."""
        if self._html is None:
            boxes = []
            for row in self.rows:
                parts = "".join(map(_in_html, _parts(row)))
                title = f"<b>{html.escape(_title(row))}</b>"
                boxes.append(f'<div style="{BOX}">{title}<table style="{PLAIN}">{parts}</table></div>')
            self._html = "".join(boxes) or "no rows"
        return self._html


def _is_list(value: Any) -> bool:
    return (isinstance(value, Sequence) and not isinstance(value, (str, bytes))) or getattr(value, "ndim", 0) > 0


def _is_batch(rows: Mapping[str, Any]) -> bool:
    """Whether a dict is a batch, a list for each field: by a field that is not a list in a row, if it has one."""
    known = [name for name in rows if name in FEATURES and not _is_list(FEATURES[name]) and rows[name] is not None]
    if known:
        return all(_is_list(rows[name]) for name in known)
    lists = [value for name, value in rows.items() if name in FEATURES]  # of lists, as `turns`
    return bool(rows) and all(_is_list(one) and all(map(_is_list, one)) for one in lists or rows.values())


def _rows_of(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a batch; a field that is not a list, or is too short, is None in the rows that it lacks."""
    number = max(len(values) for values in batch.values() if _is_list(values))
    return [
        {name: values[n] if _is_list(values) and n < len(values) else None for name, values in batch.items()}
        for n in range(number)
    ]


def _is_echoed() -> bool:
    """Whether Python shows what an expression gives: at a prompt, and in IPython or a notebook."""
    return hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__")


def show(rows: Any) -> Shown:
    """Show rows: in a notebook a player, the transcription, labels as words, votes as bars, captions; else as text.

    A script prints the text. At a prompt and in a notebook, the returned object is shown where it ends a cell.

    Args:
        rows: a row of any config (`ds[0]`, an example of a stream), a batch (`ds[0:5]`), or a list of rows; audio and
            video as `{bytes, path}` or decoded.

    Returns:
        An object with `_repr_html_`, for notebooks, and `__repr__`. Everything of the rows is escaped in both. The
        player has the clip in it, at 16 kHz with one channel: a saved notebook holds gated audio.

    Raises:
        TypeError: `rows` is none of these.
    """
    if isinstance(rows, Mapping):
        shown = Shown(_rows_of(rows) if _is_batch(rows) else [rows])
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows) and not isinstance(rows, str):
        shown = Shown(list(rows))
    else:
        raise TypeError(f"show takes a row or some rows, show(ds[0]) or show(ds[0:5]), not {type(rows).__name__}.")
    if not _is_echoed():
        print(shown)
    return shown


def load_ipython_extension(ipython: Any) -> None:
    """Let a notebook print how long `bytes` are, and not what they are: `%load_ext emotiontalk`.

    A row with undecoded audio then takes some lines. Bytes that are short stay as they are.
    """

    def brief_bytes(data: bytes, printer: Any, _: bool) -> None:
        short = len(data) <= LONGEST_PRINTED
        printer.text(repr(data) if short else f"<{len(data):,} bytes, {data[:8]!r}…>")

    ipython.display_formatter.formatters["text/plain"].for_type(bytes, brief_bytes)
