"""What the training stages share: reading a fold, building learners, writing results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from torch import nn

from stages.base import paths, records, unfinished
from stages.base.cores import resolve_workers
from stages.base.errors import UserError
from stages.base.settings import Step
from stages.base.unfinished import addressed
from stages.fit import fitting, losses, mixing, reading, schedules, snapshots, table
from stages.fit.data import ActivationData, Data, ImageData
from stages.fit.fitting import History, Rates
from stages.fit.groups import every_layer, layer_groups
from stages.fit.progress import Progress
from stages.fit.reading import Reading
from stages.fit.stage_bar import UNSEEN, Unseen, stage_bar
from stages.fit.stepper import Learner
from stages.images.loading import Views
from stages.images.pack import Pack
from stages.model import activations, checkpoint, hardware
from stages.model.checkpoint import Header
from stages.model.network import Network
from stages.model.tasks import Task
from stages.rows import tables

FEWEST = 2  # rows to train on: BatchNorm has no variance of one


def new_head(fold: str, s: SimpleNamespace) -> tuple[Header, nn.Module]:
    """A new head for the competition's classes, its weights drawn by the seed."""
    classes, task = tables.classes(paths.CLASSES), s.competition.task
    centre, spread = scale_of(fold, classes) if task == "regression" else ([], [])
    base = checkpoint.read_header(paths.BACKBONE, checkpoint.BackboneHeader)
    header = Header(
        architecture=base.architecture,
        task=task,
        classes=classes,
        pool=s.model.pool,
        head_layers=s.model.head_layers,
        dropout=s.model.dropout,
        centre=centre,
        spread=spread,
        size=s.head.image_size,
        mean=base.mean,
        std=base.std,
        trained="head",
    )
    torch.manual_seed(s.seed)
    return header, header.build_head(base.features)


