"""The learning-rate finder (Smith 2015; fastai's lr_find): the rate climbs, the loss explodes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from stages.base.bar import Bar
from stages.fit import schedules
from stages.fit.data import Data
from stages.fit.stepper import Batch, Learner, Stepper
from stages.learner.rate_curve import Curve

EXPLODED = 4  # times the best loss
SETTLE = 10  # batches before there is a best loss (fastai since April 2018)


def find(
    learner: Learner, data: Data, start: float, end: float, batches: int, ratio: float
) -> Curve:
    """Train over `batches` batches at climbing rates and put everything back as it was.

    Weights, buffers, training mode and torch's random state are restored even after an exception
    (fastai's were not), and nothing is written to disk. Earlier layer groups run at rates `ratio`
    times lower each; the last one climbs to `end`. Stops when the loss is NaN or above 4 times its
    best after ten batches.
    """
    climb = schedules.climb(start, end, batches)
    names = [f"find_lr/{i}" for i in range(math.ceil(batches / data.steps))]
    stepper = Stepper(learner, schedules.differential(1.0, ratio, len(learner.groups)))
    losses = []
    with restored(learner.module), Bar("find_lr", climb, unit=" batches") as bar:
        learner.seeded("find_lr")
        learner.module.train()
        for batch, rate in zip(_training(data, names), bar, strict=False):
            stepper.step(batch, rate)
            losses.append(stepper.smoothed.value)
            if exploded(losses):
                break
    return Curve(climb[: len(losses)], np.array(losses))


def exploded(losses: Sequence[float]) -> bool:
    """fastai's stop rule on the smoothed losses: NaN, or above 4 times the best since batch 10."""
    if not math.isfinite(losses[-1]):
        return True
    return len(losses) > SETTLE + 1 and losses[-1] > EXPLODED * min(losses[SETTLE:])


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Restore weights, buffers, training mode and random state when the block ends, however."""
    weights = copy.deepcopy(module.state_dict())
    modes = [(m, m.training) for m in module.modules()]
    try:
        with torch.random.fork_rng():
            yield
    finally:
        module.load_state_dict(weights)
        for m, training in modes:
            m.training = training


def _training(data: Data, names: list[str]) -> Iterator[Batch]:
    for train, valid in data.epochs(names):
        yield from train
        for _ in valid:
            pass
