"""`emotiontalk dummy`: synthetic sample data with the oddities of the release, the same bytes at every run.

Sentences, labels, audio and pictures are synthetic. Two groups for each split, one dialogue each.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import math
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from emotiontalk.audio import wav_file, wav_format
from emotiontalk.corpus import ANNOTATORS, ARCHIVES, CONDITIONS, EMOTIONS, NOUNS
from emotiontalk.folder import refuse_foreign_file, write_file

GROUPS = ("G00001", "G00002", "G00003", "G00004", "G00012", "G00015")
RATE = 44_100
# One clip of each format of the release that is long enough to hear something; test has all three. Rate, channels.
MELODIES = {8: (44_100, 2), 10: (44_100, 1), 11: (16_000, 1)}
CLIP = Path(__file__).with_name("assets") / "clip.mp4"

# Four turns of a dialogue between two speakers; the marks and slips are of the kinds that the release has.
SENTENCES = (
    "你好，今天过得怎么样？",
    "还可以吧，[over/]就是[/over]有点累[laughing]。",
    "那就早点休息，[over/别太晚[/over]睡，好[over]不好[/over/]？",
    "知道了，谢谢你[[/over]。[interrupted]",
)


def utterances() -> Iterator[tuple[str, int]]:
    """Yield (id, index) of every synthetic utterance, sorted by id."""
    for number, group in enumerate(GROUPS):
        dialogue, speakers = f"{number + 11:02d}", (f"{2 * number + 2:02d}", f"{2 * number + 3:02d}")
        for turn in (1, 3, 2, 4):
            yield f"{group}_{dialogue}_{speakers[(turn - 1) % 2]}_{turn:03d}", 4 * number + turn - 1


def relative(uid: str, suffix: str) -> str:
    """Return the path of a member below `json/`, `wav/` or `mp4/`."""
    group, dialogue, speaker, _ = uid.split("_")
    return f"{group}/{group}_{dialogue}/{group}_{dialogue}_{speaker}/{uid}.{suffix}"


def wav(index: int) -> bytes:
    """Make the clip of an utterance, 16-bit WAV: a tone of 30 to 60 ms, or of `MELODIES` four notes, 1.2 s in all."""
    rate, channels = MELODIES.get(index, (RATE, 2))
    pitch = 220 * 2 ** (index / 12)
    if index in MELODIES:
        notes = [_note(pitch * 2 ** (step / 12), int(0.3 * rate), rate) for step in (0, 4, 7, 12)]
    else:
        frames = int(RATE * (0.03 + 0.01 * (index % 4)))
        notes = [[round(12_000 * math.sin(2 * math.pi * pitch * n / RATE)) for n in range(frames)]]
    mono = numpy.array([sample for note in notes for sample in note], "<i2")
    return wav_file(numpy.stack([mono, mono // 2][:channels], axis=1), rate)


def _note(pitch: float, frames: int, rate: int) -> list[int]:
    """Make the samples of a note that is struck and dies away: three partials under an envelope."""
    made = []
    for n in range(frames):
        envelope = min(1.0, n / (0.01 * rate)) * math.exp(-6 * n / frames) * min(1.0, (frames - n) / (0.01 * rate))
        wave = sum(math.sin(2 * math.pi * pitch * k * n / rate) / k for k in (1, 2, 3)) / 1.8
        made.append(round(12_000 * envelope * wave))
    return made


@functools.cache
def _seconds(index: int) -> float:
    form = wav_format(wav(index))
    return form.frames / form.rate


def mp4(index: int) -> bytes:
    """Make a clip of one picture, 0.1 s, 16 x 16: the stored one, and a free box (ISO 14496-12) with the index."""
    note = b"%08d" % index
    return CLIP.read_bytes() + struct.pack(">I4s", 8 + len(note), b"free") + note


def annotation(uid: str, index: int, condition: str) -> bytes:
    """Make the annotation file of a condition ("audio", …), with an oddity here and there."""
    shift = {"multimodal": 0, "audio": index % 2, "text": index % 3, "video": 2 * (index % 2)}[condition]
    emotion = EMOTIONS[(index + shift) % 7]
    score = round(((index % 11) - 5) / 5 * 2, 1)
    votes: dict[str, Any] = {a: {"emotion": emotion, "Confidence_degree": "97531"[n]} for n, a in enumerate(ANNOTATORS)}
    votes["E"]["emotion"] = EMOTIONS[(index + 3) % 7]
    content = SENTENCES[index % 4]
    record: dict[str, Any] = {"data": votes, "speaker_id": uid.split("_")[2], "emotion_result": emotion}
    if condition != "video":
        record["content"] = content
    if condition == "audio":
        if index % 3 == 1:  # full-width marks
            record["content"] = content.replace("[", "【").replace("]", "】")
        captions: dict[str, Any] = {
            "emo_cap": f"第{index}句的情绪",
            "spe_cap": f"第{index}句的音色",
            "style_cap": f"第{index}句的风格",
        }
        captions.update({f"caption_{i}": f"第{index}句的描述{i}" for i in range(1, 6)})
        length = _seconds(index)
        record["paragraphs"] = {"startTime": 1.5 * index, "endTime": round(1.5 * index + length, 3), "duration": length}
        if index % 8 == 2:  # captions flat at the top level
            record.update(captions)
        else:
            record["sourceAttr"] = captions
        if index == 5:  # times missing, a caption null
            del record["paragraphs"]
            captions["caption_5"] = None
        if index == 6:  # numbers as strings
            record["paragraphs"] = {key: str(value) for key, value in record["paragraphs"].items()}
        record["file_path"] = relative(uid, "wav")
    else:
        record["file_name"] = relative(uid, "txt" if condition == "text" else "mp4")
    if condition == "multimodal":
        record["Continuous label_result"] = str(score) if index == 6 else score
        total = round(score * 5)
        ratings = [total // 5 + (n < total % 5) for n in range(5)]
        for vote, rating in zip(votes.values(), ratings):
            vote["Continuous_label"] = rating
    if index == 7:  # a vote null, a confidence missing
        votes["B"] = None
        del votes["C"]["Confidence_degree"]
    if index == 9:  # the noun of the paper
        record["emotion_result"] = {v: k for k, v in NOUNS.items()}.get(emotion, emotion)
    text = json.dumps(record, ensure_ascii=False, indent=1)
    return text.encode("utf-8-sig" if index == 3 else "utf-8")  # one with a BOM


def archives() -> dict[str, dict[str, bytes]]:
    """Return {archive: {member: bytes}}, in the order of the release: annotations, then media."""
    made: dict[str, dict[str, bytes]] = {name: {} for name in ARCHIVES}
    for condition, archive in CONDITIONS.items():
        for uid, index in utterances():
            made[archive][f"{archive}/json/{relative(uid, 'json')}"] = annotation(uid, index, condition)
    for uid, index in utterances():
        made["Audio"]["Audio/wav/" + relative(uid, "wav")] = wav(index)
        made["Multimodal"]["Multimodal/mp4/" + relative(uid, "mp4")] = mp4(index)
    first = relative(next(utterances())[0], "json")
    folder, name = first.rsplit("/", 1)
    made["Text"][f"Text/json/{folder}/._{name}"] = b"Mac OS X resource fork"
    spare = io.BytesIO()
    with zipfile.ZipFile(spare, "w") as packed:
        packed.writestr(zipfile.ZipInfo("mp4/" + relative(next(utterances())[0], "mp4")), mp4(0))
    made["Multimodal"]["Multimodal/mp4/mp4.zip"] = spare.getvalue()
    return made


def pack(members: dict[str, bytes], compressed: bool = False) -> bytes:
    """Make a tar archive, gzip-compressed or not, whose bytes depend on its members alone."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_748_000_000
            tar.addfile(info, io.BytesIO(data))
    if not compressed:
        return plain.getvalue()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as file:
        file.write(plain.getvalue())
    return packed.getvalue()


def files() -> dict[str, bytes]:
    """Return {name: bytes} of the four archives; Text and Video are gzip-compressed in spite of their name."""
    return {f"{name}.tar": pack(members, compressed=name in ("Text", "Video")) for name, members in archives().items()}


def write_sample_data(out: Path) -> None:
    """Write the four archives to a folder. Raises `RequestError` where others are."""
    archive_files = files()
    needed = sum(map(len, archive_files.values()))
    for name, data in archive_files.items():
        refuse_foreign_file(out / name, data)
    for name, data in archive_files.items():
        write_file(out / name, data, needed=needed)
