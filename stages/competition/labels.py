"""From the competition's label files to tables of rows: image, id, label."""

from __future__ import annotations

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
        UserError: a shape that is not read yet, a column or an image that is not there.

    """
    if competition.task != "multiclass" or competition.labels in ("folders", "filenames"):
        raise UserError(
            f"competition.task {competition.task} with labels {competition.labels!r} is not read "
            "yet; what works today is multiclass with one label column of a csv."
        )
    rows = read_csv(archive, competition.labels)
    wanted = [competition.id_column, *competition.label_columns]
    if missing := [c for c in wanted if c not in rows]:
        raise UserError(
            f"{competition.labels} has no column {missing[0]!r}; it has {', '.join(rows.columns)}."
        )
    found = images_of(rows[competition.id_column], competition.train_images, archive, competition)
    return pd.DataFrame(
        {
            "id": rows[competition.id_column],
            "image": found,
            "label": rows[competition.label_columns[0]],
        }
    )


def read_csv(archive: Archive, name: str) -> pd.DataFrame:
    """A csv of the competition with every cell as text: 0007 stays 0007, NA stays NA."""
    return pd.read_csv(
        archive.open(name), dtype=str, keep_default_na=False, skipinitialspace=True,
        encoding="utf-8-sig",
    )  # fmt: skip


def images_of(
    ids: Iterable[str], folder: str, archive: Archive, competition: SimpleNamespace
) -> list[str]:
    """The image of each id: folder/id + suffix; with suffix auto, the image that the id names.

    Raises:
        UserError: ids without an image, named.

    """
    suffix = "" if competition.suffix == "auto" else competition.suffix
    known = _by_id(archive.images(folder), folder, bare=competition.suffix == "auto")
    ids = list(ids)
    missing = [i for i in ids if i + suffix not in known]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(ids)} ids have no image in {folder!r}, the first is "
            f"{missing[0]!r}; check competition.suffix and the folder."
        )
    return [known[i + suffix] for i in ids]


def _by_id(images: list[str], folder: str, *, bare: bool) -> dict[str, str]:
    """Image names by their path inside the folder, and by that path without its suffix."""
    inside = {n: str(PurePosixPath(n).relative_to(folder.strip("/") or ".")) for n in images}
    by_id = {name: image for image, name in inside.items()}
    if bare:
        for image, name in inside.items():
            by_id.setdefault(str(PurePosixPath(name).with_suffix("")), image)
    return by_id
