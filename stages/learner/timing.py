"""How long training takes on this machine, by a few seconds of it.

Real steps, on the images themselves and through the code that trains: loading has its share, and a
batch too large for the memory is found before the first stage is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch

from stages.base import paths
from stages.base.bar import Bar
from stages.base.errors import UserError
from stages.base.settings import Settings
from stages.fit import fitting, training
from stages.fit.data import Data
from stages.fit.stepper import Batch, Learner, Stepper
from stages.learner.plan import Entry, Rows
from stages.model import checkpoint, hardware
from stages.model.checkpoint import Header
from stages.model.network import Network, build_backbone

NEEDED = (paths.FOLDS, paths.BACKBONE, paths.PACK, paths.ACTIVATIONS)
WARM = 2  # batches before the clock runs: the first ones set up as well
WHILE = 2.0  # seconds that are measured


def estimate(entries: Sequence[Entry], rows: Rows, s: Settings) -> list[float]:
    """Seconds of each fit: of the images that it trains on and validates, epoch by epoch.

    Raises:
        UserError: what is to be tried is not made yet, or the device has no memory for a batch.

    """
    if missing := [path for path in NEEDED if not path.exists()]:
        raise not_there(missing[0])
    if rows.path != paths.FOLDS:
        raise not_there(f"{paths.FOLDS} of these rows")
    training.of_fold(rows.fold)  # refuses fewer rows than can be trained on
    trial, found = Trial(rows.fold, s), []
    for entry in Bar("trying", entries, unit=" fits"):
        train, validate = trial.costs(entry)
        found.append(len(entry.numbers) * (rows.epoch * train + rows.valid * validate))
    return found


def not_there(what: object) -> UserError:
    """The sentence about what is not made yet, or was made for other params."""
    return UserError(
        f"real steps are tried, and {what} is not there; run `dvc repro duplicates` first."
    )


class Trial:
    """Tries what the stages do with the rows of a fold, each kind of work once."""

    def __init__(self, fold: str, s: Settings) -> None:
        self.fold, self.settings = fold, s
        self.header, self.network = untrained(fold, s)
        self._known: dict[tuple, tuple[float, float]] = {}

    def costs(self, entry: Entry) -> tuple[float, float]:
        """Seconds that an image takes in training, and in validation."""
        of = self._on_activations if entry.stage == "head" else self._on_images
        kind = of, entry.image_size, entry.layers, entry.batch_size
        if kind not in self._known:
            learner, data = of(entry)
            key = f"{entry.stage}.batch_size"
            with hardware.enough_memory(key, entry.batch_size, learner.device):
                self._known[kind] = costs(learner, data)
        return self._known[kind]

    def _on_activations(self, entry: Entry) -> tuple[Learner, Data]:  # noqa: ARG002
        """On plain views: however many there are, an epoch takes one an image."""
        s = self.settings
        plain = s.model_copy(update={"head": s.head.model_copy(update={"views": 1})})
        data = training.activation_data(self.fold, self.header, plain)
        if data.train[0].shape[-1] != self.network.width:
            raise not_there(f"{paths.ACTIVATIONS} of pool {s.model.pool}")
        return training.head_learner(self.header, self.network.head, data, s), data

    def _on_images(self, entry: Entry) -> tuple[Learner, Data]:
        s = self.settings
        data = training.image_data(self.fold, self.header, entry.batch_size, s)
        learner = training.network_learner(self.header, self.network, entry.layers, data, s)
        return learner, data.at(entry.image_size)


def untrained(fold: str, s: Settings) -> tuple[Header, Network]:
    """The pretrained backbone under a new head, where it will be trained.

    Raises:
        UserError: the backbone is of another architecture than params.yaml's.

    """
    header, head = training.new_head(fold, s)
    if header.architecture != s.model.architecture:
        raise not_there(f"the {s.model.architecture} backbone")
    backbone = build_backbone(header.architecture)
    backbone.load_state_dict(checkpoint.load_file(paths.BACKBONE))
    network = Network(backbone, head, header.pool, header.mean, header.std)
    network.freeze_batchnorm = s.model.freeze_batchnorm
    return header, network.place(hardware.resolve_device(s.runtime), s.model.precision)


def costs(learner: Learner, data: Data) -> tuple[float, float]:
    """Seconds that an image takes in training, and in validation.

    The steps are at rates of 0, which leave the weights as they are.
    """
    stepper, batches = Stepper(learner, [0.0] * len(learner.groups)), _endless(data)

    def train() -> int:
        batch = next(batches)
        stepper.step(batch, 1.0)
        return len(batch[1])

    def validate() -> int:
        batch = next(batches)
        fitting.evaluate(learner, iter([batch]))
        return len(batch[1])

    learner.module.train()
    return seconds(train, learner.device), seconds(validate, learner.device)


def seconds(work: Callable[[], int], device: torch.device) -> float:
    """Seconds an image, of work on a batch that says how many images it had."""
    wait = torch.get_device_module(device).synchronize
    for _ in range(WARM):
        work()
    wait()
    images, start = 0, time.perf_counter()
    while not images or time.perf_counter() - start < WHILE:
        images += work()
    wait()
    return (time.perf_counter() - start) / images


def _endless(data: Data) -> Iterator[Batch]:
    """The batches of one epoch after the other, but for those of one image (see chunks)."""
    while True:
        for train, valid in data.epochs(["plan"]):
            yield from (batch for batch in chain(train, valid) if len(batch[1]) > 1)
