"""The learning rate of every batch of every fit, all stages side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from stages.figures.style import GREY, INK, RED, figure

POINTS = 4000  # of a fit that are drawn at most: more than there are pixels
BELOW = 150  # times the lowest of the highest rates: where the axis ends, below every warm start
NARROWEST = 0.15  # a panel's width beside the widest one's: its name must find room
NAMES = {1: ["head"], 3: ["early backbone", "late backbone", "head"]}


@dataclass(frozen=True)
class Fit:
    """A fit: the step of the pipeline that it belongs to, and its rates."""

    step: str
    multipliers: np.ndarray
    """What the highest rates are multiplied by at each batch (batches,)."""
    highest: Sequence[float]
    """One a layer group, the earliest first, the head's last."""
    known: bool
    """Or auto, and drawn at rates that are assumed."""


def draw(path: Path, fits: Sequence[Fit]) -> None:
    """Draw a panel a step and a line a layer group, on a log axis: groups are powers of ten apart.

    All panels have the same rates, but each its own batches: one step may have few.
    """
    steps = {name: [*same] for name, same in groupby(fits, key=lambda fit: fit.step)}
    lengths = [sum(len(fit.multipliers) for fit in same) for same in steps.values()]
    widths = [max(length / max(lengths), NARROWEST) for length in lengths]
    rates = [rate for fit in fits for rate in fit.highest]
    with figure(path, 9, 4) as drawn:
        row = drawn.subplots(1, len(steps), sharey=True, squeeze=False, width_ratios=widths)[0]
        row[0].set_yscale("log")
        row[0].set_ylim(min(rates) / BELOW, 2 * max(rates))
        row[0].set_ylabel("learning rate")
        drawn.supxlabel("batch", fontsize=10)
        for axes, (name, same) in zip(row, steps.items(), strict=True):
            _panel(axes, name, same)
        drawn.legend(handles=_legend(fits), loc="outside upper right", ncols=4, frameon=False)


def _panel(axes: Axes, name: str, fits: Sequence[Fit]) -> None:
    """The fits of a step, one after the other, a dotted line between them."""
    ends = [0, *np.cumsum([len(fit.multipliers) for fit in fits])]
    for fit, start in zip(fits, ends, strict=False):
        _curves(axes, fit, start)
    for end in ends[1:-1]:
        axes.axvline(end, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, ends[-1])
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_title(name.replace(" ", "\n", 1), fontsize=9, weight="normal")


def _curves(axes: Axes, fit: Fit, start: int) -> None:
    """A batch's rate holds until the next one."""
    steps = len(fit.multipliers)
    at = np.linspace(0, steps - 1, min(POINTS, steps)).astype(int)
    style = {"drawstyle": "steps-post", "linewidth": 1.2, "linestyle": "-" if fit.known else ":"}
    for rate, colour in zip(fit.highest, _colours(len(fit.highest)), strict=True):
        rates = rate * fit.multipliers[[*at, -1]]
        axes.plot(start + np.append(at, steps), rates, color=colour, **style)


def _colours(groups: int) -> list:
    """Blue of the backbone's groups, the earlier the paler, and red of the head."""
    return [*mpl.colormaps["Blues"](np.linspace(0.35, 0.95, groups - 1)), RED]


def _legend(fits: Sequence[Fit]) -> list[Line2D]:
    """The groups of the fit that has most of them, the head on top."""
    groups = max(len(fit.highest) for fit in fits)
    colours = _colours(groups)
    if groups not in NAMES:
        colours = [colours[i] for i in (0, -2, -1)]
    names = NAMES.get(
        groups, [*(f"{which} of {groups - 1} layers" for which in ("first", "last")), "head"]
    )
    lines = [Line2D([], [], color=c, label=n) for c, n in zip(colours, names, strict=True)]
    if not all(fit.known for fit in fits):
        lines.insert(0, Line2D([], [], color=INK, linestyle=":", label="auto, assumed"))
    return lines[::-1]
