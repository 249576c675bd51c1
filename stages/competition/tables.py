"""The rows that `split` wrote: image, id, label and fold; their classes and targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stages.competition import folds


def classes(rows: pd.DataFrame) -> list[str]:
    """The classes in their order in every model: sorted, over all rows (fastai's order)."""
    return sorted(set(rows["label"]))


def targets(rows: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Class numbers (N,) int64 of the rows."""
    number = {name: i for i, name in enumerate(names)}
    return rows["label"].map(number).to_numpy(dtype=np.int64)


def read(path: Path) -> pd.DataFrame:
    """A table that `split` wrote, ids and labels as text."""
    return pd.read_csv(path, dtype={"id": str, "image": str, "label": str}, keep_default_na=False)


def split(rows: pd.DataFrame, fold: str) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers that `fold` trains on, and those that it validates."""
    return folds.split(rows["fold"].to_numpy(), fold)


def of_fold(rows: pd.DataFrame, fold: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that `fold` trains on, and those that it validates."""
    train, valid = split(rows, fold)
    return rows.iloc[train], rows.iloc[valid]
