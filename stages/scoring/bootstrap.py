"""How sure a score is: the metric over rows drawn anew, again and again (Efron 1979).

The rows of a validation set are a sample of the images that there are; another sample would have
scored otherwise. Drawing as many rows from them, with repeats, shows by how much. Rows that belong
together (a patient, a place) are drawn together. The figures say nothing of other folds or seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MOST, FEWEST, NUMBERS = 1000, 300, 5e7  # samples; and numbers that all of them may hold
LEVEL = 0.95
Z_LEVEL, Z_POWER = 1.96, 0.84  # of the normal distribution: two-sided at LEVEL; at a power of 0.8
Score = Callable[[np.ndarray], float | None]
"""The metric over the rows of these numbers."""


@dataclass(frozen=True)
class Interval:
    """A figure, its standard error, and where it lies over all such rows, 95 times in 100.

    Another set of as many rows has an error of its own: it falls in here some 83 times in 100.
    """

    value: float
    error: float
    low: float
    high: float

    @property
    def beside_zero(self) -> bool:
        """Whether zero lies outside: a difference that noise alone seldom makes."""
        return self.low > 0 or self.high < 0

    @property
    def smallest(self) -> float:
        """The smallest true value that a set of this size would tell from zero in 8 of 10 cases."""
        return (Z_LEVEL + Z_POWER) * self.error


@dataclass(frozen=True)
class Sample:
    """The rows that a score is over."""

    shape: tuple[int, ...]
    """(N, C) of what is scored."""
    groups: Sequence[str] | None = None
    """The group of each row."""

    @property
    def drawn(self) -> int:
        """How many rows there are to draw, or groups."""
        return self.shape[0] if self.groups is None else len(set(self.groups))

    def draws(self) -> Iterator[np.ndarray]:
        """Row numbers (N,), of rows or of whole groups, with repeats; up to a thousand times.

        Fewer times where so much is scored that a thousand would take minutes.
        """
        rng, n = np.random.default_rng(0), self.shape[0]
        times = int(np.clip(NUMBERS / np.prod(self.shape), FEWEST, MOST))
        if self.groups is None:
            for _ in range(times):
                yield rng.integers(n, size=n)
            return
        _, codes = np.unique(self.groups, return_inverse=True)
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        for _ in range(times):
            chosen = rng.integers(len(members), size=len(members))
            yield np.concatenate([members[i] for i in chosen])


def interval(score: Score, sample: Sample) -> Interval | None:
    """The score over all rows, and how it spreads over samples of them.

    None where the metric is undefined on all rows, and where they are one row or group, which says
    nothing of others; samples that leave it undefined are left out.
    """
    if sample.drawn < 2 or (value := score(np.arange(sample.shape[0]))) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that a sample lacks
        found = np.array([s for rows in sample.draws() if (s := score(rows)) is not None])
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(found.std(ddof=1)), float(low), float(high))


def difference(a: Score, b: Score, sample: Sample) -> Interval | None:
    """By how much B scores higher than A on the same rows, each sample scoring both: paired."""

    def gain(rows: np.ndarray) -> float | None:
        first, second = a(rows), b(rows)
        return None if first is None or second is None else second - first

    return interval(gain, sample)
