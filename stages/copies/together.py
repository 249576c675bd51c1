"""Copies in one fold: sets of linked images, and the fold that each set goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from stages.rows.folds import TRAIN_ONLY

Link = tuple[int, int]


def sets(count: int, links: Iterable[Link]) -> np.ndarray:
    """The set (count,) that each thing is in, called after its first, once links join them."""
    from scipy.sparse import coo_array  # a third of a second, and most sets have no copies
    from scipy.sparse.csgraph import connected_components

    ends = np.array(list(links), dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(ends.shape[1]), ends), shape=(count, count))
    _, found = connected_components(graph, directed=False)
    return np.unique(found, return_index=True)[1][found]


def regrouped(rows: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """The rows, each set of copies in one fold, the one that most of the set is in already.

    All other rows keep the fold that `split` gave them. A row's group is its set from now on,
    joined with the competition's own groups: thresholds, too, are then tuned on other sets.
    """
    pairs = list(pairs)
    if not pairs:
        return rows
    number = {image: i for i, image in enumerate(rows["image"])}
    for image in dict.fromkeys(name for pair in pairs for name in pair):
        number.setdefault(image, len(number))  # two rows may be linked by a test image
    links = [(number[a], number[b]) for a, b in pairs]
    found = sets(len(number), [*links, *_of_groups(rows)])[: len(rows)]
    names = np.array(list(number))
    return rows.assign(group=names[found], fold=_folds(rows["fold"].to_numpy(), found))


def _of_groups(rows: pd.DataFrame) -> list[Link]:
    """Each row linked with the first one of its group, if there are groups."""
    if "group" not in rows:
        return []
    first = rows["group"].drop_duplicates()
    start = dict(zip(first, first.index, strict=True))
    return [(start[group], i) for i, group in enumerate(rows["group"])]


def _folds(folds: np.ndarray, sets_of_rows: np.ndarray) -> np.ndarray:
    """The fold (N,) that most of each row's set is in; of several the first row's."""
    counts: dict[int, Counter[int]] = {}
    for fold, number in zip(folds.tolist(), sets_of_rows.tolist(), strict=True):
        counts.setdefault(number, Counter())[fold] += fold != TRAIN_ONLY
    return np.array([counts[n].most_common(1)[0][0] for n in sets_of_rows.tolist()], dtype=int)


def emptied(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The folds that have lost all of their rows."""
    return sorted(set(before) - set(after) - {TRAIN_ONLY})
