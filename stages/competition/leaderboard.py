"""The bundled competition's leaderboard: a submission against the held-back answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.base.errors import UserError
from stages.competition import demo
from stages.scoring import metrics


def score(submission: pd.DataFrame) -> dict[str, float]:
    """Score a submission, of numbers or of text, as Kaggle's leaderboard would.

    Raises:
        UserError: the submission is not one of this competition.

    """
    answers, columns = demo.answers(), ["id", *demo.CLASSES]
    if list(submission.columns) != columns or sorted(submission["id"]) != sorted(answers):
        raise UserError(
            "this is not a submission of the bundled competition (source: demo); give the file "
            "that `dvc repro` wrote for it."
        )
    truth = submission["id"].map(answers).to_numpy()
    numbers = submission[demo.CLASSES].apply(pd.to_numeric, errors="coerce")
    probabilities = numbers.to_numpy(dtype=float)
    if not np.isfinite(probabilities).all():
        raise UserError("a value of the submission is no finite number; Kaggle would refuse it.")
    return metrics.usual("multiclass", truth, probabilities) | {"rows": len(submission)}
