"""From the competition's labels, however they are laid out, to one table of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from unicodedata import normalize

import pandas as pd

from stages.base.consistency import IN_PATHS
from stages.base.errors import UserError
from stages.competition import lookup
from stages.competition.archive import Archive
from stages.competition.csv_files import column, read_csv
from stages.competition.names import plain
from stages.rows import cells
from stages.rows.folds import TRAIN_ONLY

MOST = 0.5  # of the rows may have no image: more is a wrong param
MISSING = frozenset({"na", "n/a", "nan", "none", "null"})


def table(archive: Archive, c: SimpleNamespace) -> pd.DataFrame:
    """Training rows: id, image (its name in the archive), label, and group if there is one.

    All text. `label` holds one cell a row, whatever the layout: see `cells`. A csv's own order is
    kept: fastai sorted the files until May 2018 while the split counted csv rows, which validated
    other images than it said.

    Raises:
        UserError: a column or a label that is not there, or a label of another kind.

    """
    return _of_paths(archive, c) if c.labels in IN_PATHS else _of_csv(archive, c)


def with_image(rows: pd.DataFrame, c: SimpleNamespace, bad_images: str) -> pd.DataFrame:
    """The rows that have an image.

    Raises:
        UserError: some have none and that is to `fail`, or so many that a param must be wrong.

    """
    missing = rows["image"].isna()
    if missing.any() and (bad_images == "fail" or missing.mean() > MOST):
        few = missing.mean() <= MOST
        remedy = "; or leave them out: screen.bad_images: quarantine" if few else ""
        names = list(rows.loc[missing, "id"])
        raise lookup.no_image(names, len(rows), c.train_images, remedy)
    return rows[~missing]


def once(rows: pd.DataFrame, file: str) -> pd.DataFrame:
    """Each image once: rows that repeat others are left out.

    Raises:
        UserError: rows of one image that contradict each other, the first of them named.

    """
    about = [name for name in ("label", "group") if name in rows]
    kept = rows.drop_duplicates(["image", *about])
    if len(twice := kept[kept.duplicated("image", keep=False)]):
        image = twice["image"].iloc[0]
        found = twice.loc[twice["image"] == image, about].to_numpy()
        said = " and ".join(", ".join(map(repr, row)) for row in found)
        raise UserError(
            f"{file} labels {twice['image'].nunique()} images in more than one way, the first is "
            f"{image!r} with {said}; keep one row of each."
        )
    return kept.reset_index(drop=True)


def classes(rows: pd.DataFrame, c: SimpleNamespace) -> list[str]:
    """The classes, or a regression's numbers, in the order that they have in every model.

    Columns stand in the order of `label_columns`; names are sorted (fastai's order), by value if
    all are whole numbers.

    Raises:
        UserError: all labels are the same, or two differ in a way that no one can see.

    """
    listed = len(c.label_columns) > 1 or c.task == "regression"
    found = {name for cell in rows["label"] for name in ([cell] if listed else cells.split(cell))}
    if len(found) < 2:
        only = ", ".join(found).replace(cells.SEPARATOR, ", ")
        raise UserError(f"every label is {only!r}; there must be two or more: check {c.labels}.")
    if listed:
        return list(c.label_columns) or ["value"]
    _check_spelling(found, c.labels)
    numbers = all(re.fullmatch(r"\d{1,99}", name) for name in found)
    return sorted(found, key=lambda name: (int(name), name) if numbers else name)


def _check_spelling(found: set[str], file: str) -> None:
    """Refuse names that look alike.

    Raises:
        UserError: two differ in spaces around them, or in their Unicode form, alone.

    """
    by_plain: dict[str, list[str]] = {}
    for name in sorted(found):
        by_plain.setdefault(plain(name), []).append(name)
    if several := [spelled for spelled in by_plain.values() if len(spelled) > 1]:
        raise UserError(
            f"{file} spells {len(several)} classes in more than one way, the first as "
            f"{' and '.join(map(ascii, several[0]))}: they differ in spaces around the name or in "
            "their Unicode form alone; spell each in one way."
        )


def remarks(rows: pd.DataFrame, names: list[str], c: SimpleNamespace) -> Iterator[str]:
    """What is odd about the groups and classes of rows that have their folds; sentences."""
    if c.group_column:
        yield from _ungrouped(rows.groupby("group").size(), c.group_column)
    if c.task == "regression":
        return
    of_class = rows.assign(name=rows["label"].map(cells.split)).explode("name").groupby("name")
    count = of_class.size()
    if len(c.label_columns) < 2:
        yield from _doubtful(count, c.labels)
    if never := [name for name in names if name not in count]:
        yield f"{len(never)} classes have no row, the first is {never[0]!r}: they are not learned."
    yield from _unlearned(of_class["fold"].agg(["min", "max"]).reindex(names))


def _ungrouped(count: pd.Series, column: str) -> Iterator[str]:
    """Groups by an empty name, or one that programs write for a missing value."""
    for name, rows in count.items():
        if not name or name.lower() in MISSING:
            yield (
                f"{name!r} in column {column} is taken for one group, of {rows} rows in one fold: "
                "if it means that there is no group, give each of those rows a value of its own."
            )


def _doubtful(count: pd.Series, file: str) -> Iterator[str]:
    """Classes by the names that programs write for a missing value."""
    for name, rows in count.items():
        if name.lower() in MISSING:
            yield (
                f"{name!r} is taken for the name of a class, of {rows} rows: if it means that "
                f"there is no label, take those rows out of {file}."
            )


def _unlearned(folds: pd.DataFrame) -> Iterator[str]:
    """Classes whose rows are all in one fold, from the lowest and the highest fold of each."""
    alone = folds.loc[(folds["min"] == folds["max"]) & (folds["min"] != TRAIN_ONLY), "min"]
    if len(alone):
        yield (
            f"{len(alone)} classes have all their rows in one fold, the first is "
            f"{alone.index[0]!r} in fold {alone.iloc[0]:.0f}: that fold's model is validated on "
            "them but cannot learn them; train other folds too, or full."
        )


def _of_csv(archive: Archive, c: SimpleNamespace) -> pd.DataFrame:
    rows = read_csv(archive, c.labels)
    ids = column(rows, c.id_column, c.labels)
    given = pd.concat([column(rows, name, c.labels) for name in c.label_columns], axis=1)
    result = pd.DataFrame(
        {
            "id": ids,
            "image": lookup.find(ids, c.train_images, archive, c.suffix),
            "label": _checked(given, ids, c),
        }
    )
    if c.group_column:
        result["group"] = column(rows, c.group_column, c.labels).map(plain)
    return result


def _of_paths(archive: Archive, c: SimpleNamespace) -> pd.DataFrame:
    """Rows in the order of their paths; the id is the path inside train_images."""
    images = lookup.training(archive, c)
    ids = pd.Series(list(images.values()))
    given = [_label_of(path, c) for path in ids]
    labels = _checked(pd.DataFrame({"label": given}), ids, c)
    return pd.DataFrame({"id": ids, "image": list(images), "label": labels})


def _label_of(path: str, c: SimpleNamespace) -> str:
    """The label in an image's path: the folder that it lies in, or what label_pattern finds."""
    if c.labels == "folders":
        folder, slash, _ = path.rpartition("/")
        if not slash:
            raise UserError(
                f"{path} lies in no folder of {c.train_images!r}; with labels: folders each class "
                "has one: check competition.train_images."
            )
        return normalize("NFC", folder)
    found = re.search(c.label_pattern, path)
    if not found or not found.group(1):
        raise UserError(
            f"competition.label_pattern {c.label_pattern!r} finds nothing in {path!r}; widen it."
        )
    return normalize("NFC", found.group(1))


def _checked(given: pd.DataFrame, ids: pd.Series, c: SimpleNamespace) -> list[str]:
    """One cell a row from the label's columns, checked.

    Raises:
        UserError: cells that are not what the task takes, counted, the first with its id.

    """
    read = cells.reader(c.task, list(given.columns), c.label_separator)
    result, wrong = [], []
    for name, row in zip(ids, given.itertuples(index=False, name=None), strict=True):
        try:
            result.append(read(row))
        except ValueError as error:
            wrong.append(f"{error} for id {name!r}")
    if wrong:
        more = f", the first of {len(wrong)} such rows" if len(wrong) > 1 else ""
        raise UserError(f"{c.labels}: {wrong[0]}{more}; mend it or take it out.")
    return result
