"""`emotiontalk.extract_features`: what an upstream gives for the utterances of a config."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy

from emotiontalk import choices
from emotiontalk.corpus import SPLITS
from emotiontalk.evaluation.labels import read_corpus
from emotiontalk.probing.run import check_modality, features_of_corpus
from emotiontalk.probing.upstreams.built_in import TextTfidf
from emotiontalk.probing.upstreams.opening import open_upstream
from emotiontalk.probing.upstreams.upstream import ExtractionOptions
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError


@dataclasses.dataclass(repr=False)
class FeatureTable:
    """The features of utterances, sorted by id.

    Attributes:
        ids: of the utterances.
        splits: the official split of each.
        features: an array (utterances, dims), with `layer="all"` (utterances, layers, dims); with `pooling="frames"` a
            sequence of arrays (frames, dims), read from the disk when they are asked for.
        settings: what they were extracted with, JSON-ready.
    """

    ids: list[str]
    splits: list[str]
    features: Any
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        shape = getattr(self.features, "shape", (len(self), "frames", "dims"))
        return f"FeatureTable({self.settings['upstream']}: {' x '.join(map(str, shape))})"

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(repr(self))}</pre>"

    def to_dict(self) -> dict[str, numpy.ndarray]:
        """Return {id: array}."""
        return {uid: self.features[n] for n, uid in enumerate(self.ids)}

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`: id, split, features (an array of each utterance)."""
        import pandas

        arrays = [self.features[n] for n in range(len(self))]
        return pandas.DataFrame({"id": self.ids, "split": self.splits, "features": arrays})


def extract_features(
    upstream: str | os.PathLike[str],
    *,
    config: str = "multimodal",
    splits: str | Sequence[str] = (),
    layer: int | str = -1,
    pooling: str = "mean",
    frames: int | None = None,
    device: str | None = None,
    one_at_a_time: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> FeatureTable:
    """Extract features of all utterances, or take them from the cache that `probe` has, too.

    Args:
        upstream: "logmel", "egemaps", or an encoder of `transformers` by name or path.
        config: "multimodal", "audio", "text" or "video".
        splits: official splits; () is all of them.
        layer: of an encoder: the number of a hidden state, or "all".
        pooling: over time: "mean", "mean+std", or "frames": not pooled.
        frames: of a video clip, evenly spaced; None: 8.
        device: of encoders; None: cuda where there is one.
        one_at_a_time: encode without batches, to check them.
        data_dir, cache_dir, token: as in `load_dataset`.

    Returns:
        A `FeatureTable`.

    Raises:
        RequestError: there is no such upstream, or it has no such option; "text-tfidf", which is fitted on train.
        EmotionTalkError: the release is not as it should be; see `load_dataset`.
    """
    choices.check_choice("config", config, choices.LABELED)
    wanted = [splits] if isinstance(splits, str) else list(splits)
    for split in wanted:
        choices.check_choice("splits", split, SPLITS)
    opened = open_upstream(os.fspath(upstream), ExtractionOptions(layer, pooling, frames, device, one_at_a_time))
    if isinstance(opened, TextTfidf):
        raise RequestError("text-tfidf is fitted on train by `probe`: its features are not extracted.")
    check_modality(opened, config)
    reader = ReleaseReader(data_dir, cache_dir, token)
    everything = read_corpus(reader, config, "emotion")
    corpus = everything.only(numpy.isin(everything.splits, wanted or SPLITS))
    if not corpus.labels.ids:
        raise RequestError(f"the release at hand has no utterances of {', '.join(wanted)}.")
    features = features_of_corpus(opened, corpus, corpus, reader, one_at_a_time)
    settings = {"upstream": opened.name, "config": config, **features.settings}
    rows = features.of({"all": numpy.arange(len(corpus.labels.ids))})["all"]
    return FeatureTable(corpus.labels.ids, corpus.splits.tolist(), rows, settings)
