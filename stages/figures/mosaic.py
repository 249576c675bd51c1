"""Images and words placed by the pixel: no pixel is drawn between two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from stages.figures import words
from stages.figures.style import INK, LOOK, figure

DPI = LOOK["figure.dpi"]


class Mosaic:
    """A sheet whose places are pixels from the left and from the top."""

    def __init__(self, sheet: Figure, width: int, height: int) -> None:
        self._sheet, self._width, self._height = sheet, width, height

    def image(
        self, pixels: np.ndarray, left: int, top: int, side: int, *, low: bool = False
    ) -> None:
        """Place an image (H, W, 3) in a square, as large as fits.

        It lies in the middle, or, for words under it, in the lower left corner.
        """
        width, height = inside(pixels, side)
        found = np.asarray(Image.fromarray(pixels).resize((width, height)))
        across, under = (0, 0) if low else ((side - width) // 2, (side - height + 1) // 2)
        bottom = self._height - top - side
        self._sheet.figimage(found, left + across, bottom + under, origin="upper")

    def write(
        self, text: str, left: int, top: int, width: int, points: float = 9, **style: str
    ) -> None:
        """Write a line, cut where it is wider than so many pixels.

        Its upper left corner is here unless `ha` and `va` say otherwise.
        """
        style = {"ha": "left", "va": "top", "color": INK, "weight": "normal"} | style
        shown = words.fitted(text, width / DPI, points, style["weight"])
        x, y = left / self._width, 1 - top / self._height
        self._sheet.text(x, y, shown, fontsize=points, **style)


def inside(pixels: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of an image (H, W, 3) that is as large as fits into a square."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    return max(1, round(side * width / longer)), max(1, round(side * height / longer))


@contextmanager
def mosaic(path: Path, width: int, height: int) -> Iterator[Mosaic]:
    """Yield an empty sheet, pixels wide and high, that is written as a PNG at the end."""
    with figure(path, width / DPI, height / DPI) as sheet:
        sheet.set_layout_engine("none")
        yield Mosaic(sheet, width, height)
