"""Mixup and CutMix: images that are two at once, trained towards both labels.

Both follow torchvision's transforms of these names, on the batches that the network takes and with
any loss. Which images meet is chance enough by the batch's order. What is drawn comes from torch's
global random state, which is seeded each epoch and kept with each step: a run that was killed goes
on to the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Mixing:
    """Mixes each image of a batch with the one before it; both on: either, by an even chance."""

    mixup: float
    cutmix: float

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Mixed pixels, uint8 (B, 3, H, W) as given, and the share of each image's own label."""
        alone = not (self.mixup and self.cutmix)
        if self.mixup and (alone or torch.rand(()) < 0.5):
            return mixup(pixels, drawn_share(self.mixup))
        return cutmix(pixels, drawn_share(self.cutmix))


def of(mixup: float, cutmix: float) -> Mixing | None:
    """None if both are off."""
    return Mixing(mixup, cutmix) if mixup or cutmix else None


def partners(batch: torch.Tensor) -> torch.Tensor:
    """What each item of a batch, pixels or targets, is mixed with: the item before it."""
    return batch.roll(1, 0)


def drawn_share(alpha: float) -> float:
    """The share of the own image, from Beta(alpha, alpha)."""
    return float(torch.distributions.Beta(alpha, alpha).sample())


def mixup(pixels: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
    """`share` of each image and the rest of its partner (Zhang et al. 2018), in whole numbers."""
    mixed = pixels.float().lerp(partners(pixels).float(), 1 - share)
    return mixed.round().to(pixels.dtype), share


def cutmix(pixels: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
    """A box of the partner, of 1 - `share` of the area, in each image (Yun et al. 2019).

    Its centre is anywhere in the image; the share returned is of what is left of the image once
    the box is cut off at the edges.
    """
    height, width = pixels.shape[2:]
    top, bottom = _side(height, share)
    left, right = _side(width, share)
    mixed = pixels.clone()
    mixed[..., top:bottom, left:right] = partners(pixels)[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _side(length: int, share: float) -> tuple[int, int]:
    """Where a side of the box begins and ends."""
    centre, half = int(torch.randint(length, ())), int(length * math.sqrt(1 - share) / 2)
    return max(centre - half, 0), min(centre + half, length)
