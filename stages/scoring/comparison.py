"""Two runs on the same rows: whether the second is better, worse, or within noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.base.errors import UserError
from stages.scoring import bootstrap, decisions, metrics, out_of_fold
from stages.scoring.bootstrap import Interval, Score
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table


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

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        d = self.difference
        start = (
            f"{self.metric}: {self.a:.6g} -> {self.b:.6g} on the {self.rows} rows that both "
            "validated: "
        )
        if d.error == d.value == 0:
            return f"{start}the same on any of them."
        spread = f"{self.word}, {d.value:+.3g} (95 %: {d.low:+.3g} to {d.high:+.3g})"
        if d.beside_zero:
            return f"{start}{spread}."
        shown = f"a true difference of {d.smallest:.2g} would show on so many rows 8 times in 10"
        return f"{start}{spread}; {shown}."


def compare(a: Table, b: Table, ask: Question) -> Verdict:
    """Compare two runs by a paired bootstrap over the out-of-fold rows that both have.

    Raises:
        UserError: they share no row or too few, or their labels or classes differ.

    """
    b, a = out_of_fold.matched([b, a])
    if b.rows.empty:
        raise UserError("the two runs share no validated row, to be compared by.")
    score_a, score_b = scorer(a, ask), scorer(b, ask)
    found = bootstrap.difference(score_a, score_b, bootstrap.Sample(b.predicted.shape, b.groups))
    everyone = np.arange(len(b.rows))
    if found is None:
        raise UserError(
            f"the {len(everyone)} rows that both validated leave {ask.metric} undefined, or are "
            "one row or one group, which says nothing of others."
        )
    better = metrics.find(ask.metric).greater_is_better
    return Verdict(ask.metric, len(everyone), score_a(everyone), score_b(everyone), found, better)


def scorer(table: Table, ask: Question) -> Score:
    """The metric over any rows of a table, whatever is chosen for them chosen on others."""
    truth = table.truth(ask.task)
    given = decisions.out_of_sample(ask, truth, table.predicted, table.parts)
    return lambda rows: metrics.score(ask.metric, truth[rows], given[rows])
