"""What a task trains with: its loss, and what turns raw outputs into predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Task:
    """A loss and an activation, both on raw outputs (N, C)."""

    loss: Loss
    activation: Callable[[torch.Tensor], torch.Tensor]


def _softmax(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.softmax(dim=1)


TASKS = {"multiclass": Task(loss=F.cross_entropy, activation=_softmax)}
