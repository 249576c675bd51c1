"""How long the rest of a stage takes, by what its images took so far.

An image that is trained on takes longer than one that validates, and a large one longer than a
small one. So each kind has its own pace: measured, or of a kind still to come told by its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KEPT = 0.98  # of what was measured before, at each new measurement: the machine may change


@dataclass(eq=False)
class Pace:
    """How fast images of one kind go."""

    work: float  # that one of them makes, in a unit that all kinds share
    images: float = 0.0
    seconds: float = 0.0

    def add(self, images: int, seconds: float) -> None:
        """Take in a measurement."""
        self.images = KEPT * self.images + images
        self.seconds = KEPT * self.seconds + seconds


def seconds(left: Mapping[Pace, int]) -> float | None:
    """How long so many images of each kind take; None before any was measured."""
    known = [pace for pace in left if pace.images]
    if not known:
        return None
    of_work = sum(pace.seconds for pace in known) / sum(pace.work * pace.images for pace in known)
    return sum(
        images * (pace.seconds / pace.images if pace.images else pace.work * of_work)
        for pace, images in left.items()
    )
