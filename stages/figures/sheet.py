"""A contact sheet: a few images side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from stages.figures.style import figure

COLUMNS = 3


def draw(path: Path, images: Sequence[Image.Image], titles: Sequence[str]) -> None:
    """Draw images, three in a row, each under its title."""
    rows = -(-len(images) // COLUMNS)
    with figure(path, 7.5, 2.6 * rows) as sheet:
        grid = sheet.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        for axes, image, title in zip(grid.flat, images, titles, strict=False):
            axes.imshow(image)
            axes.set_title(textwrap.shorten(title, 34, placeholder=" ..."), fontsize=9)
