"""A submission in the columns, ids and order of the competition's sample_submission.csv."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.competition.forms import Form


def complete(wanted: Sequence[str], ids: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Predictions (N, C) of `ids` for every wanted id, in that order.

    An id without a prediction, for it has no image, gets the mean of the others.
    """
    row = {name: i for i, name in enumerate(ids)}
    found = np.array([row.get(name, -1) for name in wanted])
    return np.where(found[:, None] >= 0, values[found], values.mean(axis=0))


def fill(sample: pd.DataFrame, form: Form, decided: np.ndarray) -> pd.DataFrame:
    """The submission for what was decided upon each row of the sample."""
    table = form.write(decided)
    ids = sample.iloc[:, 0].to_numpy()
    table.insert(0, sample.columns[0], ids, allow_duplicates=True)  # a class may be called id
    return table
