"""Learning-rate schedules as arrays: the rate of every batch, known before training starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

WARM_SHARE = 20  # the first 1/20 of the first cycle ...
WARM_RATE = 0.01  # ... runs at 1/100 of the highest rate


class Cycles(Protocol):
    """The schedule of one fit: fastai's n_cycle, cycle_len and cycle_mult."""

    cycles: int
    cycle_len: int | None
    cycle_mult: int


def cycle_epochs(fit: Cycles) -> list[int]:
    """Epochs of each cycle: (3, 1, 2) is [1, 2, 4].

    Without cycle_len a cycle is one epoch, and cycle_mult multiplies all the same, as in fastai.
    """
    return [(fit.cycle_len or 1) * fit.cycle_mult**i for i in range(fit.cycles)]


def epochs(fit: Cycles) -> int:
    """Epochs of one fit (fastai's sum_geom): (3, 1, 2) is 7, (3, 2, 1) is 6."""
    return sum(cycle_epochs(fit))


def multipliers(fit: Cycles, batches_per_epoch: int) -> np.ndarray:
    """What the highest rate is multiplied by at each batch of one fit, shape (batches,).

    SGDR (Loshchilov and Hutter 2016) as fastai 0.7 carried it out: cosine from 1 towards 0 per
    batch, restarted at each cycle; the first 1/20 of the first cycle at 1/100. Constant without
    cycle_len. fastai's rate went wrong when a cycle was a single batch; this does not.
    """
    if fit.cycle_len is None:
        return np.ones(epochs(fit) * batches_per_epoch)
    lengths = [n * batches_per_epoch for n in cycle_epochs(fit)]
    rates = np.concatenate([cosine(n) for n in lengths])
    rates[: -(-lengths[0] // WARM_SHARE)] = WARM_RATE
    return rates


def cosine(batches: int) -> np.ndarray:
    """Half a cosine: (1 + cos(pi * t / batches)) / 2 for t = 0 .. batches - 1."""
    return (1 + np.cos(np.pi * np.arange(batches) / batches)) / 2


def climb(start: float, end: float, batches: int) -> np.ndarray:
    """The finder's rates: start * (end / start) ** (k / batches) for k = 0 .. batches - 1."""
    return start * (end / start) ** (np.arange(batches) / batches)


def broadcast(rate: float | Sequence[float], groups: int) -> list[float]:
    """One rate a layer group, earliest first, from one rate or one a group.

    Raises:
        ValueError: as many rates as neither 1 nor `groups`.

    """
    rates = list(rate) if isinstance(rate, Sequence) else [rate]
    if len(rates) not in (1, groups):
        raise ValueError(f"{len(rates)} rates for {groups} layer groups")
    return rates * groups if len(rates) == 1 else rates


def differential(rate: float, ratio: float, groups: int) -> list[float]:
    """Each earlier group's rate `ratio` times lower: 0.01 with ratio 10 is [1e-4, 1e-3, 1e-2]."""
    return [rate / ratio**k for k in reversed(range(groups))]
