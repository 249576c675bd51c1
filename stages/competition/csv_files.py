"""The competition's csv files, every cell as text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO

import pandas as pd

from stages.competition.archive import Archive
from stages.competition.names import plain
from stages.errors import UserError


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition, see `parse`.

    Raises:
        UserError: there is no such file, it is no csv, or it has no rows.

    """
    return parse(archive.open(name), name)


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


def parse(file: IO[bytes] | Path, name: str) -> pd.DataFrame:
    """A csv with every cell as text: 0007 stays 0007, NA stays NA, columns of one name stay two.

    Spaces after a comma are left out, those at the start of a line are not: ids keep them.

    Raises:
        UserError: it is no csv, or it has no rows.

    """
    data = file.read_bytes() if isinstance(file, Path) else file.read()
    _check_commas(data, name)
    rows = _cells(data, name, skipinitialspace=True)
    spelled = _cells(data, name, usecols=[0]).reindex(rows.index)[0]
    header = [cell.strip() for cell in rows.iloc[0]]
    rows[0] = rows[0].where(spelled.str.lstrip(" ") != rows[0], spelled)
    rows = rows[1:].reset_index(drop=True)
    if rows.empty:
        raise UserError(f"{name} has no rows, only a header; put the whole file in its place.")
    return rows.set_axis(header, axis=1)


def _check_commas(data: bytes, name: str) -> None:
    header = _cells(data, name, nrows=1)
    if len(header.columns) == 1 and (wrong := re.search("[;\t|]", header[0][0])):
        raise UserError(f"{name} has {wrong[0]!r} between its cells; save it with commas.")


def _cells(data: bytes, name: str, **how: object) -> pd.DataFrame:
    """Every cell of a csv as text, the header's too: given the header, pandas would rename."""
    errors = pd.errors
    try:
        return pd.read_csv(
            io.BytesIO(data), dtype=str, keep_default_na=False, header=None,
            encoding="utf-8-sig", **how,
        )  # fmt: skip
    except errors.ParserError as error:
        if found := re.search(r"Expected \d+ fields in line (\d+)", str(error)):
            raise UserError(
                f"{name}, line {found[1]}, has more cells than its header; quote those with commas."
            ) from None
        raise UserError(f"{name} is not a csv in UTF-8: {error}.") from None
    except (errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}.") from None


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