def scale_of(fold: str, names: list[str]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of a regression's numbers over the rows that `fold` trains on."""
    train, _ = tables.of_fold(tables.read(paths.FOLDS), fold)
    numbers = tables.targets(train, names, "regression").astype(float)
    spread = numbers.std(axis=0)
    return numbers.mean(axis=0).tolist(), np.where(spread > 0, spread, 1).tolist()


def of_fold(fold: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that `fold` trains on, and those that it validates.

    Raises:
        UserError: it trains on too few.

    """
    train, valid = tables.of_fold(tables.read(paths.FOLDS), fold)
    if len(train) < FEWEST:
        raise UserError(
            f"fold {fold} has {len(train)} row to train on, and BatchNorm needs {FEWEST}; label "
            "more images, or set folds to [full]."
        )
    return train, valid


def activation_data(fold: str, header: Header, s: SimpleNamespace) -> ActivationData:
    """The activations of a fold's rows; of those that it trains on, in head.views views."""
    (train, targets), valid = (
        (rows, torch.tensor(tables.targets(rows, header.classes, header.task)))
        for rows in of_fold(fold)
    )
    folders = [paths.ACTIVATIONS, *([paths.HEAD_VIEWS] if s.head.views > 1 else [])]
    views = activations.read(train["image"], *folders)
    plain = activations.read(valid[0]["image"], paths.ACTIVATIONS)[:, 0], valid[1]
    return ActivationData((views, targets), plain, s.head.batch_size, s.seed, s.batches.oversample)


def head_learner(header: Header, head: nn.Module, data: Data, s: SimpleNamespace) -> Learner:
    """Trains the head alone, on activations, in fp32; `data` is what it will be trained on."""
    device = hardware.resolve_device(s.runtime)
    return Learner(
        module=head.to(device),
        groups=[list(head.parameters())],
        task=header.trains,
        optimizer=s.optimizer,
        seed=s.seed,
        device=device,
        loss=training_loss(header, data, s),
    )


def load(fold: str, stage: str, s: SimpleNamespace) -> tuple[Header, Network]:
    """The network that `stage` left for `fold`, placed on the device.

    Raises:
        UserError: it was trained for other classes or another task than there are now.

    """
    path = paths.model(fold, stage)
    header = checkpoint.read_header(path)
    header.check_purpose(path, s.competition.task, tables.classes(paths.CLASSES))
    network = checkpoint.load_network(path, paths.BACKBONE)
    network.place(hardware.resolve_device(s.runtime), s.model.precision)
    network.freeze_batchnorm = s.model.freeze_batchnorm
    return header, network


def image_data(fold: str, header: Header, batch_size: int, s: SimpleNamespace) -> ImageData:
    """The images of a fold's rows."""
    rows = tables.read(paths.FOLDS)
    train, valid = tables.split(rows, fold)
    pack = Pack(paths.PACK)
    return ImageData(
        views=Views(pack, pack.rows(rows["image"]), header.size, s.transforms, s.seed),
        targets=torch.tensor(tables.targets(rows, header.classes, header.task)),
        train=train,
        valid=valid,
        batch_size=batch_size,
        workers=resolve_workers(s.runtime.workers),
        oversample=s.batches.oversample,
        device=hardware.resolve_device(s.runtime),
    )


def training_loss(header: Header, data: Data, s: SimpleNamespace) -> losses.Loss:
    """What the `loss` group of params.yaml makes of the task's loss."""
    return losses.of(header.trains.loss, s.loss, data.labels, len(header.classes))


def network_learner(
    header: Header, network: Network, layers: str, data: Data, s: SimpleNamespace
) -> Learner:
    """Trains the head, or all layers in groups, on images; `data` is what it will be trained on."""
    network.freeze_to(layers)
    precision = network.precision
    return Learner(
        module=network,
        groups=groups(network, layers, s.optimizer.layer_decay),
        task=header.trains,
        optimizer=s.optimizer,
        seed=s.seed,
        device=precision.device,
        scale_gradients=precision.name == "fp16" and layers == "all",
        loss=training_loss(header, data, s),
        mixing=mixing.of(s.batches.mixup, s.batches.cutmix),
    )


def groups(network: Network, layers: str, layer_decay: float | None) -> list[list[nn.Parameter]]:
    """What is trained: the head; or all in three groups, with layer_decay in one a layer."""
    if layers == "head":
        return [list(network.head.parameters())]
    return (every_layer if layer_decay else layer_groups)(network.backbone, network.head)


def rates(
    fold: str, finder: str, group_ratio: float = 1, layer_decay: float | None = None
) -> Rates:
    """Resolves `lr: auto` by what the finder before this stage suggested."""
    return Rates(records.read_metrics(finder, fold)["suggestion"], group_ratio, layer_decay)


def train_on_images(
    stage: str, fold: str, start: str, steps: Sequence[Step], batch_size: int,
    rates: Rates, s: SimpleNamespace, cycle_save: bool | None = None,
) -> None:  # fmt: skip
    """Train on from the checkpoint of stage `start`, step after step, and write what came of it.

    With `cycle_save` also the weights at the end of each cycle, if it is true; else of none.
    """
    header, network = load(fold, start, s)
    data = image_data(fold, header, batch_size, s)
    kept = unfinished.keep(stage, fold)
    used = kept.machines(hardware.record(network.precision))
    progress = Progress(kept, network, header.trained)
    with stage_bar(addressed(stage, fold), steps, data, progress.rows) as bar:
        for step in (step for step in steps if step.fits):
            learner = network_learner(header, network, step.layers, data, s)
            header = header.after(step.image_size, step.layers)
            if cycle_save:
                progress.snapshot = partial(snapshots.take, kept, header, network)
            about = {"stage": stage, "size": step.image_size, "layers": step.layers}
            with hardware.enough_memory(f"{stage}.batch_size", batch_size, learner.device):
                images = data.at(step.image_size)
                fitting.fit_all(learner, images, step.fits, rates, progress, bar, **about)
        progress.save()
        checkpoint.save_network(paths.model(fold, stage), header, network)
        if cycle_save is not None:
            fits = [fit for step in steps for fit in step.fits]
            snapshots.place(kept, fold, schedules.cycle_ends(fits) if cycle_save else [])
        device, seen = network.precision.device, data.at(header.size)
        found = read(network, device, header.trains, seen, progress, bar)
    write(stage, fold, progress, found, header, used)
    kept.finish()


def read(
    module: nn.Module, device: torch.device, task: Task, data: Data, history: History,
    bar: Unseen = UNSEEN,
) -> Reading | None:  # fmt: skip
    """The reading of what was trained, with the weights that are kept.

    None where there were no fits, or no row validates.
    """
    if not len(history.last):
        return None
    outputs, targets = fitting.predict(module, bar.over(data.plain()), device)
    rows = task.row_losses(outputs, targets), history.last, history.best
    return reading.read(*(losses.double().numpy() for losses in rows), history.rows)


def write(
    stage: str, fold: str, history: History, found: Reading | None, header: Header,
    used: dict[str, Any],
) -> None:  # fmt: skip
    """Write a training stage's history and metrics; a stage without fits has no losses.

    What was found by reading them is told in a sentence.
    """
    rows = history.rows
    table.write(paths.history(fold, stage), rows, header.trains.metric)
    shown = ("train_loss", "valid_loss", header.trains.metric)
    last = {name: rows[-1][name] for name in shown} if rows else {}
    plain = {"plain_train_loss": found.train, "reading": found.verdict} if found else {}
    records.write_metrics(stage, {"epochs": len(rows), **last, **plain, **used}, fold)
    if found:
        click.echo(found.sentence(stage))
