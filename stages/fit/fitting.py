"""Fitting: fastai's `learn.fit(lr, cycles, cycle_len, cycle_mult)` on any module and any data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from stages.base.errors import UserError
from stages.base.settings import Fit
from stages.fit import reading, schedules, table
from stages.fit.data import Data
from stages.fit.stage_bar import UNSEEN, Unseen
from stages.fit.stepper import Batch, Learner, Stepper
from stages.model.hardware import moved

Row = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Rates:
    """Resolves the rates that params.yaml names; `auto` takes what find_lr suggested."""

    suggestion: float | None
    ratio: float
    """Each earlier layer group's rate is this many times lower under `auto`."""
    layer_decay: float | None = None
    """Each earlier layer's rate is this share of the next one's, whatever names the rate."""

    def of(self, fit: Fit, groups: int) -> list[float]:
        """The highest rates of a fit, one a layer group, earliest first.

        Raises:
            UserError: auto, and find_lr saw no slope to choose from.

        """
        if fit.lr != "auto" and not self.layer_decay:
            return schedules.broadcast(fit.lr, groups)
        [highest] = [self._suggested()] if fit.lr == "auto" else schedules.broadcast(fit.lr, 1)
        ratio = 1 / self.layer_decay if self.layer_decay else self.ratio
        return schedules.differential(highest, ratio, groups)

    def _suggested(self) -> float:
        if self.suggestion is None:
            raise UserError(
                "lr: auto, but find_lr saw no clear slope (look at its picture in reports/); "
                "give the rate as a number."
            )
        return self.suggestion


class History:
    """The history of a stage, a row an epoch. progress.py keeps it, and more, on disk.

    Beside it the loss of each validation row, (N,): after the `last` epoch, and after the one that
    was the `best` at its size.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.last = self.best = torch.empty(0)
        self._planned = 0

    def add(self, row: Row, losses: torch.Tensor) -> None:
        """Take in an epoch, and the loss of each validation row after it."""
        self.rows.append(row)
        self.last = losses
        if len(losses) and reading.lowest(self.rows) is row:
            self.best = losses

    def plan(self, epochs: int) -> range:
        """The numbers of a fit's epochs, counted through the stage."""
        first = self._planned
        self._planned += epochs
        return range(first, self._planned)

    def enter(self, stepper: Stepper) -> bool:  # noqa: ARG002
        """Begin a fit; False if there is nothing to do."""
        return True

    def after_cycle(self, stepper: Stepper) -> None:
        """Called after the last epoch of each cycle."""

    def after_step(self) -> None:
        """Called after each step."""


def fit_all(
    learner: Learner,
    data: Data,
    fits: Sequence[Fit],
    rates: Rates,
    history: History,
    bar: Unseen = UNSEEN,
    **about: object,
) -> None:
    """Carry out the fits in order, adding a row an epoch to `history` and printing it.

    Epochs are named by `about["stage"]` and their number, counted through the whole stage. What an
    interrupted run has done already is left out.

    Raises:
        UserError: the loss is not a number any more.

    """
    for cycles in fits:
        numbers = history.plan(schedules.epochs(cycles))
        names = [f"{about['stage']}/{i}" for i in numbers]
        stepper = Stepper(learner, rates.of(cycles, len(learner.groups)), cycles.weight_decay)
        if not history.enter(stepper):
            continue
        bar.enter(stepper)
        epochs = fit(stepper, data, cycles, names, bar, history.after_step)
        for seconds, (row, losses) in table.timed(epochs):
            check(row, str(about["stage"]))
            history.add({"epoch": len(history.rows), **about, **row}, losses)
            table.show(history.rows, seconds)
            if len(history.rows) - numbers.start - 1 in schedules.cycle_ends([cycles]):
                history.after_cycle(stepper)
            history.after_step()


def check(row: Row, stage: str) -> None:
    """Refuse an epoch that trained the network to nothing.

    Raises:
        UserError: a loss of it is not a finite number.

    """
    losses = [row["train_loss"], row["valid_loss"]]
    if not all(loss is None or math.isfinite(loss) for loss in losses):
        raise UserError(
            f"{stage}: the loss is not a number any more, for lr {row['lr']:g} is too high; try a "
            "third of it (or, with model.precision fp16, bf16)."
        )


def fit(
    stepper: Stepper,
    data: Data,
    cycles: Fit,
    names: list[str],
    bar: Unseen = UNSEEN,
    after_step: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Row, torch.Tensor]]:
    """Carry out one fit from where `stepper` is; yields a row of history after each epoch.

    Beside it the loss of each validation row. `names` name the epochs; `after_step` is called after
    each step but an epoch's last, after which the row comes first.
    """
    learner, steps = stepper.learner, data.steps
    schedule = schedules.multipliers(cycles, steps).reshape(len(names), steps)
    done, skip = divmod(stepper.smoothed.count, steps)
    epochs = zip(data.epochs(names[done:], skip), names[done:], schedule[done:], strict=True)
    for (train, valid), name, multipliers in epochs:
        if not skip:
            learner.seeded(name)
        learner.module.train()
        batches = bar.over(zip(train, multipliers[skip:], strict=True), skip)
        for step, (batch, multiplier) in enumerate(batches, start=skip + 1):
            stepper.step(batch, multiplier)
            if step < steps:
                after_step()
        skip = 0
        with stepper.judged():
            scores, losses = evaluate(learner, bar.over(valid))
        highest = float(stepper.rates[-1] * multipliers.max())
        yield {"lr": highest, "train_loss": stepper.smoothed.value, **scores}, losses
    stepper.finish()


def evaluate(learner: Learner, batches: Iterator[Batch]) -> tuple[Row, torch.Tensor]:
    """Loss and metric over the whole validation set (fastai until April 2018: mean of batches).

    And the loss of each row, (N,). None for both when there are no validation rows.
    """
    outputs, targets = predict(learner.module, batches, learner.device)
    task = learner.task
    if not len(targets):
        return {"valid_loss": None, task.metric: None}, torch.empty(0)
    scores = {
        "valid_loss": float(task.loss(outputs, targets)),
        task.metric: task.score(outputs, targets),
    }
    return scores, task.row_losses(outputs, targets)


@torch.inference_mode()
def predict(
    module: nn.Module, batches: Iterator[Batch], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw outputs (N, C) without dropout and targets (N, ...) of all batches, on the CPU."""
    module.eval()
    pairs = [(module(moved(x, device)), y) for x, y in batches]
    if not pairs:
        return torch.empty(0, 0), torch.empty(0)
    return torch.cat([o for o, _ in pairs]).cpu(), torch.cat([y for _, y in pairs])
