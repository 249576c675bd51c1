"""What the learning-rate finder found: its curve, and the rate that it suggests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SKIP_START, SKIP_END = 10, 5  # what fastai's plot leaves out


@dataclass(frozen=True)
class Curve:
    """Rates of the last layer group, and the smoothed training loss at each."""

    rates: np.ndarray
    losses: np.ndarray


NOTHING = Curve(np.empty(0), np.empty(0))


def suggest(curve: Curve) -> float | None:
    """A tenth of the rate where the loss is lowest, to one significant digit; the lesson's rule.

    The first ten points and the last six are left out, as in fastai's plot. None when the loss
    never falls: there is no slope to choose from.
    """
    shown = slice(SKIP_START, -(SKIP_END + 1))
    rates, losses = curve.rates[shown], curve.losses[shown]
    if len(losses) == 0 or not np.isfinite(losses).all() or losses.argmin() == 0:
        return None
    return float(f"{rates[losses.argmin()] / 10:.0e}")
