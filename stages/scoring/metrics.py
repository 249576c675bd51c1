"""Competition metrics over whole sets, by scikit-learn (fastai 0.7 averaged batches).

truth is (N,) class numbers of a multiclass task, (N, C) zeros and ones of a multilabel one, and
(N, T) numbers of a regression. A metric reads one of

    probabilities   (N, C)
    classes         (N,) class numbers; multilabel (N, C) zeros and ones; regression (N, 1) ratings
    ranking         (N, k) class numbers, the best first, none twice
    numbers         (N, T)

and stages/scoring/decisions.py makes it from predictions. No score is NaN; one that the rows
leave undefined is None.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from stages.scoring import fbeta

CERTAIN = 1e-15  # Kaggle takes no probability to be nearer to 0 or 1 than this
AT_ONCE = 10**7  # numbers that are ranked at once

# scikit-learn takes a second to import, and much that imports this module does without it.


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log probability of what is true; multilabel: of each flag.

    Rows of a multiclass task are renormalised, then clipped, as Kaggle does.
    """
    p = np.asarray(probabilities, dtype=float)
    if truth.ndim == 1:
        p = p / p.sum(axis=1, keepdims=True)
        p = p[np.arange(len(p)), truth]
    else:
        p = np.where(truth > 0, p, 1 - p)
    return float(-np.log(p.clip(CERTAIN, 1 - CERTAIN)).mean())


def auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve: the mean of the columns, a class against the rest.

    Of two classes only the column of the second one counts. A column whose truth is all
    alike has no curve and is left out, which is said; None if all are.
    """
    if truth.ndim == 1:
        kept = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
        truth, probabilities = truth[:, None] == np.array(kept), probabilities[:, kept]
    areas = aucs(truth, probabilities)
    mixed = ~np.isnan(areas)
    if not mixed.all():
        warnings.warn(
            f"AUC leaves out {(~mixed).sum()} of {len(mixed)} classes, which are in all of the "
            f"{len(truth)} rows or in none{'; so there is none' * (not mixed.any())}",
            stacklevel=3,
        )
    return float(areas[mixed].mean()) if mixed.any() else None


def aucs(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The area (C,) of each column of flags and values (N, C); NaN where its truth is all alike.

    The share of pairs, one row true and one not, that are in order (Mann and Whitney), by ranks.
    scikit-learn's takes one column at a time, of few rows fifty times as long: a bootstrap's.
    """
    step = max(1, AT_ONCE // max(1, len(truth)))
    blocks = [slice(i, i + step) for i in range(0, truth.shape[1], step)]
    return np.concatenate([_areas(truth[:, block] > 0, values[:, block]) for block in blocks])


def _areas(true: np.ndarray, values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    yes = true.sum(axis=0)
    pairs = yes * (len(true) - yes)
    in_order = np.where(true, rankdata(values, axis=0), 0).sum(axis=0) - yes * (yes + 1) / 2
    return np.divide(in_order, pairs, out=np.full(len(yes), np.nan), where=pairs > 0)


def accuracy(truth: np.ndarray, classes: np.ndarray) -> float:
    """Share of rows whose class is the true one; of probabilities (N, C), the most probable."""
    return float((truth == (classes.argmax(axis=1) if classes.ndim == 2 else classes)).mean())


def error(truth: np.ndarray, classes: np.ndarray) -> float:
    """Share of rows whose class is not the true one."""
    return 1 - accuracy(truth, classes)


def balanced_accuracy(truth: np.ndarray, classes: np.ndarray) -> float:
    """Mean share of rows that are right, over the classes that the truth has."""
    from sklearn.metrics import recall_score  # its balanced_accuracy_score warns of extra classes

    return float(recall_score(truth, classes, labels=np.unique(truth), average="macro"))


def mcc(truth: np.ndarray, classes: np.ndarray) -> float:
    """Matthews correlation coefficient; 0 where all is one class."""
    from sklearn.metrics import matthews_corrcoef

    alone = len(np.union1d(truth, classes)) == 1  # which scikit-learn warns of
    return 0.0 if alone else float(matthews_corrcoef(truth, classes))


def qwk(truth: np.ndarray, ratings: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, of whole ratings; 0 where all are one rating.

    1 - mean (a - b)^2 over the rows / mean (a - b)^2 over all pairs of rows. scikit-learn's weighs
    the places of the ratings that occur instead: 0 and 4 are neighbours to it if none lies between.
    """
    a, b = np.asarray(truth, dtype=float).ravel(), np.asarray(ratings, dtype=float).ravel()
    of_pairs = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(1 - ((a - b) ** 2).mean() / of_pairs) if of_pairs else 0.0


def f_beta(truth: np.ndarray, classes: np.ndarray, name: str) -> float:
    """F-beta of flags (N, C), or of class numbers (N,); 0 where nothing is said or true."""
    f = fbeta.NAMED[name]
    if truth.ndim == 2:
        return f.score(truth, classes)
    from sklearn.metrics import fbeta_score

    return float(fbeta_score(truth, classes, beta=f.beta, average=f.average, zero_division=0))


def mean_average_precision(truth: np.ndarray, ranking: np.ndarray, k: int) -> float:
    """MAP@K as Kaggle defines it: 1/rank of a single true class, 0 for a row without any.

    A row's sum, over the first K places that hold a true class, of the share of true classes down
    to there, by the number of true classes or K, whichever is less.
    """
    places = ranking[:, :k]
    if truth.ndim == 1:
        hits, true = places == truth[:, None], np.ones(len(truth))
    else:
        hits, true = np.take_along_axis(truth > 0, places, axis=1), (truth > 0).sum(axis=1)
    precision = hits.cumsum(axis=1) / np.arange(1, places.shape[1] + 1)
    return float(((precision * hits).sum(axis=1) / true.clip(1, k)).mean())


def rmse(truth: np.ndarray, numbers: np.ndarray) -> float:
    """Root mean squared error, the mean of the columns."""
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, numbers))


def mae(truth: np.ndarray, numbers: np.ndarray) -> float:
    """Mean absolute error, the mean of the columns."""
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(truth, numbers))


@dataclass(frozen=True)
class Metric:
    """What a metric scores, what it needs for that, and which way is up."""

    name: str
    reads: Literal["probabilities", "classes", "ranking", "numbers"]
    greater_is_better: bool
    score: Callable[..., float | None]
    """From truth and what the metric reads."""
    most: int | None = None
    """How many classes count in a ranking."""


METRICS = {
    metric.name: metric
    for metric in (
        Metric("log_loss", "probabilities", False, log_loss),
        Metric("auc", "probabilities", True, auc),
        Metric("accuracy", "classes", True, accuracy),
        Metric("error", "classes", False, error),
        Metric("balanced_accuracy", "classes", True, balanced_accuracy),
        Metric("mcc", "classes", True, mcc),
        Metric("qwk", "classes", True, qwk),
        Metric("f1_micro", "classes", True, partial(f_beta, name="f1_micro")),
        Metric("f1_macro", "classes", True, partial(f_beta, name="f1_macro")),
        Metric("f1_samples", "classes", True, partial(f_beta, name="f1_samples")),
        Metric("f2", "classes", True, partial(f_beta, name="f2")),
        Metric("rmse", "numbers", False, rmse),
        Metric("mae", "numbers", False, mae),
    )
}

# What says something of any competition: read from predictions, with nothing to tune.
USUAL = {
    "multiclass": ("log_loss", "accuracy"),
    "multilabel": ("log_loss", "auc"),
    "regression": ("rmse", "mae"),
}


def find(name: str) -> Metric:
    """A metric by its name in params.yaml; map@K for any K from 1 on.

    Raises:
        ValueError: there is none of that name.

    """
    if ranked := re.fullmatch(r"map@([1-9][0-9]*)", name):
        k = int(ranked[1])
        return Metric(name, "ranking", True, partial(mean_average_precision, k=k), k)
    if name not in METRICS:
        raise ValueError(f"there is no metric {name!r}; there are {', '.join(METRICS)}, map@5 ...")
    return METRICS[name]


def usual(task: str, truth: np.ndarray, predictions: np.ndarray) -> dict[str, float | None]:
    """The metrics that every competition of a task is looked at by."""
    return {name: score(name, truth, predictions) for name in USUAL[task]}


def score(name: str, truth: np.ndarray, given: np.ndarray) -> float | None:
    """One metric of what it reads.

    Raises:
        ValueError: there is no metric of that name.

    """
    return find(name).score(truth, given)
