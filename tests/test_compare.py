"""`repodium compare`: what differs between two runs, and whether the machine does."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from stages.commands import compare
from stages.scoring import out_of_fold
from stages.scoring.out_of_fold import Table
from tests.project import commit, dvc, edit, write_repository

ON_CPU = {"log_loss": 0.31, "device": "cpu: EPYC", "threads": 2, "torch": "2.15.0"}


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
    status, said = compared()
    assert status == 0
    assert said.endswith("params: no difference\nscores: no difference\nmachine: no difference\n")


def test_params_and_scores_that_differ_are_shown(repository):
    changes = {"tta.augmented": 13, "optimizer.momentum": 0.95, "seed": 1, "blend.clip": 0.01}
    edit(repository / "params.yaml", **changes)
    write(repository, ON_CPU | {"log_loss": 0.29})
    status, said = compared()
    assert status == 0
    assert (
        "params:\n"
        "  blend.clip          0.0 -> 0.01\n"
        "  optimizer.momentum  0.9 -> 0.95\n"
        "  seed                 42 -> 1\n"
        "  tta.augmented         2 -> 13\n"
    ) in said
    lines = [line.split() for line in said.splitlines()]
    assert ["tta@0", "log_loss", "0.31", "->", "0.29"] in lines
    assert "machine: no difference" in said


def test_scores_are_told_in_the_pipelines_order(repository):
    edit(repository / "params.yaml", folds=[0, 1])
    for name in ("submission", "0/tta", "1/head", "0/unfreeze", "0/head", "blend"):
        path = repository / f"metrics/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"b": 1, "a": 2}')
    _, said = compared()
    scores = said.partition("scores:\n")[2].partition("machine:")[0].splitlines()
    names = ["head@0", "head@1", "unfreeze@0", "tta@0", "blend", "submission"]
    assert list(dict.fromkeys(line.split()[0] for line in scores)) == names
    assert [line.split()[1] for line in scores[:2]] == ["a", "b"]


def test_another_machine_is_named_between_commits_too(repository):
    write(repository, ON_CPU | {"device": "Tesla T4", "threads": 8})
    commit(repository, "second run")
    status, said = compared("HEAD~1", "HEAD")
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert ["tta@0", "device", "cpu:", "EPYC", "->", "Tesla", "T4"] in lines
    assert ["tta@0", "threads", "2", "->", "8"] in lines
    assert "scores: no difference" in said
    assert "different machines" in said


def test_what_one_run_alone_has_ran_on_no_other_machine(repository):
    edit(repository / "params.yaml", folds=[0, 1])
    (repository / "metrics/1").mkdir()
    shutil.copy(repository / "metrics/0/tta.json", repository / "metrics/1/tta.json")
    _, said = compared()
    assert ["tta@1", "log_loss", "-", "->", "0.31"] in [line.split() for line in said.splitlines()]
    assert said.endswith("machine: no difference\n")


@pytest.mark.usefixtures("repository")
def test_a_revision_that_is_not_there_is_one_sentence():
    status, said = compared("nowhere")
    assert status == 1
    assert said.startswith("Error: `dvc metrics diff` failed: ")
    assert "nowhere" in said


LABELS = [str(i % 5) for i in range(100)]


def run(folder, p, first=0):
    """A run that gives every true class the probability p, nearly, through the real DVC.

    Of a hundred images, from the first one on.
    """
    p = np.random.default_rng(int(p * 100)).normal(p, 0.05, (100, 1)).clip(0.05, 0.95)
    truth = np.equal.outer(LABELS, list("01234"))
    images = [f"i{first + i}" for i in range(100)]
    rows = pd.DataFrame({"image": images, "fold": 0, "label": LABELS})
    rows["id"] = rows["label"]  # of images in folders, say: an id may stand twice
    table = Table(out_of_fold.about(rows), list("01234"), np.where(truth, p, (1 - p) / 4))
    through_dvc(folder, table, rows)


def through_dvc(folder, table, rows):
    """Have DVC make the out-of-fold rows, and the table of all labelled ones."""
    out_of_fold.write(folder / "table.csv", table)
    rows.to_csv(folder / "rows.csv", index=False)
    (folder / "dvc.yaml").write_text(
        "stages: {submission: {cmd: cp table.csv data/out_of_fold.csv && cp rows.csv "
        "data/folds.csv, deps: [table.csv, rows.csv], outs: [data/out_of_fold.csv, "
        "data/folds.csv]}}"
    )
    (folder / "data").mkdir(exist_ok=True)
    dvc(folder, "repro")


@pytest.mark.parametrize(("p", "word"), [(0.8, "better, -"), (0.4, "worse, +"), (0.6, "the same")])
def test_a_run_is_compared_with_that_of_the_last_commit_row_by_row(repository, p, word):
    run(repository, 0.6)
    commit(repository, "first rows")
    run(repository, p)
    status, said = compared()
    assert status == 0, said
    assert said.startswith("log_loss: ")
    assert f"on the 100 rows that both validated: {word}" in said


def test_ratings_that_no_validated_row_has_count_all_the_same(repository):
    """Kappa is 1 of a perfect run; with cut points for the ratings of all labelled rows."""
    edit(repository / "params.yaml", **{
        "competition.task": "regression", "competition.metric": "qwk",
        "competition.label_columns": ["rating"], "submission.cut_points": [0.5, 1.5, 2.5],
        "batches.oversample": 0.0,
    })  # fmt: skip
    rows = pd.DataFrame({"label": list("0122") * 10 + ["3"], "fold": [0] * 40 + [1]})
    rows["image"] = rows["id"] = [f"i{i}" for i in range(len(rows))]
    validated = rows[rows["fold"] == 0]
    truth = validated["label"].to_numpy(float)[:, None]
    for said in (np.roll(truth, 1), truth):
        through_dvc(repository, Table(out_of_fold.about(validated), ["rating"], said), rows)
        commit(repository, "a run")
    assert "-> 1 on the 40 rows that both validated: better" in compared("HEAD~1", "HEAD")[1]


def test_rows_of_two_commits_come_from_dvcs_cache(repository):
    for p in (0.6, 0.61):
        run(repository, p)
        commit(repository, f"rows of {p}")
    (repository / "data/out_of_fold.csv").unlink()
    assert "within noise" in compared("HEAD~1", "HEAD")[1]


def test_a_run_without_rows_at_hand_is_named(repository):
    run(repository, 0.6)
    assert compared()[1].startswith(
        "rows: only the scores can be compared, for HEAD has no data/out_of_fold.csv in DVC's cache"
    )


def test_runs_of_other_rows_still_have_their_params_and_scores_compared(repository):
    run(repository, 0.6)
    commit(repository, "rows of fold 0")
    run(repository, 0.6, first=100)
    edit(repository / "params.yaml", **{"tta.augmented": 13})
    status, said = compared()
    assert status == 0
    assert said.startswith(
        "rows: only the scores can be compared, for the two runs share no validated row"
    )
    assert "  tta.augmented  2 -> 13\n" in said


def test_a_run_that_validated_no_row_is_told(repository):
    run(repository, 0.6)
    commit(repository, "rows")
    table = out_of_fold.parse(io.StringIO((repository / "table.csv").read_text()))
    nothing = table.rows.iloc[:0]
    empty = Table(out_of_fold.about(nothing), list("01234"), np.empty((0, 5)))
    out_of_fold.write(repository / "data/out_of_fold.csv", empty)
    status, said = compared()
    assert status == 0
    assert said.startswith("rows: workspace validated none, so that nothing says how good it is.\n")
