"""`repodium schema`: the schema of params.yaml."""

import json

import click

from stages.shell.command import Command


@click.command(
    cls=Command,
    examples={"repodium schema > recipes/params.schema.json": "where params.yaml looks for it"},
)
def command() -> None:
    """Print the JSON schema of params.yaml, for editors.

    They complete its keys by it, and mark what is not sound.
    """
    from stages.base.settings import Settings

    click.echo(json.dumps(Settings.model_json_schema(), indent=1))
