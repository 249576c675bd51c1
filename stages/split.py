"""split: every labelled row and its fold, and the rows to predict."""

from types import SimpleNamespace

import click
import pandas as pd

from stages import params, paths, records
from stages.competition import folds, labels, tables
from stages.competition.archive import Archive
from stages.errors import UserError


@click.command()
def main() -> None:
    """Read the labels and cut them into folds, fastai's get_cv_idxs by default."""
    s = params.load("split")
    archive = Archive(paths.RAW)
    rows = labels.table(archive, s.competition)
    if s.split.val_pct * len(rows) < 1:
        raise UserError(f"split.val_pct: a fold of {len(rows)} rows would be empty; raise it.")
    rows["fold"] = folds.assign(len(rows), s.split.folds, s.split.val_pct, s.split.seed)
    test = test_rows(archive, s.competition)
    for path, table in ((paths.FOLDS, rows), (paths.TEST, test)):
        with records.whole(path) as part:
            table.to_csv(part, index=False, lineterminator="\n")
    records.write_metrics(
        "split",
        {
            "rows": len(rows),
            "classes": len(tables.classes(rows)),
            "folds": s.split.folds,
            "validation_rows": int((rows["fold"] == 0).sum()),
            "test_rows": len(test),
        },
    )


def test_rows(archive: Archive, competition: SimpleNamespace) -> pd.DataFrame:
    """The ids of the sample submission, in its order, and the image of each."""
    ids = labels.read_csv(archive, competition.sample_submission).iloc[:, 0]
    found = labels.images_of(ids, competition.test_images, archive, competition)
    return pd.DataFrame({"id": ids, "image": found})


if __name__ == "__main__":
    main()
