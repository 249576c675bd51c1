"""submission: the blended test predictions, decided upon, in a file that Kaggle accepts."""

import hashlib
from pathlib import Path

import click
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError, some
from stages.competition import check, forms, sample
from stages.competition.archive import Archive
from stages.competition.csv_files import parse, read_sample
from stages.competition.forms import Form
from stages.rows import tables
from stages.scoring import cross_validation, decisions, out_of_fold, predictions
from stages.scoring.decisions import Question, Rule
from stages.scoring.predictions import Predicted


@command.stage("submission")
def main() -> None:
    """Decide, write and check the submission, and score the cross-validation."""
    s = params.load("submission")
    wanted = read_sample(Archive(paths.COMPETITION), s.competition.sample_submission)
    blended, validated = predictions.read(paths.BLENDED), out_of_fold.load(paths.OUT_OF_FOLD)
    everyone = tables.targets(tables.read(paths.FOLDS), blended.classes, s.competition.task)
    ask = decisions.asked(s.competition, s.submission, everyone)
    rule = decisions.learn(ask, validated.truth(ask.task), validated.predicted)
    form = forms.form_of(wanted.columns[1:], blended.classes, s.competition, everyone)
    ids = wanted.iloc[:, 0]
    if unseen := ids[~ids.isin(blended.ids)].tolist():
        mean = "mean prediction" if blended.ids else "mean of the labels"
        click.echo(f"{len(unseen)} rows without an image get the {mean}: {some(unseen)}.")
    values = sample.complete(ids, blended.ids, blended.numbers, everyone)
    table = sample.fill(wanted, form, decisions.decide(ask, rule, values))
    path = paths.SUBMISSIONS / s.submission.file
    write(path, table, wanted, form, blended)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    cv, rows = cross_validation.scores(ask, validated), len(validated.rows)
    for sentence in cross_validation.remarks(ask.metric, cv, rows):
        click.echo(sentence)
    about = {"validation_rows": rows, **cv, **chosen(ask, rule), "test_rows": len(wanted)}
    records.write_metrics("submission", {**about, "sha256": digest})


def chosen(ask: Question, rule: Rule) -> dict[str, str]:
    """The thresholds or cut points, for people."""
    name = "threshold" if ask.tagged else "cut_points"
    return {name: " ".join(f"{value:.4g}" for value in rule)} if rule else {}


def write(
    path: Path, table: pd.DataFrame, wanted: pd.DataFrame, form: Form, blended: Predicted
) -> None:
    """Write the submission, and check the file as it was written.

    Raises:
        UserError: Kaggle would refuse it.

    """
    with records.whole(path) as part:
        table.to_csv(part, index=False, float_format="%.9g", lineterminator="\n")
        if faults := list(check.faults(parse(part.read_bytes(), path.name), wanted, form, blended)):
            raise UserError(f"the submission would be refused: {'; '.join(faults)}.")


if __name__ == "__main__":
    main()
