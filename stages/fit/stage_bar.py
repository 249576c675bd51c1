"""The bar of a stage that trains: how far, how fast and how well, and how long it will take.

It counts the images of the whole stage, all fits and sizes, trained on and validated. While nobody
looks nothing is made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from stages.base import bar
from stages.base.settings import Step
from stages.fit import pace, schedules
from stages.fit.pace import Pace
from stages.images.loading import chunks

if TYPE_CHECKING:
    from stages.fit.fitting import Data
    from stages.fit.stepper import Stepper

Batch = TypeVar("Batch")
FIRST_TO_GO = ("bar", "batch", "lr", "speed", "metric", "valid", "loss", "epoch", "time")
BACKWARD = 2  # a backward pass is as much work as two forward


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


class Unseen(AbstractContextManager):
    """No bar: nobody looks."""

    def enter(self, stepper: Stepper) -> None:
        """Begin a fit, or go on with it."""

    def over(self, batches: Iterator[Batch], done: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        """Go through the stage's next pass, of which so many batches are done already."""
        return batches

    def __exit__(self, *_: object) -> None:
        """End the bar."""


UNSEEN = Unseen()


class StageBar(Unseen):
    """The bar of the `passes`; `rows` is the stage's history, which grows meanwhile."""

    def __init__(
        self, name: str, passes: Sequence[Pass], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._name, self._passes, self._rows = name, passes, rows
        self._at = 2 * len(rows) - 1  # the pass before the next
        self._left: Counter[Pace] = Counter()  # images
        for one in passes[2 * len(rows) :]:
            self._left[one.pace] += one.images
        self._stepper: Stepper | None = None
        self._bar: bar.Bar | None = None

    def enter(self, stepper: Stepper) -> None:
        """Begin a fit, or go on with it."""
        self._stepper = stepper

    def over(self, batches: Iterator[Batch], done: int = 0) -> Iterator[Batch]:
        """Go through the stage's next pass, of which so many batches are done already."""
        self._begin(done)
        for batch in batches:
            yield batch
            self._done += 1
            if monotonic() >= self._due:
                self._look()
        self._look()

    def __exit__(self, *_: object) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _begin(self, done: int) -> None:
        """Begin the next pass; the clock starts after its first batch, which sets things up."""
        self._at, self._done, self._due = self._at + 1, done, 0.0
        self._pass = self._passes[self._at]
        self._seen, self._since = self._pass.after(done), None
        self._left[self._pass.pace] -= self._seen
        if self._bar is None:
            self._start = monotonic()
            total = sum(one.images for one in self._passes)
            there = total - self._left.total()
            self._bar = bar.Bar(self._name, look=self._look_of, total=total, initial=there)

    def _look(self) -> None:
        """Measure what was done since the last look; the bar draws itself if it is time to."""
        now, seen = monotonic(), self._pass.after(self._done)
        if self._since is not None:
            self._pass.pace.add(seen - self._seen, now - self._since)
        self._left[self._pass.pace] -= seen - self._seen
        self._bar.update(seen - self._seen)
        self._seen, self._since, self._due = seen, now, now + bar.EVERY

    def _look_of(self, width: int) -> str:
        """What is drawn, made just then."""
        elapsed, left = monotonic() - self._start, pace.seconds(self._left)
        until = "?" if left is None else bar.Bar.format_interval(left)
        fields = {
            "name": self._name,
            "bar": "|{bar}|",
            **self._place(),
            **self._scores(),
            "time": f"{bar.Bar.format_interval(elapsed)}<{until}",
        }
        return bar.arrange(fields, FIRST_TO_GO, width)

    def _place(self) -> dict[str, str]:
        """Where training is, and how fast."""
        epoch = min(self._at, len(self._passes) - 2) // 2
        training = self._passes[2 * epoch]
        done = self._done if self._at == 2 * epoch else training.batches
        speed = training.pace.images / training.pace.seconds if training.pace.seconds else 0
        return {
            "epoch": f"epoch {epoch + 1}/{len(self._passes) // 2}",
            "batch": f"{done}/{training.batches}",
            "speed": f"{short(speed)} img/s" if speed else "",
        }

    def _scores(self) -> dict[str, str]:
        """The rate of the last layer group and the losses, as far as there are any."""
        found, stepper = {}, self._stepper
        if stepper and stepper.smoothed.count:
            found["lr"] = f"lr {stepper.optimizer.param_groups[-1]['lr']:.2g}"
            found["loss"] = f"loss {short(stepper.smoothed.value)}"
        if self._rows and self._rows[-1]["valid_loss"] is not None:
            metric, score = list(self._rows[-1].items())[-1]
            found["valid"] = f"valid {short(self._rows[-1]['valid_loss'])}"
            found["metric"] = f"{metric} {short(score)}"
        return found


def short(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def stage_bar(
    name: str, steps: Iterable[Step], data: Data, rows: Sequence[Mapping[str, Any]]
) -> Unseen:
    """The bar of a stage of these steps, on this data; see StageBar."""
    return StageBar(name, passes(steps, data), rows) if bar.watched() else Unseen()
