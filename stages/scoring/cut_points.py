"""Where on a regression's scale one whole rating ends and the next begins, the best for QWK.

Of truth t and ratings r, with m the mean of t, the quadratic weighted kappa is A / B with
A = sum 2 r (t - m) and B = sum (r^2 - 2 m r + t^2): both are sums over rows. So its maximum is
found exactly, where others search from the halves with Nelder-Mead: the r that maximise A - q B,
for q the kappa reached so far, reach a higher one as long as there is any (Dinkelbach 1967), and
they are the best places of K - 1 cut points among the sorted predictions, one after another.
"""

from __future__ import annotations

import numpy as np

from stages.scoring.metrics import qwk

NOISE = 1e-12  # a gain below this is rounding


def halves(lowest: int, highest: int) -> np.ndarray:
    """Cut points (K - 1,) that round to the nearest rating."""
    return np.arange(lowest, highest) + 0.5


def tuned(truth: np.ndarray, predictions: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """Cut points (K - 1,), climbing: no others score higher on these rows.

    truth and predictions: (N,). Rounding's halves, where nothing beats them.
    """
    order = np.argsort(predictions, kind="stable")
    truth, predictions = truth[order].astype(float), predictions[order].astype(float)
    points = halves(lowest, highest)
    reached = qwk(truth, lowest + np.searchsorted(points, predictions))
    while len(points):
        places = _places(truth, predictions, reached, lowest, highest)
        rated = lowest + np.searchsorted(places, np.arange(len(truth)), side="right")
        if (found := qwk(truth, rated)) <= reached + NOISE:
            break
        reached, points = found, _points(predictions, places, points)
    return points


def _places(
    truth: np.ndarray, predictions: np.ndarray, q: float, lowest: int, highest: int
) -> np.ndarray:
    """The places (K - 1,), not falling, of the cut points that maximise A - q B.

    Rows are sorted by prediction; a cut point at place i has i rows below it.
    """
    free = np.flatnonzero(np.diff(predictions, prepend=-np.inf, append=np.inf))
    above = len(truth) - free
    excess = np.append(0, (truth - truth.mean()).cumsum())
    lean = 2 * (excess[-1] - excess[free])
    best, came_from = np.zeros(len(free)), []
    for rating in range(lowest + 1, highest + 1):
        left = _leaders(best)
        came_from.append(left)
        best = best[left] + lean - q * above * (2 * rating - 1 - 2 * truth.mean())
    last, chosen = int(best.argmax()), []
    for left in reversed(came_from):
        chosen.append(free[last])
        last = left[last]
    return np.array(chosen[::-1])


def _leaders(scores: np.ndarray) -> np.ndarray:
    """For each place the place of the highest score up to it, the first of equals."""
    highest = np.maximum.accumulate(scores)
    leads = np.append(True, scores[1:] > highest[:-1])
    return np.maximum.accumulate(np.where(leads, np.arange(len(scores)), 0))


def _points(predictions: np.ndarray, places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Cut points at places: midway between two predictions, and several there at even distances."""
    ends = min(predictions[0], points[0]) - 1, max(predictions[-1], points[-1]) + 1
    edges = np.concatenate([ends[:1], predictions, ends[1:]])
    below, above = edges[places], edges[places + 1]
    first = np.searchsorted(places, places)
    many = np.searchsorted(places, places, side="right") - first
    share = (1 + np.arange(len(places)) - first) / (1 + many)
    found = below + share * (above - below)
    return np.where(found < above, found, below)
