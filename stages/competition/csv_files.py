"""The competition's csv files, every cell as text."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pandas as pd

from stages.base.errors import UserError
from stages.competition.archive import Archive
from stages.competition.names import plain

csv.field_size_limit(2**31 - 1)  # a label may be a mask, megabytes in one cell


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition, see `parse`.

    Raises:
        UserError: there is no such file, it is no csv, or it has no rows.

    """
    return parse(archive.read(name), name)


def read_sample(archive: Archive, name: str) -> pd.DataFrame:
    """The sample submission, ids first; see `parse`.

    Raises:
        UserError: a row has no id, or two columns after the id share a name.

    """
    rows = read_csv(archive, name)
    empty = rows.iloc[:, 0].str.strip() == ""
    if empty.any():
        raise UserError(
            f"{name}: {empty.sum()} of {len(rows)} rows have no id, the first is row "
            f"{empty.argmax() + 1} after the header; take them out."
        )
    columns = rows.columns[1:]
    if columns.has_duplicates:
        raise _twice(name, columns[columns.duplicated()][0])
    return rows


def parse(data: bytes, name: str) -> pd.DataFrame:
    """A csv with every cell as text: 0007 stays 0007, NA stays NA, columns of one name stay two.

    Spaces after a comma are left out, those at the start of a line are not: ids keep them.

    pandas would fill short rows up, rename columns that repeat and take a stray quote.

    Raises:
        UserError: it is no csv, or it has no rows.

    """
    try:
        header, *rows = _rows(data.decode("utf-8-sig"), name) or [[]]
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}; save it as one.") from None
    if not rows:
        raise UserError(f"{name} has no rows, only a header; put the whole file in its place.")
    return pd.DataFrame(rows, dtype=str).set_axis([cell.strip() for cell in header], axis=1)


def _rows(text: str, name: str) -> list[list[str]]:
    """The cells of every line that is not blank.

    Raises:
        UserError: a quote out of place, a row longer or shorter than the first, or no commas.

    """
    lines, rows = _reader(text, skipinitialspace=True, strict=True), []
    try:
        for row in filter(_filled, lines):
            if not rows and len(row) == 1 and (wrong := re.search("[;\t|]", row[0])):
                raise UserError(f"{name} has {wrong[0]!r} between its cells; save it with commas.")
            above = rows[-1] if rows else row  # most cells of a sample are those above: kept once
            rows.append([old if old == new else new for old, new in zip(above, row, strict=False)])
            _check(row, rows[0])
    except csv.Error as error:
        where = f"line {lines.line_num}: {error}"
        raise UserError(f"{name} is not a csv: {where}; mend that line.") from None
    spelled = [row[0] for row in filter(_filled, _reader(text))]
    for row, first in zip(rows, spelled, strict=False):
        row[0] = first if first.lstrip(" ") == row[0] else row[0]
    return rows


def _reader(text: str, **how: bool) -> Any:
    return csv.reader(io.StringIO(text, newline=""), **how)


def _filled(row: list[str]) -> bool:
    return row not in ([], [""])


def _check(row: list[str], header: list[str]) -> None:
    """Refuse a row of another length, and what our own tables could not hold.

    Raises:
        csv.Error: why.

    """
    if len(row) != len(header):
        raise csv.Error(f"{len(row)} cells under a header of {len(header)}")
    if any("\r" in cell.replace("\r\n", "") for cell in row):
        raise csv.Error("a carriage return inside a cell")


def column(rows: pd.DataFrame, name: str, file: str) -> pd.Series:
    """One column of a csv by its name.

    Raises:
        UserError: there is none of that name, or there are several.

    """
    here = [i for i, found in enumerate(rows.columns) if plain(found) == plain(name)]
    if len(here) > 1:
        raise _twice(file, name)
    if not here:
        raise UserError(f"{file} has no column {name!r}; it has {', '.join(rows.columns)}.")
    return rows.iloc[:, here[0]].rename(name)


def _twice(file: str, name: str) -> UserError:
    return UserError(f"{file} has more than one column {name!r}; take out all but one.")
