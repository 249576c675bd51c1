"""Calibration: what was said against how often it was right."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from stages.figures.style import BLUE, GREY, figure

WIDE = 50  # times as many cases in one bin as in another: on a log axis


def draw(path: Path, found: pd.DataFrame, bins: int, error: float | None, of: str) -> None:
    """Draw the bins that reliability.curve found, and below how many cases each holds.

    `of` says what a case is; if there are none, why.
    """
    with figure(path, 5.5, 5.5 if len(found) else 1) as sheet:
        if found.empty:
            sheet.text(0.5, 0.5, of, color=GREY, ha="center", va="center")
            return
        curve, counts = sheet.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _curve(curve, found)
        curve.set_title(f"Calibration of {of}: error {error:.3f}", fontsize=11)
        counts.bar((found["bin"] + 0.5) / bins, found["count"], 0.9 / bins, color=BLUE)
        counts.set(xlabel="probability said", ylabel="cases")
        if found["count"].max() > WIDE * found["count"].min():
            counts.set_yscale("log")


def _curve(axes: Axes, found: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    axes.text(0.02, 0.97, "above: too unsure", color=GREY, va="top")
    axes.text(0.98, 0.03, "below: too sure", color=GREY, ha="right")
    axes.plot(found["sure"], found["right"], color=BLUE, marker="o")
    axes.set(ylabel="share that is so", xlim=(0, 1), ylim=(-0.02, 1.02))
