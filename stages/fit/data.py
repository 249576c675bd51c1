"""Training data: activations in memory for the head, views of images for the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np
import torch

from stages.fit.sampling import Sampler
from stages.fit.stepper import Batch
from stages.images.loading import CPU, Key, Views, chunks, load
from stages.images.views import generator


class Data(Protocol):
    """Training and validation batches, epoch by epoch."""

    images: int
    """Images that an epoch trains on, copies counted."""
    validated: int
    """Images that validate."""
    batch_size: int
    """Images of a batch; the last one has fewer, or one more."""
    steps: int
    """Training batches an epoch."""
    labels: torch.Tensor
    """The targets of the rows that are trained on."""

    def epochs(
        self, names: Sequence[str], skip: int = 0
    ) -> Iterator[tuple[Iterator[Batch], Iterator[Batch]]]:
        """For each named epoch its training batches, then its validation batches.

        The name and the seed decide order and augmentation; both iterators are to be used up. The
        first `skip` training batches of the first epoch are left out.
        """
        ...

    def plain(self) -> Iterator[Batch]:
        """As many rows that are trained on as validate, in their plain view."""
        ...


class ActivationData:
    """Batches of activations in memory, for training the head; see Data.

    `train` holds (N, V, F), V views an image, of which every epoch takes one by chance; `valid`
    holds (N, F).
    """

    def __init__(
        self, train: Batch, valid: Batch, batch_size: int, seed: int, oversample: float = 0.0
    ) -> None:
        self.train, self.valid = train, valid
        self.batch_size, self.seed = batch_size, seed
        self.sampler = Sampler(train[1].numpy(), oversample, seed)
        self.images, self.validated = self.sampler.length, len(valid[1])
        self.steps = len(chunks(range(self.images), batch_size))

    @property
    def labels(self) -> torch.Tensor:
        """The targets of the rows that are trained on."""
        return self.train[1]

    def epochs(
        self, names: Sequence[str], skip: int = 0
    ) -> Iterator[tuple[Iterator[Batch], Iterator[Batch]]]:
        """Training batches in the order and with the views of (seed, name), then validation's."""
        for name in names:
            yield self._training(name, skip), self._validation()
            skip = 0

    def plain(self) -> Iterator[Batch]:
        """As many rows that are trained on as validate, in their plain view, the first."""
        views, targets = self.train
        seen = torch.from_numpy(self.sampler.some(len(self.valid[1])))
        for rows in chunks(seen, self.batch_size):
            yield views[rows, 0], targets[rows]

    def _training(self, name: str, skip: int) -> Iterator[Batch]:
        views, targets = self.train
        order, copies = self.sampler.epoch(name)
        drawn = generator("views", self.seed, name).integers(views.shape[1], size=len(targets))
        which = (drawn[order] + copies) % views.shape[1]  # a copy is seen in the next view
        pairs = torch.from_numpy(np.stack([order, which], axis=1))
        for part in chunks(pairs, self.batch_size)[skip:]:
            rows, seen = part.unbind(dim=1)
            yield views[rows, seen], targets[rows]

    def _validation(self) -> Iterator[Batch]:
        plain, targets = self.valid
        for rows in chunks(torch.arange(len(targets)), self.batch_size):
            yield plain[rows], targets[rows]


@dataclass
class ImageData:
    """Batches of views, prepared by workers; see Data.

    All epochs of a fit are one stream, training and validation in turn, so that the workers
    prepare what comes next while the network trains on what is there.
    """

    views: Views
    targets: torch.Tensor
    """The target of every item of `views`."""
    train: np.ndarray
    valid: np.ndarray
    """Which items of `views` are trained on, and which validate."""
    batch_size: int
    workers: int
    oversample: float = 0.0
    device: torch.device = CPU
    """Where they are trained on."""

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.labels.numpy(), self.oversample, self.views.seed)
        self.images, self.validated = self.sampler.length, len(self.valid)
        self.steps = len(chunks(range(self.images), self.batch_size))

    @property
    def labels(self) -> torch.Tensor:
        """The targets of the rows that are trained on."""
        return self.targets[self.train]

    def at(self, size: int) -> ImageData:
        """The same data at another image size."""
        return replace(self, views=replace(self.views, size=size))

    def epochs(
        self, names: Sequence[str], skip: int = 0
    ) -> Iterator[tuple[Iterator[Batch], Iterator[Batch]]]:
        """Training batches in the order and with the views of (seed, name), then validation's."""
        plain = self._plain(self.valid)
        batches = self._load(self._stream(names, plain, skip))
        for _ in names:
            yield islice(batches, self.steps - skip), islice(batches, len(plain))
            skip = 0

    def plain(self) -> Iterator[Batch]:
        """As many rows that are trained on as validate, in their plain view."""
        return self._load(self._plain(self.train[self.sampler.some(len(self.valid))]))

    def _load(self, batches: Iterable[list[Key]]) -> Iterator[Batch]:
        for pixels, keys in load(self.views, batches, self.workers, self.device):
            yield pixels, self.targets[[i for i, _ in keys]]

    def _stream(
        self, names: Sequence[str], plain: list[list[Key]], skip: int
    ) -> Iterator[list[Key]]:
        for name in names:
            rows, copies = self.sampler.epoch(name)
            views = [f"{name}+{copy}" if copy else name for copy in copies]  # a copy has its own
            keys = list(zip(self.train[rows].tolist(), views, strict=True))
            yield from chunks(keys, self.batch_size)[skip:]
            yield from plain
            skip = 0

    def _plain(self, items: np.ndarray) -> list[list[Key]]:
        return chunks([(int(i), "") for i in items], self.batch_size)
