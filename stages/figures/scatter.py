"""What a regression said against what is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.figures import columns
from stages.figures.style import GREY, picture


def draw(path: Path, truth: np.ndarray, said: np.ndarray, names: list[str]) -> None:
    """Draw numbers (N, T), true across and said upwards; on the line they agree."""
    with picture(path, 6, 6) as axes:
        axes.set_title(f"Said against true, {len(truth)} validation rows")
        names, truth, said = columns.told(names, truth, said)
        for name, across, up in zip(names, truth.T, said.T, strict=True):
            axes.scatter(across, up, s=12, alpha=0.5, linewidths=0, label=name)
        if len(truth):
            ends = [truth.min(), truth.max()]
            axes.plot(ends, ends, color=GREY, linewidth=1)
        axes.set_xlabel("true")
        axes.set_ylabel("said")
        axes.legend(frameon=False)
