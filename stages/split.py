"""split: every labelled row and its fold, the classes, and the rows to predict."""

from collections import Counter
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError, some
from stages.competition import labels, lookup
from stages.competition.archive import Archive
from stages.competition.csv_files import read_sample
from stages.rows import cells, folds, strata

FEWEST = 0.9  # of the sample's ids must have an image


@command.stage("split")
def main() -> None:
    """Read the labels and cut them into folds, fastai's get_cv_idxs by default."""
    s = params.load("split")
    archive = Archive(paths.COMPETITION)
    every = labels.table(archive, s.competition)
    found = labels.with_image(every, s.competition, s.screen.bad_images)
    if without := every.loc[every["image"].isna(), "id"].tolist():
        click.echo(f"{len(without)} labelled ids have no image and are left out: {some(without)}.")
    rows = labels.once(found, s.competition.labels)
    if repeats := len(found) - len(rows):
        click.echo(f"{repeats} rows of {s.competition.labels} repeat others and are left out.")
    rows["fold"] = fold_of_rows(rows, s.split, s.competition.task)
    names = labels.classes(rows, s.competition)
    classes = count(rows, names, s.competition.task)
    sample, test = test_rows(archive, s.competition)
    spare = lookup.unlabelled(archive, s.competition, rows["image"], test["image"])
    for sentence in (*labels.remarks(rows, names, s.competition), *spare):
        click.echo(sentence)
    for path, table in ((paths.LABELLED, rows), (paths.CLASSES, classes), (paths.WANTED, test)):
        records.write_table(path, table)
    records.write_metrics(
        "split",
        {
            "rows": len(rows),
            "rows_without_image": len(without),
            "classes": len(classes),
            "folds": s.split.folds,
            "validation_rows": int((rows["fold"] == 0).sum()),
            "sample_rows": len(sample),
            "test_rows": len(test),
        },
    )


def fold_of_rows(rows: pd.DataFrame, split: SimpleNamespace, task: str) -> np.ndarray:
    """The fold of each row.

    Raises:
        UserError: a fold would be empty.

    """
    try:
        match split.method:
            case "group":
                return folds.assign_groups(rows["group"], split.folds, split.seed)
            case "stratified":
                return folds.assign_stratified(
                    strata.of(rows["label"], task), split.folds, split.seed
                )
            case "stratified_group":
                return folds.assign_stratified_groups(
                    strata.of(rows["label"], task), rows["group"], split.folds, split.seed
                )
        return folds.assign(len(rows), split.folds, split.val_pct, split.seed)
    except ValueError:
        raise UserError(
            f"split.val_pct: {split.folds} folds are too many for {len(rows)} rows"
            f"{' in so few groups' if 'group' in rows else ''}; raise it."
        ) from None


def count(rows: pd.DataFrame, classes: list[str], task: str) -> pd.DataFrame:
    """The classes in their order, and how many rows each has; all rows in a regression."""
    found = Counter(name for cell in rows["label"] for name in cells.split(cell))
    counts = [len(rows) if task == "regression" else found[name] for name in classes]
    return pd.DataFrame({"class": classes, "rows": counts})


def test_rows(archive: Archive, c: SimpleNamespace) -> tuple[pd.Series, pd.DataFrame]:
    """The ids of the sample submission, and those of them that have an image, in its order.

    In real competitions the two disagree now and then: a row without an image is predicted as the
    mean of the others (see `submission`), and both kinds are counted aloud.

    Raises:
        UserError: so many ids have no image that it cannot be the competition's doing.

    """
    ids = read_sample(archive, c.sample_submission).iloc[:, 0]
    images = lookup.find(ids, c.test_images, archive, c.suffix)
    wanted = pd.DataFrame({"id": ids, "image": images})
    test = wanted.dropna().drop_duplicates("id")
    if c.test_images != [] and len(test) < FEWEST * ids.nunique():
        missing = wanted.loc[wanted["image"].isna(), "id"]
        where = f"; ids are the first column of {c.sample_submission}"
        raise lookup.no_image(list(missing), len(ids), c.test_images, where)
    for difference in lookup.differences(ids, images, archive, c):
        click.echo(difference)
    return ids, test


if __name__ == "__main__":
    main()
