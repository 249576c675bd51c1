"""find_lr: the learning-rate finder, run before `head`, and again before `unfreeze`."""

import click
import pandas as pd

from stages.base import command, params, paths, records
from stages.figures import rates
from stages.learner import rate_curve


@command.stage("find_lr")
@click.argument("before", type=click.Choice(["head", "unfreeze"]))
@click.argument("fold")
def main(before: str, fold: str) -> None:
    """Find the learning rate for the stage BEFORE which this runs (lesson steps 2 and 7)."""
    stage = f"find_lr_{before}"
    s = params.load(stage)
    found = rate_curve.NOTHING
    if before in s.find_lr.before:
        from stages.learner.rate_search import find  # torch, which there is no need of until here

        found = find(before, fold, s)
    suggestion = rate_curve.suggest(found)
    table = pd.DataFrame({"lr": found.rates, "train_loss": found.losses})
    records.write_table(paths.rates(fold, before), table, float_format="%.6g")
    rates.draw(paths.picture(stage, fold), found.rates, found.losses, suggestion)
    records.write_metrics(stage, {"suggestion": suggestion}, fold)


if __name__ == "__main__":
    main()
