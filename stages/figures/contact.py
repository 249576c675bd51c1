"""The contact sheet: a line of images a class, or from the lowest number to the highest."""

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


@dataclass(frozen=True)
class Line:
    """A name, a smaller line under it, images (H, W, 3), and a caption an image or none at all."""

    name: str
    about: str
    images: Sequence[np.ndarray]
    captions: Sequence[str]


def draw(path: Path, lines: Sequence[Line], columns: int) -> None:
    """Draw the lines, one below the other."""
    step = SIDE + GAP + (UNDER if any(line.captions for line in lines) else 0)
    width = MARGIN + LABEL + columns * (SIDE + GAP) + MARGIN - GAP
    with mosaic(path, width, 2 * MARGIN + len(lines) * step - GAP) as sheet:
        for number, line in enumerate(lines):
            _draw(sheet, line, MARGIN + number * step)


def _draw(sheet: Mosaic, line: Line, top: int) -> None:
    middle = top + SIDE // 2
    room = LABEL - GAP
    sheet.write(line.name, MARGIN, middle - 2, room, va="bottom", points=10)
    sheet.write(line.about, MARGIN, middle + 2, room, color=GREY, points=8)
    for column, image in enumerate(line.images):
        sheet.image(image, MARGIN + LABEL + column * (SIDE + GAP), top, SIDE)
    for column, caption in enumerate(line.captions):
        left = MARGIN + LABEL + column * (SIDE + GAP) + SIDE // 2
        sheet.write(caption, left, top + SIDE + 2, SIDE, points=8, ha="center")
