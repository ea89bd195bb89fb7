"""The networks of `recipes`, and how they are trained. This module needs torch."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import torch
from torch.nn import functional

from emotiontalk.probing.heads.recipes import Recipe
from emotiontalk.request_error import RequestError

TOGETHER = 64  # utterances that are evaluated at once; the result does not depend on it


class Head(torch.nn.Module, abc.ABC):
    """A network that turns the features of some utterances into a logit for each class."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @abc.abstractmethod
    def gather(self, features: Sequence[numpy.ndarray], indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Read the features of some utterances to the head's device, and return what `forward` takes."""

    def layer_weights(self) -> list[float] | None:
        """Return the share of each layer in the weighted sum; None where there is none."""
        return None

    @torch.inference_mode()
    def probabilities(self, features: Sequence[numpy.ndarray]) -> numpy.ndarray:
        """Return (utterances, classes), float64. Raises `RequestError` where features are empty or not finite."""
        starts = range(0, len(features), TOGETHER)
        batches = [range(start, min(start + TOGETHER, len(features))) for start in starts]
        logits = torch.cat([self(*self.gather(features, indices)) for indices in batches])
        if not torch.isfinite(logits).all():
            raise RequestError("some features are infinite or not a number (float16 ends at 65,504).")
        shares: numpy.ndarray = logits.double().softmax(dim=1).cpu().numpy()
        return shares


class FrameHead(Head):
    """A layer with ReLU on each frame, the mean over time, a layer: that of EmoBox and emotion2vec.

    They pad a batch and mask the padding; here the frames of a batch stand in one table, one utterance after another.
    """

    def __init__(self, dims: int, hidden: int, classes: int, normalise: bool) -> None:
        super().__init__()
        self.pre_net = torch.nn.Linear(dims, hidden)
        self.post_net = torch.nn.Linear(hidden, classes)
        self.normalise = normalise

    def gather(self, features: Sequence[numpy.ndarray], indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Return the frames of the utterances, (sum of frames, dims) float32, and how many each has, on the CPU."""
        items = [_matrix(features[n]) for n in indices]
        frames = torch.from_numpy(numpy.concatenate(items)).to(self.device, torch.float32)
        lengths = [len(item) for item in items]
        if self.normalise:
            frames = torch.cat([functional.layer_norm(part, part.shape) for part in frames.split(lengths)])
        return frames, torch.tensor(lengths)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return (utterances, classes)."""
        hidden = functional.relu(self.pre_net(frames))
        # `segment_reduce` takes seven times as long, and `index_add` adds in any order on a GPU.
        return self.post_net(torch.stack([part.mean(dim=0) for part in hidden.split(lengths.tolist())]))


class LayerHead(Head):
    """A weighted sum of layers, the mean over time, and two layers without activation: that of S3PRL.

    S3PRL takes the mean of what the projector returns for each frame. All of it is linear, so the mean of each layer
    can be taken first: the logits are the same, and an utterance is (layers, dims) instead of (layers, frames, dims).
    """

    def __init__(self, layers: int, dims: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(layers))
        self.projector = torch.nn.Linear(dims, hidden)
        self.linear = torch.nn.Linear(hidden, classes)

    def gather(self, features: Sequence[numpy.ndarray], indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Return (utterances, layers, dims), float32."""
        items = numpy.stack([_matrix(features[n]) for n in indices])
        return (torch.from_numpy(items).to(self.device, torch.float32),)

    def forward(self, layers: torch.Tensor) -> torch.Tensor:
        """Return (utterances, classes)."""
        mean = torch.einsum("l,nld->nd", self.weights.softmax(dim=0), layers)
        return self.linear(self.projector(mean))

    def layer_weights(self) -> list[float]:
        """Return the share of each layer in the weighted sum."""
        return [float(share) for share in self.weights.detach().softmax(dim=0)]


def _matrix(item: numpy.ndarray) -> numpy.ndarray:
    """Return (frames or layers, dims); a vector is one of them. Raises `RequestError` where there is nothing."""
    item = numpy.atleast_2d(item)
    if item.ndim != 2 or not item.size:
        raise RequestError(
            f"the features of an utterance have the shape {item.shape}; it must be (frames or layers, dimensions)."
        )
    return item


def build(recipe: Recipe, example: numpy.ndarray, classes: int, seed: int) -> Head:
    """Build the head of a recipe for features like `example`, with the first weights of a seed, on the CPU."""
    rows, dims = _matrix(example).shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if recipe.inputs == "layers":
            return LayerHead(rows, dims, recipe.hidden, classes)
        return FrameHead(dims, recipe.hidden, classes, recipe.normalise)


@contextlib.contextmanager
def one_thread(small: bool) -> Iterator[None]:
    """Hold torch to one thread while small networks train: more of them gain nothing.

    On a busy machine they lose: SUPERB's 30,000 steps took 455 s with two threads on two cores, and 69 s with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Trainer:
    """The optimiser of a recipe and the schedule of its learning rate, which moves on after each epoch."""

    def __init__(self, recipe: Recipe, head: Head) -> None:
        options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, **recipe.optimiser_options}
        self.recipe, self.head = recipe, head
        self.optimiser = getattr(torch.optim, recipe.optimiser)(head.parameters(), **options)
        self.scheduler = self._scheduler()

    def _scheduler(self) -> Any:
        recipe, schedulers = self.recipe, torch.optim.lr_scheduler
        if recipe.schedule == "cyclic":
            return schedulers.CyclicLR(self.optimiser, base_lr=recipe.learning_rate, **recipe.schedule_options)
        if recipe.schedule == "warmup":
            first, last = recipe.schedule_options["warmup_epochs"], recipe.epochs
            return schedulers.LambdaLR(self.optimiser, lambda epochs: warmup(epochs, first, last))
        return schedulers.LambdaLR(self.optimiser, lambda _: 1.0)

    def update(
        self, features: Sequence[numpy.ndarray], labels: numpy.ndarray, batches: Sequence[numpy.ndarray]
    ) -> None:
        """Take one step, by the mean over the batches of each batch's mean cross-entropy.

        The batches are gone through at once: their gradients add up to the same.
        """
        indices = numpy.concatenate(batches)
        weights = numpy.concatenate([numpy.full(len(batch), 1 / len(batch) / len(batches)) for batch in batches])
        targets = torch.as_tensor(labels[indices], dtype=torch.long, device=self.head.device)
        losses = functional.cross_entropy(self.head(*self.head.gather(features, indices)), targets, reduction="none")
        self.optimiser.zero_grad()
        (losses * torch.as_tensor(weights, dtype=torch.float32, device=self.head.device)).sum().backward()
        if self.recipe.clipping is not None:
            torch.nn.utils.clip_grad_norm_(self.head.parameters(), self.recipe.clipping)
        self.optimiser.step()


def warmup(epochs: int, first: float, last: int) -> float:
    """Return the share of the learning rate after some epochs, as EmoBox with SpeechBrain's LinearWarmupScheduler.

    The schedule begins when the first epoch has ended: that one has the whole rate, the second one 0, and from there
    it goes up for `first` epochs and down to 0.
    """
    if epochs == 0:
        return 1.0
    done = epochs - 1
    return done / first if done < first else max(0.0, (last - done) / max(1, last - first))
