"""The facts about EmotionTalk: its release, groups, splits, speakers and labels. Nothing here is guessed.

Sources: the dataset card and the paper (Sun et al., *EmotionTalk*, Findings of ACL 2026; arXiv 2505.23018).
"""

from __future__ import annotations

import re

__version__ = "1.7.0"

REPO_ID = "BAAI/Emotiontalk"
REVISION = "adbc17fc944e8cf2873643906160c6ca0259ab61"
DEFAULT_SOURCE = f"hf://datasets/{REPO_ID}@{REVISION}"
HOMEPAGE = "https://huggingface.co/datasets/" + REPO_ID
LICENSE = "CC BY-NC-SA 4.0"
CITATION = """\
@inproceedings{sun2026emotiontalk,
  title     = {EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich Annotations},
  author    = {Sun, Haoqin and Zhao, Jinghua and Wang, Xuechen and Zhao, Shiwan and Zhou, Jiaming and
               Wang, Hui and Yang, Xi and Wang, Yequan and Lin, Yonghua},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2026},
  pages     = {9054--9071},
  year      = {2026},
  url       = {https://aclanthology.org/2026.findings-acl.440}
}

@article{sun2025emotiontalk,
  title   = {EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich Annotations},
  author  = {Sun, Haoqin and Wang, Xuechen and Zhao, Jinghua and Zhao, Shiwan and Zhou, Jiaming and
             Wang, Hui and He, Jiabei and Kong, Aobo and Yang, Xi and Wang, Yequan and Lin, Yonghua and Qin, Yong},
  journal = {arXiv preprint arXiv:2505.23018},
  year    = {2025}
}
"""

# The archives at the pinned revision: size in bytes, SHA-256.
ARCHIVES = {
    "Audio": (14_811_722_752, "f8599a70f55f489c948cd079c712acf340cf496c5267b14fb34e985539d57e41"),
    "Multimodal": (21_294_498_304, "905af99e277658eedceefcf7ee283e8041ef62a0335245e140ea953fba45777e"),
    "Text": (1_477_776, "facf5cbf3edb4104f5e1e8c450730af5524fe6170865a6930773e7fb6f82a603"),
    "Video": (526_286, "01f54fb23fa0838ddbfccadbf1f883e0cc9bf6cf80c3b8d2959bf23a0e127996"),
}
# Utterances in each group of dialogues, and the groups of each official split ("train" has the rest).
GROUPS = {
    "G00001": 840, "G00002": 903, "G00003": 793, "G00004": 1429, "G00005": 1055,
    "G00006": 1573, "G00007": 1813, "G00008": 1608, "G00009": 1648, "G00010": 1368,
    "G00011": 1154, "G00012": 1068, "G00013": 1383, "G00014": 1479, "G00015": 1136,
}  # fmt: skip
TOTAL = sum(GROUPS.values())
DIALOGUES_OF_GROUPS = {  # counted in the published ids
    "G00001": 30, "G00002": 41, "G00003": 32, "G00004": 62, "G00005": 38,
    "G00006": 57, "G00007": 62, "G00008": 60, "G00009": 51, "G00010": 50,
    "G00011": 54, "G00012": 41, "G00013": 55, "G00014": 57, "G00015": 52,
}  # fmt: skip
DIALOGUES = {"train": 587, "validation": 71, "test": 84}
SPLITS = ("train", "validation", "test")
HELD_OUT = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
# Groups that share speakers, directly or through another group: no speaker is in two of these sets.
SPEAKER_SETS = (
    ("G00002", "G00004", "G00005", "G00006", "G00007", "G00008", "G00009", "G00010", "G00011"),
    ("G00001", "G00003", "G00012"),
    ("G00013",),
    ("G00014",),
    ("G00015",),
)
FOLDS = range(1, len(SPEAKER_SETS) + 1)  # of cross-validation: the test split of each is the speaker set of its number
FOLD_SPLITS = ("train", "test")
# WAV files of each format, (rate in Hz, channels), all 16 bit: counted in the real archive by a public project, not by
# the authors, whose card says 44.1 kHz. Which files these are is not published.
AUDIO_FORMATS = {(44_100, 2): 18_612, (44_100, 1): 518, (16_000, 1): 120}

