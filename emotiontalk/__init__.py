"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`.

23.6 hours of acted Mandarin dialogue, 19,250 utterances with audio, video and text, annotated in four conditions, with
a sentiment score and captions (Sun et al., *EmotionTalk*, Findings of ACL 2026; Hub dataset `BAAI/Emotiontalk`, gated,
CC BY-NC-SA 4.0).

    import emotiontalk

    emotiontalk.load_dataset("audio", split="test", data_dir="RELEASE")
"""

import os
import signal
import sys


def _is_command() -> bool:
    """Whether this is `python -m emotiontalk …` or the console script `emotiontalk`."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return name == "-m" or name.split(".")[0] == "emotiontalk"


def _end_at_interrupts() -> None:
    """Let Ctrl-C end a command without a traceback from the first moment; `cli.stop` then has a word for it."""
    words = getattr(sys, "orig_argv", [])  # `-m` can be another package that imports this one
    started = ("-m", "emotiontalk") in zip(words, words[1:]) or os.path.basename(sys.argv[0]) == "emotiontalk"
    if started and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        except ValueError:  # in another thread than the first
            return


if _is_command():  # before anything else is imported
    _end_at_interrupts()

import importlib  # noqa: E402
import types  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from emotiontalk.annotations import Utterance, emotion_id, sentiment_id, spoken_text
    from emotiontalk.archives import Location, Release
    from emotiontalk.audio import decode_audio
    from emotiontalk.builder import EmotionTalk
    from emotiontalk.cli.score import score as score
    from emotiontalk.conversation import context
    from emotiontalk.corpus import (
        ANNOTATORS,
        ARCHIVES,
        AUDIO_FORMATS,
        CITATION,
        CONDITION_NAMES,
        CONDITIONS,
        DEFAULT_SOURCE,
        DIALOGUES,
        EMOTIONS,
        FOLDS,
        FOUR,
        GROUPS,
        HOMEPAGE,
        LICENSE,
        REPO_ID,
        REVISION,
        SENTIMENTS,
        SHARDS,
        SPEAKER_SETS,
        SPLITS,
        TOTAL,
        __version__,
        speaker_set_of,
        split_of,
    )
    from emotiontalk.display import load_ipython_extension, show
    from emotiontalk.errors import (
        AudioDecodeError,
        BadUtteranceError,
        EmotionTalkError,
        MissingArchiveError,
        NoConnectionError,
        NoUtteranceError,
    )
    from emotiontalk.loading import load_dataset
    from emotiontalk.options import EmotionTalkConfig
    from emotiontalk.schema import (
        CONFIGS,
        FIELDS,
        archives_of,
        description_of,
        features_of,
        fields_of,
        split_sizes,
        splits_of,
    )
    from emotiontalk.words import label_names

__all__ = [
    "ANNOTATORS",
    "ARCHIVES",
    "AUDIO_FORMATS",
    "CITATION",
    "CONDITIONS",
    "CONDITION_NAMES",
    "CONFIGS",
    "DEFAULT_SOURCE",
    "DIALOGUES",
    "EMOTIONS",
    "FIELDS",
    "FOLDS",
    "FOUR",
    "GROUPS",
    "HOMEPAGE",
    "LICENSE",
    "REPO_ID",
    "REVISION",
    "SENTIMENTS",
    "SHARDS",
    "SPEAKER_SETS",
    "SPLITS",
    "TOTAL",
    "AudioDecodeError",
    "BadUtteranceError",
    "EmotionTalk",
    "EmotionTalkConfig",
    "EmotionTalkError",
    "Location",
    "MissingArchiveError",
    "NoConnectionError",
    "NoUtteranceError",
    "Release",
    "Utterance",
    "__version__",
    "archives_of",
    "context",
    "decode_audio",
    "description_of",
    "emotion_id",
    "features_of",
    "fields_of",
    "label_names",
    "load_dataset",
    "load_ipython_extension",
    "sentiment_id",
    "show",
    "speaker_set_of",
    "split_of",
    "split_sizes",
    "splits_of",
    "spoken_text",
]

# The modules that have these names: imported when one of them is wanted, the cheapest first.
MODULES = (
    "corpus",
    "errors",
    "audio",
    "annotations",
    "schema",
    "options",
    "archives",
    "builder",
    "loading",
    "conversation",
    "words",
    "display",
)

# Names that need the extra `tools`, and the modules that have them. Not in `__all__`, which everybody can import, and
# not in `dir`: `datasets` gets whatever is there before it streams.
TOOLS = {"score": "cli.score"}


class Package(types.ModuleType):
    """This package: its names are found where they are defined, and it is pickled by its name.

    Commands import only what they need, so that they start, and stop, at once. `datasets` finds what `map` has made
    with this module, whatever was imported meanwhile.
    """

    def __getattr__(self, name: str) -> Any:
        """Import what has this name.

        Raises `AttributeError` where nothing has, `ModuleNotFoundError` where the extra that it needs is not installed.
        """
        if os.path.isfile(os.path.join(self.__path__[0], f"{name}.py")):
            return importlib.import_module(f"{self.__name__}.{name}")
        if name in __all__:
            for module in MODULES:
                found = vars(importlib.import_module(f"{self.__name__}.{module}"))
                if name in found:
                    setattr(self, name, found[name])
                    return found[name]
        if name in TOOLS:
            try:
                found = vars(importlib.import_module(f"{self.__name__}.{TOOLS[name]}"))
            except ModuleNotFoundError as error:
                library, install = (error.name or "").split(".")[0], 'pip install ".[tools]" in a clone of this project'
                message = f"{self.__name__}.{name} needs {library}, which is not installed: {install}"
                raise ModuleNotFoundError(message, name=error.name) from None
            setattr(self, name, found[name])
            return found[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        """Return the names that are meant for users, too."""
        return sorted({*super().__dir__(), *__all__})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it by its name."""
        return importlib.import_module, (self.__name__,)


def _normalise_endpoint() -> None:
    """Take blanks from around `HF_ENDPOINT`: with one, recent versions of `huggingface_hub` cannot be imported."""
    address = os.environ.get("HF_ENDPOINT", "")
    if address != address.strip():
        os.environ["HF_ENDPOINT"] = address.strip()


_normalise_endpoint()
sys.modules[__name__].__class__ = Package
if not _is_command():  # a program has imported everything before it begins to work
    importlib.import_module(f"{__name__}.loading")
