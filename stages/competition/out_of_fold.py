"""Out-of-fold predictions: every validated row, predicted by a model that never saw it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from stages.base import paths
from stages.base.records import whole
from stages.competition import predictions
from stages.rows import tables

ABOUT = ["id", "image", "fold", "label", "group"]


def read(folds: Sequence[int | str]) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """Rows of folds.csv, classes, and predictions (N, C) of the folds named.

    The folds are named, not found on disk: a fold that was taken out of params.yaml may have left
    its files behind. `full` validates no row and adds none.
    """
    table = tables.read(paths.FOLDS)
    rows, values, classes = [], [], []
    for fold in map(str, folds):
        _, valid = tables.of_fold(table, fold)
        _, classes, predicted = predictions.read(paths.PREDICTIONS / fold / "validation.csv")
        rows.append(valid)
        values.append(predicted)
    return pd.concat(rows, ignore_index=True), classes, np.concatenate(values)


@dataclass(frozen=True)
class Table:
    """All out-of-fold rows of a run, as `submission` wrote them."""

    rows: pd.DataFrame
    """id, image, fold, label, group ("" where there are no groups); as text."""
    classes: list[str]
    predicted: np.ndarray
    """(N, C)."""

    def of(self, images: pd.Series, classes: list[str]) -> Table:
        """The same of these images alone, in their order, the classes in this order."""
        place = pd.Series(range(len(self.rows)), index=self.rows["image"])[images].to_numpy()
        column = [self.classes.index(name) for name in classes]
        rows = self.rows.iloc[place].reset_index(drop=True)
        return Table(rows, classes, self.predicted[np.ix_(place, column)])


def write(path: Path, rows: pd.DataFrame, classes: list[str], values: np.ndarray) -> None:
    """Write rows of folds.csv with their predictions; nine digits keep every bit of a float32."""
    about = rows.reindex(columns=ABOUT, fill_value="")
    table = pd.concat([about, pd.DataFrame(values, index=rows.index)], axis=1)
    with whole(path) as part:
        table.to_csv(part, index=False, header=[*ABOUT, *classes], float_format="%.9g",
                     lineterminator="\n")  # fmt: skip


def parse(text: TextIO) -> Table:
    """A table that `write` wrote; columns go by their place, for a class may be called id."""
    classes = next(csv.reader(text))[len(ABOUT) :]
    about = dict.fromkeys(range(len(ABOUT)), str)
    found = pd.read_csv(text, header=None, dtype=about, keep_default_na=False,
                        names=range(len(ABOUT) + len(classes)))  # fmt: skip
    rows = found.iloc[:, : len(ABOUT)].set_axis(ABOUT, axis=1)
    return Table(rows, classes, found.iloc[:, len(ABOUT) :].to_numpy(float))