# Shards of each split: many, with many divisors, because `datasets` makes every node read everything where the number
# of nodes does not divide that of the shards.
SHARDS = {"train": 240, "validation": 48, "test": 48}

# The authors' own numbering 0…6, and the nouns that the papers use for the same classes.
EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful")
NOUNS = {
    "happiness": "happy", "sadness": "sad", "anger": "angry",
    "surprise": "surprised", "disgust": "disgusted", "fear": "fearful",
}  # fmt: skip
FOUR = ("neutral", "happy", "sad", "angry")  # the paper's "Four" setting
# The paper's five sentiment classes of a score in −2…2: ≤ −1, < 0, 0, < 1, ≥ 1.
SENTIMENTS = ("negative", "weakly negative", "neutral", "weakly positive", "positive")
# The four annotation conditions and the archive that holds the annotations of each: annotators worked text-only,
# audio-only, on silent video, and on audio-visual clips.
CONDITIONS = {"text": "Text", "audio": "Audio", "video": "Video", "multimodal": "Multimodal"}
CONDITION_NAMES = {"text": "text-only", "audio": "audio-only", "video": "silent-video", "multimodal": "audio-visual"}
ANNOTATORS = "ABCDE"

# A member of an archive is known by its file name alone, whatever folders stand before it.
MEMBER = re.compile(r"(?P<id>(?P<group>G\d{5})_\d{2}_\d{2}_\d{3})\.(?P<suffix>json|wav|mp4)", re.ASCII | re.IGNORECASE)

# Group, its first utterance (or dialogue) by number in the sorted group, and the one after the last.
Shard = tuple[str, int, int]
OPEN_END = 1 << 30  # the number after the last of a group, however many it has


def match_member(name: str) -> re.Match[str] | None:
    """Match `MEMBER` against the path of a member; None if it is not a part of the release (`._*`, zips, …)."""
    *folders, name = name.replace("\\", "/").split("/")
    return None if "__MACOSX" in folders else MEMBER.fullmatch(name)


def split_of(group: str, fold: int | None = None) -> str:
    """Return the split of a group id: the official "train", "validation" or "test"; of a fold "train" or "test"."""
    if fold is None:
        return HELD_OUT.get(group, "train")
    return "test" if speaker_set_of(group) == fold else "train"


def speaker_set_of(group: str) -> int:
    """Return the number 1…5 of the set in `SPEAKER_SETS` that a group is in."""
    return next(number for number, groups in enumerate(SPEAKER_SETS, 1) if group in groups)


def shards_of(runs: list[Shard], number: int) -> list[Shard]:
    """Cut runs of utterances into `number` shards in all, as evenly as possible; into fewer where there are fewer.

    Args:
        runs: each has at least one shard.
        number: how many shards to make.
    """
    sizes = [end - begin for _, begin, end in runs]
    number = max(len(runs), min(number, sum(sizes)))
    exact = [max(1.0, number * size / sum(sizes)) for size in sizes]
    parts = [int(share) for share in exact]
    for index in sorted(range(len(runs)), key=lambda index: parts[index] - exact[index])[: max(0, number - sum(parts))]:
        parts[index] += 1
    while sum(parts) > number:  # short runs have one each
        parts[parts.index(max(parts))] -= 1
    return [
        (group, begin + size * part // of, begin + size * (part + 1) // of)
        for (group, begin, _), size, of in zip(runs, sizes, parts)
        for part in range(of)
    ]


def runs_of(shards: list[Shard]) -> list[Shard]:
    """Join shards that follow one another in a group."""
    runs: list[Shard] = []
    for group, begin, end in shards:
        if runs and runs[-1][0] == group and runs[-1][2] == begin:
            runs[-1] = (group, runs[-1][1], end)
        else:
            runs.append((group, begin, end))
    return runs
