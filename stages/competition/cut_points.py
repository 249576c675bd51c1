"""Where on a regression's scale one whole rating ends and the next begins, the best for QWK.

With D = sum((true - said)^2) and E = sum(true^2) + sum(said^2) - 2 sum(true) sum(said) / N the
quadratic weighted kappa is 1 - D / E. All of these are sums over rows, so that one sweep over the
sorted predictions tries every place of a cut point while the others stay.
"""

from __future__ import annotations

import numpy as np

SWEEPS = 20


def halves(lowest: int, highest: int) -> np.ndarray:
    """Cut points (K - 1,) that round to the nearest rating."""
    return np.arange(lowest, highest) + 0.5


def tuned(truth: np.ndarray, predictions: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """Cut points (K - 1,), climbing, never worse than rounding on these rows.

    truth and predictions: (N,). Each cut point in turn goes to its best place between its
    neighbours, until none moves.
    """
    order = np.argsort(predictions, kind="stable")
    truth, predictions = truth[order].astype(float), predictions[order]
    points = halves(lowest, highest)
    for _ in range(SWEEPS):
        before = points.copy()
        for k in range(len(points)):
            points[k] = _moved(truth, predictions, points, k, lowest)
        if (points == before).all():
            break
    return points


def _moved(
    truth: np.ndarray, predictions: np.ndarray, points: np.ndarray, k: int, lowest: int
) -> float:
    """The best place of cut point k between its neighbours; where it is, if none is better."""
    near = np.concatenate([[-np.inf], points, [np.inf]])[[k, k + 2]]
    first, last = np.searchsorted(predictions, near)
    here = int(np.searchsorted(predictions, points[k]))
    said = lowest + np.searchsorted(points, predictions).astype(float)
    places = np.arange(first, last + 1)
    inside = places[(places > first) & (places < last)]
    places = np.union1d([here], inside[predictions[inside - 1] < predictions[inside]])
    scores = _kappas(truth, said, places, slice(first, last), lowest + k)
    best = int(places[scores.argmax()])
    if best == here or scores.max() <= scores[np.searchsorted(places, here)]:
        return float(points[k])
    return float((predictions[best - 1] + predictions[best]) / 2)


def _kappas(
    truth: np.ndarray, said: np.ndarray, places: np.ndarray, segment: slice, below: int
) -> np.ndarray:
    """QWK for each place: rows of the segment before it are said `below`, the others one more."""
    said = said.copy()
    said[segment] = below + 1
    inside = truth[segment]
    count = places - segment.start  # rows of the segment that are said `below`
    gain = np.concatenate([[0], ((inside - below) ** 2 - (inside - below - 1) ** 2).cumsum()])
    squares = (said**2).sum() + count * (below**2 - (below + 1) ** 2)
    total = said.sum() - count
    apart = ((truth - said) ** 2).sum() + gain[count]
    chance = (truth**2).sum() + squares - 2 * truth.sum() * total / len(truth)
    return 1 - np.divide(apart, chance, out=np.zeros(len(places)), where=chance > 0)
