"""The rows most worth seeing: most wrong, most right, most unsure.

As fastai 0.7's ImageModelResults, of all classes at once: it showed the wrong rows with the lowest
probability of the true class, the right ones with the highest, and those nearest to 1 / classes,
for which the entropy stands here: of two classes fastai's would be the same for every row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.looking.confused import SAID

SHOWN = 6  # rows of each kind
NO_ROW = "No row was validated."


@dataclass(frozen=True)
class Kind:
    """A kind of rows: its heading, the rows' numbers, and what to say if there are none."""

    title: str
    rows: np.ndarray
    none: str


def of_task(task: str, truth: np.ndarray, values: np.ndarray, shown: int = SHOWN) -> list[Kind]:
    """The kinds of a task's rows, the wrong ones first, so many of each.

    Truth and values are as in stages/scoring/metrics.py.
    """
    if task == "regression":
        error = np.abs(values - truth).max(axis=1, initial=0)
        return [
            Kind("Largest errors", first(-error, shown), NO_ROW),
            Kind("Smallest errors", first(error, shown), NO_ROW),
        ]
    true, right = of_truth(truth, values), is_right(truth, values)
    wrong = f"Most wrong, of {(~right).sum()} wrong rows in {len(right)}"
    return [
        Kind(wrong, first(true, shown, ~right), "No row is wrong." if len(right) else NO_ROW),
        Kind(
            "Most right", first(-true, shown, right), "No row is right." if len(right) else NO_ROW
        ),
        Kind("Most unsure", first(-doubt(truth, values), shown), NO_ROW),
    ]


def first(key: np.ndarray, shown: int, among: np.ndarray | None = None) -> np.ndarray:
    """Numbers of the rows whose key (N,) is lowest, so many, among those flagged (N,)."""
    order = np.argsort(key, kind="stable")
    return (order if among is None else order[among[order]])[:shown]


def of_truth(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The probability of the true class (N,); of several labels, the lowest of a flag's truth."""
    if truth.ndim == 1:
        return values[np.arange(len(truth)), truth]
    return np.where(truth > 0, values, 1 - values).min(axis=1, initial=1)


def is_right(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether the likeliest class is the true one (N,); of several labels, all flags."""
    if truth.ndim == 1:
        return values.argmax(axis=1) == truth
    return ((values > SAID) == (truth > 0)).all(axis=1)


def doubt(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The entropy of a row's classes (N,); of several labels, of all its flags together."""
    from scipy.special import entr  # half a second

    entropy = entr(values) if truth.ndim == 1 else entr(values) + entr(1 - values)
    return entropy.sum(axis=1)
