"""Whether what is said with probability p is right in a share p of cases."""

from __future__ import annotations

import numpy as np
import pandas as pd

BINS = 10  # of equal width


def claims(task: str, truth: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (M,) and whether what they are of is so (M,).

    Of one class a row the likeliest one's; of several labels every flag's; of numbers none.
    """
    if task == "multiclass":
        return values.max(axis=1, initial=0), values.argmax(axis=1) == truth
    if task == "multilabel":
        return values.ravel(), truth.ravel() > 0
    return np.empty(0), np.empty(0, dtype=bool)


def curve(sure: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """A row a bin that holds some: its number, count, mean probability and share right."""
    number = np.minimum((sure * BINS).astype(int), BINS - 1)
    cases = pd.DataFrame({"bin": number, "sure": sure, "right": right.astype(float)})
    found = cases.groupby("bin").agg(
        count=("sure", "size"), sure=("sure", "mean"), right=("right", "mean")
    )
    return found.reset_index()


def error(found: pd.DataFrame) -> float:
    """The expected calibration error: how far mean and share are apart, by the bins' counts.

    Guo et al., On calibration of modern neural networks, 2017; here of ten bins.
    """
    return float(np.average((found["sure"] - found["right"]).abs(), weights=found["count"]))
