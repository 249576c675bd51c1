"""Competitions of four shapes through every stage, from Kaggle's stand-in to a scored submission.

The real `kaggle` command downloads and submits; the stages are real and run in this process.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import fbeta_score

from stages.commands import check_submission, look, summary
from tests.competitions import ALL, Competition
from tests.kaggle_server import Kaggle
from tests.project import ROOT, TINY, edit, run_all, write_project

TRAINING = {
    "head.fits": [{"lr": 0.01, "cycles": 2}],
    "augment.fits": [],
    "unfreeze.fits": [{"lr": [0.005, 0.015, 0.015], "cycles": 2, "cycle_len": 8}],
}


@pytest.fixture(params=ALL)
def competition(request) -> Competition:
    return ALL[request.param]()


@pytest.fixture
def finished(site: Kaggle, competition: Competition, tmp_path: Path) -> Path:
    """A project of the competition, downloaded from the stand-in, with all stages run."""
    site.archive, site.score = competition.archive(), competition.score
    about = {"competition.slug": competition.slug, "competition.metric": "log_loss"}
    folder = write_project(tmp_path / "p", "kaggle", **(TRAINING | about | competition.params))
    run_all(folder, ["0"])
    return folder


@pytest.fixture
def planet(site: Kaggle, tmp_path: Path) -> Path:
    """A project of the planet recipe on a small set of the same layout, with all stages run."""
    stripes = ALL["tags"]()
    site.archive = stripes.archive()
    folder = write_project(tmp_path / "p", "kaggle")
    shutil.copy(ROOT / "recipes/planet.yaml", folder / "params.yaml")
    small = {key: value for key, value in TINY.items() if not key.startswith("competition.")}
    about = {"competition.slug": stripes.slug, "competition.test_images": "test-jpg"}
    edit(folder / "params.yaml", **(small | TRAINING | about))
    run_all(folder, ["0"])
    return folder


def test_planets_f2_is_that_of_the_best_threshold_and_of_honest_ones(planet: Path) -> None:
    """Against brute force: scikit-learn's fbeta at a threshold between any two predictions."""
    found = json.loads((planet / "metrics/submission.json").read_text())
    rows = pd.read_csv(planet / "data/predictions/0/validation.csv").set_index("id")
    labels = pd.read_csv(planet / "data/folds.csv").set_index("id")["label"].loc[rows.index]
    truth = np.array([[name in cell.split("\t") for name in rows] for cell in labels])
    values = np.unique(rows.to_numpy())
    best = max(
        fbeta_score(truth, rows.to_numpy() > t, beta=2, average="samples", zero_division=0)
        for t in (values[:-1] + values[1:]) / 2
    )
    assert found["cv_f2_naive"] == pytest.approx(best, rel=1e-5)
    assert found["cv_f2"] <= found["cv_f2_naive"]
    test = pd.read_csv(planet / "data/predictions/0/test.csv").set_index("id")
    tags = pd.read_csv(planet / "submissions/submission.csv").set_index("image_name")["tags"]
    above = test > float(found["threshold"])
    for name, cell in tags.items():
        assert cell.split() == [tag for tag in test if above.loc[name, tag]]


def repodium(folder: Path, command, *words: str):
    here = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(command.command, words, catch_exceptions=False)
    finally:
        os.chdir(here)


def test_a_competition_is_learned_and_its_submission_is_good(
    finished: Path, competition: Competition
) -> None:
    file = finished / "submissions/submission.csv"
    reached = competition.score(file.read_bytes())
    if competition.greater_is_better:
        assert reached > competition.guess
    else:
        assert reached < competition.guess
    result = repodium(finished, check_submission, "submissions/submission.csv")
    assert result.output == "submissions/submission.csv: good.\n"
    assert result.exit_code == 0
    found = json.loads((finished / "metrics/submission.json").read_text())
    assert f"cv_{competition.params.get('competition.metric', 'log_loss')}" in found
    assert repodium(finished, look).exit_code == 0
    shown = repodium(finished, summary).output.splitlines()
    assert (
        f"kaggle competitions submit {competition.slug} -f submissions/submission.csv" in shown[-1]
    )
    assert [line.split()[1] for line in (*shown[1:5], shown[7])] == [
        "head", "augment", "progressive", "unfreeze", "tta",
    ]  # fmt: skip
