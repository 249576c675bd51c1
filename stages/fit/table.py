"""The lesson's table: a line an epoch, printed while a stage trains, and kept as its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import pandas as pd

from stages.base import bar, records

Item = TypeVar("Item")
COLUMNS = ["stage", "epoch", "size", "layers", "lr", "train_loss", "valid_loss"]  # and the metric
WIDTHS = {"epoch": 5, "size": 6, "layers": 8}  # columns; of the others each has WIDTH
WIDTH = 12
FORMATS = {"lr": ".5g", "seconds": ".1f"}  # and of other numbers as many digits, even zeros


def show(rows: Sequence[Mapping[str, Any]], seconds: float | None = None) -> None:
    """Print the last of `rows`, and before the first one the heading.

    And the seconds that it took this run. They are in no file: equal runs leave equal bytes.
    """
    row = {name: value for name, value in rows[-1].items() if name != "stage"}
    row["seconds"] = seconds
    if len(rows) == 1:
        bar.write(_line({name: name for name in row}))
    bar.write(_line({name: cell(name, value) for name, value in row.items()}))


def _line(cells: Mapping[str, str]) -> str:
    return "".join(f"{text:>{WIDTHS.get(name, WIDTH)}}" for name, text in cells.items())


def cell(name: str, value: float | int | str | None) -> str:
    """A value as the column of this name shows it; a number in five digits."""
    if value is None:
        return "-"
    return f"{value:{FORMATS.get(name, '#.5g')}}" if isinstance(value, float) else str(value)


def timed(items: Iterable[Item]) -> Iterator[tuple[float, Item]]:
    """Each item with the seconds that it took to come."""
    start = monotonic()
    for item in items:
        yield monotonic() - start, item
        start = monotonic()


def write(path: Path, rows: Sequence[Mapping[str, Any]], *metric: str) -> None:
    """Write the table as a CSV of six significant digits; a stage without fits has no metric."""
    epochs = pd.DataFrame(rows, columns=[*COLUMNS, *metric])
    records.write_table(path, epochs, float_format="%.6g")
