"""blend: one prediction a row, from the folds and from experiments before, scored honestly."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import click
import numpy as np

from stages.base import command, leftovers, params, paths, records
from stages.base.errors import UserError
from stages.rows import tables
from stages.scoring import blending, comparison, decisions, metrics, out_of_fold, predictions, runs
from stages.scoring.decisions import Question
from stages.scoring.ensemble import Blend, Rule
from stages.scoring.out_of_fold import Table
from stages.scoring.predictions import Predicted
from stages.scoring.runs import Run


@command.stage("blend")
def main() -> None:
    """Blend out-of-fold and test predictions alike, what is chosen for it chosen out of fold."""
    s = params.load("blend")
    leftovers.remove(s.folds)
    own, others = own_rows(s), [runs.read(name) for name in s.blend.experiments]
    alone, *rest = out_of_fold.matched([own, *(run.rows for run in others)])
    truth = alone.truth(s.competition.task)
    everyone = tables.targets(tables.read(paths.FOLDS), own.classes, s.competition.task)
    blend = Blend(s.blend, decisions.asked(s.competition, s.submission, everyone))
    stack = np.stack([run.predicted for run in (alone, *rest)])
    rule = blend.learn(truth, stack)
    blended = replace(alone, predicted=blend.out_of_sample(truth, stack, alone.parts))
    out_of_fold.write(paths.OUT_OF_FOLD, blended)
    predictions.write(paths.BLENDED, *of_test(blend, rule, others, s.folds))
    about = {"folds": " ".join(map(str, s.folds)), "rows": len(truth), **chosen(rule, s)}
    records.write_metrics("blend", about | scores(alone, blended, blend.ask))
    if len(truth) and (others or blend.chooses):
        found = comparison.compare(alone, blended, blend.ask)
        click.echo(f"This run alone -> the blend: {found.sentence}")


def scores(alone: Table, blended: Table, ask: Question) -> dict[str, float | None]:
    """The usual metrics of the blend, and of this run alone; nothing where no row validates."""
    if blended.rows.empty:
        return {}
    before, after = (
        metrics.usual(ask.task, table.truth(ask.task), table.predicted)
        for table in (alone, blended)
    )
    return {f"alone_{name}": value for name, value in before.items()} | after


def own_rows(s: SimpleNamespace) -> Table:
    """The out-of-fold rows of this run; each fold's model ranks its own, where ranks are meant."""
    table = out_of_fold.read(s.folds)
    if s.blend.how != "rank_mean":
        return table
    if s.competition.task == "multiclass" and len(table.classes) > 2:
        raise UserError(
            "blend.how: rank_mean leaves no rows of sum 1, as several classes have; use mean."
        )
    values = table.predicted.copy()
    for fold in table.rows["fold"].unique():
        rows = table.rows["fold"] == fold
        values[rows] = blending.ranks(values[rows])
    return replace(table, predicted=values)


def of_test(
    blend: Blend, rule: Rule, others: Sequence[Run], folds: Sequence[int | str]
) -> Predicted:
    """The test rows: this run's folds averaged, then the runs, then as sure as they should be."""
    found = [predictions.read(paths.PREDICTIONS / str(fold) / "test.csv") for fold in folds]
    first = found[0]
    own = blending.average(np.stack([f.numbers for f in found]), blend.plan.how, blend.ask.task)
    rest = [run.test.of(first).numbers for run in others]
    return first._replace(numbers=blend.use(rule, np.stack([own, *rest])))


def chosen(rule: Rule, s: SimpleNamespace) -> dict[str, float | str]:
    """The weights, if several runs are blended, the temperature and the clip."""
    several = {
        "experiments": " ".join(s.blend.experiments),
        "weights": " ".join(f"{weight:.4g}" for weight in rule.weights),
    }
    return (several if s.blend.experiments else {}) | {
        "temperature": rule.temperature,
        "clip": rule.clip,
    }


if __name__ == "__main__":
    main()
