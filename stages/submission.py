"""submission: the folds' test predictions, blended into a file that Kaggle accepts."""

import hashlib
from types import SimpleNamespace

import click
import numpy as np

from stages import params, paths, records
from stages.competition import labels, metrics, out_of_fold, predictions, sample, tables
from stages.competition.archive import Archive
from stages.errors import UserError


@click.command()
def main() -> None:
    """Blend, write and check the submission, and score the cross-validation."""
    s = params.load("submission")
    form = labels.read_csv(Archive(paths.RAW), s.competition.sample_submission)
    table = sample.fill(form, *blended(s), s.competition.positive_class)
    if faults := list(sample.faults(table, form)):
        raise UserError(f"the submission would be refused: {'; '.join(faults)}.")
    path = paths.SUBMISSIONS / s.submission.file
    with records.whole(path) as part:
        table.to_csv(part, index=False, float_format="%.9g", lineterminator="\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    folds = " ".join(map(str, s.folds))
    records.write_metrics(
        "submission", {"folds": folds, **score(s), "test_rows": len(table), "sha256": digest}
    )


def blended(s: SimpleNamespace) -> tuple[list[str], list[str], np.ndarray]:
    """Test ids, classes and the folds' predictions averaged (N, C)."""
    tables = [predictions.read(paths.PREDICTIONS / str(f) / "test.csv") for f in s.folds]
    ids, classes, _ = tables[0]
    values = predictions.blend(np.stack([t[2] for t in tables]), s.submission.blend)
    return ids, classes, predictions.clip(values, s.submission.clip)


def score(s: SimpleNamespace) -> dict[str, float]:
    """The competition's metric over all out-of-fold rows; nothing where no row validates."""
    rows, classes, values = out_of_fold.read(s.folds)
    if rows.empty:
        return {"validation_rows": 0}
    truth = tables.targets(rows, classes)
    kept = predictions.clip(values, s.submission.clip)
    names = dict.fromkeys([s.competition.metric, "log_loss", "accuracy"])
    scores = {f"cv_{name}": metrics.score(name, truth, kept) for name in names}
    return {"validation_rows": len(rows), **scores}


if __name__ == "__main__":
    main()
