"""Emotion recognition in conversation: does it help to read the turns before?

python examples/conversation.py                          # from the Hub: annotations alone, 70 MB, no audio
python examples/conversation.py --data-dir dummy_data    # the sample data; or the folder that holds your archives

Trains two classifiers on text, one on each turn alone and one that also gets the --k turns before it, and scores both
on test: WAR, UAR, and their difference with a 95 % interval. It needs `pip install ".[tools]"`.
"""

from __future__ import annotations

import argparse
import sys

import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import emotiontalk

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data-dir", help="the folder or URL of the archives; by default the Hub")
parser.add_argument("--condition", default="multimodal", choices=list(emotiontalk.CONDITIONS), help="whose label")
parser.add_argument("--k", type=int, default=3, help="how many turns before")


def windows_of(dialogues, k: int) -> list:
    """The windows of all turns of all dialogues: a window never reaches into another dialogue."""
    return [window for dialogue in dialogues for window in emotiontalk.context(dialogue["turns"], k)]


def texts_of(windows: list) -> tuple[list, list, list]:
    """(what is said, what the same speaker said before, what the other one said) of each window.

    Apart, so that the classifier knows whose words are whose.
    """
    own, same, other = [], [], []
    for *before, turn in windows:
        own.append(turn["text"] or "")
        same.append(" ".join(one["text"] or "" for one in before if one["speaker_id"] == turn["speaker_id"]))
        other.append(" ".join(one["text"] or "" for one in before if one["speaker_id"] != turn["speaker_id"]))
    return own, same, other


def predictions(train, test, k: int, label: str) -> dict[str, int]:
    """Utterance id -> class, for test, by a classifier that was trained on windows of train."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    of_train, of_test = windows_of(train, k), windows_of(test, k)
    vectorizer.fit(texts_of(of_train)[0])
    parts = 3 if k else 1  # without context, two of the three would be empty

    def features(windows: list) -> scipy.sparse.csr_matrix:
        return scipy.sparse.hstack([vectorizer.transform(texts) for texts in texts_of(windows)[:parts]], format="csr")

    # rare classes count as much as frequent ones: UAR is the mean over classes
    classifier = LogisticRegression(max_iter=300, class_weight="balanced")
    classifier.fit(features(of_train), [window[-1][label] for window in of_train])
    return dict(zip([window[-1]["id"] for window in of_test], classifier.predict(features(of_test)).tolist()))


def main(options: argparse.Namespace) -> None:
    train, test = (emotiontalk.load_dataset("dialogues", split=s, data_dir=options.data_dir) for s in ("train", "test"))
    label = f"emotion_{options.condition}"
    with_context, alone = (predictions(train, test, k, label) for k in (options.k, 0))
    result = emotiontalk.score(with_context, alone, config=options.condition, data_dir=options.data_dir)
    for k, system in zip((options.k, 0), result.systems):
        war, uar = (system["parts"]["test"]["metrics"][name]["value"] for name in ("war", "uar"))
        print(f"k={k}: WAR {100 * war:.2f} %, UAR {100 * uar:.2f} %")
    difference = result.differences["test"]["metrics"]["uar"]
    low, high = (100 * difference[name] for name in ("low", "high"))
    print(f"difference of UAR: {100 * difference['value']:+.2f} ({low:+.2f} … {high:+.2f})")


if __name__ == "__main__":
    try:
        main(parser.parse_args())
    except emotiontalk.EmotionTalkError as error:
        sys.exit(f"conversation.py: {error}")
