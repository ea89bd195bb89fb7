"""An encoder of `transformers` as an upstream: utterances read ahead, in batches of like length, pooled over time."""

from __future__ import annotations

import abc
import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import ModuleType
from typing import Any

import numpy

from emotiontalk.errors import brief
from emotiontalk.probing.upstreams.encoder_files import check_random
from emotiontalk.probing.upstreams.upstream import ExtractionOptions, Item
from emotiontalk.request_error import RequestError

# Positions (tokens, or 20 ms of audio, padding included) of a batch: a CPU gains little by batches.
POSITIONS = {"cuda": 16_384}
POSITIONS_ELSEWHERE = 2_048
HALF_MAX = 65_504.0  # the largest float16
ModelInputs = dict[str, numpy.ndarray]  # of one utterance: what the model takes, without the axis of the batch


class Encoder(abc.ABC):
    """An encoder: what all kinds share. See `upstreams.Upstream`.

    Utterances are read a window ahead, in threads while the encoder works, and sorted by length within it.
    """

    modality: str
    window = 128  # utterances; as many again are prepared meanwhile
    threads: int | None = None  # None: one for each core

    def __init__(self, name: str, options: ExtractionOptions, model: Any, reader: Any, revision: str | None) -> None:
        self.name, self.model, self.reader = name, model, reader
        self._options, self._revision = options, revision
        self._device, self._budget, self._mixed = "cpu", POSITIONS_ELSEWHERE, False
        self._starts_mixed = False  # what is requested; features too large for float16 are float32 all the same
        self.random: dict[str, str] = {}  # parameters that are not among the weights -> what is wrong
        self._pads = True  # whether padding leaves the features of the rest as they are

    @staticmethod
    @abc.abstractmethod
    def open_reader(name: str) -> Any:
        """Load what makes the inputs of the model. Raises the errors of `transformers`."""

    def settings(self) -> dict[str, Any]:
        """Return what its features depend on, next to the versions of `modules`."""
        return {
            "layer": self._options.layer,
            "pooling": self._options.pooling,
            "model_revision": self._revision,
            "weights": self.weights,
            "reader": self._digest_of_reader,
            "precision": "float16, automatic mixed precision" if self._starts_mixed else "float32",
        }

    @functools.cached_property
    def weights(self) -> str:
        """A digest of the parameters: what a folder holds can change under its name. Not of those that are random."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            if name in self.random:
                continue
            digest.update(name.encode() + value.cpu().float().numpy().tobytes())
        return digest.hexdigest()[:16]

    @functools.cached_property
    def _digest_of_reader(self) -> str:
        """A digest of the extractor's settings, or of the tokenizer's vocabulary."""
        text = self.reader.to_json_string() if hasattr(self.reader, "to_json_string") else self.reader.get_vocab()
        known = text if isinstance(text, str) else str(sorted(text.items()))
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def modules(self) -> list[ModuleType]:
        """Return the libraries whose versions its features depend on."""
        import torch
        import transformers

        return [torch, transformers]

    def start(self, device: str) -> None:
        """Try the encoder on a CPU, on made-up inputs, then move it to its device.

        Group norm over time, and convolutions without a mask, see the padding: utterances of such an encoder are
        batched with those of the same length only. Raises `RequestError` where it is not used as encoders are.
        """
        layers = getattr(self.model.config, "num_hidden_layers", None)
        self._check_layer(layers)
        trial = [self.inputs(example) for example in self.examples()]
        if self.random:
            check_random(self.name, self.model, self.random, lambda: self._states(trial[:1]))
        differ = len({self.length(inputs) for inputs in trial}) == len(trial)  # not of Whisper: it is always 30 s
        alone = [self.hidden([inputs])[0] for inputs in (trial if differ else trial[:1])]
        if not all(one.isfinite().all() for one in alone):
            raise RequestError(f"{self.name}: what it gives is infinite or not a number. Are its weights damaged?")
        if len(alone) > 1:
            self._pads = all(_equal(one, other) for one, other in zip(alone, self.hidden(trial)))
        self._device = device
        self.model.to(device)
        kind = device.split(":")[0]
        self._budget = POSITIONS.get(kind, POSITIONS_ELSEWHERE)
        self._mixed = self._starts_mixed = kind == "cuda" and not self._options.one_at_a_time

    def _check_layer(self, layers: int | None) -> None:
        layer = self._options.layer
        if isinstance(layer, int) and layers is not None and not -layers - 1 <= layer <= layers:
            raise RequestError(f"layer {layer}: {self.name} has the hidden states 0…{layers} (or -{layers + 1}…-1).")

    def features(self, items: Iterable[Item]) -> Iterator[numpy.ndarray]:
        """Yield an array for each of the items, in order."""
        for window in self._windows(iter(items)):
            found: list[Any] = [None] * len(window)
            for batch in self._batches([self.length(inputs) for inputs in window]):
                for n, array in zip(batch, self._features([window[n] for n in batch])):
                    found[n] = array
            yield from found

    def _windows(self, items: Iterator[Item]) -> Iterator[list[ModelInputs]]:
        """Yield the inputs of a window of items after the other; the next one is prepared meanwhile."""
        pool = ThreadPoolExecutor(self.threads or os.cpu_count())

        def submitted() -> list[Future[ModelInputs]]:
            return [pool.submit(self.prepare, *item) for item in islice(items, self.window)]

        try:
            current = submitted()
            while current:
                following = submitted()
                yield [future.result() for future in current]
                current = following
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield the positions of the utterances of a batch, longest first, until each had its turn."""
        batch: list[int] = []
        for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
            if batch:
                longest = lengths[batch[0]]
                full = self._options.one_at_a_time or (len(batch) + 1) * longest * self.positions > self._budget
                if full or not (self._pads or lengths[n] == longest):
                    yield batch
                    batch = []
            batch.append(n)
        if batch:
            yield batch

    def _features(self, batch: list[ModelInputs]) -> list[numpy.ndarray]:
        """Return the features of a batch; one for which there is too little memory is halved."""
        import torch

        try:
            return self._pooled(self.hidden(batch))
        except torch.cuda.OutOfMemoryError:
            if len(batch) == 1:
                fix = "Free memory on the GPU, or pass device='cpu'."
                raise RequestError(
                    f"{self.name}: too little memory on {self._device} for one utterance. {fix}"
                ) from None
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return [*self._features(batch[:half]), *self._features(batch[half:])]

    def _pooled(self, states: list[Any]) -> list[numpy.ndarray]:
        """Pool the (layers, time, dims) of each utterance over time."""
        import torch

        pooling = self._options.pooling
        if pooling == "frames":  # a few dimensions of some encoders are huge
            return [one[0].clamp(-HALF_MAX, HALF_MAX).half().cpu().numpy() for one in states]
        parts = [[one.mean(dim=1) for one in states]]
        if pooling == "mean+std":
            parts.append([one.std(dim=1, correction=0) for one in states])
        found = torch.cat([torch.stack(part) for part in parts], dim=-1).cpu().numpy()  # once for all
        return list(found if self._options.layer == "all" else found[:, 0])

    def hidden(self, batch: list[ModelInputs]) -> list[Any]:
        """Return the hidden states (layers, time, dims) of each utterance of a batch, float32, without the padding."""
        import torch

        try:
            with torch.inference_mode(), self._precision():
                states = self._states(batch)
                layer = self._options.layer
                chosen = states if layer == "all" else [states[layer]]
                found = [torch.stack(of_layers) for of_layers in zip(*(self.over_time(one, batch) for one in chosen))]
                if not self._mixed or torch.stack([one.isfinite().all() for one in found]).all():
                    return found
        except torch.cuda.OutOfMemoryError:
            raise
        except (TypeError, KeyError, IndexError, AttributeError, ValueError, RuntimeError) as error:
            raise RequestError(
                f"{self.name}: it is not used as encoders of transformers are ({brief(error)}). Take another."
            ) from error
        self._mixed = False  # too large for float16: from here on float32
        return self.hidden(batch)

    def _states(self, batch: list[ModelInputs]) -> Any:
        """Return all hidden states of a batch, as the model gives them."""
        import torch

        tensors = {name: torch.from_numpy(array).to(self._device) for name, array in self.collated(batch).items()}
        return self.model(**tensors, output_hidden_states=True).hidden_states

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of automatic mixed precision.

        float16: on a CPU, a small wav2vec 2.0 with random weights gave features within 0.001 of those of float32, and
        within 0.010 in bfloat16.
        """
        if not self._mixed:
            return contextlib.nullcontext()
        import torch

        return torch.autocast(self._device.split(":")[0], dtype=torch.float16)

    # What each kind of encoder does in its own way.

    positions = 1.0  # of the model, for one of `length`

    @abc.abstractmethod
    def examples(self) -> list[Any]:
        """Return made-up utterances, as `inputs` takes them: two, where their length can differ."""

    @abc.abstractmethod
    def prepare(self, uid: str, data: Any) -> ModelInputs:
        """Make the inputs of an item; called in threads. Raises `RequestError` where it cannot be decoded."""

    @abc.abstractmethod
    def inputs(self, content: Any) -> ModelInputs:
        """Make the inputs of a decoded item."""

    def length(self, inputs: ModelInputs) -> int:
        """Return how long an utterance is, in units of its own: what is padded to one length in a batch."""
        return len(inputs["attention_mask"])

    def collated(self, batch: list[ModelInputs]) -> ModelInputs:
        """Stack the inputs of utterances, padded at their end to the longest."""
        longest = max(map(self.length, batch))
        return {name: _stacked([one[name] for one in batch], longest, self.fill(name)) for name in batch[0]}

    def fill(self, name: str) -> float:
        """Return the value with which an input is padded."""
        return 0

    def over_time(self, state: Any, batch: list[ModelInputs]) -> list[Any]:
        """Return (time, dims) float32 of each utterance, without the padding, of the state (batch, time, dims)."""
        padded = max(map(self.length, batch))
        real = [int(one["attention_mask"].sum()) for one in batch]
        return [one[: self.states_of(n, padded, len(one))].float() for one, n in zip(three_axes(state), real)]

    def states_of(self, real: int, padded: int, states: int) -> int:
        """Return how many of the hidden states are of the first `real` of the `padded` inputs; at least one."""
        return max(1, -(-real * states // padded))


def three_axes(state: Any) -> Any:
    """Return a state of shape (batch, time, dims). Raises ValueError for others, as of pyramids."""
    if state.ndim != 3:
        raise ValueError(f"hidden states of shape {tuple(state.shape)}")
    return state


def _stacked(arrays: list[numpy.ndarray], longest: int, fill: float) -> numpy.ndarray:
    """Stack arrays of shape (length, …), padded at the end of their first axis; others than these are alike."""
    if all(array.shape == arrays[0].shape for array in arrays):
        return numpy.stack(arrays)
    out = numpy.full((len(arrays), longest, *arrays[0].shape[1:]), fill, dtype=arrays[0].dtype)
    for row, array in zip(out, arrays):
        row[: len(array)] = array
    return out


def _equal(one: Any, other: Any) -> bool:
    """Whether hidden states are the same but for rounding."""
    if one.shape != other.shape:
        return False
    size = other.abs()
    return bool(((one - other).abs() <= 1e-3 * (size + size.mean())).all())
