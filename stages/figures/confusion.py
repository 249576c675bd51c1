"""The confusion matrix as a picture; of many classes, the part that is confused most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures import words
from stages.figures.style import BLUE, GREY, INK, figure

LABELLED = 30  # classes up to which names and counts are legible
CLASSES, PAIRS = 14, 12  # of more: how many of them are drawn, and how many pairs
LONGEST = 28  # characters of a name


def draw(path: Path, matrix: np.ndarray, classes: Sequence[str], pairs: np.ndarray) -> None:
    """Draw counts (C, C), rows true and columns said, shaded by the share of the true class.

    `pairs` (P, 2) are the classes that are confused, true and said, the most frequent first.
    """
    names = [words.short(name, LONGEST) for name in classes]
    if not matrix.any():
        _sentence(path, "No validated row has a class.")
    elif len(classes) > LABELLED:
        _largest(path, matrix, names, pairs)
    else:
        side = max(4.0, min(12.0, 2.5 + 0.45 * len(names)))
        with figure(path, side, side) as sheet:
            _title(sheet, "Confusion in the validation rows")
            _matrix(sheet.subplots(), matrix, names, np.arange(len(names)))


def _sentence(path: Path, text: str) -> None:
    """A picture without a matrix."""
    with figure(path, 5, 1) as sheet:
        sheet.text(0.5, 0.5, text, color=GREY, ha="center", va="center")


def _largest(path: Path, matrix: np.ndarray, names: Sequence[str], pairs: np.ndarray) -> None:
    """The most confused pairs, and the matrix of the classes in them."""
    chosen = involved(pairs, CLASSES)
    if not len(pairs):
        _sentence(path, f"None of the {len(names)} classes is taken for another.")
        return
    with figure(path, 7, 10) as sheet:
        _title(sheet, f"Most confused in the validation rows, of {len(names)} classes")
        bars, axes = sheet.subplots(2, 1, height_ratios=[1, 2])
        _pairs(bars, matrix, pairs[:PAIRS], names)
        _matrix(axes, matrix, names, chosen)


def _title(sheet: Figure, text: str) -> None:
    """Over the names too, for they may take most of the width."""
    sheet.suptitle(text, x=0.01, ha="left", fontsize=12, weight="bold")


def involved(pairs: np.ndarray, most: int) -> np.ndarray:
    """The classes of the first pairs, at most so many, in the order of the classes."""
    found = list(dict.fromkeys(pairs.ravel().tolist()))[:most]
    return np.array(sorted(found), dtype=int)


def _pairs(axes: Axes, matrix: np.ndarray, pairs: np.ndarray, names: Sequence[str]) -> None:
    labels = [f"{names[true]} as {names[said]}" for true, said in pairs]
    bars = axes.barh(range(len(pairs)), matrix[pairs[:, 0], pairs[:, 1]], color=BLUE)
    axes.bar_label(bars, padding=3)
    axes.set_yticks(range(len(pairs)), labels)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _matrix(axes: Axes, matrix: np.ndarray, names: Sequence[str], chosen: np.ndarray) -> None:
    """The rows and columns chosen; shares are of all rows of the true class."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    part, shaded = matrix[np.ix_(chosen, chosen)], shares[np.ix_(chosen, chosen)]
    axes.imshow(shaded, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="said", ylabel="true")
    shown = [names[column] for column in chosen]
    axes.set_xticks(range(len(shown)), shown, rotation=90)
    axes.set_yticks(range(len(shown)), shown)
    for row, column in np.argwhere(part):
        colour = "white" if shaded[row, column] > 0.5 else INK
        axes.text(column, row, part[row, column], ha="center", va="center", color=colour)
