"""Encoders of `transformers` as upstreams: hidden states of text, audio or video, in batches on the accelerator.

Hidden states are those that `transformers` returns: 0 is what the first layer gets, N what the last one gives. What is
averaged is all of them, [CLS] and the like included.

MERTools, the usual baseline of multimodal emotion recognition, differs: it adds up the last four hidden states, cuts
audio into parts of 10 s, crops faces from each frame, takes CLIP's projected image embedding, and the first frame of
each part of a clip, where this takes one hidden state, whole clips, whole frames, the mean over the patches of the
vision tower, and the frame in the centre of a part.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy

from emotiontalk.clips import decoded, naming
from emotiontalk.errors import logger, redacted
from emotiontalk.probing.arrays import reason
from emotiontalk.probing.devices import usable
from emotiontalk.probing.upstreams.encoder import Encoder, ModelInputs, three_axes
from emotiontalk.probing.upstreams.encoder_files import PROCESSOR, TOKENIZER, check_reader, open_model
from emotiontalk.probing.upstreams.upstream import ExtractionOptions
from emotiontalk.probing.video_frames import frames_of, require_pyav
from emotiontalk.request_error import RequestError

FRAMES = 8  # of a video clip, for image encoders


def open_encoder(name: str, options: ExtractionOptions) -> Encoder:
    """Open an encoder by its name on the Hub or its path, and try it.

    Raises `RequestError` for what cannot be loaded, is not an encoder, or does not have these options.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        raise RequestError(
            f"{name}: not one of text-tfidf, logmel and egemaps, and encoders need torch and transformers: "
            'pip install ".[encoders]".'
        ) from None
    device = usable(options.device)
    try:
        return _opened(name, options, device)
    except RequestError:
        raise
    except MemoryError:
        raise RequestError(f"{name}: there is too little memory for it.") from None
    except Exception as error:  # of damaged files, and of models that it does not know, transformers raises anything
        needs = "a text, audio, image or video encoder"
        raise RequestError(f"{name}: transformers cannot load it as {needs}: {redacted(reason(error))}") from None


def _opened(name: str, options: ExtractionOptions, device: str) -> Encoder:
    """Open an encoder as `open_encoder`. Raises `RequestError`, and whatever transformers raises."""
    model, random = open_model(name)
    revision = getattr(model.config, "_commit_hash", None)
    kind = _kind(model)
    if kind is None:
        raise RequestError(f"{name}: it reads neither text nor audio nor video. Take another.")
    whole = {id(value): key for key, value in model.state_dict(keep_vars=True).items()}
    known = set(whole.values())
    if hasattr(model, "vision_model"):
        model = model.vision_model
    elif model.config.is_encoder_decoder:
        model = model.get_encoder()
    check_reader(name, TOKENIZER if kind is TextEncoder else PROCESSOR)
    try:
        reader = kind.open_reader(name)
    except Exception as error:
        what = "tokenizer" if kind is TextEncoder else "processor of its input"
        why = redacted(reason(error))
        raise RequestError(f"{name}: transformers cannot load the {what}. Are its files whole? ({why})") from None
    encoder = kind(name, options, model, reader, revision)
    names = {whole.get(id(value)): key for key, value in model.state_dict(keep_vars=True).items()}
    encoder.random = {names.get(key, key): wrong for key, wrong in random.items() if key in names or key not in known}
    model.eval().float()
    encoder.start(device)
    return encoder


def _kind(model: Any) -> type[Encoder] | None:
    """Return what reads the input of a model; None: nothing here does."""
    if hasattr(model, "vision_model"):  # CLIP and the like: the tower that sees
        return ImageEncoder
    if model.main_input_name == "pixel_values":
        return VideoEncoder if hasattr(model.config, "num_frames") else ImageEncoder
    kinds: dict[str, type[Encoder]]
    kinds = {"input_ids": TextEncoder, "input_values": AudioEncoder, "input_features": AudioEncoder}
    return kinds.get(model.main_input_name)


