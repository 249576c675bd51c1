"""The first look at a competition: images a class, and their sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stages.figures import columns, words
from stages.figures.style import BLUE, RED, figure, picture

LONGEST = 30  # characters of a name
BINS = 40  # of a histogram
NAMED = 40  # classes up to which every bar has its name


def draw_counts(path: Path, counts: pd.Series) -> None:
    """Draw the number of training images of each class, the most frequent on top."""
    counts = counts.sort_values(kind="stable")
    height = min(12.0, 1.5 + 0.25 * len(counts))
    with picture(path, 7, height) as axes:
        axes.barh(range(len(counts)), counts.to_numpy(), color=BLUE)
        axes.set_title(f"Training images a class ({len(counts)} classes)")
        axes.set_xlabel("images")
        if len(counts) <= NAMED:
            axes.set_yticks(
                range(len(counts)), [words.short(name, LONGEST) for name in counts.index]
            )
        else:
            axes.set_yticks([])


def draw_numbers(path: Path, numbers: np.ndarray, names: list[str]) -> None:
    """Draw the histogram of each column of a regression's numbers (N, T)."""
    with picture(path) as axes:
        axes.set_title(f"Numbers of the {len(numbers)} training images")
        names, numbers = columns.told(names, numbers)
        axes.hist(numbers, bins=BINS, label=names)
        axes.set_ylabel("images")
        axes.legend(frameon=False)


def draw_sizes(path: Path, sizes: pd.DataFrame, shorter_side: int) -> None:
    """Draw width against height of every image, a histogram of each beside, and the pack's side."""
    longest = 1.05 * max(shorter_side, sizes[["width", "height"]].max(axis=None))
    bins = np.linspace(0, longest, BINS + 1)
    with figure(path, 6, 6) as sheet:
        grid = sheet.add_gridspec(2, 2, width_ratios=[4, 1], height_ratios=[1, 4])
        both = sheet.add_subplot(grid[1, 0])
        _sizes(both, sizes, shorter_side)
        both.set(xlim=(0, longest), ylim=(0, longest))
        widths = sheet.add_subplot(grid[0, 0], sharex=both)
        widths.hist(sizes["width"], bins, color=BLUE)
        widths.set(title=f"Image sizes, {len(sizes)} images", ylabel="images")
        heights = sheet.add_subplot(grid[1, 1], sharey=both)
        heights.hist(sizes["height"], bins, color=BLUE, orientation="horizontal")
        heights.set_xlabel("images")
        for beside, axis in ((widths, "x"), (heights, "y")):
            beside.tick_params(axis=axis, labelbottom=axis == "y", labelleft=axis == "x")


def _sizes(axes: Axes, sizes: pd.DataFrame, shorter_side: int) -> None:
    axes.scatter(sizes["width"], sizes["height"], s=12, color=BLUE, alpha=0.3, linewidths=0)
    axes.axvline(shorter_side, color=RED, linewidth=1, label=f"shorter side {shorter_side}")
    axes.axhline(shorter_side, color=RED, linewidth=1)
    axes.set(xlabel="width, pixels", ylabel="height, pixels")
    axes.legend(frameon=False)
