"""The files of an encoder of `transformers`, opened before it opens them: each that is damaged is named.

Nothing is unpickled, no size that a file claims is taken without a look at the weights, and no weight is left random.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from emotiontalk.errors import brief, logger
from emotiontalk.evaluation.predictions_error import name_a_few
from emotiontalk.probing.arrays import UnreadableError, open_file, reading
from emotiontalk.request_error import RequestError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
TOKENIZER = (
    "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
SIZES = re.compile(r"size|dim|layer|head|num_|_num|length|position|channel|width|height|depth|frames|kernel|group|^n_")
LAYERS = re.compile(r"(layers?|depths?|blocks)$")
# The largest numbers that the files of any encoder have, by their names; of those that are not here, `MOST`.
MOST = 1_000_000
LIMITS = {
    **dict.fromkeys(("image_size", "height", "width", "shortest_edge", "num_frames", "tubelet_size"), 4_096),
    **dict.fromkeys(("n_fft", "fft_window_size", "feature_size", "num_mel_bins"), 16_384),
    **dict.fromkeys(("chunk_length", "max_length_s"), 600),
    **dict.fromkeys(("n_samples", "longest_edge", "max_pixels", "min_pixels"), 1_000_000_000),
    "sampling_rate": 192_000,
}
SHOWN = 5  # parameters that a message names

Shapes = dict[str, tuple[int, ...]]  # of tensors, by name


def open_model(name: str) -> tuple[Any, dict[str, str]]:
    """Load the model of an encoder.

    Returns:
        (model, {parameter that the weights have not or in another shape, and which is random: what is wrong}).

    Raises:
        RequestError: a file is damaged, or its sizes do not go with the weights; and the errors of `transformers`.
    """
    import transformers

    folder = _folder(name)
    config = read_json(folder / "config.json")
    shapes = _weights(folder)
    if shapes is not None:
        _check_sizes(folder / "config.json", config, shapes)
        _check_layout(name, folder, sum(map(_numel, shapes.values())))
    model, info = transformers.AutoModel.from_pretrained(
        name, trust_remote_code=False, ignore_mismatched_sizes=True, output_loading_info=True
    )
    random = {_own(model, key): "missing" for key in info["missing_keys"]}
    for found in info["mismatched_keys"]:  # (name, shape in the file, shape in the model), or by some versions the name
        key, *both = (found,) if isinstance(found, str) else found
        sizes = " instead of ".join(str(tuple(size)) for size in both)
        random[_own(model, key)] = f"of another shape {sizes}".strip()
    _warn_of_layers(name, model, [_own(model, key) for key in info["unexpected_keys"]])
    return model, random


def _own(model: Any, key: str) -> str:
    """Return the name of a parameter as the model has it: some versions give that of the file of weights."""
    return key.removeprefix(f"{model.base_model_prefix}.")


def check_reader(name: str, files: Iterable[str]) -> None:
    """Raise `RequestError` where one of the files of a processor or tokenizer is damaged."""
    folder = _folder(name)
    for path in (folder / file for file in files):
        if not os.path.lexists(path):
            continue
        if path.suffix == ".json":
            content = read_json(path)
            if path.name in PROCESSOR:
                _check_limits(path, content)
        else:
            open_file(path).close()


def _folder(name: str) -> Path:
    """Return the folder of an encoder, or where the Hub's files of it are kept. Raises OSError."""
    from transformers.utils import cached_file

    if os.path.isdir(name):
        if not os.path.lexists(os.path.join(name, "config.json")):
            raise RequestError(f"{name}: there is no config.json in it: transformers cannot load it. Is it an encoder?")
        return Path(name)
    return Path(cached_file(name, "config.json")).parent


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises as `reading`."""
    with open_file(path) as file, reading(path):
        content = json.loads(file.read().decode("utf-8-sig"))
        if not isinstance(content, dict):
            raise UnreadableError(f"{path} cannot be read: it holds {brief(json.dumps(content), 40)}, and no object.")
        return content


def _weights(folder: Path) -> Shapes | None:
    """Return the shapes of the weights of a folder; None where it has none (yet)."""
    path = next((folder / name for name in WEIGHTS if os.path.lexists(folder / name)), None)
    if path is None:
        return None
    if path.suffix != ".json":
        return _shapes(path)
    index = read_json(path).get("weight_map")
    if not isinstance(index, dict) or not all(isinstance(name, str) for name in index.values()):
        raise UnreadableError(f"{path} cannot be read: it has no weight_map of names of files.")
    shapes: Shapes = {}
    for name in sorted(set(index.values())):
        if Path(name).name != name:
            raise UnreadableError(f"{path} names {brief(name, 60)}, which is not beside it.")
        shapes.update(_shapes(folder / name))
    lost = sorted(set(index) - set(shapes))
    if lost:
        raise UnreadableError(f"{path} names {len(lost):,} weights that its files have not ({name_a_few(lost)}).")
    return shapes


def _shapes(path: Path) -> Shapes:
    """Return the shapes of the tensors of a file of weights. Raises as `reading`."""
    open_file(path).close()
    with reading(path):
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(str(path), framework="pt") as file:
                keys = file.keys()
                return {key: tuple(file.get_slice(key).get_shape()) for key in keys}
        return {key: tuple(value.shape) for key, value in _unpickled_tensors(path).items()}


def _unpickled_tensors(path: Path) -> dict[str, Any]:
    """Read what torch has saved: tensors and nothing else. Raises what torch raises."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError:  # what torch advises would run it
        raise ValueError("it is damaged, or holds more than tensors: it is not unpickled") from None
    except OSError:
        raise ValueError("it is cut off, or damaged") from None
    tensors = {str(key): value for key, value in found.items() if hasattr(value, "shape")}
    if not tensors:
        raise ValueError("it has no tensors by name")
    return tensors


