"""Images in sections, lines of words under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.figures.mosaic import Mosaic, mosaic
from stages.figures.style import GREY

COLUMNS = 3
SIDE, GAP, MARGIN = 230, 14, 12  # pixels
HEADING, LINE = 34, 17  # pixels high


@dataclass(frozen=True)
class Tile:
    """An image (H, W, 3), and lines of words, each with its colour."""

    image: np.ndarray
    words: Sequence[tuple[str, str]]

    @property
    def height(self) -> int:
        """Pixels."""
        return SIDE + len(self.words) * LINE + GAP


@dataclass(frozen=True)
class Section:
    """Tiles under a title, and a sentence between the two."""

    title: str
    tiles: Sequence[Tile]
    note: str = ""

    @property
    def above(self) -> int:
        """Pixels above the tiles."""
        return HEADING + LINE * bool(self.note)

    @property
    def step(self) -> int:
        """Pixels of a line of tiles."""
        return max((tile.height for tile in self.tiles), default=LINE)

    def height(self, columns: int) -> int:
        """Pixels, with so many tiles in a line."""
        return self.above + -(-len(self.tiles) // columns) * self.step


def draw(path: Path, sections: Sequence[Section], columns: int = COLUMNS) -> None:
    """Draw the sections, one below the other, so many tiles in a line."""
    width = 2 * MARGIN + columns * (SIDE + GAP) - GAP
    top = MARGIN
    height = sum(section.height(columns) for section in sections)
    with mosaic(path, width, 2 * MARGIN + height) as sheet:
        for section in sections:
            _section(sheet, section, top, columns)
            top += section.height(columns)


def _section(sheet: Mosaic, section: Section, top: int, columns: int) -> None:
    room = columns * (SIDE + GAP) - GAP
    sheet.write(section.title, MARGIN, top, room, points=11, weight="bold")
    sheet.write(section.note, MARGIN, top + HEADING - 8, room, color=GREY)
    for number, tile in enumerate(section.tiles):
        row, column = divmod(number, columns)
        left = MARGIN + column * (SIDE + GAP)
        _tile(sheet, tile, left, top + section.above + row * section.step)


def _tile(sheet: Mosaic, tile: Tile, left: int, top: int) -> None:
    sheet.image(tile.image, left, top, SIDE)
    for line, (text, colour) in enumerate(tile.words):
        sheet.write(text, left, top + SIDE + 2 + line * LINE, SIDE, color=colour)
