"""interpret: what the model gets wrong and right, from the out-of-fold predictions."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.figures import confusion, scatter, tiles
from stages.figures import reliability as calibration
from stages.figures.style import BLUE, GREY, RED
from stages.figures.tiles import Section, Tile
from stages.images.pack import Pack
from stages.looking import captions, confused, examples, per_class, reliability
from stages.scoring import out_of_fold
from stages.scoring.out_of_fold import Table

CASES = {
    "multiclass": "the likeliest class",
    "multilabel": "all tags",
    "regression": "Numbers have no probability to calibrate.",
}


@command.stage("interpret")
def main() -> None:
    """Draw and list what is confused, rows worth seeing, each class's scores, the calibration."""
    s = params.load("interpret")
    task, table = s.competition.task, out_of_fold.load(paths.OUT_OF_FOLD)
    truth = table.truth(task)
    found = draw_confused(task, table, truth)
    draw_examples(task, table, truth)
    write(paths.PER_CLASS, scores(task, table, truth))
    found |= draw_calibration(task, table, truth)
    records.write_metrics("interpret", {"rows": len(table.rows), **found})


def draw_confused(task: str, table: Table, truth: np.ndarray) -> dict[str, int]:
    """Draw the confusion matrix, or what was said against what is true; list the worst."""
    picture, values, classes = paths.picture("confusion"), table.predicted, table.classes
    if task == "regression":
        scatter.draw(picture, truth, values, classes)
        worst = confused.largest_errors(table.rows["id"], truth, values)
        found = {}
    else:
        matrix, names = confused.confused(task, truth, values, classes)
        confusion.draw(picture, matrix, names, confused.pairs(matrix))
        worst = confused.most_confused(matrix, names)
        found = {"wrong": int(matrix.sum() - np.trace(matrix)), "pairs": len(worst)}
    write(paths.MOST_CONFUSED, worst)
    return found


def draw_examples(task: str, table: Table, truth: np.ndarray) -> None:
    """Draw the rows that are most wrong, most right and most unsure."""
    pack, values = Pack(paths.PACK), table.predicted
    numbers = task == "regression"
    right = np.ones(len(truth), bool) if numbers else examples.is_right(truth, values)
    sections = []
    for kind in examples.of_task(task, truth, values):
        about = table.rows.iloc[kind.rows]
        shown = []
        for row, name, place in zip(kind.rows, about["id"], pack.rows(about["image"]), strict=True):
            said, true = captions.of_row(task, truth, values, table.classes, row)
            colour = BLUE if right[row] else RED
            words = [(f"said {said}", colour), (f"true {true}", BLUE), (name, GREY)]
            shown.append(Tile(pack.image(place), words))
        sections.append(Section(kind.title, shown, "" if shown else kind.none))
    tiles.draw(paths.picture("images"), sections)


def scores(task: str, table: Table, truth: np.ndarray) -> pd.DataFrame:
    """The scores of each class, or number, the worst first."""
    of = per_class.of_numbers if task == "regression" else per_class.of_classes
    return of(truth, table.predicted, table.classes)


def draw_calibration(task: str, table: Table, truth: np.ndarray) -> dict[str, float]:
    """Draw how often what was said is so; the expected calibration error."""
    curve = reliability.curve(*reliability.claims(task, truth, table.predicted))
    error = reliability.error(curve) if len(curve) else None
    what = CASES[task] if len(table.rows) else examples.NO_ROW
    calibration.draw(paths.picture("calibration"), curve, reliability.BINS, error, what)
    return {} if error is None else {"calibration_error": error}


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table, six significant digits."""
    records.write_table(path, table, float_format="%.6g")


if __name__ == "__main__":
    main()
