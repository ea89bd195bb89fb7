"""EmoBox metadata: the whole corpus, the official splits, and a fold a speaker set, as JSONL and JSON; the label map.

emotiontalk.{jsonl,json}            what features are extracted from: all splits that were written
fold_official/…, fold_1/…fold_5/…   emotiontalk_{train,valid,test}_fold_<fold>.{jsonl,json}
"""

from __future__ import annotations

import json
from typing import Any

from emotiontalk.corpus import FOLDS, SPEAKER_SETS, SPLITS
from emotiontalk.export.context import WriterContext
from emotiontalk.export.format import SHORT, Format
from emotiontalk.export.utterances import Rows, UtteranceRow, Utterances
from emotiontalk.folder import jsonl

LABELS = {
    "neutral": "Neutral",
    "happy": "Happy",
    "sad": "Sad",
    "angry": "Angry",
    "surprised": "Surprise",
    "disgusted": "Disgust",
    "fearful": "Fear",
}
IN_JSON = ("wav", "length", "emo", "dataset", "channel")


class EmoBoxFormat(Format):
    """What EmoBox reads."""

    name = "emobox"
    toolkit = "EmoBox"
    one_channel = True
    own_folds = True

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        every = [row for split in SPLITS for row in utterances.rows.get(split, [])]
        _write_both(context, "emotiontalk", every)
        for split, rows in utterances.rows.items():
            _write_both(context, f"fold_official/emotiontalk_{SHORT[split]}_fold_official", rows)
        for fold in _folds(utterances.rows):
            # its own split of train into train and valid fails (KeyError): each fold brings the next set as valid
            parts: dict[str, list[UtteranceRow]] = {name: [] for name in SHORT.values()}
            for row in every:
                parts[_part(row.fields["speaker_set"], fold)].append(row)
            for name, rows in parts.items():
                _write_both(context, f"fold_{fold}/emotiontalk_{name}_fold_{fold}", rows)
        labels = {name: LABELS[name] for name in context.request.emotions}
        context.write_file("emobox/label_map.json", json.dumps(labels, indent=4) + "\n")
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        example = f"emobox/fold_official/emotiontalk_{SHORT[context.example_split]}_fold_official.jsonl"
        return f"""Copy or link `emobox` to `data/emotiontalk` of EmoBox. `emotiontalk.json` has all utterances that
were written, `fold_official` the official splits. `fold_1` to `fold_5` are written where all splits are: test is the
speaker set of that number, valid the next one (in fold 5 set 2), train the other three. In `examples/sb`:

    python3 speech_feature_extraction.py --model_name wav2vec2-base --model_path pretrained_models/wav2vec2-base \\
        --dump_dir dump --data ../../data/emotiontalk/emotiontalk.json --output_norm
    fold=../../data/emotiontalk/fold_official/emotiontalk
    python3 train.py hparams/wav2vec2-base_freeze.yaml --output_folder exp/emotiontalk --feat_dir dump \\
        --train_annotation ${{fold}}_train_fold_official.json --valid_annotation ${{fold}}_valid_fold_official.json \\
        --test_annotation ${{fold}}_test_fold_official.json --label_map ../../data/emotiontalk/label_map.json \\
        --out_n_neurons {len(context.request.emotions)} --hidden_size 128

The recipe's `prepare_data` reads these files; extraction and training, which need a model, were not run with them.
`EmoDataset` of EmoBox 08280f2 (March 2025) is a TypeError for every corpus: it passes no label map on. Instead:

    records = [json.loads(line) for line in open("{example}")]
    labels = json.load(open("emobox/label_map.json"))
    audio, label = soundfile.read(records[0]["wav"]), labels[records[0]["emo"]]
"""


def _folds(rows: Rows) -> range:
    """Return the numbers of the folds: none where a split is missing, whose speakers are in them."""
    return FOLDS if set(rows) == set(SPLITS) else range(0)


def _part(speaker_set: int, fold: int) -> str:
    if speaker_set == fold:
        return "test"
    # set 1, two thirds of the corpus, is for training wherever it is not the test
    return "valid" if speaker_set == (fold + 1 if fold < len(SPEAKER_SETS) else 2) else "train"


def _write_both(context: WriterContext, name: str, rows: list[UtteranceRow]) -> None:
    records = [_record(context, row) for row in rows]
    short = {record["key"]: {field: record[field] for field in IN_JSON} for record in records}
    context.write_file(f"emobox/{name}.jsonl", jsonl(records))
    context.write_file(f"emobox/{name}.json", json.dumps(short, ensure_ascii=False, indent=4) + "\n")


def _record(context: WriterContext, row: UtteranceRow) -> dict[str, Any]:
    return {
        "key": f"emotiontalk-{row.id}",
        "dataset": "emotiontalk",
        "wav": context.absolute_path(row),
        "type": "raw",
        "sample_rate": row.sampling_rate,
        "num_frame": float(row.samples),
        "task": "category",
        "length": row.seconds,
        "emo": row.emotion,
        "channel": row.channels,
    }
