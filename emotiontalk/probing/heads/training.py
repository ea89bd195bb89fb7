"""Training the head of a recipe, and what comes of it. torch is imported where a head is trained."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from emotiontalk.probing.devices import usable
from emotiontalk.probing.heads.recipes import Recipe
from emotiontalk.progress import progress_bar
from emotiontalk.request_error import RequestError

Features = Mapping[str, Sequence[numpy.ndarray]]  # split -> the features of each utterance
Labels = Mapping[str, numpy.ndarray]  # split -> labels 0…classes-1


@dataclasses.dataclass
class Fitted:
    """A trained head.

    validation: epoch or step -> accuracy, 0…1; chosen: the epoch or step whose weights it has; vectors: whether each
    utterance was one vector.
    """

    recipe: Recipe
    head: Any  # `networks.Head`
    validation: dict[int, float]
    chosen: int
    seed: int
    vectors: bool

    def probabilities(self, features: Sequence[numpy.ndarray]) -> numpy.ndarray:
        """Return (utterances, classes), float64. Raises `RequestError` where features are empty or not finite."""
        return self.head.probabilities(features)

    @property
    def layer_weights(self) -> list[float] | None:
        """The share of each layer in the sum; None where the recipe has no layers."""
        return self.head.layer_weights()

    def settings(self) -> dict[str, Any]:
        """Return all that it was trained with, and what was chosen, JSON-ready."""
        given = f"one vector an utterance, taken as one {self.recipe.inputs[:-1]}"
        return {
            **dataclasses.asdict(self.recipe),
            "given": given if self.vectors else self.recipe.inputs,
            "chosen": self.chosen,
            "validation_accuracy": {str(at): accuracy for at, accuracy in self.validation.items()},
            "layer_weights": self.layer_weights,
            "seed": self.seed,
            "device": str(self.head.device),
        }


def device_of(name: str, device: str | None) -> str:
    """Return the device on which the head of a recipe is trained.

    Raises `RequestError` where torch is missing, without which no head is trained, or the device is not there.
    """
    try:
        from emotiontalk.probing.heads import networks as heads  # noqa: F401
    except ImportError:
        raise RequestError(f'the recipe {name} needs torch: pip install ".[encoders]".') from None
    return usable(device)


def fit(
    recipe: Recipe,
    x: Features,
    y: Labels,
    classes: int,
    seed: int,
    device: str | None = None,
    progress: bool = True,
) -> Fitted:
    """Train the head of a recipe, and take the weights of the epoch or step that its rule chooses.

    Args:
        recipe: one of `RECIPES`, or one of them with other values.
        x: "train" and "validation" -> for each utterance what `recipe.inputs` says, float16 or float32; or (dims,),
            which is taken as one frame or layer. They are read batch by batch: they may be larger than memory.
        y: the same splits -> labels 0…classes-1.
        classes: how many there are.
        seed: of the first weights and the order of utterances. On a CPU the same seed gives the same weights.
        device: as in torch; default: a GPU where there is one.
        progress: whether to show a bar, in updates.

    Raises:
        RequestError: torch is missing, the device cannot be used, or features are empty, not finite, or not as said.
    """
    device = device_of(recipe.name, device)
    from emotiontalk.probing.heads import networks as heads

    vectors = numpy.ndim(x["train"][0]) == 1
    head = heads.build(recipe, x["train"][0], classes, seed).to(device)
    with heads.one_thread(recipe.inputs == "layers" or vectors):
        validation, chosen = _train(heads.Trainer(recipe, head), x, y, seed, progress)
    return Fitted(recipe, head, validation, chosen, seed, vectors)


def _train(
    trainer: Any,
    x: Features,
    y: Labels,
    seed: int,
    progress: bool,
) -> tuple[dict[int, float], int]:
    """Train to the end, give the head the weights of the chosen epoch or step; return (validation, chosen)."""
    recipe, head = trainer.recipe, trainer.head
    batches = shuffled(len(y["train"]), recipe.batch, numpy.random.default_rng(seed))
    every = math.ceil(len(y["train"]) / recipe.batch) if recipe.epochs else recipe.evaluate_every
    validation: dict[int, float] = {}
    with progress_bar(total=every * len(recipe.evaluations), unit=" updates", disable=not progress) as bar:
        for at in recipe.evaluations:
            for _ in range(every):
                trainer.update(x["train"], y["train"], list(itertools.islice(batches, recipe.accumulation)))
                bar.update()
            trainer.scheduler.step()
            accuracy = float((head.probabilities(x["validation"]).argmax(axis=1) == y["validation"]).mean())
            if not validation or accuracy > max(validation.values()):
                chosen, best = at, copy.deepcopy(head.state_dict())
            validation[at] = accuracy
            bar.set_description(f"{recipe.name}, seed {seed}, validation {100 * validation[chosen]:.2f} %")
    head.load_state_dict(best)
    return validation, chosen


def shuffled(size: int, batch: int, random: numpy.random.Generator) -> Iterator[numpy.ndarray]:
    """Yield batches of 0…size-1 without end, in a new order each epoch; the last one of an epoch can be smaller."""
    while True:
        order = random.permutation(size)
        yield from (order[start : start + batch] for start in range(0, size, batch))
