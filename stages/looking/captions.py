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


def _one_class(true: int, values: np.ndarray, classes: Sequence[str]) -> Caption:
    said = int(values.argmax())
    return (
        f"{probability(values[said])} {classes[said]}",
        f"{probability(values[true])} {classes[true]}",
    )


def _tags(true: np.ndarray, values: np.ndarray, classes: Sequence[str]) -> Caption:
    """All tags that are true, and the tags with the one whose flag is least right first."""
    said = np.flatnonzero(values > SAID)
    worst = int(np.where(true, values, 1 - values).argmin())
    order = [worst, *(column for column in said if column != worst)]
    told = ", ".join(f"{probability(values[i])} {classes[i]}" for i in order)
    return told, ", ".join(np.array(classes, dtype=object)[true]) or NOTHING


def _numbers(true: np.ndarray, values: np.ndarray, names: Sequence[str]) -> Caption:
    """The number with the largest error, named if there are several."""
    worst = int(np.abs(values - true).argmax())
    name = f" {names[worst]}" if len(names) > 1 else ""
    return f"{values[worst]:.4g}{name}", f"{true[worst]:.4g}{name}"


def probability(p: float) -> str:
    """Two places, but neither 0 nor 1 unless it is."""
    if p in (0, 1):
        return f"{p:.0f}"
    return "<0.01" if p < 0.005 else ">0.99" if p >= 0.995 else f"{p:.2f}"
