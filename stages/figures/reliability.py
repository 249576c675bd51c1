"""Calibration: what was said against how often it was right."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from stages.figures.style import BLUE, GREY, figure

SMALLEST, LARGEST = 12, 90  # square points of a bin: the more cases, the larger


def draw(path: Path, found: pd.DataFrame, bins: int, error: float | None, of: str) -> None:
    """Draw the bins (bin, count, sure, right), and below how many cases each holds.

    `of` says what a case is; if there are none, why.
    """
    with figure(path, 5.5, 5.5 if len(found) else 1) as sheet:
        if found.empty:
            sheet.text(0.5, 0.5, of, color=GREY, ha="center", va="center")
            return
        curve, counts = sheet.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _curve(curve, found)
        curve.set_title(f"Calibration of {of}: error {error:.3f}", fontsize=11)
        bars = counts.bar((found["bin"] + 0.5) / bins, found["count"], 0.9 / bins, color=BLUE)
        counts.bar_label(bars, fontsize=8)
        counts.margins(y=0.2)
        counts.set(xlabel="probability said", ylabel="cases")


def _curve(axes: Axes, found: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    axes.text(0.02, 0.97, "above: too unsure", color=GREY, va="top")
    axes.text(0.98, 0.03, "below: too sure", color=GREY, ha="right")
    axes.plot(found["sure"], found["right"], color=BLUE, linewidth=0.8)
    areas = SMALLEST + LARGEST * found["count"] / found["count"].max()
    axes.scatter(found["sure"], found["right"], areas, color=BLUE, zorder=3, clip_on=False)
    axes.set(ylabel="share that is so", xlim=(0, 1), ylim=(-0.03, 1.05))
