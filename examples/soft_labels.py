"""Learn the votes of the annotators, not the label alone: a classifier trained on soft labels against one on labels.

python examples/soft_labels.py                          # from the Hub: annotations alone, 1.5 MB
python examples/soft_labels.py --data-dir dummy_data    # the sample data; or the folder that holds your archives

Prints the Kullback-Leibler divergence of the predicted distribution from the votes of test (nats; lower is better), WAR
and UAR. It needs `pip install ".[tools]"`.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import emotiontalk

CLASSES = len(emotiontalk.EMOTIONS)
SMALLEST = 1e-9  # a probability of 0 would make the divergence infinite

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data-dir", help="the folder or URL of the archives; by default the Hub")


def distributions(train, shares: np.ndarray, texts: list) -> np.ndarray:
    """Predicted probabilities, of shape (texts, classes), of a classifier trained on shares of the same shape of train.

    Each utterance is given once for each class, weighted by its share. The loss is then the cross-entropy with the
    shares, which has the same gradient as the divergence from them. Shares of one class alone are a hard label.
    """
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(train["text"])
    rows, classes = np.nonzero(shares)
    classifier = LogisticRegression(max_iter=300)
    classifier.fit(scipy.sparse.csr_matrix(features)[rows], classes, sample_weight=shares[rows, classes])
    predicted = np.zeros((len(texts), CLASSES))
    predicted[:, classifier.classes_] = classifier.predict_proba(vectorizer.transform(texts))
    return predicted


def divergence(votes: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over utterances of KL(votes || predicted), in nats."""
    chosen = votes > 0  # 0 · log 0 is 0
    ratios = np.log(votes[chosen] / np.maximum(predicted[chosen], SMALLEST))
    return float((votes[chosen] * ratios).sum() / len(votes))


def main(options: argparse.Namespace) -> None:
    data = emotiontalk.load_dataset("text", data_dir=options.data_dir).select_columns(
        ["id", "text", "emotion", "soft_label"]
    )
    # without a text there is nothing to read; soft_label is null where an annotator's label is missing
    train = data["train"].filter(lambda row: row["text"] is not None and row["soft_label"] is not None)
    test = data["test"]
    texts = [text or "" for text in test["text"]]
    has_votes = [n for n, shares in enumerate(test["soft_label"]) if shares is not None]
    votes = np.array([test[n]["soft_label"] for n in has_votes])
    trained_on = {"labels": np.eye(CLASSES)[train["emotion"][:]], "votes": np.array(train["soft_label"][:])}
    for name, shares in trained_on.items():
        predicted = distributions(train, shares, texts)
        classes = dict(zip(test["id"], predicted.argmax(axis=1).tolist()))
        metrics = emotiontalk.score(classes, config="text", data_dir=options.data_dir).metrics
        war, uar = (100 * metrics[metric]["value"] for metric in ("war", "uar"))
        apart = divergence(votes, predicted[has_votes])
        print(f"trained on {name}: KL {apart:.3f}, WAR {war:.2f} %, UAR {uar:.2f} %")


if __name__ == "__main__":
    try:
        main(parser.parse_args())
    except emotiontalk.EmotionTalkError as error:
        sys.exit(f"soft_labels.py: {error}")
