"""`repodium check-submission`: whether Kaggle would take a file."""

from pathlib import Path

import click

from stages.base import params, terminal
from stages.base.errors import UserError
from stages.shell import completing
from stages.shell.command import Command


@click.command(
    cls=Command,
    examples={"repodium check-submission submissions/submission.csv": "what the pipeline wrote"},
)
@click.argument(
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    shell_complete=completing.submissions,
)
def command(file: Path) -> None:
    """Say whether Kaggle would take a file.

    It is held against the sample submission, the labels and the model's own predictions. The exit
    status is 1 if it is not good.
    """
    from stages.competition import check  # slow to import, and --help does without

    settings = params.read()
    for note in check.notes(settings.competition):
        click.echo(f"{terminal.warning('note')}: {note}")
    if faults := check.faults_of(file, settings):
        raise UserError(f"{file} is not good: {'; '.join(faults)}.")
    click.echo(f"{file}: {terminal.good('good')}.")
