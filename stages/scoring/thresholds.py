"""Thresholds above which a label is given, the best for an F-beta on labelled rows.

An F-beta changes only where a threshold passes a prediction, so that every threshold that matters
is tried, all in one sweep from the highest prediction down. (fastai tried seven, .17 to .23.)

Truth: flags (N, C); predictions: probabilities (N, C). A threshold lies midway between two
neighbouring predictions, or between the last one and 0 or 1.
"""

from __future__ import annotations

import numpy as np

from stages.scoring.fbeta import NAMED, FBeta

NOISE = 1e-12  # a gain below this is rounding


def one(metric: str, truth: np.ndarray, predictions: np.ndarray) -> float:
    """The single threshold for all classes that serves the metric best: exact."""
    f = NAMED[metric]
    truth, predictions = f.groups(truth > 0), f.groups(predictions)
    order = np.argsort(-predictions, axis=1, kind="stable")
    hits = np.take_along_axis(truth, order, axis=1).cumsum(axis=1)
    reached = f.of(hits, np.arange(1, hits.shape[1] + 1), hits[:, -1:])
    gains = np.diff(reached, prepend=0).ravel()  # of saying one more of a group
    values = np.take_along_axis(predictions, order, axis=1).ravel()
    falling = np.argsort(-values, kind="stable")
    values, scores = values[falling], np.append(0, gains[falling].cumsum())
    return _between(values, _best(values, scores))


def _edges(values: np.ndarray) -> np.ndarray:
    """Falling predictions (M,) and what a threshold above and below them lies beside."""
    return np.concatenate([[max(1.0, values[0])], values, [0.0]])


def _best(values: np.ndarray, scores: np.ndarray) -> int:
    """How many of falling predictions (M,) to say, from the scores (M + 1,) of each number.

    No threshold parts equal ones, and none is below 0.
    """
    edges = _edges(values)
    parted = edges[:-1] > edges[1:]
    parted[0] = True
    return int(np.where(parted, scores, -np.inf).argmax())


def _between(values: np.ndarray, said: int) -> float:
    """The threshold above which just the first `said` of falling predictions (M,) lie."""
    upper, lower = map(float, _edges(values)[said : said + 2])
    middle = (upper + lower) / 2
    return middle if middle < upper else lower  # floats that have no other between them


def per_class(metric: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """A threshold a class (C,), never worse than the single one on these rows.

    Exact for f1_macro, whose classes are independent. Else classes are improved in turn, each
    exactly, until no single one can be improved any more.
    """
    if metric == "f1_macro":
        columns = zip(truth.T[:, :, None], predictions.T[:, :, None], strict=True)
        return np.array([one(metric, t, p) for t, p in columns])
    return _ascent(NAMED[metric], truth > 0, predictions, one(metric, truth, predictions))


def _ascent(f: FBeta, truth: np.ndarray, predictions: np.ndarray, start: float) -> np.ndarray:
    """Thresholds (C,) that are improved in turn from the single one on."""
    found = np.full(truth.shape[1], start)
    said, true = predictions > found, truth.sum(axis=1)
    hits, count = (truth & said).sum(axis=1), said.sum(axis=1)
    orders = np.argsort(-predictions, axis=0, kind="stable").T
    moved = True
    while moved:
        moved = False
        for c, order in enumerate(orders):
            mine, own = truth[:, c], said[:, c]
            rest = (hits - (mine & own))[order], (count - own)[order], true[order]
            scores, values = _curve(f, mine[order], *rest), predictions[order, c]
            best = _best(values, scores)
            if scores[best] > scores[own.sum()] + NOISE:
                found[c], moved = _between(values, best), True
                now = predictions[:, c] > found[c]
                hits, count = hits + (mine & now) - (mine & own), count + now - own.astype(int)
                said[:, c] = now
    return found


def _curve(
    f: FBeta, mine: np.ndarray, hits: np.ndarray, count: np.ndarray, true: np.ndarray
) -> np.ndarray:
    """The metric (N + 1,), but for a constant, when the first 0 .. N rows are said of one class.

    mine: its flags (N,); hits, count: what is said of the other classes in a row rightly, and at
    all; true: what is true of all of them.
    """
    if f.average == "micro":
        more = np.append(0, mine.cumsum())
        return f.of(hits.sum() + more, count.sum() + np.arange(len(more)), true.sum())
    gains = f.of(hits + mine, count + 1, true) - f.of(hits, count, true)
    return np.append(0, gains.cumsum()) / len(gains)
