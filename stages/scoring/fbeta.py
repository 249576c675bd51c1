"""F-beta from counts, for what is scored and for what is tuned towards the score.

scikit-learn's fbeta_score with zero_division=0, but for any number of thresholds at a time, and
for a single class too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class FBeta:
    """An F-beta of flags (N, C): recall counts beta times as much as precision."""

    beta: float
    average: Literal["micro", "macro", "samples"]
    """Over all cells together, the mean of the classes, or the mean of the rows."""

    def groups(self, table: np.ndarray) -> np.ndarray:
        """(N, C) as (groups, members): the mean is over groups, counts are within one."""
        if self.average == "micro":
            return table.reshape(1, -1)
        return table if self.average == "samples" else table.T

    def of(self, hits: np.ndarray, said: np.ndarray, true: np.ndarray) -> np.ndarray:
        """(1 + beta^2) hits / (said + beta^2 true); 0 where nothing is said and nothing true.

        How many cells are both said and true, said, and true; of any shapes that broadcast.
        """
        total = np.asarray(said + self.beta**2 * true, dtype=float)
        return np.divide(
            (1 + self.beta**2) * hits, total, out=np.zeros_like(total), where=total > 0
        )

    def score(self, truth: np.ndarray, flags: np.ndarray) -> float:
        """The metric of flags (N, C), 0 or 1."""
        true, said = self.groups(truth > 0), self.groups(flags > 0)
        return float(self.of((true & said).sum(1), said.sum(1), true.sum(1)).mean())


NAMED = {
    "f1_micro": FBeta(1, "micro"),
    "f1_macro": FBeta(1, "macro"),
    "f1_samples": FBeta(1, "samples"),
    "f2": FBeta(2, "samples"),  # Planet's
}
