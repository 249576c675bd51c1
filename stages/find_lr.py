"""find_lr: the learning-rate finder, run before `head`, and again before `unfreeze`."""

from types import SimpleNamespace

import click
import pandas as pd

from stages.base import command, params, paths, records
from stages.figures import rates
from stages.fit import training
from stages.fit.data import Data
from stages.fit.stepper import Learner
from stages.learner import rate_finder
from stages.model import hardware


@command.stage("find_lr")
@click.argument("before", type=click.Choice(["head", "unfreeze"]))
@click.argument("fold")
def main(before: str, fold: str) -> None:
    """Find the learning rate for the stage BEFORE which this runs (lesson steps 2 and 7)."""
    stage = f"find_lr_{before}"
    s = params.load(stage)
    curve = find(before, fold, s) if before in s.find_lr.before else rate_finder.NOTHING
    suggestion = rate_finder.suggest(curve)
    with records.whole(paths.rates(fold, before)) as part:
        table = pd.DataFrame({"lr": curve.rates, "train_loss": curve.losses})
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
    rates.draw(paths.picture(stage, fold), curve.rates, curve.losses, suggestion)
    records.write_metrics(stage, {"suggestion": suggestion}, fold)


def find(before: str, fold: str, s: SimpleNamespace) -> rate_finder.Curve:
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


if __name__ == "__main__":
    main()
