"""Learning-rate schedules as arrays: the rate of every batch, known before training starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.base.settings import Fit

WARM_SHARE = 20  # the first 1/20 of the first cycle ...
WARM_RATE = 0.01  # ... runs at 1/100 of the highest rate
RISE = 0.25  # the share of one cycle in which the rate climbs ...
FIRST, LAST = 1 / 25, 1e-5  # ... from this much of the highest, and falls to that


def cycle_epochs(fit: Fit) -> list[int]:
    """Epochs of each cycle: (3, 1, 2) is [1, 2, 4].

    Without cycle_len a cycle is one epoch, and cycle_mult multiplies all the same, as in fastai.
    """
    return [(fit.cycle_len or 1) * fit.cycle_mult**i for i in range(fit.cycles)]


def cycle_ends(fits: Sequence[Fit]) -> list[int]:
    """The last epoch of each cycle of fits that follow each other: (3, 1, 2) is [0, 2, 6]."""
    lengths = [length for fit in fits for length in cycle_epochs(fit)]
    return [int(count) - 1 for count in np.cumsum(lengths, dtype=int)]


def epochs(fit: Fit) -> int:
    """Epochs of one fit (fastai's sum_geom): (3, 1, 2) is 7, (3, 2, 1) is 6."""
    return sum(cycle_epochs(fit))


def multipliers(fit: Fit, batches_per_epoch: int) -> np.ndarray:
    """What the highest rate is multiplied by at each batch of one fit, shape (batches,).

    SGDR (Loshchilov and Hutter 2016) as fastai 0.7 carried it out: cosine from 1 towards 0 per
    batch, restarted at each cycle; the first 1/20 of the first cycle at 1/100. Constant without
    cycle_len. fastai's rate went wrong when a cycle was a single batch; this does not.

    Or one_cycle, if that is the schedule.
    """
    if fit.cycle_len is None:
        return np.ones(epochs(fit) * batches_per_epoch)
    lengths = [n * batches_per_epoch for n in cycle_epochs(fit)]
    if fit.schedule == "one_cycle":
        return np.concatenate([one_cycle(n) for n in lengths])
    rates = np.concatenate([cosine(n) for n in lengths])
    rates[: -(-lengths[0] // WARM_SHARE)] = WARM_RATE
    return rates


def cosine(batches: int) -> np.ndarray:
    """Half a cosine: (1 + cos(pi * t / batches)) / 2 for t = 0 .. batches - 1."""
    return (1 + np.cos(np.pi * np.arange(batches) / batches)) / 2


def one_cycle(batches: int) -> np.ndarray:
    """Smith's one cycle (2018) as fastai's fit_one_cycle has it, at t / batches for each batch t.

    Half a cosine from 1/25 up to 1 over the first quarter, half a cosine down to 1e-5 over the
    rest. The momentum stays as it is; fastai's falls and rises against the rate.
    """
    at = np.arange(batches) / batches
    up = FIRST + (1 - FIRST) * (1 - np.cos(np.pi * at / RISE)) / 2
    down = LAST + (1 - LAST) * (1 + np.cos(np.pi * (at - RISE) / (1 - RISE))) / 2
    return np.where(at < RISE, up, down)


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
