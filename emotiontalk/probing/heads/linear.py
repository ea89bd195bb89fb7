"""The linear head of `probe`: one fully connected layer with softmax and cross-entropy, of scikit-learn.

The penalty is chosen on validation, by cross-entropy. Nobody has published an optimiser, epochs or penalties for this
layer: these are ours.
"""

from __future__ import annotations

import dataclasses
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import joblib
import numpy
import scipy.sparse
import sklearn.decomposition
import sklearn.exceptions
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing

ALPHAS = {"sparse": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4), "dense": (1e-4, 1e-3, 1e-2, 1e-1)}
EPOCHS = 100
SVD_DIMS = 256  # of TF-IDF, where it is one of several upstreams
OPTIMISER = {"solver": "saga", "tol": 1e-3}


@dataclasses.dataclass
class Linear:
    """Layers that are trained, one for each seed.

    alpha: the penalty; validation: alpha -> mean cross-entropy on validation.
    """

    models: list[Any]
    alpha: float
    validation: dict[str, float]
    classes: int

    def probabilities(self, x: Any) -> list[numpy.ndarray]:
        """Return for each seed (utterances, classes)."""
        return [_probabilities(model, x, self.classes) for model in self.models]


def fit(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray], classes: int, seeds: Sequence[int]) -> Linear:
    """Train the layer for each penalty and seed, and keep the penalty that is best on validation.

    x: "train" and "validation" -> (utterances, dims), of numpy or sparse of scipy; y: the same -> labels 0…classes-1.
    """
    sparse = scipy.sparse.issparse(x["train"])
    alphas = ALPHAS["sparse" if sparse else "dense"]
    jobs = [(alpha, seed) for alpha in alphas for seed in seeds]
    # threads: scikit-learn lets go of the interpreter while it fits. What has not converged by then is taken as it is;
    # the filter is set here, because those that threads set and reset get in one another's way.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        fitted = joblib.Parallel(n_jobs=-1, prefer="threads")(
            joblib.delayed(fit_one)(x["train"], y["train"], sparse, *job) for job in jobs
        )
    models = dict(zip(jobs, fitted))
    losses = {
        alpha: statistics.fmean(
            cross_entropy(_probabilities(models[alpha, seed], x["validation"], classes), y["validation"])
            for seed in seeds
        )
        for alpha in alphas
    }
    alpha = min(alphas, key=lambda alpha: losses[alpha])
    validation = {str(one): loss for one, loss in losses.items()}
    return Linear([models[alpha, seed] for seed in seeds], alpha, validation, classes)


def fit_one(x: Any, y: numpy.ndarray, sparse: bool, alpha: float, seed: int) -> Any:
    """Train one fully connected layer, softmax, cross-entropy, L2 penalty `alpha`; the seed orders the updates."""
    layer = sklearn.linear_model.LogisticRegression(
        C=1 / (alpha * x.shape[0]), max_iter=EPOCHS, random_state=seed, **OPTIMISER
    )
    scale = [] if sparse else [sklearn.preprocessing.StandardScaler()]
    return sklearn.pipeline.make_pipeline(*scale, layer).fit(x, y)


def _probabilities(model: Any, x: Any, classes: int) -> numpy.ndarray:
    """Return (utterances, classes): 0 for a class that train has not."""
    shares = numpy.zeros((x.shape[0], classes))
    shares[:, model.classes_] = model.predict_proba(x)
    return shares


def cross_entropy(shares: numpy.ndarray, y: numpy.ndarray) -> float:
    """Average over utterances; a class that train has not has the least share that a float tells from none."""
    of_label = shares[numpy.arange(len(y)), y]
    return float(-numpy.log(numpy.maximum(of_label, numpy.finfo(float).tiny)).mean())


def joined(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join the features of several upstreams to one vector: part -> (utterances, all dims).

    Sparse ones (TF-IDF) are brought to `SVD_DIMS` dimensions, by singular value decomposition of train (latent semantic
    analysis): as they are, they would make all of it sparse, which takes hours, and want another penalty.
    """
    if len(features) == 1:
        return dict(features[0])
    dense = [_dense(one) for one in features]
    return {part: numpy.concatenate([one[part] for one in dense], axis=1) for part in features[0]}


def _dense(features: Mapping[str, Any]) -> Mapping[str, Any]:
    train = features["train"]
    if not scipy.sparse.issparse(train):
        return features
    dims = min(SVD_DIMS, min(train.shape) - 1)
    svd = sklearn.decomposition.TruncatedSVD(dims, random_state=0).fit(train)
    return {part: svd.transform(rows).astype(numpy.float32) for part, rows in features.items()}
