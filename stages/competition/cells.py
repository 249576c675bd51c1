"""One label cell a row, whatever the competition's layout: a class, classes, or numbers.

A cell holds one class (multiclass), any number of classes (multilabel) or one number a column
(regression); what stands between them is a tab, for names may hold spaces and commas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

SEPARATOR = "\t"
LARGEST = float(np.finfo(np.float32).max)  # what a model can be trained towards
Row = Sequence[str]


def split(cell: str) -> list[str]:
    """What a cell holds; nothing if it is empty."""
    return cell.split(SEPARATOR) if cell else []


def reader(task: str, columns: list[str], separator: str | None) -> Callable[[Row], str]:
    """What turns a row of the label's columns into a cell.

    It raises ValueError for a row that is not what the task takes.
    """
    if task == "regression":
        return _numbers
    if task == "multiclass":
        return _one_class if len(columns) == 1 else lambda row: _one_hot(row, columns)
    if separator is None:
        return lambda row: SEPARATOR.join(_ones(row, columns))
    return lambda row: _several_classes(row, separator)


def _one_class(row: Row) -> str:
    if not row[0]:
        raise ValueError("no label")
    if SEPARATOR in row[0]:
        raise ValueError(f"label {row[0]!r} holds a tab")
    return row[0]


def _several_classes(row: Row, separator: str) -> str:
    names = dict.fromkeys(filter(None, row[0].split(separator)))
    return SEPARATOR.join(_one_class([name]) for name in names)


def _one_hot(row: Row, columns: list[str]) -> str:
    ones = _ones(row, columns)
    if len(ones) != 1:
        raise ValueError(f"{len(ones)} of the columns {', '.join(columns)} are 1 instead of one")
    return ones[0]


def _ones(row: Row, columns: list[str]) -> list[str]:
    """The columns whose value is 1; the others must be 0."""
    bits = {"0": False, "1": True, "0.0": False, "1.0": True, "False": False, "True": True}
    for name, value in zip(columns, row, strict=True):
        if value not in bits:
            raise ValueError(f"column {name} is {value!r} instead of 0 or 1")
    return [name for name, value in zip(columns, row, strict=True) if bits[value]]


def _numbers(row: Row) -> str:
    for value in row:
        try:
            fits = abs(float(value)) <= LARGEST and "_" not in value
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{value!r} is not a number")
    return SEPARATOR.join(row)


def targets(found: Iterable[str], classes: Sequence[str], task: str) -> np.ndarray:
    """What a model is trained towards, from N cells.

    multiclass: class numbers (N,) int64; multilabel: 0 or 1 (N, C) float32; regression: numbers
    (N, T) float32.
    """
    parts = [split(cell) for cell in found]
    if task == "regression":
        return np.array(parts, dtype=np.float32).reshape(-1, len(classes))
    number = {name: i for i, name in enumerate(classes)}
    if task == "multiclass":
        return np.array([number[name] for (name,) in parts], dtype=np.int64)
    result = np.zeros((len(parts), len(classes)), dtype=np.float32)
    for row, names in enumerate(parts):
        result[row, [number[name] for name in names]] = 1
    return result