class TextEncoder(Encoder):
    """Of texts: BERT, RoBERTa, …"""

    modality = "text"
    threads = 1  # one tokenizer serves one thread

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        ids = [n for text in self.examples() for n in self.reader(text, add_special_tokens=False)["input_ids"]]
        if not ids or all(n == self.reader.unk_token_id for n in ids):
            text = "".join(self.examples())
            raise RequestError(f"{self.name}: its tokenizer knows no character of “{text}”. Are its files missing?")
        entries, wanted = len(self.reader), getattr(self.model.config, "vocab_size", 0)
        if entries < 0.9 * wanted:  # some models have a few more, for a round number
            logger.warning(f"{self.name}: its tokenizer has {entries:,} entries, its model {wanted:,}. Is one cut off?")

    @staticmethod
    def open_reader(name: str) -> Any:
        """See `Encoder`."""
        import transformers

        return transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)

    def examples(self) -> list[Any]:
        """See `Encoder`."""
        return ["好", "你好，今天过得怎么样？"]

    def prepare(self, uid: str, data: Any) -> ModelInputs:
        """See `Encoder`."""
        return self.inputs(data)

    def inputs(self, content: Any) -> ModelInputs:
        """See `Encoder`."""
        found = self.reader(content or " ", truncation=True, return_attention_mask=True)
        return {name: numpy.array(values) for name, values in found.items()}

    def fill(self, name: str) -> float:
        """See `Encoder`."""
        return (self.reader.pad_token_id or 0) if name == "input_ids" else 0


