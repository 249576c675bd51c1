"""An axis of a chart: where a value lies between its ends, and which values are written at it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1, 2, 5, 10)
MOST = 6  # ticks of an axis


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, linear or logarithmic."""

    label: str
    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one."""
        low, high, here = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (here - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values between the ends, a handful."""
        return decades(self.low, self.high) if self.log else multiples(self.low, self.high)


def axis(label: str, values: Iterable[float], *, log: bool = False) -> Axis:
    """An axis that holds the values; logarithmic only where all are above 0."""
    values = list(values)
    low, high = min(values), max(values)
    log = log and low > 0
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 1, high + 1)
    return Axis(label, low, high, log)


def multiples(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10((high - low) / MOST))
    step = next(s * power for s in STEPS if (high - low) / (s * power) <= MOST)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten, every so many where they are many; with 2 and 5 between where they are few."""
    ends = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((ends[1] - ends[0]) / MOST))
    for between in ((1,), (1, 2, 5)):
        powers = range(ends[0], ends[1] + 1, every)
        found = [m * 10.0**p for p in powers for m in between if low <= m * 10.0**p <= high]
        if len(found) > 2:
            return found
    return found if len(found) > 1 else multiples(low, high)
