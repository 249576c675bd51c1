"""`repodium summary`: what the last run reached, and how to submit it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from stages.base import params, paths, records, terminal
from stages.base.errors import UserError
from stages.commands import score
from stages.competition import provenance
from stages.shell import tables
from stages.shell.command import Command

HOW = (
    "Commit what made it, then `repodium submit`; or by hand:",
    "The bundled competition is not on Kaggle. For one that is: commit what made it, then "
    "`repodium submit`; or by hand:",
)
TRAINING = ("head", "augment", "progressive", "unfreeze")
PAINTS = {"fits": terminal.good, "worsens": terminal.bad}  # the other readings are warnings


@click.command(cls=Command, examples={"repodium summary": "after `dvc repro`, or any time later"})
def command() -> None:
    """Show what each step reached, and how to submit.

    The losses and scores of the training stages and how they read, those of tta, and the score of
    the whole cross-validation with its interval.
    """
    settings = params.read()
    folds = [str(fold) for fold in settings.folds]
    for stages in (TRAINING, ("tta",)):
        click.echo("\n".join(table([(f, s, read(s, f)) for f in folds for s in stages])) + "\n")
    file = paths.SUBMISSIONS / settings.submission.file
    results = {name: str(value) for name, value in read("submission").items()}
    if settings.competition.source == "demo" and file.exists():
        results["held-back answers"] = score.sentence(file)
    rows = [(f"{name}:", value) for name, value in results.items()]
    click.echo("\n".join(tables.lines(rows, cut=[1])))
    if not file.exists():  # a fresh clone has the metrics alone
        raise UserError(f"{file} is not here; `dvc repro` makes it.")
    click.echo(f"\nReport: {paths.REPORT}, a page with all of it")
    click.echo(f"Submission: {file}")
    terminal.say(HOW[settings.competition.source == "demo"])
    click.echo(f'kaggle competitions submit {settings.competition.slug} -f {file} -m "{stamp()}"')


def table(rows: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """A line for the metrics of each fold and stage, below the names of those there are."""
    names = [k for *_, found in rows for k, value in found.items() if isinstance(value, float)]
    names = list(dict.fromkeys(names))
    cells = [
        [fold, stage, *(shown(found.get(name)) for name in names), reading(found)]
        for fold, stage, found in rows
    ]
    heading = ["fold", "stage", *names, "reading" if any(row[-1] for row in cells) else ""]
    first, *lines = tables.lines([heading, *cells], right=range(2, 2 + len(names)))
    return [terminal.heading(first), *lines]


def shown(value: float | None) -> str:
    """A metric as the table shows it; nothing where the stage has none of that name."""
    return "" if value is None else f"{value:.5g}"


def reading(found: dict[str, Any]) -> str:
    """Whether a training stage fits, overfits or underfits, in colour."""
    word = found.get("reading", "")
    return PAINTS.get(word, terminal.warning)(word)


def read(stage: str, fold: str | None = None) -> dict[str, Any]:
    """The metrics of a stage.

    Raises:
        UserError: it has not run yet.

    """
    try:
        return records.read_metrics(stage, fold)
    except FileNotFoundError:
        raise UserError(f"{stage} has not run to its end; run `dvc repro`.") from None


def stamp() -> str:
    """The message by which `repodium ledger` finds what made a submission, once it is committed."""
    try:
        return provenance.message(provenance.current())
    except UserError:
        return "Repodium"
