"""How often `repodium compare` errs: runs that are alike, and runs that differ by a planted amount.

    python benchmarks/trials.py [--trials 200]
    python benchmarks/trials.py --seeds 12 FOLDER

The first draws sets of rows and two runs' predictions for each: of equal quality, and one better
by what the set should tell in 80 of 100 cases (2.8 standard errors). It prints how often the
difference is called one. The second trains the head of every fold in FOLDER (a clone in which
`precompute` has run) with as many seeds, and compares all pairs: what differs is the seed alone.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.head import ours
from stages.base import params, paths
from stages.rows import tables
from stages.scoring import comparison
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table

CLASSES = [f"c{i}" for i in range(10)]
SKILL, SHARED = 2.0, 0.8  # the true class's lead in the outputs; how alike two runs' noise is
MANY = 200_000  # rows, to know the truth by


@click.command()
@click.argument("folder", type=Path, required=False)
@click.option("--trials", default=200, show_default=True)
@click.option("--seeds", default=12, show_default=True)
def main(folder: Path | None, trials: int, seeds: int) -> None:
    """Print a line a metric and size, or the pairs of seeds."""
    if folder:
        real(folder, seeds)
        return
    for metric in ("log_loss", "accuracy"):
        for n in (269, 1345):
            ask = Question(metric, "multiclass")
            alike = rate(ask, n, 0.0, trials)
            planted = rate(ask, n, effect(ask, n), trials)
            click.echo(
                f"{metric:<9} {n:>5} rows: alike, called different {alike:5.1%}; planted at 2.8 "
                f"standard errors, found {planted:5.1%}  ({trials} trials each)"
            )


def runs(rng: np.random.Generator, n: int, better: float) -> tuple[Table, Table]:
    """Two runs over the same n rows, the second's outputs leaning `better` more to the truth."""
    truth, common = rng.integers(len(CLASSES), size=n), rng.normal(size=(n, len(CLASSES)))
    rows = pd.DataFrame({"id": "", "image": [str(i) for i in range(n)], "fold": "0",
                         "label": [CLASSES[i] for i in truth], "group": ""})  # fmt: skip
    found = []
    for lead in (SKILL, SKILL + better):
        own = rng.normal(size=common.shape)
        outputs = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * own
        outputs[np.arange(n), truth] += lead
        p = np.exp(outputs)
        found.append(Table(rows, CLASSES, p / p.sum(axis=1, keepdims=True)))
    return found[0], found[1]


def effect(ask: Question, n: int) -> float:
    """The lead that makes a true difference of 2.8 standard errors on n rows, by bisection."""
    low, high = 0.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        a, b = runs(np.random.default_rng(1), MANY, middle)
        truth = tables.targets(a.rows, CLASSES, "multiclass")
        gain = per_row(ask, truth, b) - per_row(ask, truth, a)
        enough = abs(gain.mean()) > 2.8 * gain.std() / n**0.5
        low, high = (low, middle) if enough else (middle, high)
    return high


def per_row(ask: Question, truth: np.ndarray, table: Table) -> np.ndarray:
    """Each row's log loss, or whether it is right."""
    p = table.predicted
    if ask.metric == "accuracy":
        return (p.argmax(axis=1) == truth).astype(float)
    return -np.log(p[np.arange(len(truth)), truth])


def rate(ask: Question, n: int, better: float, trials: int) -> float:
    """The share of trials whose difference is called one."""
    pairs = (runs(np.random.default_rng([n, trial]), n, better) for trial in range(trials))
    return float(np.mean([comparison.compare(a, b, ask).difference.beside_zero for a, b in pairs]))


def real(folder: Path, seeds: int) -> None:
    """Heads that differ by their seed alone: all pairs, over all folds and on the first."""
    os.chdir(folder)
    s = params.load("head")
    table, classes = tables.read(paths.FOLDS), tables.classes(paths.CLASSES)
    every = [str(n) for n in sorted(table["fold"].unique()) if n >= 0]
    for folds in (every, every[:1]):
        runs = []
        for s.seed in range(seeds):
            valid = pd.concat([tables.of_fold(table, fold)[1] for fold in folds])
            with contextlib.redirect_stdout(io.StringIO()):
                values = np.concatenate([ours(fold, s) for fold in folds])
            rows = valid.assign(group="").astype(str)
            runs.append(Table(rows.reset_index(drop=True), classes, values))
        for metric in ("log_loss", "accuracy"):
            ask = Question(metric, "multiclass")
            called = [
                comparison.compare(a, b, ask).difference.beside_zero
                for a, b in itertools.combinations(runs, 2)
            ]
            click.echo(
                f"{metric:<9} {len(folds)} folds, {len(runs[0].rows)} rows: of {len(called)} pairs "
                f"of seeds {np.mean(called):5.1%} called different"
            )


if __name__ == "__main__":
    main()
