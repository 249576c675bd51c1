"""submission: the folds' test predictions, blended into a file that Kaggle accepts."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError, some
from stages.competition import check, decisions, forms, metrics, out_of_fold, predictions, sample
from stages.competition.archive import Archive
from stages.competition.check import Reference
from stages.competition.csv_files import parse, read_sample
from stages.competition.decisions import Question, Rule
from stages.competition.forms import Form
from stages.rows import folds, tables


@command.stage("submission")
def main() -> None:
    """Blend, decide, write and check the submission, and score the cross-validation."""
    s = params.load("submission")
    wanted = read_sample(Archive(paths.RAW), s.competition.sample_submission)
    blend = blended(s)
    everyone = tables.targets(tables.read(paths.FOLDS), blend.classes, s.competition.task)
    ask = question(s, everyone)
    rows, truth, predicted = out_of_fold_rows(s)
    form = forms.form_of(wanted.columns[1:], blend.classes, s.competition, everyone)
    rule = decisions.learn(ask, truth, predicted)
    ids = wanted.iloc[:, 0]
    if unseen := ids[~ids.isin(blend.ids)].tolist():
        click.echo(f"{len(unseen)} rows without an image get the mean prediction: {some(unseen)}.")
    values = sample.complete(ids, blend.ids, blend.predicted)
    table = sample.fill(wanted, form, decisions.decide(ask, rule, values))
    path = paths.SUBMISSIONS / s.submission.file
    write(path, table, wanted, form, blend)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    about = {"folds": " ".join(map(str, s.folds)), "validation_rows": len(rows)}
    about |= {**scores(ask, rows, truth, predicted), **chosen(ask, rule), "test_rows": len(wanted)}
    records.write_metrics("submission", {**about, "sha256": digest})


def blended(s: SimpleNamespace) -> Reference:
    """The test predictions of the folds named, averaged."""
    found = [predictions.read(paths.PREDICTIONS / str(f) / "test.csv") for f in s.folds]
    ids, classes, _ = found[0]
    task = s.competition.task
    values = predictions.blend(np.stack([t[2] for t in found]), s.submission.blend, task)
    return Reference(ids, classes, predictions.clip(values, s.submission.clip, task))


def question(s: SimpleNamespace, everyone: np.ndarray) -> Question:
    """What is asked for; the ratings are those of all labelled rows.

    Raises:
        UserError: qwk, and the labels are not whole ratings.

    """
    if (
        s.competition.task == "regression"
        and s.competition.metric == "qwk"
        and (everyone % 1).any()
    ):
        raise UserError(
            "competition.metric: qwk scores whole ratings, and the labels are not whole."
        )
    ratings = (int(everyone.min()), int(everyone.max()))
    how = {"threshold": s.submission.threshold, "cut_points": s.submission.cut_points}
    return Question(s.competition.metric, s.competition.task, **how, ratings=ratings)


def out_of_fold_rows(s: SimpleNamespace) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The validated rows, their targets and their predictions (N, C)."""
    rows, classes, values = out_of_fold.read(s.folds)
    truth = tables.targets(rows, classes, s.competition.task)
    return rows, truth, predictions.clip(values, s.submission.clip, s.competition.task)


def scores(
    ask: Question, rows: pd.DataFrame, truth: np.ndarray, predicted: np.ndarray
) -> dict[str, float | None]:
    """The competition's metric over all out-of-fold rows, and the usual ones of its task.

    Nothing where no row validates.
    """
    if rows.empty:
        return {}
    usual = {name: metrics.score(name, truth, predicted) for name in metrics.USUAL[ask.task]}
    own = decisions.scores(ask, truth, predicted, folds.parts(rows))
    return {f"cv_{name}": value for name, value in (own | usual | own).items()}


def chosen(ask: Question, rule: Rule) -> dict[str, str]:
    """The thresholds or cut points, for people."""
    name = "threshold" if ask.tagged else "cut_points"
    return {name: " ".join(f"{value:.4g}" for value in rule)} if rule else {}


def write(
    path: Path, table: pd.DataFrame, wanted: pd.DataFrame, form: Form, blend: Reference
) -> None:
    """Write the submission, and check the file as it was written.

    Raises:
        UserError: Kaggle would refuse it.

    """
    with records.whole(path) as part:
        table.to_csv(part, index=False, float_format="%.9g", lineterminator="\n")
        if faults := list(check.faults(parse(part, path.name), wanted, form, blend)):
            raise UserError(f"the submission would be refused: {'; '.join(faults)}.")


if __name__ == "__main__":
    main()
