"""What the cross-validation promised against what the public leaderboard said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.figures.style import BLUE, GREY, RED, picture

LABELLED = 30  # points up to which labels are legible


def draw(path: Path, scores: Mapping[int, tuple[float, float]], metric: str) -> None:
    """Draw CV across and public score upwards, each point with its submission's number.

    On the grey line both agree; the red one fits the points.
    """
    cv, public = np.array([*scores.values()]).T
    with picture(path, 6.5, 5) as axes:
        axes.scatter(cv, public, s=28, color=BLUE, zorder=3)
        axes.axline((cv[0], cv[0]), slope=1, color=GREY, linestyle=":", label="public = CV")
        if len(cv) > 2 and np.ptp(cv) > 0:
            line = np.poly1d(np.polyfit(cv, public, 1))
            ends = np.array([cv.min(), cv.max()])
            axes.plot(ends, line(ends), color=RED, linewidth=1, label="fitted")
        for number, point in scores.items() if len(scores) <= LABELLED else ():
            axes.annotate(str(number), point, (5, 5), textcoords="offset points", fontsize=8)
        axes.margins(0.12)
        axes.set_title(f"Submissions, {metric}")
        axes.set_xlabel("cross-validation")
        axes.set_ylabel("public leaderboard")
        axes.legend(frameon=False)
