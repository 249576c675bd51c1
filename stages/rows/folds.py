"""Which rows validate: fastai's get_cv_idxs, and the fold of every row."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

TRAIN_ONLY = -1


def get_cv_idxs(n: int, cv_idx: int = 0, val_pct: float = 0.2, seed: int = 42) -> np.ndarray:
    """Row numbers (int(val_pct * n),) of validation fold `cv_idx`: fastai's get_cv_idxs.

    One legacy numpy permutation of the n rows, cut into slices; folds are disjoint. Unlike
    fastai's it leaves numpy's global random state alone, and a fold past the last row is an
    error, not an empty set.

    Raises:
        ValueError: there is no such fold.

    """
    size = int(val_pct * n)
    if not (size and 0 <= cv_idx * size <= n - size):
        raise ValueError(f"there is no fold {cv_idx} of {size} rows among {n} rows")
    permutation = np.random.RandomState(seed).permutation(n)
    return permutation[cv_idx * size : (cv_idx + 1) * size]


def assign(n: int, folds: int, val_pct: float, seed: int) -> np.ndarray:
    """The fold of each of n rows; TRAIN_ONLY for the few that no fold validates."""
    fold = np.full(n, TRAIN_ONLY)
    for k in range(folds):
        fold[get_cv_idxs(n, k, val_pct, seed)] = k
    return fold


def assign_groups(groups: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """The fold of each row, rows of one group in one fold, folds of about equal size.

    Raises:
        ValueError: there are fewer groups than folds.

    """
    from sklearn.model_selection import GroupKFold  # slow to import, and random does without

    kfold = GroupKFold(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(groups), dtype=int)
    for k, (_, valid) in enumerate(kfold.split(np.zeros(len(groups)), groups=groups)):
        fold[valid] = k
    return fold


def assign_stratified(strata: Sequence[Hashable], folds: int, seed: int) -> np.ndarray:
    """The fold of each row, every stratum spread over the folds as evenly as whole rows allow.

    The rows, shuffled and then sorted by stratum, are dealt out like cards: folds differ by one
    row at most, and so does each stratum's share of them. A stratum of fewer rows than folds is
    missing from some; scikit-learn's StratifiedKFold would refuse where all are.

    Raises:
        ValueError: there are fewer rows than folds.

    """
    if len(strata) < folds:
        raise ValueError(f"there are {len(strata)} rows for {folds} folds")
    shuffled = np.random.RandomState(seed).permutation(len(strata))
    codes = pd.factorize(pd.Series(strata))[0]
    fold = np.empty(len(strata), dtype=int)
    fold[shuffled[np.argsort(codes[shuffled], kind="stable")]] = np.arange(len(strata)) % folds
    return fold


def assign_stratified_groups(
    strata: Sequence[Hashable], groups: Sequence[str], folds: int, seed: int
) -> np.ndarray:
    """The fold of each row, rows of one group in one fold, strata spread as evenly as that allows.

    scikit-learn's StratifiedGroupKFold, after strata of fewer rows than folds, which it warns of
    or refuses, are taken for one.

    Raises:
        ValueError: there are fewer groups than folds.

    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(set(groups)) < folds:
        raise ValueError(f"there are {len(set(groups))} groups for {folds} folds")
    codes, names = pd.factorize(pd.Series(strata))
    rare = np.bincount(codes, minlength=len(names)) < folds
    codes = np.where(rare[codes], -1, codes)
    if (codes == -1).sum() < folds:  # too few even together
        codes = np.where(codes == -1, codes.max(), codes)
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(groups), dtype=int)
    for k, (_, valid) in enumerate(kfold.split(codes, codes, groups)):
        fold[valid] = k
    return fold


def parts(rows: pd.DataFrame, count: int = 5) -> np.ndarray:
    """Parts (N,) of the rows, 0 to count - 1, for tuning on the others; groups stay together."""
    if "group" in rows and rows["group"].nunique() >= count:
        return assign_groups(rows["group"], count, seed=0)
    return np.random.RandomState(0).permutation(len(rows)) % count
