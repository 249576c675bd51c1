"""Which training images stand for each class on the contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

COLUMNS = 6  # images of a line
MOST = 12  # lines


@dataclass(frozen=True)
class Line:
    """A line of the sheet: what it shows, how much there is of it, some of it."""

    name: str
    about: str
    rows: np.ndarray
    """Row numbers of the images, in the table of the training rows."""
    captions: Sequence[str]
    """What stands under each image; nothing where the name says it all."""


def of_classes(flags: np.ndarray, classes: Sequence[str]) -> list[Line]:
    """A line a class from flags (N, C), the most frequent on top; of many both ends.

    A class without images has none. Then one of the rows that have no class, if there are any.
    """
    counts = flags.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    if len(order) > MOST:
        order = np.r_[order[: MOST // 2], order[-(MOST // 2) :]]
    found = [_line(classes[column], np.flatnonzero(flags[:, column])) for column in order]
    bare = np.flatnonzero(~flags.any(axis=1))
    return [*found, _line("(no label)", bare)] if len(bare) else found


def _line(name: str, rows: np.ndarray) -> Line:
    some = rows[spread(len(rows), COLUMNS)]
    return Line(name, f"{len(rows)} image{'s' * (len(rows) != 1)}", some, [])


def of_numbers(numbers: np.ndarray, names: Sequence[str]) -> Iterator[Line]:
    """Lines of each of the columns (N, T), from its lowest number to its highest."""
    lines = max(1, MOST // 2 // len(names))
    for name, column in zip(names[:MOST], numbers.T, strict=False):
        order = np.argsort(column, kind="stable")
        shown = order[spread(len(order), lines * COLUMNS)]
        for start in range(0, len(shown), COLUMNS):
            rows = shown[start : start + COLUMNS]
            ends = f"{column[rows[0]]:g} to {column[rows[-1]]:g}"
            yield Line(ends, name, rows, [f"{number:g}" for number in column[rows]])


def spread(count: int, most: int) -> np.ndarray:
    """At most so many places in 0..count-1, evenly spread, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)
