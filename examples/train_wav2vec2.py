"""Fine-tune a speech encoder to recognize emotions with the `Trainer` of transformers, and score it.

python examples/train_wav2vec2.py --model facebook/wav2vec2-base --data-dir FOLDER --out RUN
python examples/train_wav2vec2.py --model facebook/wav2vec2-base --streaming --max-steps 5000   # train is not prepared
torchrun --nproc-per-node 2 examples/train_wav2vec2.py --model …                                # two GPUs

It needs `pip install ".[training]"`. --model is a name on the Hub or a folder. Prints WAR and UAR of validation and
test, with intervals.
"""

from __future__ import annotations

import argparse
import collections
import os
import sys

import datasets
import numpy as np
import torch
import transformers
from datasets.distributed import split_dataset_by_node

import emotiontalk

RATE = 16_000  # Hz: what these encoders were trained on
SHORTEST = 1_600  # samples: of a clip that is shorter, the convolutions make nothing

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True, help="a speech encoder of transformers: a name on the Hub, or a folder")
parser.add_argument("--data-dir", help="the folder or URL of the archives; by default the Hub")
parser.add_argument("--config", default="audio", choices=["audio", "multimodal"], help="whose label")
parser.add_argument("--streaming", action="store_true", help="train is read while it is used, not prepared on disk")
parser.add_argument("--out", default="wav2vec2-emotiontalk", help="the folder of the checkpoints")
parser.add_argument("--epochs", type=float, default=5, help="of a prepared train split")
parser.add_argument("--max-steps", type=int, default=-1, help="instead of --epochs; needed with --streaming")
parser.add_argument("--batch-size", type=int, default=8, help="of each GPU")
parser.add_argument("--learning-rate", type=float, default=3e-5)
parser.add_argument("--max-seconds", type=float, default=12, help="longer clips are cut: the longest has 24.9 s")
parser.add_argument("--seed", type=int, default=1)


class Collator:
    """Make a batch of rows: decoded, cut, padded. In a class, so that worker processes can get it."""

    def __init__(self, model: str, max_seconds: float) -> None:
        self.extractor = transformers.AutoFeatureExtractor.from_pretrained(model)
        self.longest = int(max_seconds * RATE)

    def __call__(self, rows: list) -> dict:
        clips = [emotiontalk.decode_audio(row["audio"], RATE, mono=True)["array"][: self.longest] for row in rows]
        clips = [np.pad(clip, (0, max(0, SHORTEST - len(clip)))) for clip in clips]
        # the mask says what is padding: without it the model would average silence with speech
        batch = self.extractor(clips, sampling_rate=RATE, padding=True, return_attention_mask=True, return_tensors="pt")
        return {**batch, "labels": torch.tensor([row["emotion"] for row in rows])}


class EmotionTrainer(transformers.Trainer):
    """A `Trainer` whose loss gives each class the same weight, and that reads a stream by shards."""

    def __init__(self, *arguments, class_weights: torch.Tensor, **options) -> None:
        super().__init__(*arguments, **options)
        self.class_weights = class_weights

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits.float(), labels, self.class_weights.to(labels.device))
        return (loss, outputs) if return_outputs else loss

    def get_train_dataloader(self):
        if not isinstance(self.train_dataset, datasets.IterableDataset):
            return super().get_train_dataloader()  # the Trainer gives each GPU its rows
        # The Trainer would read a stream on one GPU and send it to the others. It was split by shards before: as it is
        return torch.utils.data.DataLoader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
        )


def counts_of(train: datasets.Dataset | datasets.IterableDataset, options: argparse.Namespace) -> collections.Counter:
    """Utterances of each class of train."""
    if isinstance(train, datasets.Dataset):
        return collections.Counter(train["emotion"])
    # a stream has to be read to count it: take the annotations alone, without audio
    dialogues = emotiontalk.load_dataset("dialogues", split="train", data_dir=options.data_dir)
    return collections.Counter(turn[f"emotion_{options.config}"] for row in dialogues for turn in row["turns"])


def main(options: argparse.Namespace) -> None:
    transformers.set_seed(options.seed)
    # 16 kHz mono while it is read: a fifth of the disk space, and nothing to resample in training
    source = {"data_dir": options.data_dir, "sampling_rate": RATE, "mono": True}
    train = emotiontalk.load_dataset(options.config, split="train", streaming=options.streaming, **source)
    names = train.features["emotion"].names
    counts = counts_of(train, options)
    if options.streaming:
        rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        train = split_dataset_by_node(train.shuffle(seed=options.seed, buffer_size=500), rank, world_size)
    total = sum(counts.values())
    weights = torch.tensor([total / (len(names) * max(1, counts[label])) for label in range(len(names))])

    model = transformers.AutoModelForAudioClassification.from_pretrained(
        options.model,
        num_labels=len(names),
        label2id={name: n for n, name in enumerate(names)},
        id2label=dict(enumerate(names)),
        ignore_mismatched_sizes=True,  # a model that was fine-tuned before may have a head of other classes
    )
    trainer = EmotionTrainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=options.out,
            num_train_epochs=options.epochs,
            max_steps=options.max_steps,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            warmup_steps=0.1,  # a share of all steps
            fp16=torch.cuda.is_available(),  # on a CPU half precision is slow, or not there
            use_cpu=not torch.accelerator.is_available(),  # said, so that torchrun works there, too
            remove_unused_columns=False,  # the collator needs `audio`, which is no input of the model
            logging_steps=50,
            save_strategy="no",
            report_to="none",
            seed=options.seed,
        ),
        data_collator=Collator(options.model, options.max_seconds),
        train_dataset=train,
        class_weights=weights,
    )
    trainer.train()
    trainer.save_model()
    for split in ("validation", "test"):  # small, and prepared: every GPU gets its part, and the order is known
        rows = emotiontalk.load_dataset(options.config, split=split, **source)
        logits = trainer.predict(rows).predictions
        if trainer.is_world_process_zero():
            predictions = dict(zip(rows["id"], logits.argmax(axis=-1).tolist()))
            result = emotiontalk.score(predictions, config=options.config, split=split, data_dir=options.data_dir)
            war, uar = (result.metrics[name] for name in ("war", "uar"))
            print(f"{split}: WAR {shown(war)}, UAR {shown(uar)}, {len(predictions):,} utterances")


def shown(metric: dict) -> str:
    return f"{100 * metric['value']:.2f} % ({100 * metric['low']:.2f} … {100 * metric['high']:.2f})"


if __name__ == "__main__":
    options = parser.parse_args()
    if options.streaming and options.max_steps < 0:
        parser.error("--streaming needs --max-steps: a stream does not say how long it is")
    try:
        main(options)
    except emotiontalk.EmotionTalkError as error:
        sys.exit(f"train_wav2vec2.py: {error}")
