"""Thresholds above which a label is given, the best for an F-beta on labelled rows.

An F-beta changes only where a threshold passes a prediction, so that every threshold that matters
is tried, all in one sweep from the highest prediction down. (fastai tried seven, .17 to .23.)

Truth: flags (N, C); predictions: probabilities (N, C).
"""

from __future__ import annotations

import numpy as np

BETA = {"f1_micro": 1, "f1_macro": 1, "f1_samples": 1, "f2": 2}
SWEEPS = 3  # over all classes, in search of a threshold each


def one(metric: str, truth: np.ndarray, predictions: np.ndarray) -> float:
    """The single threshold for all classes that serves the metric best: exact."""
    truth, predictions = _units(metric, truth), _units(metric, predictions)
    order = np.argsort(-predictions, axis=1, kind="stable")
    sorted_ = np.take_along_axis(predictions, order, axis=1)
    gains = np.diff(_f_of_places(np.take_along_axis(truth, order, axis=1), BETA[metric]))
    return _best_cut(sorted_.ravel(), gains.ravel())


def _units(metric: str, x: np.ndarray) -> np.ndarray:
    """The units over which a metric averages its F, one a row."""
    if metric == "f1_micro":
        return x.reshape(1, -1)
    return x.T if metric == "f1_macro" else x


def _f_of_places(truth: np.ndarray, beta: float) -> np.ndarray:
    """F-beta (N, C + 1) of each row when its first 0, 1 ... C places are said; 0 for nothing."""
    hits = np.pad(truth.cumsum(axis=1), ((0, 0), (1, 0)))
    said = np.arange(truth.shape[1] + 1)
    return _f(hits, truth.sum(axis=1, keepdims=True), said, beta)


def _f(hits: np.ndarray, true: np.ndarray, said: np.ndarray, beta: float) -> np.ndarray:
    total = beta**2 * true + said
    return np.divide((1 + beta**2) * hits, total, out=np.zeros(total.shape), where=total > 0)


def _best_cut(values: np.ndarray, gains: np.ndarray) -> float:
    """The threshold with the largest sum of gains of the values (M,) above it.

    It lies midway between two neighbouring values, or between the last one and 0 or 1.
    """
    order = np.argsort(-values, kind="stable")
    values, sums = values[order], np.concatenate([[0], gains[order].cumsum()])
    edges = np.concatenate([[1.0], values, [0.0]])
    apart = edges[:-1] > edges[1:]  # no threshold parts equal values
    if not apart.any():
        return 0.5
    best = np.flatnonzero(apart)[sums[apart].argmax()]
    return float((edges[best] + edges[best + 1]) / 2)


def per_class(metric: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """A threshold a class (C,), never worse than the single one on these rows.

    Exact for f1_macro, whose classes are independent; else classes are improved in turn.
    """
    if metric == "f1_macro":
        columns = zip(truth.T[:, :, None], predictions.T[:, :, None], strict=True)
        return np.array([one(metric, t, p) for t, p in columns])
    found = np.full(truth.shape[1], one(metric, truth, predictions))
    said = predictions > found
    hits, count, true = (truth * said).sum(axis=1), said.sum(axis=1), truth.sum(axis=1)
    for _ in range(SWEEPS):
        before = found.copy()
        for c, (mine, p) in enumerate(zip(truth.T, predictions.T, strict=True)):
            hits, count = hits - mine * said[:, c], count - said[:, c]
            found[c] = _improved(metric, mine, p, hits, count, true)
            said[:, c] = p > found[c]
            hits, count = hits + mine * said[:, c], count + said[:, c]
        if (found == before).all():
            break
    return found


def _improved(
    metric: str, mine: np.ndarray, p: np.ndarray,
    hits: np.ndarray, count: np.ndarray, true: np.ndarray,
) -> float:  # fmt: skip
    """The best threshold of one class, flags `mine` and probabilities `p` (N,).

    hits, count, true: of each row (N,), what is said rightly and what is said without this class,
    and what is true with it.
    """
    beta = BETA[metric]
    if metric != "f1_micro":
        without = _f(hits, true, count, beta)
        return _best_cut(p, _f(hits + mine, true, count + 1, beta) - without)
    order = np.argsort(-p, kind="stable")
    more = np.concatenate([[0], mine[order].cumsum()])
    said = count.sum() + np.arange(len(mine) + 1)
    return _best_cut(p[order], np.diff(_f(hits.sum() + more, true.sum(), said, beta)))