def _numel(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _integers(value: Any, key: str = "") -> Iterator[tuple[str, int]]:
    """Yield the whole numbers of JSON, each with the key that it stands under."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _integers(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _integers(one, key)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield key, value
    elif isinstance(value, float) and value.is_integer():
        yield key, int(value)


def _check_limits(path: Path, content: Mapping[str, Any]) -> None:
    """Raise `RequestError` for a size that no encoder has: it would be waited for until the memory is full."""
    for key, n in _integers(content):
        if SIZES.search(key) or key in LIMITS:
            limit = LIMITS.get(key, MOST)
            if n > limit:
                raise UnreadableError(f"{path}: {brief(key, 60)} is {n:,}, more than any encoder has. Is it damaged?")


def _check_sizes(path: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """Raise `RequestError` for layers and sizes of which the weights have not nearly as many."""
    numbers = max(MOST, sum(map(_numel, shapes.values())))
    for key, n in _integers(config):
        if LAYERS.search(key) and n > max(100, len(shapes)):
            raise UnreadableError(f"{path}: {brief(key, 60)} is {n:,}, and there are {len(shapes):,} weights.")
        if SIZES.search(key) and n > LIMITS.get(key, numbers):
            raise UnreadableError(f"{path}: {brief(key, 60)} is {n:,}, too much for its weights. Is it damaged?")


def _check_layout(name: str, folder: Path, numbers: int) -> None:
    """Raise `RequestError` where the model of a config would be much larger than its weights."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    try:
        with torch.device("meta"):  # takes no memory
            model = transformers.AutoModel.from_config(config, trust_remote_code=False)
        needed = sum(parameter.numel() for parameter in model.parameters())
    except Exception:  # not every model can be laid out so, and what is wrong is told when it is loaded
        return
    if needed > 8 * numbers + 10_000_000:
        raise UnreadableError(
            f"{folder / 'config.json'} is of a model of {needed:,} parameters, and its weights are {numbers:,} numbers."
        )


def _warn_of_layers(name: str, model: Any, unexpected: Iterable[str]) -> None:
    """Warn of weights of layers that the config has not: -1 would not be the last one."""
    own = set(model.state_dict())
    kinds = {re.sub(r"\d+", "#", key) for key in own if re.search(r"\d", key)}
    more = sorted(key for key in unexpected if key not in own and re.sub(r"\d+", "#", key) in kinds)
    if more:
        logger.warning(
            f"{name}: its weights have layers that its config.json leaves out ({name_a_few(more)}): they are not used."
        )


def check_random(name: str, model: Any, random: Mapping[str, str], states: Any) -> None:
    """Raise `RequestError` where hidden states depend on weights that are random.

    Args:
        name: of the encoder.
        model: what gives hidden states.
        random: its parameters that are random -> what is wrong.
        states: a function that gives all hidden states of a trial input.
    """
    import torch

    own = model.state_dict(keep_vars=True)
    wanted = {key: own[key] for key in random if isinstance(own.get(key), torch.nn.Parameter)}
    used = [key for key in random if key not in wanted]  # running means and the like
    if wanted:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in wanted.values():
            parameter.requires_grad_(True)
        with torch.enable_grad():
            total = sum(one.float().sum() for one in states())
        if total.requires_grad:
            found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
            used += [key for key, gradient in zip(wanted, found) if gradient is not None]
        for parameter in wanted.values():
            parameter.requires_grad_(False)
    if used:
        facts = [f"{brief(key, 150)} is {random[key]}" for key in sorted(used)[:SHOWN]]
        more = f", … {len(used) - SHOWN:,} more" if len(used) > SHOWN else ""
        raise RequestError(
            f"{name}: {len(used):,} of its {len(own):,} parameters are not among its weights, and would be random "
            f"({', '.join(facts)}{more}). Take the weights of this model, whole."
        )
