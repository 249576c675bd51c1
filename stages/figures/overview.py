"""The first look at a competition: images a class, and their sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stages.figures.style import BLUE, RED, picture

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
            axes.set_yticks(range(len(counts)), counts.index)
        else:
            axes.set_yticks([])


def draw_numbers(path: Path, numbers: np.ndarray, names: list[str]) -> None:
    """Draw the histogram of each column of a regression's numbers (N, T)."""
    with picture(path) as axes:
        axes.hist(numbers, bins=40, label=names)
        axes.set_title(f"Numbers of the {len(numbers)} training images")
        axes.set_ylabel("images")
        axes.legend(frameon=False)


def draw_sizes(path: Path, sizes: pd.DataFrame, shorter_side: int) -> None:
    """Draw width against height of every image, and the side that the pack reduces them to."""
    with picture(path, 6, 6) as axes:
        axes.scatter(sizes["width"], sizes["height"], s=12, color=BLUE, alpha=0.3, linewidths=0)
        axes.axvline(shorter_side, color=RED, linewidth=1, label=f"shorter side {shorter_side}")
        axes.axhline(shorter_side, color=RED, linewidth=1)
        axes.set_title(f"Image sizes, {len(sizes)} images")
        axes.set_xlabel("width, pixels")
        axes.set_ylabel("height, pixels")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
