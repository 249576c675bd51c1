"""Out-of-fold predictions: every validated row, predicted by a model that never saw it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.base import paths
from stages.competition import predictions
from stages.rows import tables


def read(folds: Sequence[int | str]) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """Rows of folds.csv, classes, and predictions (N, C) of the folds named.

    The folds are named, not found on disk: a fold that was taken out of params.yaml may have left
    its files behind. `full` validates no row and adds none.
    """
    table = tables.read(paths.FOLDS)
    rows, values, classes = [], [], []
    for fold in map(str, folds):
        _, valid = tables.of_fold(table, fold)
        _, classes, predicted = predictions.read(paths.PREDICTIONS / fold / "validation.csv")
        rows.append(valid)
        values.append(predicted)
    return pd.concat(rows, ignore_index=True), classes, np.concatenate(values)