class AudioEncoder(Encoder):
    """Of audio: wav2vec 2.0, HuBERT, WavLM, Whisper's encoder, …"""

    modality = "audio"
    positions = 1 / 2  # of 20 ms, for one of the spectra every 10 ms

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.model.main_input_name == "input_values":
            self.positions = 1 / 320  # for one of the samples, at 16 kHz

    @staticmethod
    def open_reader(name: str) -> Any:
        """See `Encoder`."""
        import transformers

        return transformers.AutoFeatureExtractor.from_pretrained(name, trust_remote_code=False)

    def examples(self) -> list[Any]:
        """See `Encoder`."""
        noise = numpy.random.default_rng(0).normal(0, 0.1, self.reader.sampling_rate).astype(numpy.float32)
        return [noise[: len(noise) // 2], noise]

    def prepare(self, uid: str, data: Any) -> ModelInputs:
        """See `Encoder`."""
        with naming(uid):
            return self.inputs(decoded(data, self.reader.sampling_rate))

    def inputs(self, content: Any) -> ModelInputs:
        """See `Encoder`."""
        rate = self.reader.sampling_rate
        samples = numpy.pad(content, (0, max(0, rate // 10 - len(content))))  # the strides of an encoder need some
        found = self.reader(samples, sampling_rate=rate, return_attention_mask=True, return_tensors="np")
        inputs = {name: values[0] for name, values in found.items()}
        main = inputs[self.model.main_input_name]
        if "attention_mask" not in inputs:
            if main.ndim > 1:
                why = "it pads audio and does not say where: the padding would be averaged"
                raise RequestError(f"{self.name}: {why}. Take another.")
            inputs["attention_mask"] = numpy.ones(len(main), dtype=numpy.int64)
        return inputs

    def states_of(self, real: int, padded: int, states: int) -> int:
        """See `Encoder`: where the model says how many its convolutions give, so many."""
        of_samples = getattr(self.model, "_get_feat_extract_output_lengths", None)
        if real < padded and of_samples and self.model.main_input_name == "input_values":
            return min(states, max(1, int(of_samples(real))))
        return super().states_of(real, padded, states)


class _VisionEncoder(Encoder):
    """Of the frames of a video clip: what those of images and of videos share."""

    modality = "video"
    window = 16  # a clip's frames take 5 MB
    frames: int

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        require_pyav()

    @staticmethod
    def open_reader(name: str) -> Any:
        """See `Encoder`: the processor that needs no torchvision, so that features do not depend on it."""
        import transformers

        major = int(transformers.__version__.split(".")[0])
        options: dict[str, Any] = {"use_fast": False} if major < 5 else {"backend": "pil"}
        return transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False, **options)

    def settings(self) -> dict[str, Any]:
        """See `Encoder`."""
        return {**super().settings(), "frames": self.frames}

    def modules(self) -> list[ModuleType]:
        """See `Encoder`."""
        import av

        return [*super().modules(), av]

    def examples(self) -> list[Any]:
        """See `Encoder`."""
        return [list(numpy.random.default_rng(0).integers(0, 256, (self.frames, 64, 64, 3), dtype=numpy.uint8))]

    def prepare(self, uid: str, data: Any) -> ModelInputs:
        """See `Encoder`."""
        try:
            frames = frames_of(data, self.frames)
        except RequestError as error:
            raise RequestError(f"{uid}: {error}") from None
        return self.inputs(frames)

    def length(self, inputs: ModelInputs) -> int:
        """See `Encoder`: frames."""
        return self.frames

    def inputs(self, content: Any) -> ModelInputs:
        """See `Encoder`: pixel_values (frames, 3, height, width)."""
        found = self.reader(list(content), return_tensors="np")["pixel_values"]
        return {"pixel_values": numpy.asarray(found, dtype=numpy.float32).reshape(-1, *found.shape[-3:])}


class ImageEncoder(_VisionEncoder):
    """Of images: the vision tower of CLIP or SigLIP, DINOv2, ViT, …; each frame's patches averaged, frames are time."""

    positions = 256.0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.frames = self._options.frames or FRAMES

    def collated(self, batch: list[ModelInputs]) -> ModelInputs:
        """See `Encoder`: pixel_values (utterances × frames, 3, height, width)."""
        return {"pixel_values": numpy.concatenate([one["pixel_values"] for one in batch])}

    def over_time(self, state: Any, batch: list[ModelInputs]) -> list[Any]:
        """See `Encoder`."""
        return list(three_axes(state).float().mean(dim=1).reshape(len(batch), self.frames, -1))


class VideoEncoder(_VisionEncoder):
    """Of clips of so many frames: VideoMAE, ViViT, TimeSformer, …

    Time, for the mean and the deviation, are all tokens of a clip; with pooling="frames", the steps in time, each the
    average of its patches, without [CLS].
    """

    # model_type: (tokens before those of the patches, whether the patches of a step in time stand together)
    LAYOUTS = {"videomae": (0, True), "vivit": (1, True), "timesformer": (1, False)}
    positions = 128.0  # two frames of 16 patches by 16 make 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        config, options = self.model.config, self._options
        self.frames = config.num_frames
        if options.frames not in (None, self.frames):
            raise RequestError(
                f"{self.name} was made for {self.frames} frames: remove frames={options.frames}, or take another."
            )
        if options.pooling == "frames" and config.model_type not in self.LAYOUTS:
            known = ", ".join(self.LAYOUTS)
            raise RequestError(
                f"{self.name}: which of its hidden states are of which frame is known for {known} only: "
                "take another pooling than frames."
            )

    def over_time(self, state: Any, batch: list[ModelInputs]) -> list[Any]:
        """See `Encoder`."""
        tokens = three_axes(state).float()
        if self._options.pooling != "frames":
            return list(tokens)
        config = self.model.config
        tubelet = getattr(config, "tubelet_size", 1)  # ViViT: frames, height, width
        steps = self.frames // (tubelet if isinstance(tubelet, int) else tubelet[0])
        before, together = self.LAYOUTS[config.model_type]
        shape = (steps, -1) if together else (-1, steps)
        patches = tokens[:, before:].reshape(len(batch), *shape, tokens.shape[-1])
        return list(patches.mean(dim=2 if together else 1))
