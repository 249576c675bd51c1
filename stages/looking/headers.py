"""What the headers of image files say, without decoding any: size, mode, format."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pandas as pd
from PIL import Image

from stages.base.errors import UserError
from stages.competition.archive import Archive

COLUMNS = ["width", "height", "mode", "format"]


def read(archive: Archive, names: Iterable[str]) -> pd.DataFrame:
    """Width and height in pixels, Pillow's mode and format; a row an image."""
    return pd.DataFrame([of_image(archive, name) for name in names], columns=COLUMNS)


def of_image(archive: Archive, name: str) -> tuple[int, int, str, str]:
    """The same of one image.

    Raises:
        UserError: the file is not an image.

    """
    try:
        image = Image.open(io.BytesIO(archive.read(name)))
    except OSError as error:
        raise UserError(f"{name} is not a readable image: {error}.") from None
    return *image.size, image.mode, image.format


def counts(headers: pd.DataFrame) -> dict[str, int]:
    """How many images there are of each format and mode, the commonest first."""
    return {
        f"{column}_{value}": int(count)
        for column in ("format", "mode")
        for value, count in headers[column].value_counts().sort_index(kind="stable")
        .sort_values(ascending=False, kind="stable").items()
    }  # fmt: skip


def shorter(headers: pd.DataFrame) -> pd.Series:
    """The shorter side of each image, pixels."""
    return headers[["width", "height"]].min(axis=1)
