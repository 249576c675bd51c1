"""tta: predictions for the validation and test rows, averaged over augmented views.

And over the cycles' snapshots, if tta.snapshots asks for it: of the ensemble that one training
leaves behind, either the predictions are averaged or the weights.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd
import torch

from stages.base import command, params, paths, records, unfinished
from stages.base.cores import resolve_workers
from stages.base.growing import GrowingArray
from stages.base.unfinished import Kept
from stages.fit import training
from stages.fit.snapshots import files
from stages.images.loading import ManyViews
from stages.images.pack import Pack
from stages.learner import snapshots, tta
from stages.model import hardware
from stages.model.checkpoint import Header
from stages.model.network import Network
from stages.rows import tables
from stages.scoring import metrics, predictions


@command.stage("tta")
@click.argument("fold")
def main(fold: str) -> None:
    """Predict with the last model of FOLD, plain and augmented."""
    s = params.load("tta")
    header, network = training.load(fold, "unfreeze", s)
    _, valid = tables.of_fold(tables.read(paths.FOLDS), fold)
    rows = {"validation": valid, "test": tables.read(paths.TEST)}
    kept = unfinished.keep("tta", fold)
    used = kept.machines(hardware.record(network.precision))
    stacks = {name: [] for name in rows}
    for model in models(fold, header, network, s):
        for name, table in rows.items():
            file = f"{name}{model}.npy"
            stacks[name].append(predict(header, network, table, kept, file, s))
    scores = {}
    for name, table in rows.items():
        mean = np.mean([tta.average(stack, s.tta.plain_weight) for stack in stacks[name]], axis=0)
        path = paths.PREDICTIONS / fold / f"{name}.csv"
        predictions.write(path, table["id"], header.classes, mean)
        if name == "validation" and len(table):
            truth = tables.targets(table, header.classes, header.task)
            plain = np.mean([stack[0] for stack in stacks[name]], axis=0, dtype=np.float64)
            scores = metrics.usual(header.task, truth, mean)
            without = metrics.usual(header.task, truth, plain)
            scores |= {f"plain_{metric}": value for metric, value in without.items()}
    records.write_metrics("tta", {"validation_rows": len(valid), **scores, **used}, fold)
    kept.finish()


def models(fold: str, header: Header, network: Network, s: SimpleNamespace) -> Iterator[str]:
    """Give the network the weights of each model that predicts; yields its name."""
    if s.tta.snapshots == "predictions":
        yield from snapshots.each(network, files(fold))
        return
    if s.tta.snapshots == "weights":
        torch.manual_seed(s.seed)  # the head's dropout is on while statistics are renewed
        snapshots.average(network, files(fold), images(fold, header, network, s))
    yield ""


def images(
    fold: str, header: Header, network: Network, s: SimpleNamespace
) -> Iterator[torch.Tensor]:
    """Batches (N, 3, H, W) on the device, in such an order and of such a size as trained on."""
    data = training.image_data(fold, header, s.unfreeze.batch_size, s)
    for batches, _ in data.epochs(["snapshots"]):
        yield from (hardware.moved(pixels, network.precision.device) for pixels, _ in batches)


def predict(
    header: Header, network: Network, rows: pd.DataFrame, kept: Kept, name: str, s: SimpleNamespace
) -> np.ndarray:
    """Predictions (V, N, C) of every view of the rows, at the size last trained at, in a file."""
    pack, names = Pack(paths.PACK), tta.names(s.tta.augmented)
    views = ManyViews(pack, pack.rows(rows["image"]), header.size, s.transforms, s.seed, names)
    batch_size, workers = s.tta.batch_size, resolve_workers(s.runtime.workers)
    shape = (len(rows), len(views.which), len(header.classes))
    with (
        GrowingArray(kept, name, shape) as array,
        hardware.enough_memory("tta.batch_size", batch_size, network.precision.device),
    ):
        for batch in tta.predict(
            network, header.trains, views, batch_size, workers, start=array.rows
        ):
            array.add(batch)
    return np.load(kept.folder / name, mmap_mode="r").transpose(1, 0, 2)


if __name__ == "__main__":
    main()
