"""What was said of a row and what is true, in two lines that stand under its image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.looking.confused import NOTHING, SAID

Caption = tuple[str, str]


def of_row(
    task: str, truth: np.ndarray, values: np.ndarray, classes: Sequence[str], row: int
) -> Caption:
    """The lines of a row; truth and values of all rows, as in stages/scoring/metrics.py."""
    if task == "multiclass":
        return _one_class(int(truth[row]), values[row], classes)
    if task == "multilabel":
        return _tags(truth[row] > 0, values[row], classes)
    return _numbers(truth[row], values[row], classes)


def outputs(task: str, truth: np.ndarray, values: np.ndarray, row: int) -> list[int]:
    """The outputs that its lines are about.

    Of classes the one that was said and the true one, of tags and numbers the most wrong one.
    """
    if task == "multiclass":
        return [int(values[row].argmax()), int(truth[row])]
    worst = _worst_tag if task == "multilabel" else _worst_number
    return [worst(truth[row], values[row])]


def of_output(task: str, value: float, classes: Sequence[str], output: int) -> str:
    """What was said of an output, and its name; that of a number only if there are several."""
    if task != "regression":
        return f"{probability(value)} {classes[output]}"
    return f"{value:.4g}{f' {classes[output]}' if len(classes) > 1 else ''}"


def _one_class(true: int, values: np.ndarray, classes: Sequence[str]) -> Caption:
    said = int(values.argmax())
    return tuple(of_output("multiclass", values[i], classes, i) for i in (said, true))


def _tags(true: np.ndarray, values: np.ndarray, classes: Sequence[str]) -> Caption:
    """All tags that are true, and the tags with the one whose flag is least right first."""
    said = np.flatnonzero(values > SAID)
    worst = _worst_tag(true, values)
    order = [worst, *(column for column in said if column != worst)]
    told = ", ".join(of_output("multilabel", values[i], classes, i) for i in order)
    return told, ", ".join(np.array(classes, dtype=object)[true]) or NOTHING


def _worst_tag(true: np.ndarray, values: np.ndarray) -> int:
    return int(np.where(true > 0, values, 1 - values).argmin())


def _numbers(true: np.ndarray, values: np.ndarray, names: Sequence[str]) -> Caption:
    """The number with the largest error, named if there are several."""
    worst = _worst_number(true, values)
    return tuple(of_output("regression", row[worst], names, worst) for row in (values, true))


def _worst_number(true: np.ndarray, values: np.ndarray) -> int:
    return int(np.abs(values - true).argmax())


def probability(p: float) -> str:
    """Two places, but neither 0 nor 1 unless it is."""
    if p in (0, 1):
        return f"{p:.0f}"
    return "<0.01" if p < 0.005 else ">0.99" if p >= 0.995 else f"{p:.2f}"
