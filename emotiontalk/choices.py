"""What the options can be, in a module without large imports: `--help` shows them at once."""

from __future__ import annotations

from collections.abc import Collection

from emotiontalk.request_error import RequestError

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


def check_choice(option: str, value: object, possible: Collection[object]) -> None:
    """Raise `RequestError` for a value that an option does not have.

    Args:
        option: its name in Python.
        value: what was passed for it.
        possible: what it can be.
    """
    if value not in possible:
        raise RequestError(f"{option}={value!r}: choose from {', '.join(map(str, possible))}.")
