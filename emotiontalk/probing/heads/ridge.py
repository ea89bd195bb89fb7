"""Ridge regression of sentiment scores on features, its penalty chosen on validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing

# Nobody has published a penalty: this grid is ours. The penalty of scikit-learn is not divided by the number of
# utterances, so that with 15,413 of them the grid goes from next to none to one that leaves little but the mean.
ALPHAS = (1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5)
LOWEST, HIGHEST = -2.0, 2.0  # a score is the mean of five ratings, each of which is in this range


@dataclasses.dataclass
class Ridge:
    """A fitted regression. alpha: the penalty; validation: alpha -> mean squared error of what `predict` returns."""

    model: Any
    alpha: float
    validation: dict[float, float]

    def predict(self, x: Any) -> numpy.ndarray:
        """Return a score for each utterance, -2…2: what is outside is brought to the end of the scale."""
        return _predict(self.model, x)


def fit(x: Mapping[str, Any], y: Mapping[str, numpy.ndarray]) -> Ridge:
    """Fit on train for each of `ALPHAS`, and keep the one with the least mean squared error on validation.

    x: "train" and "validation" -> (utterances, dims), an array, or a sparse matrix of scipy; y: the same -> scores.
    Each dimension of an array is brought to mean 0 and variance 1 on train. A sparse matrix stays as it is, because
    without zeros it would not fit into memory; TF-IDF has a scale already.
    """
    models = {alpha: _fit(x["train"], y["train"], alpha) for alpha in ALPHAS}
    errors = {
        alpha: float(numpy.mean((_predict(model, x["validation"]) - y["validation"]) ** 2))
        for alpha, model in models.items()
    }
    alpha = min(ALPHAS, key=lambda alpha: errors[alpha])
    return Ridge(models[alpha], alpha, errors)


def _fit(x: Any, y: numpy.ndarray, alpha: float) -> Any:
    scale = [sklearn.preprocessing.StandardScaler()] if isinstance(x, numpy.ndarray) else []
    return sklearn.pipeline.make_pipeline(*scale, sklearn.linear_model.Ridge(alpha)).fit(_double(x), y)


def _predict(model: Any, x: Any) -> numpy.ndarray:
    return numpy.clip(model.predict(_double(x)), LOWEST, HIGHEST)


def _double(x: Any) -> Any:
    """Return x in float64: normal equations square the condition number, which is too much for float32."""
    return x.astype(numpy.float64)
