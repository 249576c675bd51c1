"""Lines of images, each with its name at its left: the contact sheet, the views of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.figures.mosaic import Mosaic, mosaic
from stages.figures.style import GREY

SIDE, GAP, MARGIN = 88, 8, 12  # pixels
LABEL = 184  # pixels of a line's name
UNDER = 16  # pixels of a caption
HEADING = 36


@dataclass(frozen=True)
class Line:
    """A name, a smaller line under it, images (H, W, 3), and a caption an image or none at all.

    Above them a heading, if it has one.
    """

    name: str
    about: str
    images: Sequence[np.ndarray]
    captions: Sequence[str]
    heading: str = ""


def draw(
    path: Path, lines: Sequence[Line], columns: int, side: int = SIDE, label: int = LABEL
) -> None:
    """Draw the lines, one below the other: images of `side` pixels, names of `label`."""
    step = side + GAP + (UNDER if any(line.captions for line in lines) else 0)
    above = [HEADING if line.heading else MARGIN * (line is lines[0]) for line in lines]
    width = MARGIN + label + columns * (side + GAP) + MARGIN - GAP
    top = 0
    with mosaic(path, width, sum(above) + len(lines) * step) as sheet:
        for line, room in zip(lines, above, strict=True):
            sheet.write(line.heading, MARGIN, top + MARGIN, width, points=10, weight="bold")
            _draw(sheet, line, top + room, side, label)
            top += room + step


def _draw(sheet: Mosaic, line: Line, top: int, side: int, label: int) -> None:
    middle = top + side // 2
    sheet.write(line.name, MARGIN, middle - 2, label - GAP, va="bottom", points=10)
    sheet.write(line.about, MARGIN, middle + 2, label - GAP, color=GREY, points=8)
    for column, image in enumerate(line.images):
        sheet.image(image, MARGIN + label + column * (side + GAP), top, side)
    for column, caption in enumerate(line.captions):
        left = MARGIN + label + column * (side + GAP) + side // 2
        sheet.write(caption, left, top + side + 2, side, points=8, ha="center")
