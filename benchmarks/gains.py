"""What snapshots, folds, TTA, the blend and calibration add to a single model, on test rows.

    python benchmarks/gains.py SET [SET ...] [--keep FOLDER]

SET is a folder of a set, or the word bundled, as of ablation.py. The rows that all variants are
judged on are held back from the pipeline, for out of fold there is one model a row, and what
averaging the folds gives cannot be seen: of the bundled competition they are its test images, of a
set a random SHARE of the labelled images, which become the test images of a copy.

In a clone the recipe runs through DVC with each change of VARIANTS, most of which touch `tta` and
`blend` alone. A line a variant is printed when it is there, and a Markdown table at the end. A
FOLDER to keep the clones in lets an interrupted run go on where it was, with the code it had.

Differences are the variant less the single model, and less the variant that it adds to, with 95 %
paired bootstrap intervals over the test rows. Beside them stands the log loss of the out-of-fold
rows, which is what one knows while a competition runs: of one fold's rows where one is trained.
The single model is fold 0's; how the other folds' are, which differ by chance, is told too.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets
from benchmarks.ablation import BUNDLED, METRICS, ROOT, Changes, recipe, repro, written
from stages.base import paths
from stages.competition import demo
from stages.scoring import calibration, comparison, metrics, predictions
from stages.scoring.comparison import Verdict
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table
from stages.scoring.predictions import Predicted
from tests.project import git

Answers = dict[str, str]  # the class of each test image

SHARE = 0.3  # of the labelled images, held back

SINGLE, VIEWS, FOLDS = "a single model", "+ TTA", "five folds"
FOLDS_VIEWS, TEMPERED = "five folds + TTA", "temperature tuned"
SECOND, TAG = "a second experiment alone", "second"
ONE: Changes = {
    "folds": [0], "tta.augmented": 0, "tta.snapshots": "none", "blend.experiments": [],
    "blend.how": "mean", "blend.weights": "equal", "blend.temperature": 1.0, "blend.clip": 0.0,
}  # fmt: skip
FIVE: Changes = ONE | {"folds": [0, 1, 2, 3, 4]}
TTA: Changes = {"tta.augmented": 4}
SNAPSHOTS: Changes = TTA | {"tta.snapshots": "predictions"}
AVERAGED: Changes = TTA | {"tta.snapshots": "weights"}
ENSEMBLE: Changes = FIVE | TTA
OTHER: Changes = {  # as good as the first, about, and wrong elsewhere
    "seed": 43, "model.pool": "avg", "model.head_layers": [], "model.dropout": [0.25],
}  # fmt: skip
BLENDED: Changes = ENSEMBLE | {"blend.experiments": [TAG]}


class Variant(NamedTuple):
    """A row of the table."""

    over: str
    """The variant that it adds to."""
    changes: Changes


VARIANTS = {
    SINGLE: Variant(SINGLE, ONE),
    VIEWS: Variant(SINGLE, ONE | TTA),
    "+ TTA + snapshots' predictions": Variant(VIEWS, ONE | SNAPSHOTS),
    "+ TTA + snapshots' weights": Variant(VIEWS, ONE | AVERAGED),
    FOLDS: Variant(SINGLE, FIVE),
    FOLDS_VIEWS: Variant(FOLDS, ENSEMBLE),
    "+ snapshots' predictions": Variant(FOLDS_VIEWS, FIVE | SNAPSHOTS),
    "+ snapshots' weights": Variant(FOLDS_VIEWS, FIVE | AVERAGED),
    TEMPERED: Variant(FOLDS_VIEWS, ENSEMBLE | {"blend.temperature": "tuned"}),
    "clip tuned": Variant(FOLDS_VIEWS, ENSEMBLE | {"blend.clip": "tuned"}),
    "gmean": Variant(FOLDS_VIEWS, ENSEMBLE | {"blend.how": "gmean"}),
    "and a sixth model, of every row":
        Variant(FOLDS_VIEWS, ENSEMBLE | {"folds": [*FIVE["folds"], "full"]}),
    "the model of every row alone": Variant(VIEWS, ENSEMBLE | {"folds": ["full"]}),
    SECOND: Variant(FOLDS_VIEWS, ENSEMBLE | OTHER),
    "blended with it, equal weights": Variant(FOLDS_VIEWS, BLENDED),
    "blended with it, greedy weights": Variant(FOLDS_VIEWS, BLENDED | {"blend.weights": "greedy"}),
}  # fmt: skip


class Row(NamedTuple):
    """What a variant reached."""

    over: str
    test: Table
    cv: float | None
    """The log loss of the out-of-fold rows, if there are any."""
    seconds: float
    beside: dict[str, dict[str, Verdict]]
    """Beside the single model and the variant that it adds to: a verdict a metric."""


@click.command()
@click.argument("names", metavar="SET...", nargs=-1, required=True)
@click.option("--keep", type=Path, help="Where the clones stay; if they are there, go on in them.")
def main(names: tuple[str, ...], keep: Path | None) -> None:
    """Print a line a variant and set, and at the end a table a set."""
    for name in names:
        if name != BUNDLED and not Path(name).is_dir():
            raise click.BadParameter(f"{name} is neither a set's folder nor the word {BUNDLED}.")
    with TemporaryDirectory() as temporary:
        folder = (keep or Path(temporary)).resolve()
        found = {Path(name).name: measured(name, folder) for name in names}
    for name, rows in found.items():
        click.echo("\n" + table(name, rows))


def measured(name: str, folder: Path) -> dict[str, Row]:
    """The row of each variant; each is printed when it is there."""
    (document, answers), short = competition(name, folder), Path(name).name
    if not (clone := folder / f"{short}-clone").is_dir():
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    rows: dict[str, Row] = {}
    for variant in VARIANTS:
        rows[variant] = row_of(clone, document, answers, variant, rows)
        click.echo(f"{short:<8} {line(variant, rows[variant])}")
        if variant in AFTERWARDS:
            click.echo(f"{short:<8} {AFTERWARDS[variant](clone, answers)}")
    return rows


def competition(name: str, folder: Path) -> tuple[dict, Answers]:
    """The recipe that the variants change, and the answers of its competition's test images."""
    if name == BUNDLED:
        answers = {image: demo.CLASSES[digit] for image, digit in demo.answers().items()}
    else:
        copy = folder / "competitions" / Path(name).name
        answers, name = hold_back(Path(name), copy), str(copy)
    document = recipe(name, [0])
    document["unfreeze"]["cycle_save"] = True
    return document, answers


