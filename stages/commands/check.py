"""`repodium check`: whether a params file is sound."""

from pathlib import Path

import click

from stages.base import params, paths
from stages.base.errors import SettingsError


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> None:
    """Check params files; params.yaml if none is named."""
    faults = []
    for file in files or (paths.PARAMS,):
        try:
            params.read(file)
            click.echo(f"{file}: good.")
        except SettingsError as error:
            faults.append(error.message)
    if faults:
        raise SettingsError("\n".join(faults))
