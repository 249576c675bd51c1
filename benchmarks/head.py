"""The `head` stage beside a logistic regression on the same activations, on every fold.

    python benchmarks/head.py [FOLDER]

FOLDER is a clone in which `precompute` has run. Both are trained on the rows of each fold and
judged on the rows that it holds out. The regression is scikit-learn's, on standardised
activations of the plain views, its C the best of CS in an inner cross-validation of the training
rows; its seconds are those of the search too.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.base import params, paths
from stages.fit import fitting, training
from stages.rows import tables
from stages.scoring import bootstrap
from stages.scoring.bootstrap import Sample

CS = [1e-3, 1e-2, 1e-1, 1.0]
Predict = Callable[[str, SimpleNamespace], np.ndarray]  # a fold's probabilities (N, C)


@click.command()
@click.argument("folder", type=Path, default=Path(__file__).parent.parent)
def main(folder: Path) -> None:
    """Print a line a method, and the difference, with 95 % bootstrap intervals over the rows."""
    os.chdir(folder)
    s = params.load("head")
    if s.competition.task != "multiclass":
        raise click.ClickException("a logistic regression needs a multiclass competition.")
    folds = [str(n) for n in sorted(tables.read(paths.FOLDS)["fold"].unique()) if n >= 0]
    head, regression = judge("head", ours, folds, s), judge("regression", theirs, folds, s)
    for name, gain in zip(("log loss", "accuracy"), (head - regression).T, strict=True):
        d = bootstrap.interval(lambda rows, gain=gain: float(gain[rows].mean()), Sample(gain.shape))
        click.echo(f"{name}, head less regression: {d.value:+.4f} ({d.low:+.4f} to {d.high:+.4f})")


def judge(name: str, predict: Predict, folds: list[str], s: SimpleNamespace) -> np.ndarray:
    """Print a method's out-of-fold scores and seconds; log loss and hit (N, 2) of every row."""
    start, rows, classes = time.perf_counter(), [], tables.classes(paths.CLASSES)
    for fold in folds:
        truth = tables.targets(training.of_fold(fold)[1], classes, "multiclass")
        p = predict(fold, s)
        losses = -np.log(p[np.arange(len(p)), truth].clip(1e-15))
        rows.append(np.stack([losses, p.argmax(axis=1) == truth], axis=1))
    found, seconds = np.concatenate(rows), time.perf_counter() - start
    loss, accuracy = found.mean(axis=0)
    click.echo(f"{name:<11} log loss {loss:.4f}  accuracy {accuracy:.4f}  {seconds:6.1f} s")
    return found


def ours(fold: str, s: SimpleNamespace) -> np.ndarray:
    """What the head stage, with its settings, says of the rows that a fold holds out."""
    header, head = training.new_head(fold, s)
    data = training.activation_data(fold, header, s)
    learner = training.head_learner(header, head, data, s)
    about = {"stage": "head", "size": header.size, "layers": "head"}
    rates = fitting.Rates(None, 1)  # `lr: auto` is refused: the finder has not run for all folds
    with contextlib.redirect_stdout(io.StringIO()):  # the table of every epoch
        fitting.fit_all(learner, data, s.head.fits, rates, fitting.History(), **about)
    with torch.inference_mode():
        outputs, _ = fitting.predict(head.eval(), iter([data.valid]), learner.device)
    return learner.task.activation(outputs.double()).numpy()


def theirs(fold: str, s: SimpleNamespace) -> np.ndarray:
    """What the regression says of them; 0 for a class that it never saw."""
    header, _ = training.new_head(fold, s)
    data = training.activation_data(fold, header, s)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    grid = {"logisticregression__C": CS}
    views, targets = data.train
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=3).fit(views[:, 0], targets)
    p = np.zeros((len(data.valid[1]), len(header.classes)))
    p[:, search.classes_] = search.predict_proba(data.valid[0])
    return p


if __name__ == "__main__":
    main()
