"""The pipeline as its users run it: git, the real DVC, the real stages, a tiny competition."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages.competition import ledger
from tests import browser
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
    made = [name for name in tracked if name.startswith(("data/", "reports/", "submissions/"))]
    assert made == ["submissions/ledger.csv"]
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


def test_a_submission_is_shown_in_the_report_and_runs_nothing_else(repository: Path) -> None:
    row = dict.fromkeys(ledger.COLUMNS, "") | {"competition": "colours", "ref": "7", "cv": "0.5"}
    ledger.write([row], repository / "submissions/ledger.csv")
    assert stages_run(dvc(repository, "repro")) == ["report"]
    git(repository, "checkout", "-q", ".")


def test_an_experiment_changes_a_value_by_itself(repository: Path) -> None:
    output = dvc(repository, "exp", "run", "-S", "blend.clip=0.1")
    assert stages_run(output) == ["blend", "interpret", "gradcam", "submission", "report"]
    assert "clip: 0.1" in git(repository, "diff", "params.yaml")


@pytest.mark.parametrize("words", [("show",), ("diff", "HEAD")])
def test_plots_hold_what_draws_them(repository: Path, words: tuple[str, ...]) -> None:
    page = Path(dvc(repository, "plots", *words).strip().removeprefix("file://")).read_text()
    assert "vegaEmbed('#" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["']https?:""", page)


def test_plots_are_drawn_without_a_network(repository: Path, tab: browser.Tab) -> None:
    dvc(repository, "plots", "diff", "HEAD")
    tab.open(repository / "dvc_plots/index.html", 1280)
    tab.wait_for("document.querySelectorAll('canvas').length == 3")
    assert tab.of("Log.entryAdded") + tab.of("Runtime.exceptionThrown") == []
    asked = [event["request"]["url"] for event in tab.of("Network.requestWillBeSent")]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert tab.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
