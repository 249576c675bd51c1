"""How far a training stage has come: everything that decides its next step, kept in a file.

A run that was killed goes on from there to the very bytes of a run that was not: weights and
BatchNorm statistics, momentum and averages, the place in the schedule and in the epoch, torch's
random state (dropout, mixup), the smoothed loss, the history and what each validation row lost.
Order and augmentation need no state of their own: the seed and the epoch's name decide them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from safetensors import SafetensorError

from stages.base.errors import UserError
from stages.base.unfinished import Kept
from stages.fit import table
from stages.fit.fitting import History, Row
from stages.fit.stepper import Stepper
from stages.model import checkpoint
from stages.model.network import Network

FILE = "progress.safetensors"


@dataclass(frozen=True)
class Place:
    """Where a stage stands, the header of the file."""

    fit: int  # of the stage's fits, counted from 0
    step: int  # steps of that fit that are done
    rows: list[Row]
    scaler: dict[str, Any]


class Progress(History):
    """The history of a stage that trains `network`, kept in a file now and then."""

    def __init__(self, kept: Kept, network: Network, trained: str) -> None:
        super().__init__()
        self.kept, self.network = kept, network
        self.path = kept.folder / FILE
        self.trained = trained  # "head", or "all" when the backbone's tensors must be kept too
        self.snapshot: Callable[[int], None] | None = None  # takes one, after an epoch
        self._fit = -1
        self._stepper: Stepper | None = None
        self._place, self._tensors = self._read()
        if self._place:
            self._go_on()

    def _read(self) -> tuple[Place | None, checkpoint.Tensors]:
        if not self.path.exists():
            return None, {}
        try:
            place = checkpoint.read_header(self.path, Place)
            return place, checkpoint.load_file(self.path)
        except (UserError, SafetensorError, OSError):
            click.echo(f"{self.path} is damaged: the stage starts anew.")
            return None, {}

    def _go_on(self) -> None:
        checkpoint.restore(self.network, self._tensors)
        self.rows = self._place.rows
        self.last, self.best = (self._tensors.get(name, self.last) for name in ("last", "best"))
        click.echo(f"goes on after {self._place.step} steps of fit {self._place.fit + 1}")
        for count in range(len(self.rows)):
            table.show(self.rows[: count + 1])

    def enter(self, stepper: Stepper) -> bool:
        """Begin the next fit, or go on with it; False if it is done."""
        self._fit += 1
        self._stepper = stepper
        if self.network.layers == "all":
            self.trained = "all"
        if self._place and self._fit == self._place.fit:
            stepper.restore(self._tensors, self._place.step, self._place.scaler)
            self._tensors = {}
        return not self._place or self._fit >= self._place.fit

    def after_cycle(self, stepper: Stepper) -> None:
        """Take a snapshot of the weights that are judged, if they are wanted."""
        if self.snapshot:
            with stepper.judged():
                self.snapshot(len(self.rows) - 1)

    def after_step(self) -> None:
        """Keep everything, if it is time to."""
        if self.kept.due():
            self.save()

    def save(self) -> None:
        """Keep everything that decides the next step."""
        stepper = self._stepper
        if stepper is None:  # there was no fit
            return
        rows, scaler = list(self.rows), stepper.scaler.state_dict()
        place = Place(self._fit, stepper.smoothed.count, rows, scaler)
        if place != self._place:
            tensors = checkpoint.tensors_of(self.network, self.trained) | stepper.tensors()
            tensors |= {"last": self.last, "best": self.best} if len(self.last) else {}
            with self.kept.writing(FILE) as part:
                checkpoint.write(part, place, tensors)
            self._place = place
