"""`repodium score`: the bundled competition's leaderboard."""

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Score a submission of the bundled competition.

    Against its held-back answers, as Kaggle's leaderboard would.
    """
    import pandas as pd  # slow to import, and --help does without

    from stages.competition import leaderboard

    scores = leaderboard.score(pd.read_csv(file, dtype={"id": str}))
    click.echo(", ".join(f"{name} {value:.6g}" for name, value in scores.items()))
