"""The first look at EmotionTalk, on any version of `datasets`.

python examples/quickstart.py               # streams the test split from the Hub: 1.5 GB, keeps nothing
python examples/quickstart.py dummy_data    # the sample data; or the folder that holds your archives
"""

from __future__ import annotations

import collections
import sys

import emotiontalk

data_dir = sys.argv[1] if len(sys.argv) > 1 else None

# 1. The test split, streamed: how many utterances of each class
try:
    stream = emotiontalk.load_dataset("audio", split="test", streaming=True, data_dir=data_dir)
    names = stream.features["emotion"].names
    counts, first = collections.Counter(), None
    for row in stream:
        counts[names[row["emotion"]]] += 1
        first = first or row
except emotiontalk.EmotionTalkError as error:  # no network, no access, no archives: the message says what to do
    sys.exit(f"{error} To try it with the sample data: python examples/quickstart.py dummy_data")
print("test:", ", ".join(f"{name} {counts[name]:,}" for name in names))

# 2. One clip, as speech encoders want it: 16 kHz, one channel
clip = emotiontalk.decode_audio(first["audio"], sampling_rate=16_000, mono=True)
seconds = len(clip["array"]) / clip["sampling_rate"]
print(f"{first['id']}: {seconds:.2f} s at {clip['sampling_rate']:,} Hz, {names[first['emotion']]}: {first['text']}")
print("    votes:", ", ".join(f"{name} {share:.1f}" for name, share in zip(names, first["soft_label"] or []) if share))

# 3. A dialogue, in turn order, with its audio-only and text-only labels
dialogue = next(iter(emotiontalk.load_dataset("dialogues", split="test", streaming=True, data_dir=data_dir)))
print(f"{dialogue['id']}:")
for turn in dialogue["turns"]:
    heard, read = names[turn["emotion_audio"]], names[turn["emotion_text"]]
    print(f"    {turn['speaker_id']}  {turn['text']}  (heard: {heard}, read: {read})")
