"""The competition's csv files, every cell as text."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import IO

import pandas as pd

from stages.competition.archive import Archive
from stages.errors import UserError

csv.field_size_limit(2**31 - 1)  # a label may be a mask, megabytes in one cell


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition, see `parse`.

    Raises:
        UserError: there is no such file, it is no csv, or it has no rows.

    """
    return parse(archive.open(name), name)


def parse(file: IO[bytes] | Path, name: str) -> pd.DataFrame:
    """A csv with every cell as text: 0007 stays 0007, NA stays NA.

    pandas would fill short rows up, rename columns that repeat and take a stray quote.

    Raises:
        UserError: it is no csv, two columns share a name, or it has no rows.

    """
    data = file.read_bytes() if isinstance(file, Path) else file.read()
    try:
        header, *rows = _rows(data.decode("utf-8-sig"), name) or [[]]
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}; save it as one.") from None
    if not rows:
        raise UserError(f"{name} has no rows.")
    columns = [cell.strip() or f"Unnamed: {i}" for i, cell in enumerate(header)]
    if twice := next((c for c in columns if columns.count(c) > 1), None):
        raise UserError(f"{name} has two columns named {twice!r}; rename one of them.")
    return pd.DataFrame(rows, columns=columns, dtype=str)


def _rows(text: str, name: str) -> list[list[str]]:
    """The cells of every line that is not blank.

    Raises:
        UserError: a quote out of place, or a row longer or shorter than the first.

    """
    lines, rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True), []
    try:
        for row in lines:
            if row in ([], [""]):
                continue
            rows.append(row)
            if len(row) != len(rows[0]):
                raise csv.Error(f"{len(row)} cells under a header of {len(rows[0])}")
            if any("\r" in cell.replace("\r\n", "") for cell in row):
                raise csv.Error("a carriage return inside a cell")  # our own tables could not
    except csv.Error as error:
        where = f"line {lines.line_num}: {error}"
        raise UserError(f"{name} is not a csv: {where}; mend that line.") from None
    return rows


def column(rows: pd.DataFrame, name: str, file: str) -> pd.Series:
    """One column of a csv by its name.

    Raises:
        UserError: there is none of that name.

    """
    if name not in rows:
        raise UserError(f"{file} has no column {name!r}; it has {', '.join(rows.columns)}.")
    return rows[name]
