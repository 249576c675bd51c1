"""One look for every picture, and files whose bytes do not change from run to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.base.records import whole

INK, BLUE, RED, GREY = "#24292f", "#2f6fb4", "#c4473a", "#8c959f"
LOOK = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.dpi": 110,
    "svg.hashsalt": "repodium",
}


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure, inches wide and high, that is written as a PNG at the end."""
    with mpl.rc_context(LOOK), whole(path) as part:
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn
        drawn.savefig(part, format="png", metadata={"Software": None})


@contextmanager
def picture(path: Path, width: float = 7, height: float = 4) -> Iterator[Axes]:
    """Yield the axes of a figure with nothing else in it."""
    with figure(path, width, height) as drawn:
        yield drawn.subplots()
