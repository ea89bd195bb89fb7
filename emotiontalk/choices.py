"""What the options of the commands can be, in a module that imports nothing: `--help` shows them at once."""

from __future__ import annotations

CONFIGS = ("multimodal", "audio", "text", "video", "dialogues", "zh-en")
LABELED = ("audio", "multimodal", "text", "video")  # configs whose utterances have a label
OF_FILES = ("audio", "multimodal", "text")  # configs that `files` writes
EXPORTED = (
    "multimodal",
    "audio",
    "text",
    "dialogues",
    "zh-en",
)  # by default: `video` (21 GB) only where it is requested
WITHOUT_FOLDS = ("zh-en",)
TOOLKITS = (
    "kaldi", "lhotse", "emobox", "speechbrain", "s3prl", "funasr", "messages", "webdataset", "merbench", "audformat",
    "nemo", "evaluation", "csv",
)  # fmt: skip
TASKS = ("emotion", "caption", "asr")
CAPTIONS = ("overall", "speaker", "style", "emotion")  # the first is the whole one
MEDIA = ("audio", "video")
LANGUAGES = ("zh", "en")
TARGETS = ("emotion", "sentiment")
LABEL_SETS = ("all", "four")
HEADS = ("linear", "emobox", "superb", "emotion2vec")
POOLINGS = ("mean", "mean+std")
FUSIONS = ("concat", "mean-of-probabilities")
