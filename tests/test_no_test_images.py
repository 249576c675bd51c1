"""A code competition that shows no test image: everything but the predictions is there."""

import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from stages.cli import main
from tests.project import TEST, TRAIN, run_all, run_stage, write_competition, write_project


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """A repository whose competition has labels, training images and a sample alone."""
    source = tmp_path / "source"
    write_competition(source)
    shutil.rmtree(source / "test")

    def made(**changes):
        folder = write_project(
            tmp_path / "p", source, **({"competition.test_images": []} | changes)
        )
        monkeypatch.chdir(folder)
        return folder

    return made


@pytest.mark.parametrize("fold", ["0", "full"])
def test_all_is_trained_and_every_row_gets_the_mean_of_the_labels(hidden, fold):
    folder = hidden(folds=[fold if fold == "full" else int(fold)])
    run_all(folder, [fold])
    assert (folder / f"data/models/{fold}/unfreeze.safetensors").exists()
    assert len(pd.read_csv(folder / "data/out_of_fold.csv")) == (TRAIN // 5 if fold == "0" else 0)
    written = pd.read_csv(folder / "submissions/submission.csv")
    assert len(written) == TEST
    assert (written.drop(columns="id").sub(1 / 3).abs() < 1e-8).all(axis=None)  # 15 rows each
    checked = CliRunner().invoke(main, ["check-submission", "submissions/submission.csv"])
    assert checked.exit_code == 0, checked.output


def test_the_notebook_that_is_handed_in_predicts_what_it_is_shown(hidden, tmp_path):
    run_all(hidden(), ["0"])
    write_competition(tmp_path / "source")
    folder = hidden(**{"competition.test_images": "test"})
    run_all(folder, ["0"], ["fetch", "split", "resize", "screen", "tta", "blend", "submission"])
    written = pd.read_csv(folder / "submissions/submission.csv").set_index("id")
    assert (written.nunique() == TEST).all()


def test_it_is_told(hidden):
    run_stage(hidden(), "fetch")
    said = "No test images: all rows of sample_submission.csv get the mean of the labels."
    looked = CliRunner().invoke(main, ["look"]).output.splitlines()
    assert "            test: none" in looked
    assert f"note        {said}" in looked
    assert said in run_stage(hidden(), "split").output


def test_a_folder_that_is_named_must_hold_images(hidden):
    run_stage(hidden(**{"competition.test_images": "test"}), "fetch")
    result = run_stage(hidden(**{"competition.test_images": "test"}), "split")
    assert result.exit_code == 1
    assert "the competition has no images in 'test'; its folders are train" in result.output
