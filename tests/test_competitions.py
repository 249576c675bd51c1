"""Competitions of four shapes through every stage, from Kaggle's stand-in to a scored submission.

The real `kaggle` command downloads and submits; the stages are real and run in this process.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from stages.commands import check_submission, look
from tests.competitions import ALL, Competition
from tests.kaggle_server import Kaggle
from tests.project import run_all, write_project

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
