"""The options of the loader, and what to use instead of options that are not supported."""

from __future__ import annotations

import dataclasses
import importlib
import json
import numbers
from typing import Any

import datasets

from ..archives.local import find_archive, fingerprint_of
from ..archives.urls import is_remote, without_secrets
from ..audio import checked_rate
from ..corpus import FOLDS, REPO_ID, SPLITS
from ..errors import redacted
from ..request_error import RequestError
from ..schema import CONFIGS, archives_of, features_of, splits_of

# Keywords of `datasets.load_dataset` that are not supported here, and what to do instead.
INSTEAD = {
    "path": 'the config comes first, for example load_dataset("audio")',
    "data_files": "pass data_dir= with the folder or the URL that holds the archives",
    "revision": f'pass data_dir="hf://datasets/{REPO_ID}@REVISION"',
    "prepare_splits": "pass split=, only the splits that it names are prepared",
    "trust_remote_code": "remove it, no script is run",
    "features": "call cast() on what this returns",
    "download_config": "pass token=, cache_dir= or download_mode=",
    "storage_options": "pass data_dir= with the URL; the library that reads it has settings of its own",
    "save_infos": "remove it, the expected sizes are in the loader",
    "ignore_verifications": "pass verification_mode=",
    "use_auth_token": "pass token=",
}


@dataclasses.dataclass
class EmotionTalkConfig(datasets.BuilderConfig):
    """The options of the loader.

    Args:
        name: the config, "multimodal", …
        label_set: "all" seven emotions, or "four": only utterances whose label (this config's) is neutral, happy, sad
            or angry, the paper's "Four" setting. Then `emotion` has these four classes, numbered as before, and
            `soft_label` four shares.
        sampling_rate: convert audio to this rate while it is read, in Hz, 8,000 to 768,000; None: as released.
        mono: True averages the channels while audio is read. With either, rows hold 16-bit WAV.
        prepare_splits: prepare only these splits, for example ["test"]; None: all. Only the script needs it, where
            `split="test"` makes `datasets` prepare every split; `emotiontalk.load_dataset` prepares those of `split`.
        fold: 1…5, a fold of speaker-independent cross-validation: `test` is the speaker set of this number, `train`
            the other four; no speaker is in both, and there is no `validation`. None: the official splits.
        strict: True raises an error for an utterance that is incomplete or wrong (annotation without media or the
            reverse, no JSON, unknown emotion, score out of range); False skips it and logs how many and which.
        data_dir: as everywhere in `datasets`: the folder or URL that holds the archives.
    """

    name: str = "multimodal"  # what `datasets` before 2.16 takes where options but no config are given
    label_set: str = "all"
    prepare_splits: list[str] | tuple[str, ...] | str | None = None
    strict: bool = True
    sampling_rate: int | None = None
    mono: bool = False
    fold: int | None = None

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["data_dir"] = None if self.data_dir is None else redacted(self.data_dir)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """As in `datasets`, but another id for other archives, and for a `datasets` that writes other features."""
        self.check()
        features = features_of(self.name, self.label_set, self.sampling_rate)
        kwargs = {**config_kwargs, "features": json.dumps(features.to_dict(), sort_keys=True)}
        if is_remote(self.data_dir):
            kwargs["data_dir"] = without_secrets(str(self.data_dir))
        elif self.data_dir is not None:
            paths = (find_archive(name, self.data_dir) for name in archives_of(self.name))
            kwargs["archives"] = tuple(map(fingerprint_of, paths))
        return str(super().create_config_id(kwargs, custom_features=custom_features))

    def check(self) -> None:
        """Raise `RequestError` for a value that is not supported."""
        if self.name not in CONFIGS:
            raise RequestError(f"BuilderConfig {self.name!r} not found: choose from {', '.join(CONFIGS)}.")
        if self.data_files is not None:
            raise RequestError(f"data_files= is not supported: {INSTEAD['data_files']}.")
        if self.label_set not in ("all", "four"):
            raise RequestError(f'label_set={self.label_set!r}: choose "all" or "four".')
        if self.label_set == "four" and self.name == "dialogues":
            raise RequestError('label_set="four" is not supported with the config "dialogues", which would lack turns.')
        if not isinstance(self.strict, bool):
            raise RequestError(f"strict={self.strict!r}: choose True or False.")
        self._check_fold()
        self._check_prepare_splits()
        self._check_conversion()

    def _check_fold(self) -> None:
        if self.fold is None:
            return
        if isinstance(self.fold, bool) or not isinstance(self.fold, numbers.Integral) or self.fold not in FOLDS:
            raise RequestError(
                f"fold={self.fold!r}: choose from {', '.join(map(str, FOLDS))}, or None: the official splits."
            )
        if CONFIGS[self.name].splits != SPLITS:
            only = ", ".join(CONFIGS[self.name].splits)
            raise RequestError(f"fold={self.fold}: the config {self.name!r} has the official {only} split alone.")
        self.fold = int(self.fold)  # also one of numpy's

    @property
    def converts(self) -> bool:
        """Whether audio is converted while it is read."""
        return self.sampling_rate is not None or self.mono

    def _check_conversion(self) -> None:
        if not isinstance(self.mono, bool):
            raise RequestError(f"mono={self.mono!r}: choose True or False.")
        self.sampling_rate = checked_rate(self.sampling_rate)
        if not self.converts:
            return
        if "audio" not in CONFIGS[self.name].fields:
            with_audio = ", ".join(name for name, spec in CONFIGS.items() if "audio" in spec.fields)
            raise RequestError(
                f"sampling_rate= and mono= convert audio, which the config {self.name!r} does not have: remove them, "
                f"or choose from {with_audio}."
            )
        try:
            importlib.import_module("soxr")
        except ImportError:
            raise RequestError(
                "sampling_rate= and mono= need soundfile and soxr: pip install soundfile soxr."
            ) from None

    def _check_prepare_splits(self) -> None:
        if isinstance(self.prepare_splits, str):
            self.prepare_splits = [self.prepare_splits]
        if self.prepare_splits is None:
            return
        names, wanted = splits_of(self.name, self.fold), self.prepare_splits
        if not (isinstance(wanted, (list, tuple)) and wanted and set(map(str, wanted)) <= {*names}):
            of_fold = f", fold={self.fold}" if self.fold is not None else ""
            raise RequestError(
                f"prepare_splits={wanted!r}: choose from {list(names)} for the config {self.name!r}{of_fold}."
            )
