"""Wide tables: some columns of text about each row, and a column of numbers a class."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from stages.base import records
from stages.base.bar import Bar


def write(path: Path, about: pd.DataFrame, classes: list[str], numbers: np.ndarray) -> None:
    """Write text about N rows and their numbers (N, C), whole or not at all.

    Nine digits keep every bit of a float32. The numbers of a row are formatted at once: pandas goes
    cell by cell, which takes nearly three times as long.
    """
    form = ",".join(["%.9g"] * len(classes))
    rows = zip(about.itertuples(index=False), numbers, strict=True)
    with records.whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*about.columns, *classes])
        for text, row in Bar(path.name, rows, total=len(about), unit=" rows", delay=1):
            table.writerow([*text, *(form % tuple(row.tolist())).split(",")])


def parse(file: TextIO, texts: int) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """The text (its columns by number), classes and numbers of a table that `write` wrote.

    Columns go by their place: a class may be called id, and pandas would rename it.
    """
    classes = next(csv.reader(file))[texts:]
    table = pd.read_csv(file, header=None, dtype=dict.fromkeys(range(texts), str),
                        keep_default_na=False, names=range(texts + len(classes)))  # fmt: skip
    return table.iloc[:, :texts], classes, table.iloc[:, texts:].to_numpy(float)
