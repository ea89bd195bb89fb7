"""What each toolkit reads: a module each, named here.

A module has `TOOLKIT` (its name for people), `AUDIO` ("files": audio files next to it; "inside": it packs them itself;
None: as "files", but it does without where the config has no audio), `write(job, rows)`, which writes its files from
the rows of each split, and `start(job)`, which says how to start the toolkit with the files. Where `AUDIO` is "inside",
it is `write(job, clips)` instead, which returns the number of utterances of each split.
"""

from __future__ import annotations

SHORT = {"train": "train", "validation": "valid", "test": "test"}  # names of the splits in some toolkits
TOOLKITS = {
    "kaldi": "kaldi",
    "lhotse": "lhotse",
    "emobox": "emobox",
    "speechbrain": "speechbrain",
    "s3prl": "s3prl",
    "funasr": "funasr",
    "messages": "messages",
    "webdataset": "webdataset",
    "merbench": "merbench",
    "csv": "table",
}
