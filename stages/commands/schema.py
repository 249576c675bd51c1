"""`repodium schema`: the schema of params.yaml."""

import json

import click

from stages.base.settings import Settings


@click.command()
def command() -> None:
    """Print the JSON schema of params.yaml, for editors."""
    click.echo(json.dumps(Settings.model_json_schema(), indent=1))
