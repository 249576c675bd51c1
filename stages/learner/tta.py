"""Test-time augmentation: predictions of a plain view and of augmented ones, averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tqdm import tqdm

from stages.images.loading import ManyViews, chunks, load
from stages.images.pack import Pack
from stages.images.views import Transforms
from stages.learner.network import Network
from stages.learner.tasks import Task


def names(augmented: int) -> list[str]:
    """The views of one image: the plain one, then `augmented` draws."""
    return ["", *(f"tta/{i}" for i in range(augmented))]


@torch.inference_mode()
def predict(
    network: Network, task: Task, views: ManyViews, batch_size: int, workers: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Predictions (B, V, C) of every view of the items, batch by batch, from item `start` on."""
    network.eval()
    images = max(1, batch_size // len(views.which))
    todo = [batch for batch in chunks(range(len(views.rows)), images) if batch[0] >= start]
    bar = {"total": len(views.rows), "initial": start, "unit": "image", "disable": None}
    with tqdm(None, "tta", **bar) as progress:
        for pixels, _ in load(views, todo, workers):
            flat = pixels.flatten(0, 1).to(network.precision.device)
            outputs = task.activation(network(flat).float())
            yield outputs.view(len(pixels), len(views.which), -1).cpu().numpy()
            progress.update(len(pixels))


def average(stack: np.ndarray, plain_weight: float) -> np.ndarray:
    """Average predictions (V, N, C), plain view first, into (N, C).

    fastai's TTA() gave such a stack. Probabilities are averaged, the augmented views sharing
    1 - plain_weight: with four of them and 0.2 it is fastai's plain mean of five. (Before November
    2017 fastai averaged logarithms, and rows did not sum to 1.)
    """
    augmented = len(stack) - 1
    if not augmented:
        return stack[0]
    weights = [plain_weight, *[(1 - plain_weight) / augmented] * augmented]
    return np.tensordot(weights, stack.astype(np.float64), axes=1)


def views_of(
    pack: Pack, images: Sequence[str], size: int, augmented: int, transforms: Transforms, seed: int
) -> ManyViews:
    """The views of the images named."""
    return ManyViews(pack, pack.rows(images), size, transforms, seed, names(augmented))