def hold_back(source: Path, target: Path) -> Answers:
    """Write a set anew, a share of its labelled images as the test images; the labels of those."""
    found = pd.read_csv(source / "labels.csv", dtype=str).itertuples()
    labelled = [(row.label, (source / f"train/{row.id}.png").read_bytes()) for row in found]
    random.Random(sets.SEED).shuffle(labelled)
    count = round(SHARE * len(labelled))
    held, rest = labelled[:count], labelled[count:]
    sets.write(target, rest, [data for _, data in held])
    ids = pd.read_csv(target / "sample_submission.csv", dtype=str)["id"]
    return dict(zip(ids, (label for label, _ in held), strict=True))


def row_of(
    clone: Path, document: dict, answers: Answers, variant: str, before: dict[str, Row]
) -> Row:
    """Run the recipe as the variant has it, and compare it with those before."""
    over, changes = VARIANTS[variant]
    written(clone, document, changes)
    _, seconds = repro(clone)
    test = answered(predictions.read(clone / paths.BLENDED), answers)
    cv = read_metrics(clone, "submission").get("cv_log_loss")
    others = {name: before[name].test if before else test for name in (SINGLE, over)}
    beside = {name: compared(other, test) for name, other in others.items()}
    return Row(over, test, cv, seconds, beside)


def read_metrics(clone: Path, stage: str) -> dict[str, Any]:
    """The metrics that a stage left in the clone."""
    return json.loads((clone / paths.metrics(stage)).read_text(encoding="utf-8"))


def answered(found: Predicted, answers: Answers) -> Table:
    """Test rows with their answers."""
    labels = [answers[image] for image in found.ids]
    rows = {"id": found.ids, "image": found.ids, "fold": "test", "label": labels, "group": ""}
    return Table(pd.DataFrame(rows), found.classes, found.numbers)


