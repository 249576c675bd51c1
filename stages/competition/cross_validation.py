"""The score of a cross-validation, over all out-of-fold rows, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stages.competition import bootstrap, decisions, metrics
from stages.competition.decisions import Question
from stages.rows import folds

FEW = 1000  # rows, below which the lesson calls the third decimal noise
Scores = dict[str, float | None]


def scores(ask: Question, rows: pd.DataFrame, truth: np.ndarray, predicted: np.ndarray) -> Scores:
    """The competition's metric over all rows with its interval, and the usual ones of its task.

    Thresholds and cut points are chosen on other rows than they are scored on. Nothing where no
    row validates.
    """
    if rows.empty:
        return {}
    usual = {name: metrics.score(name, truth, predicted) for name in metrics.USUAL[ask.task]}
    parts = folds.parts(rows)
    own = decisions.scores(ask, truth, predicted, parts)
    given = decisions.honest(ask, truth, predicted, parts)
    spread = how_sure(ask.metric, rows, truth, given)
    return {f"cv_{name}": value for name, value in (own | usual | own | spread).items()}


def how_sure(metric: str, rows: pd.DataFrame, truth: np.ndarray, given: np.ndarray) -> Scores:
    """The metric's interval over the rows, and its lowest and highest fold if there are several."""

    def score(of: np.ndarray) -> float | None:
        return metrics.score(metric, truth[of], given[of])

    groups = list(rows["group"]) if "group" in rows else None
    if (found := bootstrap.interval(score, bootstrap.Sample(given.shape, groups))) is None:
        return {}
    ends = {f"{metric}_low": found.low, f"{metric}_high": found.high}
    by_fold = [score(np.flatnonzero(rows["fold"] == fold)) for fold in rows["fold"].unique()]
    if len(by_fold) > 1 and None not in by_fold:
        ends |= {f"{metric}_lowest_fold": min(by_fold), f"{metric}_highest_fold": max(by_fold)}
    return {name: float(f"{value:.6g}") for name, value in ends.items()}


def remarks(metric: str, cv: Scores, rows: int) -> Iterator[str]:
    """What to know of a score of few rows; `cv` from scores."""
    low, high = cv.get(f"cv_{metric}_low"), cv.get(f"cv_{metric}_high")
    if low is None or high is None or rows >= FEW:
        return
    error = (high - low) / (2 * bootstrap.Z_LEVEL)
    smallest = 2**0.5 * (bootstrap.Z_LEVEL + bootstrap.Z_POWER) * error
    yield (
        f"{metric} {cv[f'cv_{metric}']:.4g} is of {rows} rows: another {rows} would put it from "
        f"{low:.4g} to {high:.4g} (95 %), and of two such scores less than {smallest:.2g} apart "
        "neither need be better. `repodium compare` goes row by row and sees finer; so do more "
        "folds."
    )
