"""A `dvc repro`, and when each of its stages began and ended."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import NamedTuple

BEGINS = "Running stage '"  # a line of DVC's


class Ran(NamedTuple):
    """A stage that ran, its start-up and what DVC does after it included."""

    stage: str
    """Without its fold: each fold of it is one that ran."""
    begun: float
    ended: float
    """Seconds since the command."""


def repro(clone: Path, *words: str) -> list[Ran]:
    """Run `dvc repro` in a clone; its stages in their order.

    Raises:
        SystemExit: it failed.

    """
    command, begun, start = ["dvc", "repro", *words], [], time.perf_counter()
    running = subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True)
    for line in running.stdout:
        if line.startswith(BEGINS):
            stage = line.split("'")[1].partition("@")[0]
            begun.append((stage, time.perf_counter() - start))
    if running.wait():
        raise SystemExit(f"{' '.join(command)} failed in {clone}")
    ends = [at for _, at in begun[1:]] + [time.perf_counter() - start]
    return [Ran(*one, end) for one, end in zip(begun, ends, strict=True)]
