"""The exponential moving average of weights (Polyak's averaging)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Averages of parameters, begun at what they are.

    BatchNorm statistics are not averaged: they are the network's own, as in torch's AveragedModel.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.values = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps, counted from 1.

        The decay is min(decay, (1 + step) / (10 + step)) (TensorFlow's ExponentialMovingAverage),
        so that a short fit forgets what it began with.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self.parameters, 1 - decay)  # few kernels, as swa_utils

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the averages be the weights while the block runs."""
        weights = [p.detach().clone() for p in self.parameters]
        self.put(self.values)
        try:
            yield
        finally:
            self.put(weights)

    @torch.no_grad()
    def put(self, values: Sequence[torch.Tensor]) -> None:
        """Give the parameters these values."""
        torch._foreach_copy_(self.parameters, values)
