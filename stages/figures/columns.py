"""The columns of a regression's numbers, as a legend can tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.figures import words

COLOURS = 10  # of matplotlib's cycle, which repeats after them
LONGEST = 30  # characters of a name


def told(names: Sequence[str], *numbers: np.ndarray) -> tuple[list[str], *tuple[np.ndarray, ...]]:
    """Names for a legend, and the numbers, each (N, T); more columns than colours become one."""
    if len(names) <= COLOURS:
        return [words.short(name, LONGEST) for name in names], *numbers
    return [f"all {len(names)} columns"], *(table.reshape(-1, 1) for table in numbers)
