"""One label cell a row, whatever the competition's layout: a class, classes, or numbers.

A cell holds one class (multiclass), any number of classes (multilabel) or one number a column
(regression); what stands between them is a tab, for names may hold spaces and commas.
"""

from __future__ import annotations

import math
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
    return lambda row: _tags(row[0], separator)


def _one_class(row: Row) -> str:
    if not row[0].strip():
        raise ValueError("no label")
    if SEPARATOR in row[0]:
        raise ValueError(f"label {row[0]!r} holds a tab")
    return row[0]


def _tags(text: str, separator: str) -> str:
    """Each tag once, sorted: two rows that differ in the order alone agree."""
    names = {name.strip(" ") for name in text.split(separator)} - {""}
    return SEPARATOR.join(_one_class([name]) for name in sorted(names))


def _one_hot(row: Row, columns: list[str]) -> str:
    ones = _ones(row, columns)
    if len(ones) != 1:
        raise ValueError(f"{len(ones)} of the columns {', '.join(columns)} are 1 instead of one")
    return ones[0]


def _ones(row: Row, columns: list[str]) -> list[str]:
    """The columns whose value is 1; the others must be 0."""
    bits = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
    for name, value in zip(columns, row, strict=True):
        if value.strip().lower() not in bits:
            raise ValueError(f"column {name} is {value!r} instead of 0 or 1")
    values = [bits[value.strip().lower()] for value in row]
    return [name for name, one in zip(columns, values, strict=True) if one]


def _numbers(row: Row) -> str:
    return SEPARATOR.join(map(_number, row))


def _number(text: str) -> str:
    """A number in one spelling: 5, 5.0 and 05 agree."""
    try:
        value = float(text.replace("_", "?"))  # Python alone reads 1_0 as ten
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    if abs(value) > LARGEST:
        raise ValueError(f"{text!r} is too large a number to train towards")
    return repr(value).removesuffix(".0")


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
