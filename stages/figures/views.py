"""Images and views of them, a line of views below the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import SubFigure

from stages.figures.style import INK, figure

FEWEST = 4  # columns: there is to be room for a name
Lines = Mapping[str, Mapping[str, np.ndarray]]  # by what they show: views (S, S, 3) by name


def draw(path: Path, images: Mapping[str, Lines]) -> None:
    """Draw the lines of each image below its name."""
    heights = [len(lines) for lines in images.values()]
    counts = (len(views) for lines in images.values() for views in lines.values())
    columns = max(FEWEST, *counts)
    with figure(path, 1 + 1.2 * columns, 1.45 * sum(heights) + 0.3 * len(images)) as sheet:
        places = sheet.subfigures(len(images), 1, squeeze=False, height_ratios=heights).flat
        for place, (name, lines) in zip(places, images.items(), strict=True):
            place.suptitle(name, fontsize=10, fontweight="bold", color=INK)
            _draw(place, lines, columns)


def _draw(place: SubFigure, lines: Lines, columns: int) -> None:
    grid = place.subplots(len(lines), columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for row, (label, views) in zip(grid, lines.items(), strict=True):
        row[0].set_ylabel(label)
        for axes, (name, view) in zip(row, views.items(), strict=False):
            axes.imshow(view)
            axes.set_title(name, fontsize=8, weight="normal", loc="center")
