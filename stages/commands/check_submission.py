"""`repodium check-submission`: whether Kaggle would take a file."""

from pathlib import Path

import click

from stages.base import params
from stages.base.errors import UserError


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Check a file against the sample, the labels, the model."""
    from stages.competition import check  # slow to import, and --help does without

    settings = params.read()
    for note in check.notes(settings.competition):
        click.echo(f"note: {note}")
    if faults := check.faults_of(file, settings):
        raise UserError(f"{file} is not good: {'; '.join(faults)}.")
    click.echo(f"{file}: good.")
