"""What the cells of a submission hold: numbers in a column a class, one name, or several names.

The metric decides what is written, the sample submission where: log loss reads a probability a
class, accuracy a class, F-beta tags or flags, MAP@K a ranking, RMSE numbers, QWK whole ratings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import numpy as np
import pandas as pd

from stages.base.errors import UserError, some
from stages.competition.names import plain
from stages.scoring import metrics

SUM_TOLERANCE = 1e-4


class Form(Protocol):
    """One way to write a submission, and to read one."""

    about: str
    """What the cells hold, in a few words."""

    def write(self, decided: np.ndarray) -> pd.DataFrame:
        """The cells (N, columns) for what the metric reads."""
        ...

    def faults(self, cells: pd.DataFrame) -> Iterator[str]:
        """What Kaggle would refuse, or score as nonsense, in cells of text; a clause each."""
        ...

    def scores(self, cells: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Classes and (N, C): how much each row of faultless cells says for each class."""
        ...


@dataclass(frozen=True)
class Columns:
    """A number in a column a class."""

    columns: list[str]
    classes: list[str]
    """Each column's class."""
    low: float
    high: float
    whole: bool
    """Whole numbers only: flags and ratings."""
    sums: bool
    """The rows sum to 1."""
    takes: list[int]
    """Which of the classes that were decided upon each column takes."""

    @property
    def about(self) -> str:
        """See Form.about."""
        kind = "whole numbers" if self.whole else "numbers"
        total = ", each row of sum 1" if self.sums else ""
        return f"{kind} from {self.low:g} to {self.high:g}{total}"

    def write(self, decided: np.ndarray) -> pd.DataFrame:
        """See Form.write; numbers (N, C), or class numbers (N,), which become flags."""
        one_hot = decided.ndim == 1
        values = decided[:, None] == np.array(self.takes) if one_hot else decided[:, self.takes]
        return pd.DataFrame(values.astype(int) if self.whole else values, columns=self.columns)

    def faults(self, cells: pd.DataFrame) -> Iterator[str]:
        """See Form.faults."""
        values = numbers(cells)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            cell, name = cells.to_numpy()[row, column], self.columns[column]
            yield f"{cell!r} in column {name} is not a number"
            return
        if values.min() < self.low or values.max() > self.high:
            yield (
                f"values run from {values.min():g} to {values.max():g}, and should lie within "
                f"{self.low:g} to {self.high:g}"
            )
        elif self.whole and (values % 1).any():
            yield f"{values[values % 1 > 0][0]:g} is not a whole number"
        elif self.sums and np.abs(values.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            worst = values.sum(axis=1)[np.abs(values.sum(axis=1) - 1).argmax()]
            yield f"rows do not sum to 1 (one sums to {worst:.6g}); write at least 7 digits"

    def scores(self, cells: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """See Form.scores."""
        return self.classes, numbers(cells)


@dataclass(frozen=True)
class Names:
    """Names of classes in one column: the class, tags, or a ranking with the best first."""

    column: str
    classes: list[str]
    separator: str | None
    """None: one class a row."""
    most: int
    fewest: int = 1

    @property
    def about(self) -> str:
        """See Form.about."""
        if self.separator is None:
            return "the name of a class"
        kind = "the best first" if self.fewest else "in any number"
        return f"names of classes, {kind}, at most {self.most}, with {self.separator!r} between"

    def write(self, decided: np.ndarray) -> pd.DataFrame:
        """See Form.write; flags (N, C), or class numbers (N,) or (N, K) in their order."""
        if self.fewest == 0:
            rows = [np.flatnonzero(flags) for flags in decided]
        else:
            rows = decided.reshape(len(decided), -1)
        between = self.separator or ""
        return pd.DataFrame({self.column: [between.join(self.classes[i] for i in r) for r in rows]})

    def faults(self, cells: pd.DataFrame) -> Iterator[str]:
        """See Form.faults."""
        known = set(self.classes)
        for cell in cells[self.column]:
            names = self._split(cell)
            if unknown := [name for name in names if name not in known]:
                yield f"{unknown[0]!r} in column {self.column} is not a class"
            elif len(set(names)) < len(names):
                yield f"{cell!r} in column {self.column} names a class twice"
            elif not self.fewest <= len(names) <= self.most:
                yield (
                    f"{cell!r} in column {self.column} names {len(names)} classes, and should name "
                    f"{self.fewest} to {self.most}"
                )
            else:
                continue
            return

    def scores(self, cells: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """See Form.scores; a ranking's places count 1, 1/2, 1/3 ..., tags 1 each."""
        number = {name: i for i, name in enumerate(self.classes)}
        result = np.zeros((len(cells), len(self.classes)))
        for row, cell in enumerate(cells[self.column]):
            for place, name in enumerate(self._split(cell)):
                result[row, number[name]] = 1 / (1 + place) if self.fewest else 1
        return self.classes, result

    def _split(self, cell: str) -> list[str]:
        if self.separator is None:
            return [cell]
        return [name for name in cell.split(self.separator) if name]


def numbers(cells: pd.DataFrame) -> np.ndarray:
    """Cells of text as numbers, NaN where they are none."""
    return cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)


def form_of(
    columns: Sequence[str], classes: Sequence[str], c: SimpleNamespace, truth: np.ndarray
) -> Form:
    """The form of a submission with these columns after the id.

    `c`: the competition's params; `truth`: the labels of all labelled rows, see cells.targets.

    Raises:
        UserError: the columns are not what the classes, the task and the metric ask for.

    """
    columns, classes = list(columns), list(classes)
    if c.task == "regression":
        return _of_numbers(columns, classes, c, truth)
    if c.positive_class is not None:
        return _of_positive(columns, classes, c)
    reads = metrics.find(c.metric).reads
    if _alike(columns, classes) and reads != "ranking":
        takes = _places(columns, classes)
        named = [classes[i] for i in takes]
        return Columns(columns, named, 0, 1, reads == "classes", c.task == "multiclass", takes)
    if len(columns) == 1 and reads != "probabilities":
        return _of_names(columns[0], classes, c, reads)
    raise UserError(
        f"the sample submission's columns ({some(columns)}) are not the classes of the labels "
        f"({some(classes)}), whose {reads} competition.metric {c.metric} reads"
        f"{_hint(columns, classes)}."
    )


def _alike(columns: list[str], classes: list[str]) -> bool:
    return sorted(map(plain, columns)) == sorted(map(plain, classes))


def _places(columns: list[str], classes: list[str]) -> list[int]:
    """Each column's place among the classes, by name."""
    place = {plain(name): i for i, name in enumerate(classes)}
    return [place[plain(name)] for name in columns]


def _hint(columns: list[str], classes: list[str]) -> str:
    """What to do, or where to look, if the one differs little from the other."""
    if len(columns) == 1 and len(classes) == 2:
        return "; if it is one of two, name it in competition.positive_class"
    odd = set(map(plain, columns)) ^ set(map(plain, classes))
    few = 0 < len(odd) < len(columns)
    return f"; only the one or the other has {some(sorted(odd))}" if few else ""


def _of_numbers(
    columns: list[str], classes: list[str], c: SimpleNamespace, truth: np.ndarray
) -> Columns:
    """A regression's numbers, at most a range beyond those of the labels; ratings within them."""
    if len(columns) != len(classes) or (len(columns) > 1 and not _alike(columns, classes)):
        raise UserError(
            f"the sample submission's columns ({some(columns)}) are not the numbers of the labels "
            f"({some(classes)}): check competition.label_columns."
        )
    takes = _places(columns, classes) if len(columns) > 1 else [0]
    low, high = float(truth.min()), float(truth.max())
    ratings = c.metric == "qwk"
    span = 0 if ratings else high - low
    return Columns(
        columns, [classes[i] for i in takes], low - span, high + span, ratings, False, takes
    )


def _of_positive(columns: list[str], classes: list[str], c: SimpleNamespace) -> Columns:
    """The positive class's probability, or whether it is said, under the sample's one column."""
    if c.positive_class not in classes or len(columns) != 1 or len(classes) != 2:
        raise UserError(
            f"competition.positive_class: {c.positive_class!r} needs a sample submission with one "
            f"column, which has {some(columns)}, and to be one of two classes, which are "
            f"{some(classes)}."
        )
    whole = metrics.find(c.metric).reads == "classes"
    takes = [classes.index(c.positive_class)]
    return Columns(columns, [c.positive_class], 0, 1, whole, False, takes)


def _of_names(column: str, classes: list[str], c: SimpleNamespace, reads: str) -> Names:
    if reads == "ranking":
        return Names(column, classes, " ", metrics.find(c.metric).most)
    if c.task == "multilabel":
        return Names(column, classes, c.label_separator or " ", len(classes), fewest=0)
    return Names(column, classes, None, 1)
