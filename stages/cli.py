"""`repodium`: what is not a stage. One module a command, in stages/commands/."""

from importlib import import_module

import click

COMMANDS = (
    "check", "doctor", "look", "views", "plan", "summary", "compare", "check-submission", "submit",
    "ledger", "score", "clean", "schema",
)  # fmt: skip


class Commands(click.Group):
    """Commands that are imported when they are asked for: most do without what the others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The `command` of the module of that name."""
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"stages.commands.{cmd_name.replace('-', '_')}").command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Reproducible pipelines to the Kaggle podium: `dvc repro` runs them, this looks after them."""


if __name__ == "__main__":
    main()
