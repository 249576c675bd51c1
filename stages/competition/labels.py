"""From the competition's label files to tables of rows: image, id, label."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import PurePosixPath
from types import SimpleNamespace

import pandas as pd

from stages.competition.archive import Archive
from stages.errors import UserError


def table(archive: Archive, competition: SimpleNamespace) -> pd.DataFrame:
    """Training rows in the csv's order: id, image (its name in the archive), label; all text.

    The csv's own order is kept: fastai sorted the files until May 2018 while the split counted
    csv rows, which validated other images than it said.

    Raises:
        UserError: a shape that is not read yet; a column, a label or an image that is not there.

    """
    _check_shape(competition)
    rows = read_csv(archive, competition.labels)
    id_column, label_column = competition.id_column, competition.label_columns[0]
    for column in (id_column, label_column):
        if column not in rows:
            raise UserError(
                f"{competition.labels} has no column {column!r}; it has {', '.join(rows.columns)}."
            )
    ids, labels = rows[id_column], rows[label_column]
    if (labels == "").any():
        raise UserError(f"{competition.labels} has no label for id {ids[labels == ''].iloc[0]!r}.")
    found = images_of(ids, competition.train_images, archive, competition)
    return pd.DataFrame({"id": ids, "image": found, "label": labels})


def _check_shape(competition: SimpleNamespace) -> None:
    single = competition.task == "multiclass" and len(competition.label_columns) == 1
    if not single or competition.labels in ("folders", "filenames"):
        raise UserError(
            f"competition.task {competition.task} with labels {competition.labels!r} is not read "
            "yet; what works today is multiclass with one label column of a csv."
        )


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition with every cell as text: 0007 stays 0007, NA stays NA.

    Raises:
        UserError: there is no such file, it is no csv, or it has no rows.

    """
    errors = pd.errors
    try:
        with warnings.catch_warnings(action="error", category=errors.ParserWarning):
            rows = pd.read_csv(
                archive.open(name), dtype=str, keep_default_na=False, skipinitialspace=True,
                index_col=False, encoding="utf-8-sig",
            )  # fmt: skip
    except errors.ParserWarning:
        raise UserError(f"{name} has rows with more cells than its header.") from None
    except (errors.EmptyDataError, errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}.") from None
    if rows.empty:
        raise UserError(f"{name} has no rows.")
    return rows.rename(columns=str.strip)


def images_of(
    ids: Iterable[str], folder: str, archive: Archive, competition: SimpleNamespace
) -> list[str]:
    """The image of each id: folder/id + suffix; with suffix auto, the one image that it names.

    Raises:
        UserError: ids without an image or with several, the first of them named.

    """
    auto = competition.suffix == "auto"
    suffix = "" if auto else competition.suffix
    known = _by_id(archive.images(folder), folder, bare=auto)
    ids = list(ids)
    if missing := [i for i in ids if i + suffix not in known]:
        raise UserError(
            f"{len(missing)} of {len(ids)} ids have no image in {folder!r}, the first is "
            f"{missing[0]!r}; check competition.suffix and the folder."
        )
    if several := [i for i in ids if len(known[i + suffix]) > 1]:
        raise UserError(
            f"id {several[0]!r} has several images in {folder!r}: "
            f"{', '.join(known[several[0] + suffix])}; set competition.suffix."
        )
    return [known[i + suffix][0] for i in ids]


def _by_id(images: list[str], folder: str, *, bare: bool) -> dict[str, list[str]]:
    """Images by their path inside the folder, and by that path without its suffix if `bare`."""
    by_id: dict[str, list[str]] = {}
    for image in images:
        inside = PurePosixPath(image).relative_to(folder.strip("/") or ".")
        for name in {str(inside), str(inside.with_suffix("")) if bare else str(inside)}:
            by_id.setdefault(name, []).append(image)
    return by_id
