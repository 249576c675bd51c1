"""Whether a stage over- or underfits: the lesson's reading of training against validation loss.

fastai's training loss is an average over weights on the move, with dropout and augmentation, and
may lie above the validation loss of a model that knows its training rows by heart. Here both
losses are of the same weights in evaluation mode, on as many rows, each in its plain view. Clear is
what lies beyond two standard errors of a mean over rows. Rows are taken as independent: where they
come in groups, noise may look clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import NormalDist
from typing import Any

import numpy as np

CLEARLY = 2  # standard errors
ADVICE = {
    "overfits": "fewer epochs, or more augmentation, dropout or weight decay",
    "fits": "longer cycles may lower the validation loss further, until it clearly rises",
    "underfits": "longer cycles (cycle_mult: 2), higher rates, larger images, all layers, or less "
    "dropout and weight decay would learn more",
    "worsens": "lower rates, or a cycle_len, over which they fall",
    "is unclear": "on these validation rows even a training loss of 0 would be within noise",
}
Rows = Sequence[Mapping[str, Any]]  # of a stage's history, whose epochs all validated


@dataclass(frozen=True)
class Reading:
    """What the losses say of a stage."""

    verdict: str  # one of ADVICE
    train: float  # mean loss of training rows, seen plainly
    valid: float
    lowest: float  # validation loss of an epoch at the last size
    epoch: int  # the one that had it

    def sentence(self, stage: str) -> str:
        """What was seen, and what to try."""
        valid, lowest = f"{self.valid:.3g}", f"{self.lowest:.3g}"
        before = "its lowest" if valid == lowest else f"{lowest} after epoch {self.epoch}"
        return (
            f"{stage} {self.verdict}: validation loss {valid}, {before}, and {self.train:.3g} on "
            f"training rows seen plainly: {ADVICE[self.verdict]}."
        )


def read(train: np.ndarray, valid: np.ndarray, best: np.ndarray, history: Rows) -> Reading:
    """Read a stage by the losses of rows: (N,) of training, and (M,) of validation rows.

    `valid` after the last epoch, and `best`, of the same rows, after the one that lost least.
    """
    found = verdict(train, valid, best, len(comparable(history)) - 1)
    last, low = history[-1], lowest(history)
    losses = last["valid_loss"], low["valid_loss"]
    return Reading(found, float(train.mean()), *losses, low["epoch"])


def verdict(train: np.ndarray, valid: np.ndarray, best: np.ndarray, earlier: int) -> str:
    """One of ADVICE, from the losses of rows; `best` is the best of `earlier` epochs."""
    rise, gap = valid - best, valid.mean() - train.mean()
    rose = not rise.mean() <= limit(earlier) * error(rise)  # so said, NaN is a rise too
    below = gap > CLEARLY * np.hypot(error(train), error(valid))
    if rose:
        return "overfits" if below else "worsens"
    if below:
        return "fits"
    return "underfits" if valid.mean() > CLEARLY * error(valid) else "is unclear"


def error(values: np.ndarray) -> float:
    """The standard error of the mean; of a single value nobody knows it."""
    return values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.inf


def limit(comparisons: int) -> float:
    """How many standard errors the largest of so many differences must reach to be clear.

    As many as make them all together err as often as one does beyond CLEARLY (Bonferroni): of many
    epochs one is low by chance.
    """
    tail = 1 - NormalDist().cdf(CLEARLY)
    return NormalDist().inv_cdf(1 - tail / max(1, comparisons))


def comparable(history: Rows) -> list[Mapping[str, Any]]:
    """The last epochs, those at one image size: another has other losses."""
    size = history[-1]["size"]
    return list(takewhile(lambda row: row["size"] == size, reversed(history)))[::-1]


def lowest(history: Rows) -> Mapping[str, Any]:
    """Of the epochs at the last size the one whose validation loss was lowest, first if several."""
    return min(comparable(history), key=lambda row: row["valid_loss"])
