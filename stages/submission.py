"""submission: the folds' test predictions, blended into a file that Kaggle accepts."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError, some
from stages.competition import (
    check,
    cross_validation,
    decisions,
    forms,
    out_of_fold,
    predictions,
    sample,
)
from stages.competition.archive import Archive
from stages.competition.check import Reference
from stages.competition.csv_files import parse, read_sample
from stages.competition.decisions import Question, Rule
from stages.competition.forms import Form
from stages.rows import tables


@command.stage("submission")
def main() -> None:
    """Blend, decide, write and check the submission, and score the cross-validation."""
    s = params.load("submission")
    wanted = read_sample(Archive(paths.RAW), s.competition.sample_submission)
    blend = blended(s)
    everyone = tables.targets(tables.read(paths.FOLDS), blend.classes, s.competition.task)
    ask = decisions.asked(s.competition, s.submission, everyone)
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
    out_of_fold.write(paths.OUT_OF_FOLD, rows, blend.classes, predicted)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    about = {"folds": " ".join(map(str, s.folds)), "validation_rows": len(rows)}
    cv = cross_validation.scores(ask, rows, truth, predicted)
    for sentence in cross_validation.remarks(ask.metric, cv, len(rows)):
        click.echo(sentence)
    about |= {**cv, **chosen(ask, rule), "test_rows": len(wanted)}
    records.write_metrics("submission", {**about, "sha256": digest})


def blended(s: SimpleNamespace) -> Reference:
    """The test predictions of the folds named, averaged."""
    found = [predictions.read(paths.PREDICTIONS / str(f) / "test.csv") for f in s.folds]
    ids, classes, _ = found[0]
    task = s.competition.task
    values = predictions.blend(np.stack([t[2] for t in found]), s.submission.blend, task)
    return Reference(ids, classes, predictions.clip(values, s.submission.clip, task))


def out_of_fold_rows(s: SimpleNamespace) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The validated rows, their targets and their predictions (N, C)."""
    rows, classes, values = out_of_fold.read(s.folds)
    truth = tables.targets(rows, classes, s.competition.task)
    return rows, truth, predictions.clip(values, s.submission.clip, s.competition.task)


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
