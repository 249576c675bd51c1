"""Blending: predictions of several models, averaged into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from stages.scoring import predictions

ROUNDS = 20
TINY = 1e-15


def average(
    stack: np.ndarray, how: str, task: str, weights: Sequence[float] | None = None
) -> np.ndarray:
    """Average predictions (M, N, C) into (N, C), by weights (M,) or all alike.

    mean; gmean, the geometric mean, rows of a multiclass task made to sum to 1; or rank_mean, the
    mean of ranks, which leaves an order alone and serves a metric that reads no more (AUC).
    """
    mean = np.mean if weights is None else partial(np.average, weights=weights)
    if how == "gmean":
        logs = mean(np.log(np.maximum(stack, TINY)), axis=0)
        return predictions.normal(np.exp(logs), task)
    if how == "rank_mean":
        stack = np.stack([ranks(values) for values in stack])
    return mean(stack, axis=0)


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each row in its column (N, C), as a share of the rows: above 0, below 1."""
    from scipy.stats import rankdata  # half a second

    return (rankdata(values, axis=0) - 0.5) / max(1, len(values))


def greedy(score: Callable[[np.ndarray], float], members: int) -> tuple[float, ...]:
    """Weights (M,) that make the highest score, by selection with replacement.

    Round after round the member is added that makes the best blend, though it may be in there
    already; of all rounds the best one counts (Caruana et al., Ensemble selection from libraries
    of models, 2004). So weights are whole twentieths at the finest, and a member may have none.
    """
    counts, rounds = np.zeros(members), []
    for _ in range(ROUNDS):
        tried = [counts + one for one in np.eye(members)]
        scores = [score(option / option.sum()) for option in tried]
        counts = tried[int(np.argmax(scores))]
        rounds.append((max(scores), counts / counts.sum()))
    _, best = max(rounds, key=lambda found: found[0])
    return tuple(map(float, best))
