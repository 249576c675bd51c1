"""Rows worth seeing: their images, and under each what was said, what is true, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.figures.mosaic import Mosaic, mosaic
from stages.figures.style import BLUE, GREY, RED

COLUMNS = 3
SIDE, GAP, MARGIN = 230, 14, 12  # pixels
HEADING, LINE = 34, 17  # pixels high
STEP = SIDE + 3 * LINE + GAP


@dataclass(frozen=True)
class Example:
    """An image (H, W, 3), what was said of it, what is true, whether these agree, and its name."""

    image: np.ndarray
    said: str
    true: str
    right: bool
    name: str


@dataclass(frozen=True)
class Section:
    """Examples of one kind under a title; a sentence if there are none."""

    title: str
    examples: Sequence[Example]
    none: str

    @property
    def height(self) -> int:
        """Pixels."""
        return HEADING + (-(-len(self.examples) // COLUMNS) * STEP or 2 * LINE)


def draw(path: Path, sections: Sequence[Section]) -> None:
    """Draw the sections, one below the other, three images in a row."""
    width = 2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP
    top = MARGIN
    with mosaic(path, width, 2 * MARGIN + sum(section.height for section in sections)) as sheet:
        for section in sections:
            _section(sheet, section, top)
            top += section.height


def _section(sheet: Mosaic, section: Section, top: int) -> None:
    sheet.write(section.title, MARGIN, top, COLUMNS * SIDE, points=11, weight="bold")
    if not section.examples:
        sheet.write(section.none, MARGIN, top + HEADING - 6, COLUMNS * SIDE, color=GREY)
    for number, example in enumerate(section.examples):
        row, column = divmod(number, COLUMNS)
        _example(sheet, example, MARGIN + column * (SIDE + GAP), top + HEADING + row * STEP)


def _example(sheet: Mosaic, example: Example, left: int, top: int) -> None:
    sheet.image(example.image, left, top, SIDE)
    lines = {
        f"said {example.said}": BLUE if example.right else RED,
        f"true {example.true}": BLUE,
        example.name: GREY,
    }
    for line, (text, colour) in enumerate(lines.items()):
        sheet.write(text, left, top + SIDE + 2 + line * LINE, SIDE, color=colour)
