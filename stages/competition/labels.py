"""From the competition's labels, however they are laid out, to one table of rows."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pandas as pd

from stages.competition import cells, lookup
from stages.competition.archive import Archive
from stages.competition.csv_files import column, read_csv
from stages.errors import UserError


def table(archive: Archive, c: SimpleNamespace) -> pd.DataFrame:
    """Training rows: id, image (its name in the archive), label, and group if there is one.

    All text. `label` holds one cell a row, whatever the layout: see `cells`. A csv's own order is
    kept: fastai sorted the files until May 2018 while the split counted csv rows, which validated
    other images than it said.

    Raises:
        UserError: a column, a label or an image that is not there, or a label of another kind.

    """
    return _of_paths(archive, c) if c.labels in ("folders", "filenames") else _of_csv(archive, c)


def once(rows: pd.DataFrame, file: str) -> pd.DataFrame:
    """Each image once: rows that repeat others are left out.

    Raises:
        UserError: rows of one image that contradict each other, the first of them named.

    """
    kept = rows.drop_duplicates(["image", "label"])
    if len(twice := kept[kept.duplicated("image", keep=False)]):
        image = twice["image"].iloc[0]
        said = " and ".join(map(repr, twice.loc[twice["image"] == image, "label"]))
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
        UserError: there is only one class.

    """
    if len(c.label_columns) > 1 or c.task == "regression":
        return list(c.label_columns) or ["value"]
    found = {name for cell in rows["label"] for name in cells.split(cell)}
    if len(found) < 2:
        raise UserError(f"every label is {', '.join(found)!r}; there must be two classes or more.")
    numbers = all(re.fullmatch(r"\d{1,99}", name) for name in found)
    return sorted(found, key=lambda name: (int(name), name) if numbers else name)


def _of_csv(archive: Archive, c: SimpleNamespace) -> pd.DataFrame:
    rows = read_csv(archive, c.labels)
    ids = column(rows, c.id_column, c.labels)
    given = pd.concat([column(rows, name, c.labels) for name in c.label_columns], axis=1)
    result = pd.DataFrame(
        {
            "id": ids,
            "image": lookup.required(ids, c.train_images, archive, c.suffix),
            "label": _checked(given, ids, c),
        }
    )
    if c.group_column:
        result["group"] = column(rows, c.group_column, c.labels)
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
        return folder
    found = re.search(c.label_pattern, path)
    if not found or not found.group(1):
        raise UserError(f"competition.label_pattern {c.label_pattern!r} finds nothing in {path!r}.")
    return found.group(1)


def _checked(given: pd.DataFrame, ids: pd.Series, c: SimpleNamespace) -> list[str]:
    """One cell a row from the label's columns, checked.

    Raises:
        UserError: the first cell that is not what the task takes, with its id.

    """
    read = cells.reader(c.task, list(given.columns), c.label_separator)
    result = []
    for name, row in zip(ids, given.itertuples(index=False, name=None), strict=True):
        try:
            result.append(read(row))
        except ValueError as error:
            raise UserError(f"{c.labels}: {error} for id {name!r}.") from None
    return result
