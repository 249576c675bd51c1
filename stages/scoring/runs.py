"""What a run predicted, of this folder or of a commit or experiment, from DVC's cache."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from stages.base import paths
from stages.base.errors import UserError
from stages.base.pipeline import HERE
from stages.scoring import out_of_fold, predictions
from stages.scoring.out_of_fold import Table
from stages.scoring.predictions import Predicted


@dataclass(frozen=True)
class Run:
    """The predictions of a run."""

    rows: Table
    """Its out-of-fold rows."""
    test: Predicted


def read(revision: str) -> Run:
    """The run of a commit, a tag, or an experiment of DVC's.

    Raises:
        UserError: there is none, or its predictions are not in DVC's cache.

    """
    rows, test = (text(path, revision) for path in (paths.OUT_OF_FOLD, paths.BLENDED))
    return Run(out_of_fold.parse(io.StringIO(rows)), predictions.parse(io.StringIO(test)))


def text(path: Path, revision: str) -> str:
    """A file of a run as it was written.

    Raises:
        UserError: there is no such run, or the file is neither here nor in DVC's cache.

    """
    import dvc.api  # a second
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        if revision == HERE:
            return path.read_text(encoding="utf-8")
        return dvc.api.read(str(path), rev=revision)
    except SCMError:
        raise UserError(
            f"{revision} is no commit, tag or experiment of this repository; `git log` and "
            "`dvc exp show` list them."
        ) from None
    except (OSError, DvcException):
        raise UserError(
            f"{revision} has no {path} in DVC's cache; `dvc repro` there makes it."
        ) from None
