"""How many threads prepare images."""

from __future__ import annotations

import os

MOST_WORKERS = 16


def resolve_workers(workers: int | str) -> int:
    """`auto` is one for each core that this process may use, at most 16."""
    if workers != "auto":
        return max(1, int(workers))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_WORKERS, cores or 1)
