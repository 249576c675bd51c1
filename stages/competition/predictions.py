"""Tables of predictions: an id and one column a class, written by `tta` for each fold."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from stages.records import whole


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


def blend(stack: np.ndarray, how: str) -> np.ndarray:
    """Average predictions (folds, N, C) into (N, C), rows sum to 1: arithmetic or geometric."""
    if how == "mean":
        return stack.mean(axis=0)
    product = np.exp(np.log(np.maximum(stack, 1e-15)).mean(axis=0))
    return product / product.sum(axis=1, keepdims=True)


def clip(probabilities: np.ndarray, margin: float) -> np.ndarray:
    """Clip probabilities (N, C) to margin .. 1 - margin, then make rows sum to 1 again."""
    kept = probabilities.clip(margin, 1 - margin)
    return kept / kept.sum(axis=1, keepdims=True)
