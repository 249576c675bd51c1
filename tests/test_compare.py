"""`repodium compare`: what differs between two runs, and whether the machine does."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from stages.commands import compare
from tests.project import commit, edit, write_repository

ON_CPU = {"log_loss": 0.31, "device": "cpu", "threads": 2, "torch": "2.15.0"}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one result, committed."""
    folder = write_repository(tmp_path / "r", Path("unused"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    write(folder, ON_CPU)
    commit(folder, "first run")
    return folder


def write(folder, values):
    path = folder / "metrics/0/tta.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def compared(*revisions):
    result = CliRunner().invoke(compare.command, revisions)
    return result.exit_code, result.output


@pytest.mark.usefixtures("repository")
def test_a_run_beside_itself_has_no_difference():
    assert compared() == (
        0, "params: no difference\nscores: no difference\nmachine: no difference\n"
    )  # fmt: skip


def test_params_and_scores_that_differ_are_shown(repository):
    edit(repository / "params.yaml", **{"tta.augmented": 3})
    write(repository, ON_CPU | {"log_loss": 0.29})
    status, said = compared()
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert ["tta.augmented", "2", "->", "3"] in lines
    assert ["tta@0", "log_loss", "0.31", "->", "0.29"] in lines
    assert "machine: no difference" in said


def test_another_machine_is_named_between_commits_too(repository):
    write(repository, ON_CPU | {"device": "Tesla T4", "threads": 8})
    commit(repository, "second run")
    status, said = compared("HEAD~1", "HEAD")
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert ["tta@0", "device", "cpu", "->", "Tesla", "T4"] in lines
    assert ["tta@0", "threads", "2", "->", "8"] in lines
    assert "scores: no difference" in said
    assert "different machines" in said


@pytest.mark.usefixtures("repository")
def test_a_revision_that_is_not_there_is_one_sentence():
    status, said = compared("nowhere")
    assert status == 1
    assert said.startswith("Error: dvc metrics diff failed: ")
    assert "nowhere" in said
