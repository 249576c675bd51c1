"""What is learnt on labelled rows, shown on rows that it was not learnt on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

Rule = TypeVar("Rule")
Rows = np.ndarray
"""Row numbers (n,)."""


def out_of_sample(
    learn: Callable[[Rows], Rule], use: Callable[[Rule, Rows], np.ndarray], parts: np.ndarray
) -> np.ndarray:
    """What `use` makes of every row, by a rule learnt on the rows of the other parts (N,) alone.

    Of a single part there are no others: the rule is learnt on these very rows.
    """
    if len(names := np.unique(parts)) < 2:
        everyone = np.arange(len(parts))
        return use(learn(everyone), everyone)
    order, found = [], []
    for part in names:
        mine = parts == part
        order.append(np.flatnonzero(mine))
        found.append(use(learn(np.flatnonzero(~mine)), order[-1]))
    return np.concatenate(found)[np.argsort(np.concatenate(order))]
