"""interpret: what the model confuses, from the validation predictions of all folds."""

import click
import numpy as np
import pandas as pd

from stages import params, paths, records
from stages.competition import out_of_fold, tables
from stages.figures import confusion


@click.command()
def main() -> None:
    """Draw the confusion matrix and list the most confused pairs."""
    s = params.load("interpret")
    rows, classes, probabilities = out_of_fold.read(s.folds)
    truth, said = tables.targets(rows, classes), probabilities.argmax(axis=1)
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, (truth, said), 1)
    confusion.draw(paths.picture("confusion"), matrix, classes)
    pairs = most_confused(matrix, classes)
    records.write_text(paths.picture("confusion").with_name("most_confused.csv"), to_csv(pairs))
    wrong = int((truth != said).sum())
    records.write_metrics("interpret", {"rows": len(rows), "wrong": wrong, "pairs": len(pairs)})


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


def to_csv(table: pd.DataFrame) -> str:
    """A table as csv text."""
    return table.to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
