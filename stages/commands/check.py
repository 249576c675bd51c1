"""`repodium check`: whether a params file is sound."""

from pathlib import Path

import click

from stages.base import params, paths, terminal
from stages.base.errors import SettingsError
from stages.shell.command import Command


@click.command(
    cls=Command,
    examples={
        "repodium check": "params.yaml",
        "repodium check recipes/planet.yaml": "another file, before it is copied here",
    },
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> None:
    """Check that params files are sound.

    params.yaml is checked if no file is named. The exit status is 2 if a file is not good.
    """
    faults = []
    for file in files or (paths.PARAMS,):
        try:
            params.read(file)
            click.echo(f"{file}: {terminal.good('good')}.")
        except SettingsError as error:
            faults.append(error.message)
    if faults:
        raise SettingsError("\n".join(faults))
