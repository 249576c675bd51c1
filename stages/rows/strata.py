"""What a stratified split keeps in proportion: classes, rare labels, tenths of the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.rows import cells

TENTHS = 10


def of(labels: Sequence[str], task: str) -> list[str] | list[int]:
    """The stratum of each row, by its cell of labels.

    multiclass: the class. multilabel: the rarest of the row's labels, for the frequent ones spread
    by themselves. regression: which tenth of the rows its (first) number lies in.
    """
    if task == "regression":
        numbers = np.array([float(cells.split(cell)[0]) for cell in labels])
        rank = pd.Series(numbers).rank(method="first").to_numpy() - 1
        return (rank * TENTHS // len(numbers)).astype(int).tolist()
    if task == "multiclass":
        return list(labels)
    count = Counter(name for cell in labels for name in cells.split(cell))
    return [
        min(cells.split(cell), key=lambda name: (count[name], name), default="") for cell in labels
    ]
