"""The dataset card of an export: its YAML has the files and features of each config, so that no version guesses."""

from __future__ import annotations

from typing import Any

import datasets
import yaml

from emotiontalk.audio_format import AudioFormat
from emotiontalk.corpus import CITATION, REPO_ID, REVISION, SPLITS, __version__
from emotiontalk.export.options import labels_in_words
from emotiontalk.export.parquet_export import CARD_FILE, ParquetExport
from emotiontalk.release import splits_in_words
from emotiontalk.rows.label_names import text_features
from emotiontalk.schema import CONFIGS, description_of, features_of

CARD = """---
pretty_name: EmotionTalk
license: cc-by-nc-sa-4.0
language:
- zh
{yaml}---

# EmotionTalk, exported

[EmotionTalk](https://arxiv.org/abs/2505.23018) as Parquet, for every version of `datasets`. The source is
[{repo}](https://huggingface.co/datasets/{repo}) at revision `{revision}`, or the copy of it that was at hand.

```python
from datasets import load_dataset

ds = load_dataset("PATH OR REPOSITORY", "{first}", split="{split}")
```

**Made** with `emotiontalk parquet`, version {version} of the loader. Audio: {audio}. Labels: {labels}.
Splits: {splits}.

**Licence.** CC BY-NC-SA 4.0: no commercial use, share alike, name the authors (citation below). The media of the
release are gated: whoever loads them here must have accepted the terms at the source. Do not publish this export.

{configs}
## Citation

```bibtex
{citation}```
"""


def export_features(config: str, audio_format: AudioFormat, labels_as_text: bool = False) -> datasets.Features:
    """Return the features of an export: the loader's, with the rate of the converted audio, labels as text or not."""
    features = features_of(config)
    if "audio" in features:
        features["audio"] = datasets.Audio(sampling_rate=audio_format.rate)
    return text_features(features) if labels_as_text else features


def write_card(export: ParquetExport) -> None:
    """Write the dataset card of an export whose shards have their names."""
    configs, infos, texts = [], [], []
    for config in export.configs():
        sizes: list[dict[str, Any]] = [
            {"name": split, "num_examples": export.rows(config, split), "num_bytes": export.bytes(config, split)}
            for split in SPLITS
            if split in export.numbers(config)
        ]
        files = [{"split": size["name"], "path": f"{config}/{size['name']}-*.parquet"} for size in sizes]
        configs.append({"config_name": config, "data_files": files})
        if config != "video":  # a feature that older versions do not know would keep them from reading the whole card
            features = export_features(config, export.audio_format, export.labels_as_text)._to_yaml_list()
            sums = dict.fromkeys(("download_size", "dataset_size"), sum(size["num_bytes"] for size in sizes))
            infos.append({"config_name": config, "features": features, "splits": sizes, **sums})
        texts.append(_text_of(config, sizes, export.audio_format, export.labels_as_text))
    first: dict[str, Any] = configs[0]
    first["default"] = True
    text = CARD.format(
        yaml=yaml.safe_dump({"configs": configs, "dataset_info": infos}, allow_unicode=True, sort_keys=False),
        repo=REPO_ID,
        revision=REVISION,
        first=first["config_name"],
        split=first["data_files"][-1]["split"],  # test, or the smallest there is
        version=__version__,
        audio=export.audio_format,
        labels=labels_in_words(export.labels_as_text),
        splits=splits_in_words(export.fold),
        configs="\n".join(texts),
        citation=CITATION,
    )
    export.folder.write(CARD_FILE, text.encode())


def _text_of(config: str, sizes: list[dict[str, Any]], audio_format: AudioFormat, labels_as_text: bool) -> str:
    """Return what the card says of a config: its splits and its fields."""
    spec, lines = CONFIGS[config], []
    for field in spec.fields:
        converted = field == "audio" and audio_format
        what = f"the audio clip, {audio_format}" if converted else description_of(config, field)
        what = what.replace("label, 0…6", "label, as a word") if labels_as_text else what
        lines.append(f"| `{field}` | {what} |\n")
    counts = ", ".join(f"{size['name']} {size['num_examples']:,}" for size in sizes)
    return f"## {config}\n\n{spec.description} {counts}.\n\n| field | what it holds |\n|---|---|\n{''.join(lines)}"
