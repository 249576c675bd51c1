"""The bar of a stage that trains: how far, how fast and how well, and how long it will take.

It counts the images of the whole stage, all fits and sizes, trained on and validated. While nobody
looks nothing is made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, TypeVar

from stages.base import bar
from stages.base.settings import Step
from stages.fit.data import Data
from stages.fit.pace import Pace, Pass, passes, time_left
from stages.fit.stepper import Stepper

Batch = TypeVar("Batch")
FIRST_TO_GO = ("bar", "batch", "lr", "speed", "metric", "valid", "loss", "epoch", "time")


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
        due = self._begin(done)
        for number, batch in enumerate(batches, start=done + 1):
            yield batch
            if monotonic() >= due:
                due = self._look(number)
        self._look(self._pass.batches)

    def __exit__(self, *_: object) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _begin(self, done: int) -> float:
        """Begin the next pass; returns when to look at it: after its first batch.

        The clock runs from there, for that batch sets up what the others find.
        """
        self._at, self._done = self._at + 1, done
        self._pass = self._passes[self._at]
        self._seen, self._since = self._pass.after(done), None
        self._left[self._pass.pace] -= self._seen
        if self._bar is None:
            self._start = monotonic()
            total = sum(one.images for one in self._passes)
            there = total - self._left.total()
            self._bar = bar.Bar(self._name, look=self._look_of, total=total, initial=there)
        return monotonic()

    def _look(self, done: int) -> float:
        """Measure what was done since the last look, draw if it is time to; returns the next."""
        now, seen = monotonic(), self._pass.after(done)
        moved, self._seen, self._done = seen - self._seen, seen, done
        if self._since is not None:
            self._pass.pace.add(moved, now - self._since)
        self._since = now
        self._left[self._pass.pace] -= moved
        self._bar.update(moved)
        return now + bar.EVERY

    def _look_of(self, width: int) -> str:
        """What is drawn, made just then."""
        elapsed, left = monotonic() - self._start, time_left(self._left)
        fields = {
            "name": self._name,
            "bar": "|{bar}|",
            **self._place(),
            **self._scores(),
            "time": f"{clock(elapsed)}<{clock(left)}",
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
            "speed": f"{short(speed, 2)} img/s" if speed else "",
        }

    def _scores(self) -> dict[str, str]:
        """The rate of the last layer group and the losses, as far as there are any."""
        found, stepper = {}, self._stepper
        if stepper and stepper.smoothed.count:
            found["lr"] = f"lr {stepper.optimizer.param_groups[-1]['lr']:#.2g}"
            found["loss"] = f"loss {short(stepper.smoothed.value)}"
        if self._rows and self._rows[-1]["valid_loss"] is not None:
            metric, score = list(self._rows[-1].items())[-1]
            found["valid"] = f"val {short(self._rows[-1]['valid_loss'])}"
            found["metric"] = f"{metric} {short(score)}"
        return found


def short(value: float, digits: int = 3) -> str:
    """So many significant digits, or as many as a whole number has."""
    return f"{value:#.{digits}g}".rstrip(".") if abs(value) < 10**digits else f"{value:.0f}"


def clock(seconds: float | None) -> str:
    """Minutes and seconds, 1:05; or hours and minutes, 1h05."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"


def stage_bar(
    name: str, steps: Iterable[Step], data: Data, rows: Sequence[Mapping[str, Any]]
) -> Unseen:
    """The bar of a stage of these steps, on this data; see StageBar."""
    return StageBar(name, passes(steps, data), rows) if bar.watched() else Unseen()
