"""The score of a cross-validation, over all out-of-fold rows, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.scoring import bootstrap, comparison, decisions, metrics
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table

FEW = 1000  # rows, below which the lesson calls the third decimal noise
Scores = dict[str, float | None]


def scores(ask: Question, table: Table) -> Scores:
    """The competition's metric over all rows with its interval, and the usual ones of its task.

    Thresholds and cut points are chosen on other rows than they are scored on. Nothing where no
    row validates.
    """
    if table.rows.empty:
        return {}
    truth = table.truth(ask.task)
    own = decisions.scores(ask, truth, table.predicted, table.parts)
    found = own | metrics.usual(ask.task, truth, table.predicted) | own | how_sure(ask, table)
    return {f"cv_{name}": value for name, value in found.items()}


def how_sure(ask: Question, table: Table) -> Scores:
    """The metric's interval over the rows, and its lowest and highest fold if there are several.

    No interval where samples score alike, as of rows that are all right: others may be wrong.
    """
    metric, score = ask.metric, comparison.scorer(table, ask)
    sample = bootstrap.Sample(table.predicted.shape, table.groups)
    if (found := bootstrap.interval(score, sample)) is None:
        return {}
    ends = {}
    if found.low < found.high:
        ends = {f"{metric}_low": found.low, f"{metric}_high": found.high}
    names = table.rows["fold"]
    by_fold = [score(np.flatnonzero(names == fold)) for fold in names.unique()]
    if len(by_fold) > 1 and None not in by_fold:
        ends |= {f"{metric}_lowest_fold": min(by_fold), f"{metric}_highest_fold": max(by_fold)}
    return {name: float(f"{value:.6g}") for name, value in ends.items()}


def remarks(metric: str, cv: Scores, rows: int) -> Iterator[str]:
    """What to know of a score of few rows; `cv` from scores."""
    value, low, high = (cv.get(f"cv_{metric}{end}") for end in ("", "_low", "_high"))
    if value is None or rows >= FEW:
        return
    if low is None or high is None:
        counted = "1 row" if rows == 1 else f"{rows} rows"
        yield (
            f"{metric} {value:.4g} is of {counted}, too few or too alike to show how sure it is: "
            "others may score worse."
        )
        return
    error = (high - low) / (2 * bootstrap.Z_LEVEL)
    smallest = 2**0.5 * (bootstrap.Z_LEVEL + bootstrap.Z_POWER) * error
    yield (
        f"{metric} {value:.4g} is of {rows} rows: over all images like them it lies "
        f"from {low:.4g} to {high:.4g} (95 %), and of two such scores less than {smallest:.2g} "
        "apart neither need be better. `repodium compare` goes row by row and sees finer; so do "
        "more folds."
    )
