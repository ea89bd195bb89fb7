"""What each toolkit reads: a module each, named here.

A module has `TOOLKIT` (its name for people), `SOUND` ("files": sounds beside; "inside": it packs them itself; None: as
"files", but it does without where the config has no sound), `write(job, rows)`, which writes its files from the rows of
each split, and `start(job)`, which says how to start the toolkit with the files. Where `SOUND` is "inside", it is
`write(job, sounds)` instead: `sounds(gen_kwargs)` yields (row, sound), and the utterances of each split are returned.
"""

SHORT = {"train": "train", "validation": "valid", "test": "test"}  # how some toolkits call the splits
FORMATS = {
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
