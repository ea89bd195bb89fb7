"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`.

23.6 hours of acted Mandarin dialogue, 19,250 utterances with audio, video and text, annotated in four conditions, with
a sentiment score and captions (Sun et al., *EmotionTalk*, Findings of ACL 2026; Hub dataset `BAAI/Emotiontalk`, gated,
CC BY-NC-SA 4.0).

    import emotiontalk

    emotiontalk.load_dataset("audio", split="test", data_dir="RELEASE")
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# Module -> the public names that it defines. A module is imported when one of its names is first used (PEP 562):
# `emotiontalk --help` needs no `datasets`, and loading no scikit-learn.
PUBLIC = {
    "annotations": ("Utterance", "emotion_id", "sentiment_id", "spoken_text"),
    "archives.locations": ("Location", "Release"),
    "audio": ("decode_audio",), "audio_format": ("AudioFormat",),
    "corpus": (
        "ANNOTATORS", "ARCHIVES", "AUDIO_FORMATS", "CITATION", "CONDITIONS", "CONDITION_NAMES", "DEFAULT_SOURCE",
        "DIALOGUES", "EMOTIONS", "FOLDS", "FOUR", "GROUPS", "HOMEPAGE", "LICENSE", "REPO_ID", "REVISION", "SENTIMENTS",
        "SHARDS", "SPEAKER_SETS", "SPLITS", "TOTAL", "__version__", "speaker_set_of", "split_of",
    ),
    "errors": (
        "AudioDecodeError", "BadUtteranceError", "DamagedArchiveError", "EmotionTalkError", "MissingArchiveError",
        "NoConnectionError", "NoUtteranceError",
    ),
    "evaluation.predictions_error": ("PredictionsError",), "evaluation.score": ("score",),
    "evaluation.score_result": ("Score",),
    "export.files": ("export_files",), "export.parquet": ("export_parquet",),
    "export.parquet_export": ("ParquetExport",), "export.result": ("FilesExport", "ZhEnExport"),
    "export.zh_en": ("export_zh_en",),
    "indexing": ("write_index",),
    "hub.pull_request": ("PullRequest", "open_pull_request"), "hub.push": ("PushResult", "push"),
    "loading.emotiontalk": ("EmotionTalk",), "loading.load_dataset": ("load_dataset",),
    "loading.options": ("EmotionTalkConfig",),
    "probing.extraction": ("FeatureTable", "extract_features"), "probing.probe": ("probe",),
    "probing.result": ("FoldsResult", "ProbeResult"),
    "reporting.report": ("Report", "report"),
    "request_error": ("RequestError",),
    "rows.context": ("context",), "rows.label_names": ("label_names",),
    "rows.show": ("load_ipython_extension", "show"),
    "schema": (
        "CONFIGS", "FIELDS", "archives_of", "description_of", "features_of", "fields_of", "split_sizes", "splits_of",
    ),
    "verification.findings": ("Audit",), "verification.verify": ("verify",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in PUBLIC.items() for name in names}
__all__ = sorted(_MODULE_OF)

# With a blank around it, recent versions of `huggingface_hub` cannot be imported.
if os.environ.get("HF_ENDPOINT", "").strip() != os.environ.get("HF_ENDPOINT", ""):
    os.environ["HF_ENDPOINT"] = os.environ["HF_ENDPOINT"].strip()


def __getattr__(name: str) -> Any:
    """Import the module that defines a public name.

    Raises `ModuleNotFoundError`, with what to install, where a library is missing that it needs.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in ("", __name__):
            raise
        message = f'{__name__}.{name} needs {library}: pip install ".[tools]" in a clone of this project'
        raise ModuleNotFoundError(message, name=error.name) from None
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
