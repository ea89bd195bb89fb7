"""What each toolkit reads: a module each, named here.

A module has `TOOLKIT` (its name for people), `AUDIO` ("files": audio files next to it; "inside": it packs them itself;
None: as "files", but it does without where the config has no audio), `write(job, rows)`, which writes its files from
the rows of each split, and `start(job)`, which says how to start the toolkit with the files. Where `AUDIO` is "inside",
it is `write(job, clips)` instead, which returns the number of utterances of each split.

A module may have `OWN_FOLDS = True`: it writes all folds by itself, and none is to be chosen.

A module may have `check(out, audio_format)`, too: it raises `RequestError` where the toolkit could not read the files,
and returns a warning, or None.
"""

from __future__ import annotations

from emotiontalk import choices
from emotiontalk.audio import AudioFormat
from emotiontalk.request_error import RequestError

SHORT = {"train": "train", "validation": "valid", "test": "test"}  # names of the splits in some toolkits
TOOLKITS = {name: "table" if name == "csv" else name for name in choices.TOOLKITS}  # the module of each


def require_one_channel(toolkit: str, audio_format: AudioFormat) -> None:
    """Raise `RequestError` where the audio has not one channel: what reads it would fail, or mix channels with time."""
    if audio_format.channels != 1:
        raise RequestError(f"{toolkit} reads audio of one channel: leave --original and --channels 2 away for it.")
