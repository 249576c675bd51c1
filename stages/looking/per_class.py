"""How well each class is told, and each number of a regression."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.looking.confused import SAID
from stages.scoring import metrics

OF_CLASSES = ["class", "rows", "said", "precision", "recall", "f1", "auc"]
OF_NUMBERS = ["number", "rows", "rmse", "mae", "bias"]


def of_classes(truth: np.ndarray, values: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Scores of each class against the rest (OF_CLASSES), the lowest F1 first.

    truth is (N,) class numbers, or (N, C) flags; values (N, C) probabilities. What has no value
    (nothing is said, or nothing true) is 0, as scikit-learn has it; an AUC without one is empty.
    """
    if not len(truth):
        return pd.DataFrame(columns=OF_CLASSES)
    from sklearn.metrics import precision_recall_fscore_support  # a second

    everyone = np.arange(len(classes))
    one = truth.ndim == 1
    true = truth[:, None] == everyone if one else truth > 0
    said = values.argmax(axis=1)[:, None] == everyone if one else values > SAID
    scores = precision_recall_fscore_support(true, said, average=None, zero_division=0)
    aucs = metrics.aucs(true, values)
    columns = (classes, true.sum(axis=0), said.sum(axis=0), *scores[:3], aucs)
    table = pd.DataFrame(dict(zip(OF_CLASSES, columns, strict=True)))
    return table.sort_values("f1", kind="stable", ignore_index=True)


def of_numbers(truth: np.ndarray, values: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Errors of each column (N, T) in its own unit (OF_NUMBERS), the largest first.

    `bias` is the mean of what was said less what is true.
    """
    if not len(truth):
        return pd.DataFrame(columns=OF_NUMBERS)
    rows = [
        (name, len(true), metrics.rmse(true, said), metrics.mae(true, said), (said - true).mean())
        for name, true, said in zip(names, truth.T, values.T, strict=True)
    ]
    table = pd.DataFrame(rows, columns=OF_NUMBERS)
    return table.sort_values("rmse", ascending=False, kind="stable", ignore_index=True)
