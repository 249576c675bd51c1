"""The finder's picture: loss against rate on a log axis, and the suggestion."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.figures.style import BLUE, GREY, RED, picture


def draw(path: Path, rates: np.ndarray, losses: np.ndarray, suggestion: float | None) -> None:
    """Draw a curve: rates (N,) and smoothed losses (N,); fastai's plot left out 10 and 6 points."""
    with picture(path) as axes:
        axes.set_title("Learning-rate finder")
        axes.set_xlabel("learning rate of the last layer group")
        axes.set_ylabel("training loss, smoothed")
        if not len(losses):
            axes.text(0.5, 0.5, "not run (find_lr.before)", color=GREY, transform=axes.transAxes,
                      ha="center")  # fmt: skip
            return
        axes.set_xscale("log")
        axes.plot(rates, losses, color=GREY, linewidth=1)
        axes.plot(rates[10:-6], losses[10:-6], color=BLUE, linewidth=2)
        axes.set_ylim(top=min(losses.max(), 3 * np.median(losses)), bottom=0.9 * losses.min())
        if suggestion is None:
            axes.set_title("Learning-rate finder: no clear slope")
            return
        lowest = rates[10:-6][losses[10:-6].argmin()]
        axes.axvline(lowest, color=GREY, linestyle=":", label=f"lowest loss {lowest:.1e}")
        axes.axvline(suggestion, color=RED, label=f"suggestion {suggestion:g}, a tenth of it")
        axes.legend(frameon=False)
