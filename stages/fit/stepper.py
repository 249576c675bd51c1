"""One optimizer step a batch, and everything that decides the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from stages.images.views import generator
from stages.model.tasks import Task

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (B, ...), targets (B,) or (B, C)
SMOOTHING = 0.98


class Optimizer(Protocol):
    """The `optimizer` group of params.yaml."""

    momentum: float
    weight_decay: float


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

    def sgd(self, rates: Sequence[float], weight_decay: float | None = None) -> torch.optim.SGD:
        """A fresh SGD with a rate a layer group; fastai too made a new one for each fit.

        `weight_decay` takes the place of the optimizer's.
        """
        groups = [{"params": g, "lr": r} for g, r in zip(self.groups, rates, strict=True)]
        decay = self.optimizer.weight_decay if weight_decay is None else weight_decay
        return torch.optim.SGD(groups, momentum=self.optimizer.momentum, weight_decay=decay)

    def seeded(self, name: str) -> None:
        """Make dropout depend on (seed, name) alone, so that an epoch can be repeated by itself."""
        torch.manual_seed(int(generator(self.seed, "torch", name).integers(2**63)))


class Smoothed:
    """The training loss as fastai prints it: an average that forgets by 0.98, without bias.

    Kept on the device, so that no step waits for it.
    """

    def __init__(self, device: torch.device) -> None:
        self.sum = torch.zeros((), device=device)
        self.count = 0

    def add(self, loss: torch.Tensor) -> None:
        """Take in the loss of a batch."""
        self.sum = self.sum * SMOOTHING + loss.detach() * (1 - SMOOTHING)
        self.count += 1

    @property
    def value(self) -> float:
        """The average so far."""
        return float(self.sum) / (1 - SMOOTHING**self.count)


class Stepper:
    """One optimizer step a batch; `rates` are the highest, one a layer group.

    `weight_decay` is a fit's own, if it has one.
    """

    def __init__(
        self, learner: Learner, rates: Sequence[float], weight_decay: float | None = None
    ) -> None:
        self.learner, self.rates = learner, rates
        self.sgd = learner.sgd(rates, weight_decay)
        self.scaler = torch.amp.GradScaler(learner.device.type, enabled=learner.scale_gradients)
        self.smoothed = Smoothed(learner.device)

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
        self.smoothed.add(loss)
        return loss

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the next step beside the weights: momentum, random state, loss."""
        found = {"smoothed": self.smoothed.sum, **random_state(self.learner.device)}
        for i, parameter in enumerate(self._parameters()):
            if (momentum := self.sgd.state[parameter].get("momentum_buffer")) is not None:
                found[f"momentum.{i}"] = momentum
        return found

    def restore(
        self, tensors: Mapping[str, torch.Tensor], step: int, scaler: dict[str, Any]
    ) -> None:
        """Go on after `step` steps with the `tensors` of then."""
        self.smoothed.sum, self.smoothed.count = tensors["smoothed"].to(self.learner.device), step
        for i, parameter in enumerate(self._parameters()):
            if (momentum := tensors.get(f"momentum.{i}")) is not None:
                # of the parameter's own layout: another would round in another order
                self.sgd.state[parameter]["momentum_buffer"] = torch.empty_like(
                    parameter, requires_grad=False
                ).copy_(momentum)
        self.scaler.load_state_dict(scaler)
        restore_random_state(self.learner.device, tensors)

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.sgd.param_groups for p in group["params"]]


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """torch's random state on the CPU and on the device."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states["random.device"] = torch.get_device_module(device).get_rng_state()
    return states


def restore_random_state(device: torch.device, states: Mapping[str, torch.Tensor]) -> None:
    """Put it back; on another device than it was taken from, the device's own is left alone."""
    torch.set_rng_state(states["random.cpu"])
    if device.type != "cpu" and "random.device" in states:
        torch.get_device_module(device).set_rng_state(states["random.device"])
