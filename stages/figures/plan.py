"""The learning rate of every batch of every fit, all stages side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from stages.figures.style import GREY, INK, RED, picture

POINTS = 4000  # of a fit that are drawn at most: more than there are pixels
BELOW = 150  # times the lowest of the highest rates: where the axis ends, below every warm start
LEVEL = 0.14  # of the width: what each step must have for names that are not aslant
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
    """Draw a line a layer group, on a log axis: the groups may be powers of ten apart."""
    ends = [0, *np.cumsum([len(fit.multipliers) for fit in fits])]
    rates = [rate for fit in fits for rate in fit.highest]
    with picture(path, 9, 4.5) as axes:
        axes.set_yscale("log")
        axes.set_xlim(0, ends[-1])
        axes.set_ylim(min(rates) / BELOW, 2 * max(rates))
        axes.set_xlabel("batch")
        axes.set_ylabel("learning rate")
        for fit, start in zip(fits, ends, strict=False):
            _curves(axes, fit, start)
        _boundaries(axes, [fit.step for fit in fits], ends)
        axes.figure.legend(handles=_legend(fits), loc="outside right center", frameon=False)


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


def _boundaries(axes: Axes, steps: Sequence[str], ends: Sequence[int]) -> None:
    """A dotted line after a fit, a full one after a step, and over each step its name."""
    names = [(name, len([*same])) for name, same in groupby(steps)]
    edges = [ends[i] for i in [0, *np.cumsum([n for _, n in names])]]
    level = np.diff(edges).min() >= LEVEL * ends[-1]
    for end in ends[1:]:
        axes.axvline(end, color=GREY, linewidth=0.8, linestyle="-" if end in edges else ":")
    for (name, _), (start, end) in zip(names, pairwise(edges), strict=True):
        axes.annotate(
            name, ((start + end) / 2, 1), (0, 5), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=0 if level else 35, rotation_mode="anchor",
            ha="center" if level else "left", fontsize=9,
        )  # fmt: skip


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
