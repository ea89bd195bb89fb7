"""What is requested of a probe, and which options cannot be combined."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from emotiontalk import choices
from emotiontalk.corpus import EMOTIONS, FOUR
from emotiontalk.evaluation.labels import check_target
from emotiontalk.probing.heads import recipes
from emotiontalk.probing.upstreams.built_in import BUILT_IN
from emotiontalk.release import check_fold
from emotiontalk.request_error import RequestError


@dataclasses.dataclass(frozen=True)
class ProbeRequest:
    """What is requested.

    Attributes:
        upstreams: names, see `upstreams`.
        config, label_set, target: what is predicted.
        seeds: how many times the head is trained.
        head: "linear", or a recipe.
        layer: a hidden state, "all" (each by itself), "weighted" (learned), or None: what the head takes.
        pooling: over time.
        fusion: of several upstreams.
        features: files of features, see `feature_files`.
        fold: 1…5; None: the official splits.
        folds: all five.
        frames: of a video clip.
        device: of encoders and recipes.
        one_at_a_time: no batches.
        data_dir, cache_dir, token: as in `load_dataset`.
    """

    upstreams: Sequence[str] = ("text-tfidf",)
    config: str = "multimodal"
    label_set: str = "all"
    seeds: int = 5
    target: str = "emotion"
    head: str = "linear"
    layer: int | str | None = None
    pooling: str = "mean"
    fusion: str = "concat"
    features: Sequence[Path] = ()
    fold: int | None = None
    folds: bool = False
    frames: int | None = None
    device: str | None = None
    one_at_a_time: bool = False
    data_dir: str | None = None
    cache_dir: str | None = None
    token: str | None = dataclasses.field(default=None, repr=False)

    @property
    def classes(self) -> list[str]:
        """The labels of the label set."""
        return list(FOUR if self.label_set == "four" else EMOTIONS)

    @property
    def inputs(self) -> str:
        """What the head takes of an utterance: "vectors", "frames" or "layers"."""
        return recipes.RECIPES[self.head].inputs if self.head in recipes.RECIPES else "vectors"

    @property
    def each_layer(self) -> bool:
        """Whether each layer is probed by itself."""
        return self.layer == "all"

    def check(self) -> None:
        """Raise `RequestError` for options that cannot be combined."""
        choices.check_choice("config", self.config, choices.LABELED)
        choices.check_choice("label_set", self.label_set, choices.LABEL_SETS)
        choices.check_choice("target", self.target, choices.TARGETS)
        choices.check_choice("head", self.head, choices.HEADS)
        choices.check_choice("pooling", self.pooling, choices.POOLINGS)
        choices.check_choice("fusion", self.fusion, choices.FUSIONS)
        if self.seeds < 1:
            raise RequestError(f"seeds={self.seeds}: at least one seed is needed.")
        if self.fold is not None and self.folds:
            raise RequestError("folds=True takes all five folds: remove fold=.")
        check_fold(self.config, (), self.fold)
        check_target(self.config, self.target, self.label_set)
        self._check_head()
        self._check_layer()

    def _check_head(self) -> None:
        several = len(self.upstreams) + len(self.features) > 1
        if self.fusion != "concat" and not several:
            raise RequestError("fusion= is for several upstreams: remove it.")
        if self.target == "sentiment" and (self.head != "linear" or self.fusion != "concat"):
            raise RequestError("a sentiment score is predicted by ridge regression: remove head= and fusion=.")
        if self.head == "linear":
            return
        if several and self.fusion == "concat":
            raise RequestError(
                f'head="{self.head}" takes one upstream: choose fusion="mean-of-probabilities" for several.'
            )
        if self.pooling != "mean":
            raise RequestError(f'head="{self.head}" pools by itself: remove pooling=.')
        if "text-tfidf" in self.upstreams:
            raise RequestError(f'text-tfidf is for head="linear": {self.head} takes features of frames or layers.')
        without = [name for name in self.upstreams if name in BUILT_IN]
        if self.head == "superb" and without:
            raise RequestError(f'head="superb" weighs the layers of an encoder: {without[0]} has none.')

    def _check_layer(self) -> None:
        if self.layer == "weighted" and self.head != "superb":
            raise RequestError('learned weights of layers are those of SUPERB: choose head="superb", or a layer=.')
        if self.each_layer and (self.head != "linear" or len(self.upstreams) + len(self.features) != 1):
            raise RequestError('layer="all" probes each layer of one upstream with head="linear".')
        if self.layer not in (None, "all", "weighted") and self.head == "superb":
            raise RequestError('head="superb" weighs all layers: remove layer=.')
        if self.layer not in (None, "weighted") and not self.upstreams:
            raise RequestError("features from a file have no layers to choose: remove layer=.")
        self._check_unused()

    def _check_unused(self) -> None:
        """Raise `RequestError` for options that no upstream would take."""
        encoders = [name for name in self.upstreams if name not in BUILT_IN]
        if self.layer not in (None, "all", "weighted") and not encoders and len(self.upstreams) > 1:
            raise RequestError(f"{' and '.join(self.upstreams)} have no layer to choose: remove layer=.")
        if self.pooling != "mean" and not (encoders or "logmel" in self.upstreams or self.features):
            raise RequestError(f"{' and '.join(self.upstreams)} are not pooled over time: remove pooling=.")
        if self.device and not encoders and self.head == "linear":
            raise RequestError("device= is for encoders and the heads of recipes: remove it.")
