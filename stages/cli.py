"""`repodium`: what is not a stage. One module a command, in stages/commands/."""

from __future__ import annotations

import difflib
import io
import sys
from importlib import import_module
from typing import Any

import click

from stages.base import terminal
from stages.base.errors import disk_told
from stages.shell.command import Context

SECTIONS = {  # in the order of use; each sentence begins the command's own help as well
    "Before training": {
        "check": "Check that params files are sound.",
        "doctor": "Say whether this machine is ready, and how to mend it.",
        "look": "Show what is understood of the competition.",
        "plan": "Show the epochs, steps and rates of each fit.",
        "views": "Show the augmented images that are trained on.",
    },
    "After training": {
        "summary": "Show what each step reached, and how to submit.",
        "compare": "Say whether a run is better than another.",
        "score": "Score a submission of the bundled competition.",
    },
    "Kaggle": {
        "check-submission": "Say whether Kaggle would take a file.",
        "submit": "Submit a file, wait for its score, record both.",
        "ledger": "Show every submission, its CV beside its score.",
    },
    "Keeping house": {
        "clean": "Show what takes space beside the results; free it.",
        "schema": "Print the JSON schema of params.yaml, for editors.",
        "completion": "Print the script that completes our commands.",
    },
}
COMMANDS = {name: about for section in SECTIONS.values() for name, about in section.items()}
INTERRUPTED = 130  # the exit status of a shell's command after Ctrl-C


class Commands(click.Group):
    """Commands that are imported when they are asked for: most do without what the others need."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The `command` of the module of that name."""
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"stages.commands.{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but what is no command is told with what may be meant."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            remedy = f"did you mean `{near[0]}`?" if near else "the help lists those there are."
            ctx.fail(f"There is no command `{args[0]}`; {remedy}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section, none of them imported; then the options."""
        widest = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{n:{widest}}", about) for n, about in section.items()])
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The commands, none of them imported, or the options."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=a) for n, a in COMMANDS.items() if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, standalone_mode: bool = True, **rest: Any) -> Any:
        """As click's, but Ctrl-C has the status that shells expect."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **rest)
        try:
            with disk_told():
                sys.exit(super().main(*args, standalone_mode=False, **rest))
        except click.Abort:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            show(error)
            sys.exit(error.exit_code)


def show(error: click.ClickException) -> None:
    """Print an error as click does, also one of its own with the word in colour."""
    text = io.StringIO()
    error.show(text)
    usage, mark, message = text.getvalue().partition("Error: ")
    if usage and mark:
        click.echo(f"{usage}{terminal.bad('Error:')} {message}", err=True, nl=False)
    else:
        error.show()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The pipeline is DVC's: `dvc repro` runs what is out of date, `dvc exp show` lists your "
    "experiments. README.md and docs/ say all the rest.",
)
def main() -> None:
    """Reproducible pipelines to the Kaggle podium: `dvc repro` runs them, this looks after them."""


if __name__ == "__main__":
    main()
