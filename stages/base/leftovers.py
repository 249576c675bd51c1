"""What folds that are no longer named have left in folders that a stage depends on as a whole.

DVC keeps the outs of a fold that was taken out of params.yaml, and would count them among the deps:
a clone that never had them would run the stage again. They are in its cache, if they are needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from stages.base import paths


def remove(folds: Sequence[int | str]) -> None:
    """Remove the models, histories, finder's curves and predictions of all folds but these."""
    names = set(map(str, folds))
    for folder in (paths.MODELS, paths.PREDICTIONS, paths.HISTORY, paths.RATES):
        for left in folder.glob("*/"):
            if left.name not in names:
                shutil.rmtree(left)
