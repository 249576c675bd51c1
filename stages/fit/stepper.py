"""One optimizer step a batch, and everything that decides the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from stages.base.settings import Optimizer
from stages.fit.average import Average
from stages.fit.losses import Loss
from stages.fit.mixing import Mixing, partners
from stages.images.views import generator
from stages.model.hardware import moved
from stages.model.tasks import Task

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (B, ...), targets (B,) or (B, C)
SMOOTHING = 0.98
ADAM_EPS = 1e-5  # as fastai's Adam since its second version ...
BETA2 = 0.99  # ... whose first beta is the momentum


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
    loss: Loss | None = None
    """What is trained on, if it is not the task's own loss."""
    mixing: Mixing | None = None
    """Mixes the images of a batch, if they are to be mixed."""

    def new_optimizer(
        self, rates: Sequence[float], weight_decay: float | None = None
    ) -> torch.optim.Optimizer:
        """A fresh optimizer with a rate a layer group; fastai too made a new one for each fit.

        `weight_decay` takes the place of the optimizer's.
        """
        o = self.optimizer
        groups = [{"params": g, "lr": r} for g, r in zip(self.groups, rates, strict=True)]
        decay = o.weight_decay if weight_decay is None else weight_decay
        if o.name == "adamw":
            betas = o.momentum, BETA2
            return torch.optim.AdamW(groups, betas=betas, eps=ADAM_EPS, weight_decay=decay)
        return torch.optim.SGD(groups, momentum=o.momentum, weight_decay=decay)

    def seeded(self, name: str) -> None:
        """Make dropout depend on (seed, name) alone, so that an epoch can be repeated by itself."""
        torch.manual_seed(int(generator(self.seed, "torch", name).integers(2**63)))

    def training_loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch on the device; of mixed images, that of both labels by their shares.

        For cross-entropy and squares that has the gradient of mixed labels, whatever the task.
        """
        loss = self.loss or self.task.loss
        if self.mixing is None:
            return loss(self.module(inputs), targets)
        mixed, share = self.mixing(inputs)
        outputs = self.module(mixed)
        return share * loss(outputs, targets) + (1 - share) * loss(outputs, partners(targets))


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
        self.optimizer = learner.new_optimizer(rates, weight_decay)
        self.scaler = torch.amp.GradScaler(learner.device.type, enabled=learner.scale_gradients)
        self.smoothed = Smoothed(learner.device)
        decay = learner.optimizer.ema
        self.average = Average(self._parameters(), decay) if decay else None

    def step(self, batch: Batch, multiplier: float) -> torch.Tensor:
        """Train on a batch at `multiplier` times the highest rates; returns its loss."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * multiplier
        inputs, targets = (moved(t, self.learner.device) for t in batch)
        loss = self.learner.training_loss(inputs, targets)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.smoothed.add(loss)
        if self.average:
            self.average.update(self.smoothed.count)
        return loss

    def judged(self) -> AbstractContextManager[None]:
        """While this lasts the weights are those to be judged: the averaged ones, if there are."""
        return self.average.in_place() if self.average else nullcontext()

    def finish(self) -> None:
        """End the fit: what was averaged is what goes on."""
        if self.average:
            self.average.put(self.average.values)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the next step beside the weights: momentum, random state, loss."""
        found = {"smoothed": self.smoothed.sum, **random_state(self.learner.device)}
        for i, parameter in enumerate(self._parameters()):
            for name, value in self.optimizer.state[parameter].items():
                if value is not None:
                    found[f"optimizer.{i}.{name}"] = value
        values = self.average.values if self.average else ()
        return found | {f"average.{i}": value for i, value in enumerate(values)}

    def restore(
        self, tensors: Mapping[str, torch.Tensor], step: int, scaler: dict[str, Any]
    ) -> None:
        """Go on after `step` steps with the `tensors` of then."""
        self.smoothed.sum, self.smoothed.count = tensors["smoothed"].to(self.learner.device), step
        for i, parameter in enumerate(self._parameters()):
            for name, value in _under(f"optimizer.{i}.", tensors):
                # but for a count: of the parameter's own layout, another rounds in another order
                self.optimizer.state[parameter][name] = (
                    value.clone() if name == "step" else _like(parameter, value)
                )
        for i, value in enumerate(self.average.values if self.average else ()):
            value.copy_(tensors[f"average.{i}"])
        if scaler:  # the run may have begun where gradients are not scaled, and have none
            self.scaler.load_state_dict(scaler)
        restore_random_state(self.learner.device, tensors)

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def _like(parameter: nn.Parameter, value: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """torch's random state on the CPU and on the device."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[f"random.{device.type}"] = torch.get_device_module(device).get_rng_state()
    return states


def restore_random_state(device: torch.device, states: Mapping[str, torch.Tensor]) -> None:
    """Put it back; on another device than it was taken from, the device's own is left alone."""
    torch.set_rng_state(states["random.cpu"])
    if device.type != "cpu" and f"random.{device.type}" in states:
        torch.get_device_module(device).set_rng_state(states[f"random.{device.type}"])
