"""What the learning-rate finder tries: what the stage after it will train."""

from __future__ import annotations

from types import SimpleNamespace

from stages.fit import training
from stages.fit.data import Data
from stages.fit.stepper import Learner
from stages.learner import rate_finder
from stages.learner.rate_curve import Curve
from stages.model import hardware


def find(before: str, fold: str, s: SimpleNamespace) -> Curve:
    """The finder's curve for the head on activations, or for the whole network on images."""
    learner, data = on_activations(fold, s) if before == "head" else on_images(fold, s)
    f, batch_size = s.find_lr, getattr(s, before).batch_size
    decay = s.optimizer.layer_decay
    ratio = 1 / decay if decay else f.group_ratio
    with hardware.enough_memory(f"{before}.batch_size", batch_size, learner.device):
        return rate_finder.find(learner, data, f.start, f.end, f.batches, ratio)


def on_activations(fold: str, s: SimpleNamespace) -> tuple[Learner, Data]:
    """What `head` will train."""
    header, head = training.new_head(fold, s)
    data = training.activation_data(fold, header, s)
    return training.head_learner(header, head, data, s), data


def on_images(fold: str, s: SimpleNamespace) -> tuple[Learner, Data]:
    """What `unfreeze` will train."""
    header, network = training.load(fold, "progressive", s)
    data = training.image_data(fold, header, s.unfreeze.batch_size, s).at(s.unfreeze.image_size)
    return training.network_learner(header, network, "all", data, s), data
