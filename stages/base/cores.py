"""How many threads prepare images."""

from __future__ import annotations

import os

MOST_WORKERS = 16  # of a loader: more wait for Python's lock


def resolve_workers(workers: int | str, most: int = MOST_WORKERS) -> int:
    """`auto` is one for each core that this process may use, at most `most`."""
    if workers != "auto":
        return max(1, int(workers))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(most, cores or 1)
