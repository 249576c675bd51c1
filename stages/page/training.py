"""What the report says of a fold: its steps, its schedule, its charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from stages.base import paths, records
from stages.fit import reading
from stages.fit.reading import Reading
from stages.page import charts, tables
from stages.page.charts import Chart, Line, Points
from stages.page.tables import Table, cell

TRAINING = ("head", "augment", "progressive", "unfreeze")
STEPS = (*TRAINING, "tta")
FIRST = {"epochs": "epochs", "plain_train_loss": "training loss", "valid_loss": "validation loss"}
NOT_SCORES = ("train_loss", "log_loss")  # one has dropout in it, the other is validation loss
RISES = 3  # times its median that a loss may be in the finder's chart
FINDERS = ("head", "unfreeze")

Epoch = dict[str, Any]


@dataclass(frozen=True)
class Fold:
    """A fold's part of the page."""

    name: str
    steps: Table
    readings: Sequence[str]
    schedule: Table
    charts: Sequence[tuple[str, Markup]]


def fold(name: str) -> Fold:
    """What is told of a fold."""
    found = {step: records.read_metrics(step, name) for step in STEPS}
    history = {step: epochs(name, step) for step in TRAINING}
    drawn = [losses(history), rates(history), *(finder(name, stage) for stage in FINDERS)]
    pictures = [(chart.title, charts.draw(chart)) for chart in drawn]
    return Fold(
        name=name,
        steps=steps(name, found),
        readings=[*readings(found, history)],
        schedule=schedule(name, history),
        charts=[(title, chart) for title, chart in pictures if chart],
    )


def epochs(fold: str, stage: str) -> list[Epoch]:
    """The epochs of a stage; what is not known is not a number."""
    return [
        {k: v if k in ("stage", "layers") else float(v or "nan") for k, v in row.items()}
        for row in tables.read(paths.history(fold, stage), most=10**6)
    ]


def steps(fold: str, found: Mapping[str, Mapping[str, Any]]) -> Table:
    """What each step reached, a line a step."""
    found = {step: {"valid_loss": m.get("log_loss")} | dict(m) for step, m in found.items()}
    numbers = {k for m in found.values() for k, v in m.items() if isinstance(v, float)}
    left_out = {*FIRST, *NOT_SCORES} | {k for k in numbers if k.startswith("plain_")}
    scores = [k for k in ordered(found) if k in numbers - left_out]
    names = {**FIRST, **{k: tables.words(k) for k in scores}, "reading": "reading"}
    rows = [[step, *(cell(m.get(key)) for key in names)] for step, m in found.items()]
    return Table(f"Fold {fold}, after each step", ["step", *names.values()], rows)


def ordered(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names in all of the metrics, each once."""
    return list(dict.fromkeys(key for metrics in found.values() for key in metrics))


def readings(
    found: Mapping[str, Mapping[str, Any]], history: Mapping[str, list[Epoch]]
) -> Iterator[str]:
    """A sentence a stage: over- or underfit, and what to try."""
    for stage, rows in history.items():
        if verdict := found[stage].get("reading"):
            low, train = reading.lowest(rows), found[stage]["plain_train_loss"]
            last, epoch = rows[-1]["valid_loss"], int(low["epoch"])
            yield Reading(verdict, train, last, low["valid_loss"], epoch).sentence(stage)


def schedule(fold: str, history: Mapping[str, list[Epoch]]) -> Table:
    """What was trained: a line a stage, image size and layers."""
    rows = [row for stage in history.values() for row in stage]
    lines = []
    for (stage, size, layers), same in groupby(
        rows, lambda row: (row["stage"], row["size"], row["layers"])
    ):
        each = [row["lr"] for row in same]
        span = f"{cell(max(each))} to {cell(min(each))}" if len(each) > 1 else cell(each[0])
        lines.append([stage, f"{size:.0f} px", layers, str(len(each)), span])
    columns = ["step", "images", "layers", "epochs", "highest rate of an epoch"]
    return Table(f"Fold {fold}, the schedule", columns, lines)


def numbered(history: Mapping[str, list[Epoch]]) -> dict[str, list[tuple[int, Epoch]]]:
    """The epochs of each stage that has some, counted on from stage to stage from 1."""
    found, count = {}, 0
    for stage, rows in history.items():
        if rows:
            found[stage] = [(count + n, row) for n, row in enumerate(rows, 1)]
            count += len(rows)
    return found


def line(name: str, key: str, history: Mapping[str, list[Epoch]], *, faint: bool = False) -> Line:
    """A column of the history as a line, a part a stage."""
    parts = [[(n, row[key]) for n, row in rows] for rows in numbered(history).values()]
    return Line(name, parts, faint)


def starts(history: Mapping[str, list[Epoch]]) -> list[tuple[float, str]]:
    """Where each stage starts: half an epoch before its first."""
    return [(max(1.0, rows[0][0] - 0.5), stage) for stage, rows in numbered(history).items()]


def losses(history: Mapping[str, list[Epoch]]) -> Chart:
    """Training and validation loss, epoch by epoch."""
    valid = line("validation", "valid_loss", history)
    train = line("training", "train_loss", history, faint=True)
    both = [one for one in (valid, train) if any(one.finite())]
    says = "; ".join(fall(one) for one in both)
    return Chart(
        "Loss (in training with dropout and augmentation)", f"Loss by epoch: {says}.", both,
        "epoch", "loss", marks=starts(history),
    )  # fmt: skip


def fall(one: Line) -> str:
    """Where a line starts and where it ends, in words."""
    values = [value for part in one.finite() for _, value in part]
    return f"{one.name} from {cell(values[0])} to {cell(values[-1])} in {len(values)} epochs"


def rates(history: Mapping[str, list[Epoch]]) -> Chart:
    """The last layer group's highest rate in each epoch."""
    one = line("rate", "lr", history)
    says = "; ".join(
        f"{stage} ends with {cell(rows[-1][1]['lr'])}" for stage, rows in numbered(history).items()
    )
    return Chart(
        "Learning rate", f"Highest learning rate of each epoch: {says}.", [one], "epoch",
        "an epoch's highest rate, of the last layers", marks=starts(history),
    )  # fmt: skip


def finder(fold: str, stage: str) -> Chart:
    """The finder's curve before a stage, and what it suggests."""
    rows = tables.read(paths.rates(fold, stage))
    points = unexploded([(float(row["lr"]), float(row["train_loss"] or "nan")) for row in rows])
    suggestion = records.read_metrics(f"find_lr_{stage}", fold)["suggestion"]
    marks = [] if suggestion is None else [(suggestion, f"suggestion {cell(suggestion)}")]
    said = marks[0][1] if marks else "no clear slope"
    return Chart(
        f"Learning-rate finder before {stage}", f"Training loss against learning rate: {said}.",
        [Line("loss", [points])], "learning rate of the last layers", "training loss, smoothed",
        log_x=True, log_y=False, marks=marks,
    )  # fmt: skip


def unexploded(points: Points) -> Points:
    """The points of a curve without those where the loss exploded, far above its median."""
    found = sorted(loss for _, loss in points if math.isfinite(loss))
    return [(rate, loss) for rate, loss in points if loss <= RISES * found[len(found) // 2]]


def machines(folds: Sequence[str]) -> list[tuple[str, str]]:
    """What trained: device, precision, torch, each value once."""
    found = [records.read_metrics(stage, fold) for fold in folds for stage in STEPS]
    return [
        (name, ", ".join(dict.fromkeys(str(m[name]) for m in found if name in m)))
        for name in ("device", "precision", "torch", "threads")
        if any(name in m for m in found)
    ]
