"""What will be trained, before it is: every fit, in order, its epochs, steps and highest rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from torch import nn

from stages.base import paths, records
from stages.base.consistency import LAYER_GROUPS
from stages.base.errors import UserError
from stages.base.settings import Fit, Settings, Step, Training
from stages.fit import schedules
from stages.fit.fitting import History, Rates
from stages.fit.groups import every_layer
from stages.fit.sampling import Sampler
from stages.images.loading import chunks
from stages.model.network import build_backbone
from stages.rows import tables

TABLES = (paths.FOLDS, paths.SCREENED, paths.LABELLED)  # of the rows, the last one first


@dataclass(frozen=True)
class Rows:
    """How many rows a fold has, as far as the pipeline has come."""

    fold: str
    path: Path
    """The table that says so."""
    train: int
    valid: int
    epoch: int
    """Rows of a training epoch, copies counted."""


def rows_of(fold: str, s: Settings) -> Rows:
    """By the newest of the tables: `split` takes seconds, and what comes after it hours.

    Raises:
        UserError: there is none yet, or it is of other labels or folds than params.yaml.

    """
    made = [path for path in TABLES if path.exists()]
    if not made:
        raise UserError("the rows are not known yet; run `dvc repro split` first.")
    path = max(made, key=lambda p: p.stat().st_mtime)
    try:
        labels, valid = _labels(path, fold, s.competition.task)
    except (KeyError, ValueError):
        raise UserError(
            f"{path} has other labels or folds than params.yaml; run `dvc repro split` first."
        ) from None
    epoch = Sampler(labels, s.batches.oversample, s.seed).length
    return Rows(fold, path, len(labels), valid, epoch)


def _labels(path: Path, fold: str, task: str) -> tuple[np.ndarray, int]:
    """What the training rows are trained towards, and the number of those that validate."""
    table = tables.read(path)
    if fold != "full" and int(fold) not in set(table["fold"]):
        raise KeyError(fold)
    train, valid = tables.of_fold(table, fold)
    return tables.targets(train, tables.classes(paths.CLASSES), task), len(valid)


@dataclass(frozen=True)
class Entry:
    """A fit, and what it trains."""

    stage: str
    image_size: int
    layers: str
    batch_size: int
    fit: Fit
    numbers: range
    """Its epochs, counted through the stage."""

    @property
    def names(self) -> list[str]:
        """Its epochs, as they are named where order and augmentation are drawn."""
        return [f"{self.stage}/{i}" for i in self.numbers]

    @property
    def finder(self) -> str:
        """The stage whose suggestion `lr: auto` takes."""
        return "find_lr_unfreeze" if self.stage == "unfreeze" else "find_lr_head"

    @property
    def auto(self) -> bool:
        """Whether the rate is what a finder suggests."""
        return self.fit.lr == "auto"

    def multipliers(self, rows: Rows) -> np.ndarray:
        """What the highest rates are multiplied by at each batch, shape (batches,)."""
        return schedules.multipliers(self.fit, len(chunks(range(rows.epoch), self.batch_size)))


def entries(s: Settings) -> list[Entry]:
    """Every fit, in the order in which they are carried out."""
    history = defaultdict(History)
    found = []
    for stage, step, batch_size in _steps(s):
        for fit in step.fits:
            numbers = history[stage].plan(schedules.epochs(fit))
            found.append(Entry(stage, step.image_size, step.layers, batch_size, fit, numbers))
    return found


def _steps(s: Settings) -> Iterator[tuple[str, Step, int]]:
    """What the training stages do: the stage, a size of it, and its batch size."""
    yield "head", _step(s.head, "head"), s.head.batch_size
    yield "augment", _step(s.augment, "head"), s.augment.batch_size
    for step in s.progressive.steps:
        yield "progressive", step, s.progressive.batch_size
    yield "unfreeze", _step(s.unfreeze, "all"), s.unfreeze.batch_size


def _step(group: Training, layers: str) -> Step:
    return Step(image_size=group.image_size, layers=layers, fits=group.fits)


def suggestion(finder: str, fold: str) -> float | None:
    """What a finder suggested when it last ran; None if that was nothing, or it did not run yet."""
    try:
        return records.read_metrics(finder, fold)["suggestion"]
    except FileNotFoundError:
        return None


def highest(entry: Entry, suggested: float | None, s: Settings) -> list[float]:
    """The highest rate of each layer group, earliest first; `suggested` is what auto takes."""
    rates = Rates(suggested, s.find_lr.group_ratio, s.optimizer.layer_decay)
    return rates.of(entry.fit, groups(entry.layers, s))


def groups(layers: str, s: Settings) -> int:
    """How many layer groups are trained, each at a rate of its own."""
    if layers == "head":
        return 1
    return _layers(s.model.architecture) if s.optimizer.layer_decay else LAYER_GROUPS


@cache
def _layers(architecture: str) -> int:
    """Layers of a network, its head among them; it is built to count them."""
    return len(every_layer(build_backbone(architecture), nn.Identity()))
