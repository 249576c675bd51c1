"""Tables of predictions: an id and one column a class, written by `tta` for each fold."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from stages.base.records import whole


def write(path: Path, ids: Iterable[str], classes: list[str], values: np.ndarray) -> None:
    """Write predictions (N, C); nine digits keep every bit of a float32."""
    table = pd.DataFrame(values, columns=classes)
    table.insert(0, "id", list(ids), allow_duplicates=True)
    with whole(path) as part:
        table.to_csv(part, index=False, float_format="%.9g", lineterminator="\n")


def read(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Ids, classes and values (N, C) of a table that `write` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        _, *classes = next(csv.reader(file))  # pandas would rename a class that is called id
        table = pd.read_csv(file, header=None, dtype={0: str}, keep_default_na=False,
                            names=range(len(classes) + 1))  # fmt: skip
    return list(table[0]), classes, table.iloc[:, 1:].to_numpy(float)


def blend(stack: np.ndarray, how: str, task: str) -> np.ndarray:
    """Average predictions (folds, N, C) into (N, C): arithmetic or geometric."""
    if how == "mean":
        return stack.mean(axis=0)
    return _normal(np.exp(np.log(np.maximum(stack, 1e-15)).mean(axis=0)), task)


def clip(values: np.ndarray, margin: float, task: str) -> np.ndarray:
    """Clip probabilities (N, C) to margin .. 1 - margin; a regression's numbers stay."""
    return values if task == "regression" else _normal(values.clip(margin, 1 - margin), task)


def _normal(values: np.ndarray, task: str) -> np.ndarray:
    """Rows of sum 1 where just one class is true."""
    return values / values.sum(axis=1, keepdims=True) if task == "multiclass" else values
