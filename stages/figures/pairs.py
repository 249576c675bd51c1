"""Pairs of images, the two of each side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import SubFigure

from stages.figures import words
from stages.figures.style import INK, RED, figure

COLUMNS = 2
LONGEST = 26  # characters of a line above an image


@dataclass(frozen=True)
class Pair:
    """Two images (H, W, 3), two lines above each, and a caption above both, red if it is bad."""

    images: Sequence[np.ndarray]
    titles: Sequence[tuple[str, str]]
    caption: str
    bad: bool


def draw(path: Path, pairs: Sequence[Pair], empty: str) -> None:
    """Draw pairs, two in a row; the sentence `empty` if there are none."""
    lines = -(-len(pairs) // COLUMNS)
    with figure(path, 9, 2.7 * lines or 1) as sheet:
        if not pairs:
            sheet.text(0.5, 0.5, empty, ha="center", va="center")
            return
        places = sheet.subfigures(lines, COLUMNS, squeeze=False).flat
        for place, pair in zip(places, pairs, strict=False):
            _draw(place, pair)


def _draw(place: SubFigure, pair: Pair) -> None:
    place.suptitle(pair.caption, fontsize=10, color=RED if pair.bad else INK)
    for axes, image, (what, name) in zip(
        place.subplots(1, 2), pair.images, pair.titles, strict=True
    ):
        axes.imshow(image)
        axes.axis("off")
        title = f"{words.short(what, LONGEST)}\n{words.end(name, LONGEST)}"
        axes.set_title(title, fontsize=8, weight="normal", loc="center")
