"""The confusion matrix as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.figures.style import INK, picture

LABELLED = 30  # classes up to which names and counts are legible


def draw(path: Path, matrix: np.ndarray, classes: list[str]) -> None:
    """Draw counts (C, C), rows true and columns said, shaded by the share of the true class."""
    side = min(10.0, 2.5 + 0.5 * len(classes))
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    with picture(path, side, side) as axes:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_title("Confusion in the validation rows")
        axes.set_xlabel("said")
        axes.set_ylabel("true")
        axes.set_xticks([])
        axes.set_yticks([])
        if len(classes) > LABELLED:
            return
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, matrix[row, column], ha="center", va="center", color=colour)
