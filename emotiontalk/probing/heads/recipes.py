"""Heads that are trained on the features of a frozen upstream, by the recipes that others have published.

emobox        EmoBox: a layer of 128 with ReLU on each frame, the mean over time, a layer
superb        SUPERB's emotion recognition in S3PRL: a weighted sum of all layers, two layers without activation
emotion2vec   emotion2vec's IEMOCAP downstream: a layer of 256 with ReLU on each frame, the mean over time, a layer

The settings are those of their code. Where paper and code differ, the code is followed. None of them weighs the
classes, has dropout, or averages over epochs. All take validation accuracy to choose what is tested.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings of a head and its training.

    inputs: what each utterance is, "frames" (frames, dims) or "layers" (layers, dims; each layer's mean over time);
    hidden: size of the first layer; activation: what follows it (given by `inputs`); normalise: whether each utterance
    is brought to mean 0 and variance 1 over all its values; optimiser: its name in torch.optim; schedule: how
    the learning rate changes by epoch; batch, accumulation: utterances of a batch, batches of a step; clipping: largest
    norm of the gradient; epochs, or steps and after how many of them to evaluate; source: repository @ commit, files.
    """

    name: str
    inputs: Literal["frames", "layers"]
    hidden: int
    activation: Literal["relu", "none"]
    optimiser: str
    learning_rate: float
    source: str
    selection: str
    normalise: bool = False
    optimiser_options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    weight_decay: float = 0.0
    schedule: Literal["constant", "warmup", "cyclic"] = "constant"
    schedule_options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    batch: int = 32
    accumulation: int = 1
    clipping: float | None = None
    epochs: int = 0
    steps: int = 0
    evaluate_every: int = 0

    def __post_init__(self) -> None:
        if not self.evaluations:
            raise ValueError(f"the recipe {self.name} evaluates nothing: it needs epochs, or steps.")

    @property
    def evaluations(self) -> range:
        """The epochs, or the steps, after which validation is evaluated; both count from 1."""
        if self.evaluate_every:
            return range(self.evaluate_every, self.steps + 1, self.evaluate_every)
        return range(1, self.epochs + 1)


FIRST_BEST = "the first of the highest validation accuracy"
RECIPES = {
    recipe.name: recipe
    for recipe in (
        # The command of its README, which replaces the 20 epochs and the 256 of the YAML. Features are made with
        # --output_norm there. SpeechBrain clips at 5 unless told otherwise. The code tests every epoch and leaves the
        # choice to the reader; it passes "wa" as what to choose by.
        Recipe(
            name="emobox",
            inputs="frames",
            hidden=128,
            activation="relu",
            normalise=True,
            optimiser="Adam",
            learning_rate=1e-4,
            schedule="warmup",
            schedule_options={"warmup_epochs": 10},
            batch=32,
            clipping=5.0,
            epochs=100,
            selection=FIRST_BEST,
            source="github.com/emo-box/EmoBox @ 08280f279d47fb55d2c614061c70523d0a338d6b, README.md, "
            "examples/sb/train.py, classifier_head.py, speech_feature_extraction.py, hparams/wavlm-large_freeze.yaml",
        ),
        # A step is an update, of 8 batches of 4: its runner counts no other. SUPERB lets each upstream choose its own
        # learning rate; this is the one of the config.
        Recipe(
            name="superb",
            inputs="layers",
            hidden=256,
            activation="none",
            optimiser="Adam",
            learning_rate=1e-4,
            batch=4,
            accumulation=8,
            clipping=1.0,
            steps=30_000,
            evaluate_every=1_000,
            selection=FIRST_BEST,
            source="github.com/s3prl/s3prl @ ec8064b5889f81ca460fbe2c094ce576a6f120b7, "
            "s3prl/downstream/emotion/config.yaml, expert.py, s3prl/downstream/model.py, runner.py, "
            "s3prl/upstream/interfaces.py",
        ),
        # Its config names a weight decay of 1e-5, which main.py does not hand to the optimiser. CyclicLR also moves the
        # momentum, from 0.9 to 0.8 and back, unless told otherwise.
        Recipe(
            name="emotion2vec",
            inputs="frames",
            hidden=256,
            activation="relu",
            optimiser="RMSprop",
            optimiser_options={"momentum": 0.9},
            learning_rate=5e-4,
            schedule="cyclic",
            schedule_options={"max_lr": 1e-3, "step_size_up": 10},
            batch=128,
            epochs=100,
            selection=FIRST_BEST,
            source="github.com/ddlBoJack/emotion2vec @ a0e606c668227ab0c01527e196a4acc42b1efad9, "
            "iemocap_downstream/main.py, model.py, utils.py, data.py, config/default.yaml, train.sh",
        ),
    )
}
