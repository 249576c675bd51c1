"""How long the rest of a stage takes, by what its images took so far.

An image that is trained on takes longer than one that validates, and a large one longer than a
small one. So each kind has its own pace: measured, or of a kind still to come told by its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from stages.base.settings import Step
from stages.fit import schedules
from stages.fit.data import Data
from stages.images.loading import chunks

BACKWARD = 2  # a backward pass is as much work as two forward
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


@dataclass(frozen=True)
class Pass:
    """Images that are gone through once, to train or to validate."""

    pace: Pace
    images: int
    batch_size: int

    @cached_property
    def batches(self) -> int:
        """How many they make."""
        return len(chunks(range(self.images), self.batch_size))

    def after(self, batches: int) -> int:
        """Images of the first so many batches."""
        return batches * self.batch_size if batches < self.batches else self.images


def passes(steps: Iterable[Step], data: Data) -> list[Pass]:
    """Every pass of a stage, in order: an epoch's two, and at last the reading's."""
    found: list[Pass] = []
    for step in steps:
        forward = step.image_size**2
        training = Pace(forward * (1 + BACKWARD * (step.layers == "all")))
        trained = Pass(training, data.images, data.batch_size)
        validated = Pass(Pace(forward), data.validated, data.batch_size)
        found += [trained, validated] * sum(schedules.epochs(fit) for fit in step.fits)
    if found:
        seen = min(len(data.labels), data.validated)
        found.append(Pass(found[-1].pace, seen, data.batch_size))
    return found


def time_left(left: Mapping[Pace, int]) -> float | None:
    """Seconds that so many images of each kind take; None before any was measured."""
    known = [pace for pace in left if pace.images]
    if not known:
        return None
    of_work = sum(pace.seconds for pace in known) / sum(pace.work * pace.images for pace in known)
    return sum(
        images * (pace.seconds / pace.images if pace.images else pace.work * of_work)
        for pace, images in left.items()
    )
