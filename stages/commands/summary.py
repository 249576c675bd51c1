"""`repodium summary`: what the last run reached, and how to submit it."""

from typing import Any

import click

from stages.base import params, paths, records
from stages.base.errors import UserError
from stages.commands import score
from stages.competition import provenance
from stages.report import PAGE

STAGES = ("head", "augment", "progressive", "unfreeze", "tta")


@click.command()
@click.pass_context
def command(context: click.Context) -> None:
    """Show what each step reached, and how to submit."""
    settings = params.read()
    for fold in map(str, settings.folds):
        for stage in STAGES:
            found = read(stage, fold)
            shown = {k: v for k, v in found.items() if isinstance(v, float)}
            cells = "".join(f"  {name} {value:<10.5g}" for name, value in shown.items())
            reading = found.get("reading", "")
            click.echo(f"fold {fold}  {stage:<12}{cells}  {reading}".rstrip())
    for name, value in read("submission").items():
        click.echo(f"{name + ':':<20}{value}")
    file = paths.SUBMISSIONS / settings.submission.file
    if settings.competition.source == "demo":
        click.echo("held-back answers:  ", nl=False)
        context.invoke(score.command, file=file)
    click.echo(f"\nReport: {PAGE}, a page with all of it")
    click.echo(f"Submission: {file}")
    click.echo("Commit what made it, then `repodium submit`; or by hand:")
    click.echo(f'kaggle competitions submit {settings.competition.slug} -f {file} -m "{stamp()}"')


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