def compared(before: Table, after: Table) -> dict[str, Verdict]:
    """A verdict a metric, on the same rows."""
    return {m: comparison.compare(before, after, Question(m, "multiclass")) for m in METRICS}


def each_alone(clone: Path, answers: Answers) -> str:
    """What each fold's model scores by itself."""
    tables = [answered(found, answers) for found in of_folds(clone)]
    losses = [metrics.log_loss(t.truth("multiclass"), t.predicted) for t in tables]
    single = " ".join(f"{loss:.4f}" for loss in losses)
    return f"the single models of the five folds: {single}, in the mean {np.mean(losses):.4f}"


def both_orders(clone: Path, answers: Answers) -> str:
    """The tuned temperature for the average, as `blend` has it, or for each model before that."""
    found, degree = of_folds(clone), read_metrics(clone, "blend")["temperature"]
    stack = np.stack([fold.numbers for fold in found])
    before = calibration.temper(stack, degree, "multiclass").mean(axis=0)
    after = calibration.temper(stack.mean(axis=0), degree, "multiclass")
    tables = (answered(found[0]._replace(numbers=numbers), answers) for numbers in (after, before))
    verdict = compared(*tables)["log_loss"]
    return (
        f"temperature {degree:.3f}: log loss {verdict.a:.4f} if the average takes it, "
        f"{verdict.b:.4f} if each model does before that, {spread(verdict)}"
    )


def of_folds(clone: Path) -> list[Predicted]:
    """What each fold's model says of the test images."""
    files = sorted((clone / paths.PREDICTIONS).glob("*/test.csv"))
    return [predictions.read(file) for file in files]


def tag(clone: Path, _: Answers) -> str:
    """Keep the run that is there for later blends."""
    git(clone, "commit", "--quiet", "--all", "--allow-empty", "--message", SECOND)
    git(clone, "tag", "--force", TAG)
    return f"kept as {TAG}"


AFTERWARDS: dict[str, Callable[[Path, Answers], str]] = {
    FOLDS: each_alone, TEMPERED: both_orders, SECOND: tag,
}  # fmt: skip


def line(variant: str, row: Row) -> str:
    """A variant's row for people."""
    scores = "  ".join(f"{m.replace('_', ' ')} {said(variant, row, m)}" for m in METRICS)
    return f"{variant:<32}{scores}  CV log loss {promised(row)}  {row.seconds:.0f} s"


def promised(row: Row) -> str:
    """What cross-validation says."""
    return "-" if row.cv is None else f"{row.cv:.4f}"


def said(variant: str, row: Row, metric: str) -> str:
    """A score, and how far it is from those that it is compared with."""
    found = [f"{row.beside[SINGLE][metric].b:.4f}"]
    others = {name: verdicts[metric] for name, verdicts in row.beside.items() if name != variant}
    return ", ".join([*found, *(f"{spread(other)} over {name}" for name, other in others.items())])


def spread(verdict: Verdict) -> str:
    """A difference and its interval, in bold beyond noise."""
    d = verdict.difference
    if not d.error:
        return "the same"
    text = f"{d.value:+.4f} ({d.low:+.4f} to {d.high:+.4f})"
    return f"**{text}**" if d.beside_zero else text


def table(name: str, rows: dict[str, Row]) -> str:
    """A Markdown table: a row a variant, both metrics with their differences."""
    numbers = {variant: number for number, variant in enumerate(rows, 1)}
    images = len(rows[SINGLE].test.rows)
    heading = ["", f"{name}, {images} test images", "adds to", "CV log loss"]
    for m in METRICS:
        heading += [m.replace("_", " "), "less row 1's", "less that of the row it adds to"]
    body = [cells(numbers, variant, row) for variant, row in rows.items()]
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join(f"| {' | '.join(found)} |" for found in lines)


def cells(numbers: dict[str, int], variant: str, row: Row) -> list[str]:
    """A line of the table."""
    over = "" if row.over == variant else str(numbers[row.over])
    found = [str(numbers[variant]), variant, over, promised(row)]
    for m in METRICS:
        single, other = row.beside[SINGLE][m], row.beside[row.over][m]
        found += [f"{single.b:.4f}", spread(single), spread(other)]
    return found


if __name__ == "__main__":
    main()
