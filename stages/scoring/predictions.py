"""Tables of predictions: an id and one column a class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import pandas as pd

from stages.base.errors import UserError
from stages.scoring import wide


class Predicted(NamedTuple):
    """Predictions for images."""

    ids: list[str]
    classes: list[str]
    numbers: np.ndarray
    """(N, C)."""

    def of(self, other: Predicted) -> Predicted:
        """The same in the order that the other has its ids and classes in.

        Raises:
            UserError: it has others.

        """
        if sorted(self.ids) != sorted(other.ids) or sorted(self.classes) != sorted(other.classes):
            raise UserError("the runs predict other test images or classes: they are two tasks.")
        place = {name: row for row, name in enumerate(self.ids)}
        rows = [place[name] for name in other.ids]
        columns = [self.classes.index(name) for name in other.classes]
        return other._replace(numbers=self.numbers[np.ix_(rows, columns)])


def write(path: Path, ids: Iterable[str], classes: list[str], values: np.ndarray) -> None:
    """Write predictions (N, C) as a csv."""
    wide.write(path, pd.DataFrame({"id": list(ids)}), classes, values)


def read(path: Path) -> Predicted:
    """A table that `write` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return parse(file)


def parse(file: TextIO) -> Predicted:
    """The same of an open file."""
    text, classes, numbers = wide.parse(file, texts=1)
    return Predicted(list(text[0]), classes, numbers)


def clip(values: np.ndarray, margin: float, task: str) -> np.ndarray:
    """Clip probabilities (N, C) to margin .. 1 - margin; a regression's numbers stay."""
    return values if task == "regression" else normal(values.clip(margin, 1 - margin), task)


def normal(values: np.ndarray, task: str) -> np.ndarray:
    """Rows of sum 1 where just one class is true."""
    return values / values.sum(axis=1, keepdims=True) if task == "multiclass" else values
