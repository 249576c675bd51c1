"""interpret: what the model confuses, from the out-of-fold predictions."""

import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.figures import confusion, scatter
from stages.scoring import out_of_fold

SAID = 0.5  # the probability above which a tag counts as said
NOTHING = "nothing"


@command.stage("interpret")
def main() -> None:
    """Draw the confusion matrix, or what was said against what is true, and list the worst."""
    s = params.load("interpret")
    task, picture = s.competition.task, paths.picture("confusion")
    table = out_of_fold.load(paths.OUT_OF_FOLD)
    rows, classes, values = table.rows, table.classes, table.predicted
    truth = table.truth(task)
    if task == "regression":
        scatter.draw(picture, truth, values, classes)
        worst, wrong = largest_errors(rows["id"], truth, values), {}
    else:
        matrix, names = confused(task, truth, values, classes)
        confusion.draw(picture, matrix, names)
        worst = most_confused(matrix, names)
        wrong = {"wrong": int(matrix.sum() - np.trace(matrix)), "pairs": len(worst)}
    table = worst.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    records.write_text(picture.with_name("most_confused.csv"), table)
    records.write_metrics("interpret", {"rows": len(rows), **wrong})


def confused(
    task: str, truth: np.ndarray, values: np.ndarray, classes: list[str]
) -> tuple[np.ndarray, list[str]]:
    """The confusion matrix, rows true and columns said, and the names of both.

    Several labels an image: what is missed stands against what is said instead, or `nothing`.
    """
    if task == "multiclass":
        matrix = np.zeros((len(classes), len(classes)), dtype=int)
        np.add.at(matrix, (truth, values.argmax(axis=1)), 1)
        return matrix, classes
    true, said = truth > 0, values > SAID
    missed, extra = _or_nothing(true & ~said), _or_nothing(said & ~true)
    matrix = missed.T @ extra
    matrix[-1, -1] = 0
    matrix[np.diag_indices(len(classes))] = (true & said).sum(axis=0)
    return matrix, [*classes, NOTHING]


def _or_nothing(flags: np.ndarray) -> np.ndarray:
    """Flags (N, C) with a last column for rows that have none."""
    return np.column_stack([flags, ~flags.any(axis=1)]).astype(int)


def most_confused(matrix: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Confused pairs of classes (pair, truth, said, count), the most frequent first."""
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[: np.count_nonzero(off)]
    true, said = np.unravel_index(order, off.shape)
    pairs = [
        (f"{classes[t]} as {classes[s]}", classes[t], classes[s], off[t, s])
        for t, s in zip(true, said, strict=True)
    ]
    return pd.DataFrame(pairs, columns=["pair", "truth", "said", "count"])


def largest_errors(ids: pd.Series, truth: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """The images with the largest errors, in the same columns; `count` is the error's size."""
    error = np.abs(values - truth)
    rows = np.argsort(-error.max(axis=1, initial=0), kind="stable")[:20]
    column = error[rows].argmax(axis=1)
    found = {"truth": truth[rows, column], "said": values[rows, column]}
    table = pd.DataFrame({"pair": ids.iloc[rows].to_numpy(), **found})
    return table.assign(count=error[rows, column])


if __name__ == "__main__":
    main()
