"""What is taken for what: classes for classes, tags for tags, numbers for numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

SAID = 0.5  # the probability above which a tag counts as said
NOTHING = "nothing"


def confused(
    task: str, truth: np.ndarray, values: np.ndarray, classes: list[str]
) -> tuple[np.ndarray, list[str]]:
    """The confusion matrix, rows true and columns said, and the names of both.

    Several labels an image: what is missed stands against what is said instead, or `nothing`.
    """
    if task == "multiclass":
        matrix = np.zeros((len(classes), len(classes)), dtype=int)
        np.add.at(matrix, (truth, values.argmax(axis=1)), 1)
        return matrix, classes
    true, said = truth > 0, values > SAID
    missed, extra = _or_nothing(true & ~said), _or_nothing(said & ~true)
    matrix = missed.T @ extra
    matrix[-1, -1] = 0
    matrix[np.diag_indices(len(classes))] = (true & said).sum(axis=0)
    return matrix, [*classes, NOTHING]


def _or_nothing(flags: np.ndarray) -> np.ndarray:
    """Flags (N, C) with a last column for rows that have none."""
    return np.column_stack([flags, ~flags.any(axis=1)]).astype(int)


def pairs(matrix: np.ndarray) -> np.ndarray:
    """Pairs (P, 2) of classes, true and said, that are confused, the most frequent first."""
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[: np.count_nonzero(off)]
    return np.column_stack(np.unravel_index(order, off.shape))


def most_confused(matrix: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """The same by name (pair, truth, said, count)."""
    found = [
        (f"{classes[t]} as {classes[s]}", classes[t], classes[s], matrix[t, s])
        for t, s in pairs(matrix)
    ]
    return pd.DataFrame(found, columns=["pair", "truth", "said", "count"])


def largest_errors(ids: pd.Series, truth: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """The images with the largest errors, in the same columns; `count` is the error's size."""
    error = np.abs(values - truth)
    rows = np.argsort(-error.max(axis=1, initial=0), kind="stable")[:20]
    column = error[rows].argmax(axis=1)
    found = {"truth": truth[rows, column], "said": values[rows, column]}
    table = pd.DataFrame({"pair": ids.iloc[rows].to_numpy(), **found})
    return table.assign(count=error[rows, column])
