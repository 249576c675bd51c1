"""Tables of rows: those with labels and their folds, the classes, and the rows to predict."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from stages.rows import cells


def read(file: Path | TextIO) -> pd.DataFrame:
    """A table of rows, everything but the fold as text."""
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    return rows.astype({"fold": int}) if "fold" in rows else rows


def classes(path: Path) -> list[str]:
    """The classes, or a regression's numbers, in the order that they have in every model."""
    return list(read(path)["class"])


def targets(rows: pd.DataFrame, names: list[str], task: str) -> np.ndarray:
    """What a model is trained towards, a row each; see cells.targets."""
    return cells.targets(rows["label"], names, task)


def split(rows: pd.DataFrame, fold: str) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers that `fold` trains on, and those that it validates, both in table order.

    `full` trains on every row and validates none.
    """
    if fold == "full":
        return np.arange(len(rows)), np.arange(0)
    validates = rows["fold"].to_numpy() == int(fold)
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def of_fold(rows: pd.DataFrame, fold: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that `fold` trains on, and those that it validates."""
    train, valid = split(rows, fold)
    return rows.iloc[train], rows.iloc[valid]
