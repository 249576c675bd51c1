"""A training stage without fits passes the model on, and needs no torch for that."""

from __future__ import annotations

import shutil

from stages.base import paths, records
from stages.fit import table


def on(stage: str, fold: str, start: str) -> None:
    """Hand on the checkpoint that stage `start` left for `fold`, as it is."""
    with records.whole(paths.model(fold, stage)) as part:
        shutil.copyfile(paths.model(fold, start), part)
    table.write(paths.history(fold, stage), [])
    records.write_metrics(stage, {"epochs": 0}, fold)
