"""Out-of-fold predictions: every validated row, predicted by a model that never saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from stages.base import paths
from stages.base.errors import UserError
from stages.rows import folds, tables
from stages.scoring import predictions, wide

ABOUT = ["id", "image", "fold", "label", "group"]


@dataclass(frozen=True)
class Table:
    """All out-of-fold rows of a run."""

    rows: pd.DataFrame
    """id, image, fold, label, group ("" where there are no groups); as text."""
    classes: list[str]
    predicted: np.ndarray
    """(N, C)."""

    def truth(self, task: str) -> np.ndarray:
        """What is true of the rows; see cells.targets."""
        return tables.targets(self.rows, self.classes, task)

    @property
    def parts(self) -> np.ndarray:
        """Parts (N,) of the rows, for choosing something on the others."""
        return folds.parts(self.rows)

    @property
    def groups(self) -> list[str] | None:
        """The group of each row, if there are any."""
        found = self.rows["group"]
        return None if (found == "").all() else list(found)

    def of(self, images: pd.Series, classes: list[str]) -> Table:
        """The same of these images alone, in their order, the classes in this order."""
        place = pd.Series(range(len(self.rows)), index=self.rows["image"])[images].to_numpy(int)
        column = [self.classes.index(name) for name in classes]
        rows = self.rows.iloc[place].reset_index(drop=True)
        return Table(rows, classes, self.predicted[np.ix_(place, column)])


def read(names: Sequence[int | str]) -> Table:
    """The rows that the folds named validate, with what `tta` predicted for them.

    The folds are named, not found on disk: a fold that was taken out of params.yaml may have left
    its files behind. `full` validates no row and adds none.
    """
    table = tables.read(paths.FOLDS)
    rows, values, classes = [], [], []
    for fold in map(str, names):
        found = predictions.read(paths.PREDICTIONS / fold / "validation.csv")
        rows.append(tables.of_fold(table, fold)[1])
        values.append(found.numbers)
        classes = found.classes
    return Table(about(pd.concat(rows)), classes, np.concatenate(values))


def about(rows: pd.DataFrame) -> pd.DataFrame:
    """What a table keeps of rows of folds.csv."""
    return rows.reindex(columns=ABOUT, fill_value="").astype(str).reset_index(drop=True)


def matched(runs: Sequence[Table]) -> list[Table]:
    """The rows that all of the runs validated, in the order of the first.

    Raises:
        UserError: their classes differ, or their labels of the same rows.

    """
    first, *others = runs
    images = first.rows["image"]
    for other in others:
        if set(other.classes) != set(first.classes):
            raise UserError("the runs do not have the same classes: they are of two tasks.")
        images = images[images.isin(other.rows["image"])]
    found = [run.of(images, first.classes) for run in runs]
    if any((run.rows["label"] != found[0].rows["label"]).any() for run in found):
        raise UserError("the runs have other labels for the same rows: they are of two tasks.")
    return found


def write(path: Path, table: Table) -> None:
    """Write a table as a csv."""
    wide.write(path, table.rows[ABOUT], table.classes, table.predicted)


def load(path: Path) -> Table:
    """A table that `write` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return parse(file)


def parse(file: TextIO) -> Table:
    """The same of an open file."""
    rows, classes, predicted = wide.parse(file, texts=len(ABOUT))
    return Table(rows.set_axis(ABOUT, axis=1), classes, predicted)
