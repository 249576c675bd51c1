"""Fitting: fastai's `learn.fit(lr, cycles, cycle_len, cycle_mult)` on any module and any data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from stages.errors import UserError
from stages.images.views import generator
from stages.learner import schedules
from stages.learner.tasks import Task

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (B, ...), targets (B,) or (B, C)
Row = dict[str, float | int | str | None]
SMOOTHING = 0.98
COLUMNS = ["stage", "epoch", "size", "layers", "lr", "train_loss", "valid_loss"]  # and the metric


class Data(Protocol):
    """Training and validation batches, epoch by epoch."""

    steps: int
    """Training batches an epoch."""

    def epochs(self, names: Sequence[str]) -> Iterator[tuple[Iterator[Batch], Iterator[Batch]]]:
        """For each named epoch its training batches, then its validation batches.

        The name and the seed decide order and augmentation; both iterators are to be used up.
        """
        ...


class Fit(schedules.Cycles, Protocol):
    """One entry of `fits` in params.yaml."""

    lr: str | float | list[float]


class Optimizer(Protocol):
    """The `optimizer` group of params.yaml."""

    momentum: float
    weight_decay: float


@dataclass(frozen=True)
class Rates:
    """Resolves the rates that params.yaml names; `auto` takes what find_lr suggested."""

    suggestion: float | None
    ratio: float
    """Each earlier layer group's rate is this many times lower under `auto`."""

    def of(self, fit: Fit, groups: int) -> list[float]:
        """The highest rates of a fit, one a layer group, earliest first.

        Raises:
            UserError: auto, and find_lr saw no slope to choose from.

        """
        if fit.lr != "auto":
            return schedules.broadcast(fit.lr, groups)
        if self.suggestion is None:
            raise UserError(
                "lr: auto, but find_lr saw no clear slope (look at its picture in reports/); "
                "give the rate as a number."
            )
        return schedules.differential(self.suggestion, self.ratio, groups)


@dataclass
class Learner:
    """What is trained, and how: a module, its layer groups, a task and an optimizer."""

    module: nn.Module
    groups: list[list[nn.Parameter]]
    task: Task
    optimizer: Optimizer
    seed: int
    device: torch.device
    scale_gradients: bool = False  # fp16 alone needs it

    def sgd(self, rates: Sequence[float]) -> torch.optim.SGD:
        """A fresh SGD with a rate a layer group; fastai too made a new one for each fit."""
        groups = [{"params": g, "lr": r} for g, r in zip(self.groups, rates, strict=True)]
        return torch.optim.SGD(
            groups, momentum=self.optimizer.momentum, weight_decay=self.optimizer.weight_decay
        )

    def seeded(self, name: str) -> None:
        """Make dropout depend on (seed, name) alone, so that an epoch can be repeated by itself."""
        torch.manual_seed(int(generator(self.seed, "torch", name).integers(2**63)))


class Smoothed:
    """The training loss as fastai prints it: an average that forgets by 0.98, without bias.

    Kept on the device, so that no step waits for it.
    """

    def __init__(self) -> None:
        self._sum: torch.Tensor | float = 0.0
        self._count = 0

    def add(self, loss: torch.Tensor) -> None:
        """Take in the loss of a batch."""
        self._sum = self._sum * SMOOTHING + loss.detach() * (1 - SMOOTHING)
        self._count += 1

    @property
    def value(self) -> float:
        """The average so far."""
        return float(self._sum) / (1 - SMOOTHING**self._count)


class Stepper:
    """One optimizer step a batch."""

    def __init__(self, learner: Learner, rates: Sequence[float]) -> None:
        self.learner, self.rates = learner, rates
        self.sgd = learner.sgd(rates)
        self.scaler = torch.amp.GradScaler(learner.device.type, enabled=learner.scale_gradients)

    def step(self, batch: Batch, multiplier: float) -> torch.Tensor:
        """Train on a batch at `multiplier` times the highest rates; returns its loss."""
        for group, rate in zip(self.sgd.param_groups, self.rates, strict=True):
            group["lr"] = rate * multiplier
        inputs, targets = (t.to(self.learner.device, non_blocking=True) for t in batch)
        loss = self.learner.task.loss(self.learner.module(inputs), targets)
        self.sgd.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.sgd)
        self.scaler.update()
        return loss


def fit_all(
    learner: Learner,
    data: Data,
    fits: Sequence[Fit],
    rates: Rates,
    rows: list[Row],
    **about: object,
) -> None:
    """Carry out the fits in order, adding a row of history an epoch to `rows` and printing it.

    Epochs are named by `about["stage"]` and their number, counted on from the rows there are.
    """
    for cycles in fits:
        first, count = len(rows), schedules.epochs(cycles)
        names = [f"{about['stage']}/{i}" for i in range(first, first + count)]
        highest = rates.of(cycles, len(learner.groups))
        for i, row in enumerate(fit(learner, data, cycles, highest, names), first):
            rows.append({"epoch": i, **about, **row})
            show(rows)


def fit(
    learner: Learner, data: Data, cycles: schedules.Cycles, rates: Sequence[float], names: list[str]
) -> Iterator[Row]:
    """Carry out one fit; yields a row of history after each epoch.

    `rates` are the highest, one a layer group; `names` name the epochs.
    """
    schedule = schedules.multipliers(cycles, data.steps).reshape(len(names), data.steps)
    stepper, smoothed = Stepper(learner, rates), Smoothed()
    with tqdm(total=schedule.size, unit="batch", leave=False, disable=None) as bar:
        for (train, valid), name, part in zip(data.epochs(names), names, schedule, strict=True):
            learner.seeded(name)
            learner.module.train()
            for batch, multiplier in zip(train, part, strict=True):
                smoothed.add(stepper.step(batch, multiplier))
                bar.update()
            scores = evaluate(learner, valid)
            bar.set_postfix(epoch=name, train_loss=f"{smoothed.value:.4f}")
            yield {"lr": rates[-1] * part.max(), "train_loss": smoothed.value, **scores}


@torch.inference_mode()
def evaluate(learner: Learner, batches: Iterator[Batch]) -> Row:
    """Loss and metric over the whole validation set (fastai until April 2018: mean of batches).

    None for both when there are no validation rows.
    """
    learner.module.eval()
    outputs, targets = predict(learner.module, batches, learner.device)
    task = learner.task
    if not len(targets):
        return {"valid_loss": None, task.metric: None}
    return {
        "valid_loss": float(task.loss(outputs, targets)),
        task.metric: task.score(outputs, targets),
    }


def predict(
    module: Callable[[torch.Tensor], torch.Tensor], batches: Iterator[Batch], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw outputs (N, C) and targets (N, ...) of all batches, on the CPU."""
    pairs = [(module(x.to(device, non_blocking=True)).cpu(), y) for x, y in batches]
    if not pairs:
        return torch.empty(0, 0), torch.empty(0)
    return torch.cat([o for o, _ in pairs]), torch.cat([y for _, y in pairs])


def show(rows: Sequence[Row]) -> None:
    """Print the lesson's table: the last of `rows`, and before the first one the heading."""
    columns = [c for c in rows[0] if c != "stage"]
    if len(rows) == 1:
        tqdm.write("".join(f"{c:>12}" for c in columns))
    tqdm.write("".join(f"{_cell(rows[-1].get(c)):>12}" for c in columns))


def _cell(value: float | int | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
