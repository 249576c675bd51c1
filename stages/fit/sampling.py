"""Which rows an epoch trains on, and in what order: rare classes more often, if asked for.

The lesson's answer to rare classes is to copy their images; Buda, Maki and Mazurowski (2017) did
best where they copied until classes were equal. No image is left out for it.
"""

from __future__ import annotations

import numpy as np

from stages.images.loading import shuffled
from stages.images.views import generator

ROUNDING = 1e-6  # above the error of a sum of a million numbers


class Sampler:
    """The rows of every epoch: (seed, the epoch's name) decides, and workers change nothing.

    `labels` are what the rows are trained towards: classes (N,), or (N, C) of 0 and 1.
    """

    def __init__(self, labels: np.ndarray, oversample: float, seed: int) -> None:
        self.seed, self.oversample = seed, oversample
        self.rows = self.length = len(labels)
        if oversample:
            self.repeats, self.reason = repeats(labels, oversample)
            self.times = times(self.repeats[np.lexsort((self.repeats, self.reason))])
            self.copies = np.concatenate([np.arange(n) for n in self.times])
            self.length = len(self.copies)

    def some(self, count: int) -> np.ndarray:
        """Numbers of `count` rows, or of all if there are fewer: (seed, count) decides."""
        return np.sort(shuffled(self.rows, self.seed, "some")[:count])

    def epoch(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers (length,) in order, and beside each which copy of its row it is, from 0."""
        order = shuffled(self.rows, self.seed, name)
        if not self.oversample:
            return order, np.zeros_like(order)
        place = np.argsort(order)
        alike = np.lexsort((place, self.repeats, self.reason))  # who is copied once more: by chance
        rows = np.repeat(alike, self.times)
        mixed = generator("oversample", self.seed, name).permutation(self.length)
        return rows[mixed], self.copies[mixed]


def repeats(labels: np.ndarray, oversample: float) -> tuple[np.ndarray, np.ndarray]:
    """How often each row comes up in an epoch on average (N,), and for which class (N,).

    A row of class c comes up (n_max / n_c) ** oversample times, so that the classes' shares become
    those of n_c ** (1 - oversample) (Kang et al. 2020, with q = 1 - oversample). A row of several
    tags follows its rarest, and one without any comes up once (Gupta et al. 2019, LVIS).
    """
    if labels.ndim == 1:
        return _factors(np.bincount(labels), oversample)[labels], labels
    given = labels > 0
    by_tag = np.where(given, _factors(given.sum(axis=0), oversample), 1.0)
    return by_tag.max(axis=1), by_tag.argmax(axis=1)


def _factors(counts: np.ndarray, oversample: float) -> np.ndarray:
    return (counts.max() / counts.clip(min=1)) ** oversample


def times(wanted: np.ndarray) -> np.ndarray:
    """Whole numbers (N,) just below or above those wanted, by systematic sampling.

    Over any stretch the sums of the two differ by less than 1.
    """
    return np.diff(np.floor(np.cumsum(wanted) + ROUNDING).astype(int), prepend=0)
