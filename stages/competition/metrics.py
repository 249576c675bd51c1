"""Competition metrics over whole sets, by scikit-learn (fastai 0.7 averaged batches).

Truth: class numbers (N,) for multiclass, flags (N, C) for multilabel, numbers (N, T) for
regression. What stands beside it is what the metric reads, see Metric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn import metrics as sk

Score = Callable[[np.ndarray, np.ndarray], float]
CLIP = 1e-15  # Kaggle's, on each side of a probability


@dataclass(frozen=True)
class Metric:
    """A metric, what it reads, and whether more of it is better."""

    score: Score
    reads: str
    """probabilities (N, C); classes: numbers (N,), or flags (N, C) of several labels; ranking:
    class numbers (N, K), the best first; numbers (N, T)."""
    greater_is_better: bool = True


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log probability of the truth.

    One class a row: rows are renormalised as Kaggle does. Several labels: the mean over columns.
    """
    if truth.ndim == 1:
        rows = probabilities / probabilities.sum(axis=1, keepdims=True)
        return float(sk.log_loss(truth, rows, labels=np.arange(rows.shape[1])))
    p = probabilities.clip(CLIP, 1 - CLIP)
    return float(-np.where(truth > 0, np.log(p), np.log1p(-p)).mean())


def auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve, the mean over columns; with two classes that of either.

    A column of which the truth is all one value has none, and is left out.
    """
    if truth.ndim == 1:
        truth = np.eye(probabilities.shape[1])[truth]
    both = [c for c in range(truth.shape[1]) if 0 < truth[:, c].sum() < len(truth)]
    areas = [sk.roc_auc_score(truth[:, c], probabilities[:, c]) for c in both]
    return float(np.mean(areas)) if areas else float("nan")


def accuracy(truth: np.ndarray, said: np.ndarray) -> float:
    """Share of rows whose class, or most probable class, is the true one."""
    return float((truth == (said.argmax(axis=1) if said.ndim == 2 else said)).mean())


def error(truth: np.ndarray, said: np.ndarray) -> float:
    """Share of rows whose class is not the true one."""
    return 1 - accuracy(truth, said)


def balanced_accuracy(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean over the classes of the share of a class's rows that are said to be of it."""
    return float(np.mean([(said[truth == c] == c).mean() for c in np.unique(truth)]))


def mcc(truth: np.ndarray, said: np.ndarray) -> float:
    """Matthews's correlation coefficient."""
    return float(sk.matthews_corrcoef(truth, said))


def qwk(truth: np.ndarray, said: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, of whole ratings (or of class numbers in order)."""
    true, rated = (np.asarray(x).ravel().round().astype(int) for x in (truth, said))
    ratings = np.arange(min(true.min(), rated.min()), max(true.max(), rated.max()) + 1)
    if len(ratings) == 1:
        return 1.0  # everybody agrees
    return float(sk.cohen_kappa_score(true, rated, labels=ratings, weights="quadratic"))


def f_beta(truth: np.ndarray, said: np.ndarray, beta: float, average: str) -> float:
    """F-beta of classes, or of flags; 0 where nothing is said and nothing is true."""
    return float(sk.fbeta_score(truth, said, beta=beta, average=average, zero_division=0))


def map_at(truth: np.ndarray, ranking: np.ndarray) -> float:
    """Mean average precision of the K places of a ranking; of one true class 1 / its place."""
    rows = np.arange(len(ranking))[:, None]
    flags = truth if truth.ndim == 2 else np.eye(truth.max() + 1 + ranking.max())[truth]
    hits = flags[rows, ranking] > 0
    precision = hits.cumsum(axis=1) / np.arange(1, ranking.shape[1] + 1)
    possible = np.minimum(flags.sum(axis=1), ranking.shape[1]).clip(min=1)
    return float(((precision * hits).sum(axis=1) / possible).mean())


def rmse(truth: np.ndarray, numbers: np.ndarray) -> float:
    """Root of the mean squared error, the mean over columns."""
    return float(np.sqrt(((truth - numbers) ** 2).mean(axis=0)).mean())


def mae(truth: np.ndarray, numbers: np.ndarray) -> float:
    """Mean absolute error."""
    return float(np.abs(truth - numbers).mean())


METRICS = {
    "log_loss": Metric(log_loss, "probabilities", greater_is_better=False),
    "auc": Metric(auc, "probabilities"),
    "accuracy": Metric(accuracy, "classes"),
    "error": Metric(error, "classes", greater_is_better=False),
    "balanced_accuracy": Metric(balanced_accuracy, "classes"),
    "mcc": Metric(mcc, "classes"),
    "qwk": Metric(qwk, "classes"),
    "f1_micro": Metric(partial(f_beta, beta=1, average="micro"), "classes"),
    "f1_macro": Metric(partial(f_beta, beta=1, average="macro"), "classes"),
    "f1_samples": Metric(partial(f_beta, beta=1, average="samples"), "classes"),
    "f2": Metric(partial(f_beta, beta=2, average="samples"), "classes"),
    "rmse": Metric(rmse, "numbers", greater_is_better=False),
    "mae": Metric(mae, "numbers", greater_is_better=False),
}
USUAL = {
    "multiclass": ("log_loss", "accuracy"),
    "multilabel": ("log_loss", "auc"),
    "regression": ("rmse", "mae"),
}
"""What is shown of every competition of a task, whatever its own metric is; read undecided."""


def find(name: str) -> Metric:
    """A metric by its name; map@5 reads five places.

    Raises:
        ValueError: there is none of that name.

    """
    if name.startswith("map@"):
        return Metric(map_at, "ranking")
    if name not in METRICS:
        raise ValueError(f"there is no metric {name!r}")
    return METRICS[name]


def score(name: str, truth: np.ndarray, given: np.ndarray) -> float:
    """One metric of what it reads."""
    return find(name).score(truth, given)
