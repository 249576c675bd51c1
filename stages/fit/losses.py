"""The loss that is trained on: the task's own, or with weights, focus or smoothing.

Validation is always by the task's own loss, so that figures stay comparable.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from stages.base import settings
from stages.model.hardware import moved

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # outputs (B, C), targets: a mean
SURE = 1e-6  # 1 - p below this counts as this: the slope of a root at 0 is infinite


def of(own: Loss, options: settings.Loss, targets: torch.Tensor, outputs: int) -> Loss:
    """The training loss for `targets`, all that are trained on: (N,) classes or (N, C) tags.

    `own`, the task's, as long as every option is off. There are `outputs` classes.
    """
    balanced = options.class_weights == "balanced"
    if not (balanced or options.focal_gamma or options.label_smoothing):
        return own
    if targets.dim() == 1:
        weights = class_weights(targets, outputs) if balanced else None
        return multiclass(weights, options.focal_gamma, options.label_smoothing)
    weights = tag_weights(targets) if balanced else None
    return multilabel(weights, options.focal_gamma, options.label_smoothing)


def class_weights(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """scikit-learn's balanced weights (C,): n / (C * count), of the classes that there are.

    1 for a class without a row. The mean over the rows is 1.
    """
    counts = torch.bincount(targets, minlength=classes)
    weights = len(targets) / ((counts > 0).sum() * counts)
    return torch.where(counts > 0, weights, 1.0)


def tag_weights(targets: torch.Tensor) -> torch.Tensor:
    """The same for each tag by itself, a question of two classes: (2, C), absent and present."""
    pairs = [class_weights(tag, 2) for tag in (targets > 0).long().unbind(dim=1)]
    return torch.stack(pairs, dim=1)


def multiclass(weights: torch.Tensor | None, gamma: float, smoothing: float) -> Loss:
    """Cross-entropy, weighted by the true class and smoothed as torch does it.

    Focal loss (Lin et al. 2017): each row's is multiplied by (1 - p) ** gamma, p the probability
    of the true class.
    """

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        by_class = None if weights is None else moved(weights, outputs.device)
        settings = {"weight": by_class, "label_smoothing": smoothing}
        if not gamma:
            return F.cross_entropy(outputs, targets, **settings)
        rows = F.cross_entropy(outputs, targets, **settings, reduction="none")
        right = outputs.softmax(dim=1).gather(1, targets[:, None]).squeeze(1)
        total = len(rows) if by_class is None else by_class[targets].sum()
        return (_focus(right, gamma) * rows).sum() / total

    return loss


def multilabel(weights: torch.Tensor | None, gamma: float, smoothing: float) -> Loss:
    """Binary cross-entropy of every tag, their mean; targets smoothed towards 0.5.

    Smoothed as torch smooths two classes: 1 becomes 1 - smoothing / 2. Focal loss is that of Lin
    et al. 2017, p the probability of what is true, be it present or absent.
    """

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        aims = targets * (1 - smoothing) + smoothing / 2
        cells = F.binary_cross_entropy_with_logits(outputs, aims, reduction="none")
        if weights is not None:
            absent, present = moved(weights, outputs.device)
            cells = torch.where(targets > 0, present, absent) * cells
        if gamma:
            right = torch.where(targets > 0, outputs, -outputs).sigmoid()
            cells = _focus(right, gamma) * cells
        return cells.mean()

    return loss


def _focus(right: torch.Tensor, gamma: float) -> torch.Tensor:
    return (1 - right).clamp(min=SURE) ** gamma
