"""`repodium score`: the bundled competition's leaderboard."""

from pathlib import Path

import click

from stages.shell import completing
from stages.shell.command import Command


@click.command(
    cls=Command,
    examples={"repodium score submissions/submission.csv": "log loss and accuracy of 449 images"},
)
@click.argument(
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    shell_complete=completing.submissions,
)
def command(file: Path) -> None:
    """Score a submission of the bundled competition.

    Against its held-back answers, as Kaggle's leaderboard would.
    """
    click.echo(sentence(file))


def sentence(file: Path) -> str:
    """What a submission of the bundled competition scores.

    Raises:
        UserError: it is none.

    """
    from stages.competition import csv_files, leaderboard  # slow to import, --help does without

    scores = leaderboard.score(csv_files.parse(file.read_bytes(), file.name))
    return ", ".join(f"{name} {value:.6g}" for name, value in scores.items())
