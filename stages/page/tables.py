"""Tables of the report, and numbers as it writes them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

Row = dict[str, str]
LONG = re.compile(r"-?\d+\.\d{3,}(e[-+]?\d+)?")  # a number with more digits than one reads


@dataclass(frozen=True)
class Table:
    """A table as it is shown: the first cell of a row names it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def read(path: Path, most: int | None = None) -> list[Row]:
    """The rows of a csv file, or the first ones, everything as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(islice(csv.DictReader(file), most))


def of_file(caption: str, path: Path, most: int) -> Table | None:
    """The first rows of a csv file as a table; None where it has no rows, or is not there."""
    rows = read(path, most) if path.exists() else []
    cells = [[name, *map(shortened, rest)] for name, *rest in map(dict.values, rows)]
    return Table(caption, [*rows[0]], cells) if rows else None


def cell(value: Any) -> str:
    """A value as a person reads it: four digits of a number, nothing for nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def shortened(text: str) -> str:
    """A long decimal number with four digits; any other text, an id say, as it is."""
    return f"{float(text):.4g}" if LONG.fullmatch(text) else text


def words(name: str) -> str:
    """A metric's name as words."""
    return name.replace("_", " ")


def facts(*groups: Mapping[str, Any], without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """What metrics files say, name and value, each name once."""
    found = {name: value for group in groups for name, value in group.items()}
    left_out = set(without)
    return [(words(k), cell(v)) for k, v in found.items() if k not in left_out and v is not None]
