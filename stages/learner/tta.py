"""Test-time augmentation: predictions of a plain view and of augmented ones, averaged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from stages.images.loading import ManyViews
from stages.learner.prediction import of_views
from stages.model.network import Network
from stages.model.tasks import Task


def names(augmented: int) -> list[str]:
    """The views of one image: the plain one, then `augmented` draws."""
    return ["", *(f"tta/{i}" for i in range(augmented))]


def predict(
    network: Network, task: Task, views: ManyViews, batch_size: int, workers: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Predictions (B, V, C) of every view of the items, batch by batch, from item `start` on."""
    network.eval()

    def compute(pixels: torch.Tensor) -> torch.Tensor:
        return task.activation(network(pixels).float())

    device = network.precision.device
    for batch in of_views(compute, views, batch_size, workers, device, start, name="tta"):
        yield batch.numpy()


def average(stack: np.ndarray, plain_weight: float) -> np.ndarray:
    """Average predictions (V, N, C), plain view first, into (N, C).

    fastai's TTA() gave such a stack. Probabilities are averaged, the augmented views sharing
    1 - plain_weight: with four of them and 0.2 it is fastai's plain mean of five. (Before November
    2017 fastai averaged logarithms, and rows did not sum to 1.)
    """
    augmented = len(stack) - 1
    if not augmented:
        return stack[0].astype(np.float64)
    weights = np.array([plain_weight, *[(1 - plain_weight) / augmented] * augmented])
    return sum(weight * view for weight, view in zip(weights, stack, strict=True))  # in float64
