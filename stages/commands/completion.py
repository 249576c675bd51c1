"""`repodium completion`: what makes the shell complete our commands."""

import click
from click.shell_completion import get_completion_class

from stages.shell.command import Command

PROGRAM, VARIABLE = "repodium", "_REPODIUM_COMPLETE"


@click.command(
    cls=Command,
    examples={
        "repodium completion bash >> ~/.bashrc": "bash 4.4 or newer",
        "repodium completion zsh >> ~/.zshrc": "below the line with compinit",
        "repodium completion fish > ~/.config/fish/completions/repodium.fish": "fish",
    },
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes our commands.

    Run the line of your shell once (they are below), then open a new shell: Tab completes commands
    and options, branches, tags and experiments, and the files of submissions/. A new version of
    Repodium needs no new script.
    """
    kind = get_completion_class(shell)
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
