"""The bundled competition's leaderboard: a submission against the held-back answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.base.errors import UserError
from stages.competition import demo, forms
from stages.scoring import metrics


def score(submission: pd.DataFrame) -> dict[str, float]:
    """Score a submission of the bundled competition as Kaggle's leaderboard would; cells of text.

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
    probabilities = forms.numbers(submission[demo.CLASSES])
    if not np.isfinite(probabilities).all():
        raise UserError("the submission has cells that are no numbers; Kaggle would refuse it.")
    return metrics.usual("multiclass", truth, probabilities) | {"rows": len(submission)}
