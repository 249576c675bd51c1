"""tta: predictions for the validation and test rows, averaged over augmented views."""

from collections.abc import Sequence
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records, unfinished
from stages.base.growing import GrowingArray
from stages.base.unfinished import Kept
from stages.competition import metrics, predictions
from stages.fit import training
from stages.images.loading import resolve_workers
from stages.images.pack import Pack
from stages.learner import tta
from stages.model import hardware
from stages.model.checkpoint import Header
from stages.model.network import Network
from stages.rows import tables


@command.stage("tta")
@click.argument("fold")
def main(fold: str) -> None:
    """Predict with the last model of FOLD, plain and augmented."""
    s = params.load("tta")
    header, network = training.load(fold, "unfreeze", s)
    _, valid = tables.of_fold(tables.read(paths.FOLDS), fold)
    kept = unfinished.keep("tta", fold)
    used = kept.machines(hardware.record(network.precision))
    scores = {}
    for name, rows in (("validation", valid), ("test", tables.read(paths.TEST))):
        stack = predict(header, network, rows, kept, f"{name}.npy", s)
        mean = tta.average(stack, s.tta.plain_weight)
        predictions.write(
            paths.PREDICTIONS / fold / f"{name}.csv", rows["id"], header.classes, mean
        )
        if name == "validation" and len(rows):
            truth = tables.targets(rows, header.classes, header.task)
            names = metrics.USUAL[header.task]
            scores = score(names, truth, mean) | score(names, truth, stack[0], prefix="plain_")
    records.write_metrics("tta", {"validation_rows": len(valid), **scores, **used}, fold)
    kept.finish()


def predict(
    header: Header, network: Network, rows: pd.DataFrame, kept: Kept, name: str, s: SimpleNamespace
) -> np.ndarray:
    """Predictions (V, N, C) of every view of the rows, at the size last trained at."""
    views = tta.views_of(
        Pack(paths.PACK), rows["image"], header.size, s.tta.augmented, s.transforms, s.seed
    )
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
    return np.load(kept.folder / name).transpose(1, 0, 2)


def score(
    names: Sequence[str], truth: np.ndarray, mean: np.ndarray, prefix: str = ""
) -> dict[str, float | None]:
    """The metrics named, over the whole set."""
    return {f"{prefix}{name}": metrics.score(name, truth, mean) for name in names}


if __name__ == "__main__":
    main()
