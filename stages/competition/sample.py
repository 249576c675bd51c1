"""A submission in the columns, ids and order of the competition's sample_submission.csv."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.competition.forms import Form


def complete(
    wanted: Sequence[str], ids: Sequence[str], values: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """Predictions (N, C) of `ids` for every wanted id, in that order.

    An id without a prediction, for it has no image, gets the mean of the others; where there are
    none, of the `truth` of the labelled rows: classes (M,), flags or numbers (M, C).
    """
    row = {name: i for i, name in enumerate(ids)}
    known = truth if truth.ndim > 1 else np.eye(values.shape[1])[truth]
    usual = (values if len(values) else known).mean(axis=0)
    return np.vstack([values, usual])[[row.get(name, -1) for name in wanted]]


def fill(sample: pd.DataFrame, form: Form, decided: np.ndarray) -> pd.DataFrame:
    """The submission for what was decided upon each row of the sample."""
    table = form.write(decided)
    ids = sample.iloc[:, 0].to_numpy()
    table.insert(0, sample.columns[0], ids, allow_duplicates=True)  # a class may be called id
    return table
