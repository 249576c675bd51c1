"""The pipeline as its users run it: git, the real DVC, the real stages, a tiny competition."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import (
    PER_FOLD,
    STAGES,
    commit,
    dvc,
    edit,
    git,
    stages_run,
    write_competition,
    write_repository,
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after its first `dvc repro`, committed."""
    source = tmp_path_factory.mktemp("competition")
    write_competition(source)
    folder = write_repository(tmp_path_factory.mktemp("repro") / "r", source)
    output = dvc(folder, "repro")
    expected = [f"{s}@0" if s in PER_FOLD else s for s in STAGES]
    assert sorted(stages_run(output)) == sorted(expected), output
    commit(folder, "first run")
    return folder


def test_a_second_repro_runs_nothing(repository: Path) -> None:
    assert "up to date" in dvc(repository, "repro")


def test_data_models_and_submissions_stay_out_of_git(repository: Path) -> None:
    tracked = git(repository, "ls-files").splitlines()
    assert not [name for name in tracked if name.startswith(("data/", "reports/", "submissions/"))]
    assert {"dvc.lock", "metrics/submission.json", "metrics/0/tta.json"} <= set(tracked)


def test_a_clone_repeats_the_run_to_the_byte(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    edit(clone / "params.yaml", **{"runtime.workers": 1})
    output = dvc(clone, "repro", PYTHONHASHSEED="7")
    assert len(stages_run(output)) == len(STAGES), output
    assert git(clone, "diff", "--stat", "dvc.lock", "metrics") == ""
    made = "submissions/submission.csv", "data/models/0/unfreeze.safetensors", "reports/index.html"
    for name in made:
        assert (clone / name).read_bytes() == (repository / name).read_bytes()


def test_a_changed_value_shows_in_the_diffs(repository: Path) -> None:
    edit(repository / "params.yaml", **{"tta.augmented": 3})
    assert stages_run(dvc(repository, "repro")) == [
        "tta@0",
        "blend",
        "interpret",
        "gradcam",
        "submission",
        "report",
    ]
    assert "tta.augmented" in dvc(repository, "params", "diff")
    assert "log_loss" in dvc(repository, "metrics", "diff")
    git(repository, "checkout", "-q", "params.yaml")
    assert stages_run(dvc(repository, "repro")) == []  # the earlier result, from the cache
    assert git(repository, "diff", "--stat") == ""


def test_an_experiment_changes_a_value_by_itself(repository: Path) -> None:
    output = dvc(repository, "exp", "run", "-S", "blend.clip=0.01")
    assert stages_run(output) == ["blend", "interpret", "gradcam", "submission", "report"]
    assert "0.01" in git(repository, "diff", "params.yaml")
