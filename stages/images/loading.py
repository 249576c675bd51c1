"""Batches of views, prepared by threads.

What a batch holds depends on its keys alone: workers, load and order of arrival change nothing.

OpenCV decodes and warps outside Python's lock, and a view is written straight into its place in
the batch. Beside an accelerator the next batches are prepared while it works. On a CPU the network
itself takes every core, and whatever runs beside it makes its threads wait for each other: there a
batch is prepared between two steps, on every core (benchmarks/README.md has the figures).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from stages.base.settings import Transforms
from stages.images import views
from stages.images.pack import Pack

AHEAD = 2  # batches that are prepared while an accelerator works on one
CPU = torch.device("cpu")
Key = tuple[int, str]  # the number of an item, and which draw of it ("" is the plain view)
Batch = tuple[torch.Tensor, Sequence]  # uint8 (B, 3, size, size), and the keys


@dataclass
class Views:
    """Views of images at one size, by key."""

    pack: Pack
    rows: np.ndarray
    """The row of the pack that each item is."""
    size: int
    transforms: Transforms
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what a key stands for."""
        return self.size, self.size, 3

    def write(self, key: Key, out: np.ndarray) -> None:
        """Write the view of a key into `out`, uint8 of `shape`."""
        number, which = key
        self.view(self.image(number), number, which, out)

    def image(self, number: int) -> np.ndarray:
        """One whole image, uint8 (H, W, 3)."""
        return self.pack.image(self.rows[number])

    def view(self, image: np.ndarray, number: int, which: str, out: np.ndarray) -> None:
        """Write the view `which`; its randomness depends on seed, `which` and name alone."""
        drawn = views.PLAIN
        if which:
            rng = views.generator(self.seed, which, self.pack.names[self.rows[number]])
            drawn = views.draw(rng, self.transforms)
        views.view(image, self.size, drawn, out)


@dataclass
class ManyViews(Views):
    """Several views from one decoding; the key is an item's number."""

    which: Sequence[str] = ("",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what a key stands for."""
        return len(self.which), *super().shape

    def write(self, number: int, out: np.ndarray) -> None:
        """Write the views of an item into `out`, uint8 of `shape`."""
        image = self.image(number)
        for which, place in zip(self.which, out, strict=True):
            self.view(image, number, which, place)


def load(
    dataset: Views, batches: Iterable[Sequence], workers: int, device: torch.device = CPU
) -> Iterator[Batch]:
    """Yield the batches, each a sequence of the dataset's keys, in order, for use on a device."""
    cv2.setNumThreads(1)  # ours work side by side
    ahead = 0 if device.type == "cpu" else AHEAD
    pinned = device.type == "cuda"  # memory that CUDA copies from while it works
    pool = ThreadPoolExecutor(workers)
    begun: deque[_Begun] = deque()
    try:
        for keys in batches:
            begun.append(_Begun(dataset, keys, workers, pool, pinned))
            if len(begun) > ahead:
                yield begun.popleft().finished()
        while begun:
            yield begun.popleft().finished()
    finally:
        pool.shutdown(cancel_futures=True)


class _Begun:
    """A batch that threads are writing, each its share of the views."""

    def __init__(
        self, dataset: Views, keys: Sequence, workers: int, pool: ThreadPoolExecutor, pinned: bool
    ) -> None:
        self.keys = keys
        self.pixels = torch.empty(len(keys), *dataset.shape, dtype=torch.uint8, pin_memory=pinned)
        views, places = dataset, self.pixels.numpy()

        def write(part: slice) -> None:
            for key, place in zip(keys[part], places[part], strict=True):
                views.write(key, place)

        parts = [slice(i, None, workers) for i in range(workers)]
        self.shares: list[Future] = [pool.submit(write, part) for part in parts]

    def finished(self) -> Batch:
        """Wait for it: uint8 (B, ..., 3, size, size), the colours next to each other in memory."""
        for share in self.shares:
            share.result()
        return self.pixels.movedim(-1, -3), self.keys


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
