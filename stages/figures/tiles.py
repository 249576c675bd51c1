"""Images in sections, lines of words under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.figures.mosaic import Mosaic, inside, mosaic
from stages.figures.style import GREY, INK

COLUMNS = 3
SIDE, GAP, MARGIN = 230, 14, 12  # pixels
APART = 2 * MARGIN  # sections beside each other
HEADING, LINE = 34, 17  # pixels high


@dataclass(frozen=True)
class Tile:
    """An image (H, W, 3), and lines of words, each with its colour."""

    image: np.ndarray
    words: Sequence[tuple[str, str]]

    @property
    def high(self) -> int:
        """Pixels of the image."""
        return inside(self.image, SIDE)[1]


@dataclass(frozen=True)
class Section:
    """Tiles under a title of some colour, and a sentence between the two."""

    title: str
    tiles: Sequence[Tile]
    note: str = ""
    colour: str = INK

    @property
    def above(self) -> int:
        """Pixels above the tiles."""
        return HEADING * bool(self.title) + LINE * bool(self.note)

    @property
    def high(self) -> int:
        """Pixels of its highest image."""
        return max(tile.high for tile in self.tiles)

    @property
    def step(self) -> int:
        """Pixels of a line of tiles."""
        return self.high + LINE * max(len(tile.words) for tile in self.tiles) + GAP

    def height(self, columns: int) -> int:
        """Pixels, with so many tiles in a line."""
        return self.above + (-(-len(self.tiles) // columns) * self.step if self.tiles else LINE)


def draw(path: Path, sections: Sequence[Section], columns: int = COLUMNS, beside: int = 1) -> None:
    """Draw the sections, so many beside each other, with so many tiles in a line."""
    room = columns * (SIDE + GAP) - GAP
    lines = [sections[start : start + beside] for start in range(0, len(sections), beside)]
    heights = [max(section.height(columns) for section in line) for line in lines]
    top, bottom = MARGIN, MARGIN + sum(height + MARGIN for height in heights)
    with mosaic(path, beside * (room + APART), bottom) as sheet:
        for line, height in zip(lines, heights, strict=True):
            for number, section in enumerate(line):
                _section(sheet, section, MARGIN + number * (room + APART), top, columns)
            top += height + MARGIN


def _section(sheet: Mosaic, section: Section, left: int, top: int, columns: int) -> None:
    room = columns * (SIDE + GAP) - GAP
    sheet.write(section.title, left, top, room, points=11, weight="bold", color=section.colour)
    below = (HEADING - 8) * bool(section.title)
    sheet.write(section.note, left, top + below, room, color=GREY)
    for number, tile in enumerate(section.tiles):
        row, column = divmod(number, columns)
        under = top + section.above + section.high + row * section.step
        _tile(sheet, tile, left + column * (SIDE + GAP), under)


def _tile(sheet: Mosaic, tile: Tile, left: int, under: int) -> None:
    """Draw a tile whose image ends, and whose words begin, so many pixels from the top."""
    sheet.image(tile.image, left, under - SIDE, SIDE, low=True)
    for line, (text, colour) in enumerate(tile.words):
        sheet.write(text, left, under + 2 + line * LINE, SIDE, color=colour)
