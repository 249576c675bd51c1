"""`repodium plan`: what will be trained, and at which rates, before it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from stages.base import params, paths, terminal
from stages.shell import tables
from stages.shell.command import Command

if TYPE_CHECKING:
    from stages.base.settings import Settings
    from stages.learner.plan import Entry, Rows

    Highest = list[float] | None  # one a layer group; None is auto, and not known yet

COLUMNS = ("stage", "size", "layers", "batch", "epochs", "steps", "highest rates")
NUMBERS = (1, 3, 4, 5)  # size, batch, epochs, steps
TIME = len(COLUMNS)
FEW = 3  # rates that a line spells out
ASSUMED = 0.01  # where the picture has a rate that is not known yet
UNITS = {"h": 3600, "min": 60}  # seconds


@click.command(
    cls=Command,
    examples={
        "repodium plan": "after `dvc repro split`; at once",
        "repodium plan --time": "after `dvc repro duplicates`; a minute or two",
    },
)
@click.option("--time", "timed", is_flag=True, help="Estimate the time, by a few seconds of each.")
def command(timed: bool) -> None:
    """Show the epochs, steps and rates of each fit.

    What will be trained, before it is: a line a fit, with the highest rate of each layer group; the
    rate of every batch is in reports/plan.png. With --time real steps of each are tried on this
    machine, so that a batch too large for its memory shows as well.
    """
    from stages.learner import plan

    s = params.read()
    rows, entries = plan.rows_of(str(s.folds[0]), s), plan.entries(s)
    click.echo(about(rows))
    if not entries:
        click.echo("Nothing is trained: every list of `fits` in params.yaml is empty.")
        return
    rates = [known(entry, rows.fold, s) for entry in entries]
    table = [cells(entry, r, rows) for entry, r in zip(entries, rates, strict=True)]
    times = estimate(entries, rows, s) if timed else []
    click.echo("\n".join(aligned([COLUMNS, *table, total(table)], times)))
    sentences = [*dict.fromkeys(remarks(entries, rows.fold))]
    if timed:
        sentences.append(about_time(sum(times), rows.fold, len(s.folds)))
    for sentence in sentences:
        terminal.say(sentence)
    draw(entries, rates, rows, s)


def about(rows: Rows) -> str:
    """The rows in a sentence."""
    copied = f", {rows.epoch} with copies" if rows.epoch > rows.train else ""
    return (
        f"fold {rows.fold}: {rows.train} rows to train on{copied}, {rows.valid} to validate "
        f"({rows.path})"
    )


def known(entry: Entry, fold: str, s: Settings) -> Highest:
    """The highest rates of a fit, if they are known."""
    from stages.learner import plan

    suggested = plan.suggestion(entry.finder, fold)
    return None if entry.auto and suggested is None else plan.highest(entry, suggested, s)


def cells(entry: Entry, rates: Highest, rows: Rows) -> tuple[str, ...]:
    """A fit's line of the table."""
    steps = len(entry.multipliers(rows))
    numbers = entry.image_size, entry.layers, entry.batch_size, len(entry.numbers), steps
    return entry.stage, *map(str, numbers), spelled(rates, auto=entry.auto)


def spelled(rates: Highest, *, auto: bool) -> str:
    """Rates, the earliest group's first."""
    if rates is None:
        return "auto"
    shown = [f"{rate:.3g}" for rate in rates]
    many = f"{shown[0]} to {shown[-1]}, {len(shown)} groups"
    return (many if len(shown) > FEW else ", ".join(shown)) + " (auto)" * auto


def total(table: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The last line of the table."""
    epochs, steps = (sum(int(row[i]) for row in table) for i in (4, 5))
    return "total", "", "", "", str(epochs), str(steps), ""


def aligned(table: Sequence[Sequence[str]], times: Sequence[float]) -> list[str]:
    """Lines, each column as wide as it must be; at the end the times, if there are."""
    spent = ["time", *map(in_words, [*times, sum(times)])] if times else [""] * len(table)
    rows = [[*row, last] for row, last in zip(table, spent, strict=True)]
    names, *lines = tables.lines(rows, right=[*NUMBERS, TIME])
    return [terminal.heading(names), *lines]


def in_words(seconds: float) -> str:
    """A time as one says it: 40 s, 12 min, 3.4 h."""
    for unit, length in UNITS.items():
        if seconds >= 2 * length:
            count = seconds / length
            return f"{count:.{0 if count >= 10 else 1}f} {unit}"
    return f"{seconds:.0f} s"


def remarks(entries: Sequence[Entry], fold: str) -> Iterator[str]:
    """Where the rates of `auto` are from, or why they are not known."""
    from stages.learner import plan

    for entry in entries:
        if not entry.auto:
            continue
        if not paths.metrics(entry.finder, fold).exists():
            yield f"auto: {entry.finder} has not run yet; the picture has {ASSUMED} in its place."
        elif plan.suggestion(entry.finder, fold) is None:
            yield (
                f"auto: {entry.finder} suggested nothing when it last ran (see find_lr.before, and "
                f"its picture in reports/); {entry.stage} needs the rate as a number."
            )
        else:
            yield f"auto: what {entry.finder} suggested when it last ran."


def estimate(entries: Sequence[Entry], rows: Rows, s: Settings) -> list[float]:
    """Seconds of each fit."""
    from stages.learner import timing  # slow to import

    return timing.estimate(entries, rows, s)


def about_time(seconds: float, fold: str, folds: int) -> str:
    """What the times leave out."""
    all_of_them = f"; {folds} folds take {in_words(folds * seconds)}" if folds > 1 else ""
    return (
        f"time: of fold {fold}, on this machine as busy as it is now, without the start of each "
        f"stage{all_of_them}."
    )


def draw(entries: Sequence[Entry], rates: Sequence[Highest], rows: Rows, s: Settings) -> None:
    """Draw the rate of every batch, of `auto` at an assumed rate while it is not known."""
    from stages.figures import plan as figure
    from stages.learner import plan

    fits = [
        figure.Fit(
            step=f"{entry.stage} {entry.image_size} px",
            multipliers=entry.multipliers(rows),
            highest=found or plan.highest(entry, ASSUMED, s),
            known=found is not None,
        )
        for entry, found in zip(entries, rates, strict=True)
    ]
    figure.draw(paths.picture("plan"), fits)
    click.echo(f"picture: {paths.picture('plan')}")
