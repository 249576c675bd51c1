"""Batches of views, prepared by worker processes while the network works.

What a batch holds depends on its keys alone: workers, load and order of arrival change nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from stages.images import views
from stages.images.pack import Pack

MOST_WORKERS = 8
Key = tuple[int, str]  # the number of an item, and which draw of it ("" is the plain view)
Batch = tuple[torch.Tensor, torch.Tensor]  # uint8 (B, 3, size, size), numbers of the items (B,)


@dataclass
class Views(Dataset):
    """Views of images at one size; the item of a key (number, which) is (view, number)."""

    pack: Pack
    rows: np.ndarray
    """The row of the pack that each item is."""
    size: int
    transforms: views.Transforms
    seed: int

    def __getitem__(self, key: Key) -> tuple[torch.Tensor, int]:
        number, which = key
        return self.view(self.image(number), number, which), number

    def image(self, number: int) -> torch.Tensor:
        """One whole image, uint8 (3, H, W)."""
        return self.pack.image(self.rows[number])

    def view(self, image: torch.Tensor, number: int, which: str) -> torch.Tensor:
        """The view `which` of an image; its randomness depends on seed, `which` and name alone."""
        if not which:
            return views.view(image, self.size)
        rng = views.generator(self.seed, which, self.pack.names[self.rows[number]])
        return views.view(image, self.size, views.draw(rng, self.transforms))


@dataclass
class ManyViews(Views):
    """Several views from one decoding: the item of a number is ((V, 3, size, size), number)."""

    which: Sequence[str] = ("",)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        image = self.image(number)
        return torch.stack([self.view(image, number, w) for w in self.which]), number


def load(dataset: Dataset, batches: Iterable[Sequence], workers: int) -> Iterator[Batch]:
    """Yield the batches, each a sequence of the dataset's keys, in order."""
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # its own: else it draws from the random state of training
        multiprocessing_context=_context() if workers else None,
    )
    return iter(loader)


def collate(items: Sequence[tuple[torch.Tensor, int]]) -> Batch:
    """Stack items into a batch."""
    pictures, numbers = zip(*items, strict=True)
    return torch.stack(pictures), torch.tensor(numbers)


def chunks(keys: Sequence, size: int) -> list[Sequence]:
    """Cut keys into batches of `size`; a last one of a single image joins the one before.

    BatchNorm has no variance of one image (fastai issue 1352).
    """
    cuts = [keys[i : i + size] for i in range(0, len(keys), size)]
    if len(cuts) > 1 and len(cuts[-1]) == 1:
        cuts[-2:] = [keys[-size - 1 :]]
    return cuts


def shuffled(n: int, *key: object) -> np.ndarray:
    """A permutation of n that depends on `key` alone."""
    return views.generator("order", *key).permutation(n)


def take(batches: Iterator[Batch], n: int) -> Iterator[Batch]:
    """The next n batches."""
    return islice(batches, n)


def resolve_workers(workers: int | str) -> int:
    """`auto`: half the cores beside a CPU model, more beside a GPU."""
    if workers != "auto":
        return int(workers)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_WORKERS, cores or 1) if torch.cuda.is_available() else max(1, (cores or 1) // 2)


def _context() -> str:
    """Fork on Linux: a worker then starts in milliseconds, not in an import."""
    return "fork" if sys.platform == "linux" else "spawn"
