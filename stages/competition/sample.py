"""A submission in the form of the competition's sample_submission.csv, checked against it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stages.errors import UserError

ROW_SUM_TOLERANCE = 1e-6


def fill(
    sample: pd.DataFrame,
    ids: list[str],
    classes: list[str],
    probabilities: np.ndarray,
    positive_class: str | None = None,
) -> pd.DataFrame:
    """Probabilities (N, C) in the sample's columns, ids and order.

    With a positive_class, the sample's one column takes that class's probability.

    Raises:
        UserError: the sample's columns are not the classes, or an id has no prediction.

    """
    id_column, *columns = sample.columns
    table = pd.DataFrame(probabilities, columns=classes, index=ids)
    if positive_class is not None:
        table = _single(table, columns, positive_class)
    if set(columns) != set(table.columns):
        raise UserError(
            f"the sample submission's columns ({_some(columns)}) are not the classes of the labels "
            f"({_some(classes)})."
        )
    if missing := [i for i in sample[id_column] if i not in table.index]:
        raise UserError(f"{len(missing)} ids of the sample have no prediction: {_some(missing)}.")
    filled = table.loc[sample[id_column], columns].reset_index(drop=True)
    filled.insert(0, id_column, sample[id_column].to_numpy())
    return filled


def _single(table: pd.DataFrame, columns: list[str], positive_class: str) -> pd.DataFrame:
    """The positive class's probabilities under the sample's one column."""
    if positive_class not in table or len(columns) != 1:
        raise UserError(
            f"competition.positive_class: {positive_class!r} needs a sample submission with one "
            f"column, which has {_some(columns)}, and to be one of the classes "
            f"({_some(table.columns)})."
        )
    return table[[positive_class]].set_axis(columns, axis=1)


def faults(submission: pd.DataFrame, sample: pd.DataFrame) -> Iterator[str]:
    """What Kaggle would refuse in a submission, one sentence each; nothing if it is good."""
    if list(submission.columns) != list(sample.columns):
        yield f"columns are {_some(submission.columns)}, the sample has {_some(sample.columns)}"
        return
    id_column = sample.columns[0]
    if list(submission[id_column]) != list(sample[id_column]):
        yield f"{id_column} differs from the sample's in its values or their order"
    values = submission.iloc[:, 1:].to_numpy(dtype=float)
    if submission.empty:
        yield "there are no rows"
    elif not np.isfinite(values).all():
        yield "some values are missing or infinite"
    elif values.min() < 0 or values.max() > 1:
        yield "some probabilities are outside 0 to 1"
    elif values.shape[1] > 1 and np.abs(values.sum(axis=1) - 1).max() > ROW_SUM_TOLERANCE:
        yield "some rows do not sum to 1"


def _some(names: object) -> str:
    shown = [str(n) for n in names]
    return ", ".join(shown[:5]) + (f" ... {len(shown)} in all" if len(shown) > 5 else "")
