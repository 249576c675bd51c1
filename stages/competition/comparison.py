"""Two runs on the same rows: whether the second is better, worse, or within noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.base.errors import UserError
from stages.competition import bootstrap, decisions, metrics
from stages.competition.bootstrap import Interval, Score
from stages.competition.decisions import Question
from stages.competition.out_of_fold import Table
from stages.rows import folds, tables


@dataclass(frozen=True)
class Verdict:
    """The scores of two runs on the rows that both predicted, and their difference, B - A."""

    metric: str
    rows: int
    a: float
    b: float
    difference: Interval
    greater_is_better: bool

    @property
    def word(self) -> str:
        """B is better, worse, or within noise."""
        if not self.difference.beside_zero:
            return "within noise"
        return "better" if (self.difference.value > 0) == self.greater_is_better else "worse"


def compare(a: Table, b: Table, ask: Question) -> Verdict:
    """Compare two runs by a paired bootstrap over the out-of-fold rows that both have.

    Raises:
        UserError: they share no row, or their labels or classes differ, or no score is defined.

    """
    shared = b.rows["image"][b.rows["image"].isin(a.rows["image"])]
    if shared.empty or set(a.classes) != set(b.classes):
        what = "no validated row" if shared.empty else "not the same classes"
        raise UserError(f"the two runs share {what}: they cannot be compared row by row.")
    a, b = a.of(shared, b.classes), b.of(shared, b.classes)
    if (a.rows["label"] != b.rows["label"]).any():
        raise UserError("the two runs have other labels for the same rows: they are two tasks.")
    score_a, score_b = scorer(a, ask), scorer(b, ask)
    sample = bootstrap.Sample(b.predicted.shape, groups(b))
    found = bootstrap.difference(score_a, score_b, sample)
    if found is None:
        raise UserError(f"{ask.metric} is not defined on the {len(shared)} rows that both have.")
    everyone = np.arange(len(shared))
    better = metrics.find(ask.metric).greater_is_better
    return Verdict(ask.metric, len(shared), score_a(everyone), score_b(everyone), found, better)


def scorer(table: Table, ask: Question) -> Score:
    """The metric over any rows of a table, whatever is chosen for them chosen on others."""
    truth = tables.targets(table.rows, table.classes, ask.task)
    given = decisions.honest(ask, truth, table.predicted, folds.parts(table.rows))
    return lambda rows: metrics.score(ask.metric, truth[rows], given[rows])


def groups(table: Table) -> list[str] | None:
    """The group of each row, if there are any."""
    found = table.rows["group"]
    return None if (found == "").all() else list(found)
