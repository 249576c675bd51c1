"""What a task trains with: its loss, what its outputs mean, and how an epoch is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

from stages.model.hardware import moved

TAGGED = 0.2  # the threshold under which a tag is not given, while training: Planet's best
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Score = Callable[[torch.Tensor, torch.Tensor], float]


@dataclass(frozen=True)
class Task:
    """A loss and an activation on raw outputs (N, C), and the metric of the lesson's table."""

    loss: Loss
    row_losses: Loss  # (N,), of each row: their mean is `loss`
    activation: Callable[[torch.Tensor], torch.Tensor]
    metric: str
    score: Score


def of(task: str, centre: Sequence[float] = (), spread: Sequence[float] = ()) -> Task:
    """The task of that name.

    A regression is trained towards (number - centre) / spread, so that its loss and its rates do
    not depend on the unit: a loss of 1 is that of always predicting the centre. Its predictions
    are in the competition's own unit.
    """
    return regression(centre, spread) if task == "regression" else TASKS[task]


def accuracy(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Share of rows whose highest output is the true class."""
    return float((outputs.argmax(1) == targets).double().mean())


def f2(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Mean over rows of F-beta, beta 2, of the tags above TAGGED (fastai's Planet metric)."""
    said = outputs.sigmoid() > TAGGED
    both = (said & (targets > 0)).sum(dim=1)
    either = said.sum(dim=1) + 4 * targets.sum(dim=1)
    return float((5 * both / either.clamp(min=1)).double().mean())


def regression(centre: Sequence[float], spread: Sequence[float]) -> Task:
    """Mean squared error of numbers brought to a common scale; judged by RMSE in their unit."""
    middle, scale = torch.tensor(centre), torch.tensor(spread)

    def numbers(outputs: torch.Tensor) -> torch.Tensor:
        return outputs * moved(scale, outputs.device) + moved(middle, outputs.device)

    def near(targets: torch.Tensor) -> torch.Tensor:
        return (targets - moved(middle, targets.device)) / moved(scale, targets.device)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, near(targets))

    def row_losses(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, near(targets), reduction="none").mean(dim=1)

    def rmse(outputs: torch.Tensor, targets: torch.Tensor) -> float:
        squares = (numbers(outputs).double() - targets.double()) ** 2
        return float(squares.mean(dim=0).sqrt().mean())

    return Task(loss, row_losses, numbers, "rmse", rmse)


def of_tags(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each row, the mean over its tags: (N,)."""
    return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=1)


softmax = partial(torch.softmax, dim=1)
TASKS = {
    "multiclass": Task(
        F.cross_entropy, partial(F.cross_entropy, reduction="none"), softmax, "accuracy", accuracy
    ),
    "multilabel": Task(F.binary_cross_entropy_with_logits, of_tags, torch.sigmoid, "f2", f2),
}
