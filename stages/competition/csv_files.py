"""The competition's csv files, every cell as text."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO

import pandas as pd

from stages.competition.archive import Archive
from stages.errors import UserError


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition, see `parse`.

    Raises:
        UserError: there is no such file, it is no csv, or it has no rows.

    """
    return parse(archive.open(name), name)


def parse(file: IO[bytes] | Path, name: str) -> pd.DataFrame:
    """A csv with every cell as text: 0007 stays 0007, NA stays NA.

    Raises:
        UserError: it is no csv, or it has no rows.

    """
    errors = pd.errors
    try:
        with warnings.catch_warnings(action="error", category=errors.ParserWarning):
            rows = pd.read_csv(
                file, dtype=str, keep_default_na=False, skipinitialspace=True,
                index_col=False, encoding="utf-8-sig",
            )  # fmt: skip
    except errors.ParserWarning:
        raise UserError(f"{name} has rows with more cells than its header.") from None
    except (errors.EmptyDataError, errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}.") from None
    if rows.empty:
        raise UserError(f"{name} has no rows.")
    return rows.rename(columns=str.strip)


def column(rows: pd.DataFrame, name: str, file: str) -> pd.Series:
    """One column of a csv by its name.

    Raises:
        UserError: there is none of that name.

    """
    if name not in rows:
        raise UserError(f"{file} has no column {name!r}; it has {', '.join(rows.columns)}.")
    return rows[name]
