"""The stage blend: folds and earlier runs, from DVC's cache, made into one prediction a row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from stages.scoring import metrics, out_of_fold, predictions
from stages.scoring.out_of_fold import Table
from tests.project import commit, dvc, edit, git, run_stage, write_competition, write_repository

CLASSES = ["blue", "green", "red"]
LABELS = [CLASSES[i % 3] for i in range(100)]
IMAGES = [f"train/{i:03d}.png" for i in range(100)]
TEST = [f"t{i}" for i in range(12)]
RUN = """\
stages:
  blend:
    cmd: cp rows.csv data/out_of_fold.csv; cp test.csv data/blended.csv
    deps: [rows.csv, test.csv]
    outs: [data/out_of_fold.csv, data/blended.csv]
"""


def model(rows: int, seed: int, knows: float = 0.0) -> np.ndarray:
    """Predictions (rows, 3) of a model that knows something of LABELS, behind noise of its own."""
    rng = np.random.default_rng(seed)
    truth = np.arange(rows) % 3
    return softmax(rng.normal(size=(rows, 3)) + knows * np.eye(3)[truth], axis=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two earlier runs, a good one and one that knows nothing, as tags."""
    source = tmp_path_factory.mktemp("competition")
    write_competition(source)
    folder = write_repository(tmp_path_factory.mktemp("base") / "r", source, folds=[0, 1])
    pipeline = (folder / "dvc.yaml").read_text()
    (folder / "data").mkdir(exist_ok=True)
    (folder / "dvc.yaml").write_text(RUN)
    for tag, seed, knows in (("good", 1, 2.0), ("ignorant", 2, 0.0)):
        write_run(folder, model(100, seed, knows), model(12, seed))
        dvc(folder, "repro")
        commit(folder, tag)
        dvc(folder, "exp", "save", "--name", f"{tag}-experiment")
        git(folder, "tag", tag)
    for file in (folder / "data").glob("*.csv"):
        file.unlink()
    (folder / "dvc.yaml").write_text(pipeline)
    write_folds(folder)
    return folder


def write_run(folder: Path, validated: np.ndarray, test: np.ndarray) -> None:
    """The tables of an earlier run: in another order of rows and of classes than this one's."""
    rows = pd.DataFrame({"id": "", "image": IMAGES, "fold": 0, "label": LABELS})
    turned, names = slice(None, None, -1), CLASSES[::-1]
    table = Table(out_of_fold.about(rows[turned]), names, validated[turned, turned])
    out_of_fold.write(folder / "rows.csv", table)
    predictions.write(folder / "test.csv", TEST[::-1], names, test[turned, turned])


def write_folds(folder: Path) -> None:
    """What the stages before have written: fold 0 validates the first 60 rows, fold 1 20 more."""
    fold = np.repeat([0, 1, 2], [60, 20, 20])
    pd.DataFrame({"id": IMAGES, "image": IMAGES, "label": LABELS, "fold": fold}).to_csv(
        folder / "data/folds.csv", index=False
    )
    own = model(100, 0, 2.0)
    for name in (0, 1):
        place = folder / f"data/predictions/{name}"
        predictions.write(place / "validation.csv", np.array(IMAGES)[fold == name], CLASSES,
                          own[fold == name])  # fmt: skip
        predictions.write(place / "test.csv", TEST, CLASSES, model(12, 10 + name))


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base, tmp_path / "r")


def blended(folder: Path, **changes: object) -> tuple[Table, np.ndarray, dict]:
    """What the stage writes: the validated rows, the test rows, the metrics."""
    edit(folder / "params.yaml", **{f"blend.{key}": value for key, value in changes.items()})
    result = run_stage(folder, "blend")
    assert result.exit_code == 0, result.output
    test = predictions.read(folder / "data/blended.csv")
    assert (test.ids, test.classes) == (TEST, CLASSES)
    found = json.loads((folder / "metrics/blend.json").read_text())
    return out_of_fold.load(folder / "data/out_of_fold.csv"), test.numbers, found


def test_without_other_runs_it_is_the_mean_of_the_folds(folder: Path) -> None:
    rows, test, found = blended(folder)
    np.testing.assert_allclose(rows.predicted, model(100, 0, 2.0)[:80], atol=1e-8)
    np.testing.assert_allclose(test, (model(12, 10) + model(12, 11)) / 2, atol=1e-8)
    truth = np.arange(80) % 3
    expected = metrics.log_loss(truth, model(100, 0, 2.0)[:80])
    assert found["log_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["good", "good-experiment"])
def test_a_run_of_a_tag_or_an_experiment_is_averaged_with_this_one(folder: Path, name: str) -> None:
    rows, test, found = blended(folder, experiments=[name])
    expected = (model(100, 0, 2.0) + model(100, 1, 2.0))[:80] / 2
    np.testing.assert_allclose(rows.predicted, expected, atol=1e-8)
    assert list(rows.rows["image"]) == IMAGES[:80]
    own = (model(12, 10) + model(12, 11)) / 2
    np.testing.assert_allclose(test, (own + model(12, 1)) / 2, atol=1e-8)
    assert found["experiments"] == name
    assert found["log_loss"] < found["alone_log_loss"]


def test_whether_the_blend_is_better_than_this_run_alone_is_told(folder: Path) -> None:
    edit(folder / "params.yaml", **{"blend.experiments": ["good"]})
    said = run_stage(folder, "blend").output.splitlines()[-1]
    truth, own, good = np.arange(80) % 3, model(100, 0, 2.0)[:80], model(100, 1, 2.0)[:80]
    a, b = metrics.log_loss(truth, own), metrics.log_loss(truth, (own + good) / 2)
    start = f"This run alone -> the blend: log_loss: {a:.6g} -> {b:.6g} on the 80 rows that both "
    assert said.startswith(start)
    edit(folder / "params.yaml", **{"blend.experiments": []})
    assert "This run alone" not in run_stage(folder, "blend").output


def test_chosen_weights_leave_out_what_knows_nothing(folder: Path) -> None:
    _, test, found = blended(folder, experiments=["ignorant", "good"], weights="greedy")
    own, ignorant, good = map(float, found["weights"].split())
    assert ignorant < 0.11 < min(own, good)
    assert own + ignorant + good == pytest.approx(1, abs=1e-3)
    _, equal, alike = blended(folder, weights="equal")
    assert np.abs(test - equal).max() > 0.01
    assert found["log_loss"] < alike["log_loss"]


def test_the_average_is_what_is_tempered(folder: Path) -> None:
    rows, test, _ = blended(folder, experiments=["good"], temperature=2.0)

    def hot(p: np.ndarray) -> np.ndarray:
        return p**0.5 / (p**0.5).sum(axis=1, keepdims=True)

    own = (model(12, 10) + model(12, 11)) / 2
    np.testing.assert_allclose(test, hot((own + model(12, 1)) / 2), atol=1e-8)
    expected = hot((model(100, 0, 2.0) + model(100, 1, 2.0))[:80] / 2)
    np.testing.assert_allclose(rows.predicted, expected, atol=1e-8)


def test_a_tuned_temperature_is_found_and_scored_on_other_rows(folder: Path) -> None:
    rows, _, found = blended(folder, temperature="tuned")
    truth = np.arange(80) % 3
    own = model(100, 0, 2.0)[:80]
    losses = {t: metrics.log_loss(truth, softmax(np.log(own) / t, axis=1))
              for t in np.geomspace(0.2, 5, 400)}  # fmt: skip
    assert found["temperature"] == pytest.approx(min(losses, key=losses.get), rel=0.02)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, rows.predicted), rel=1e-5)
    assert found["log_loss"] > min(losses.values())  # which is the figure that flatters


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nowhere"], "nowhere is no commit, tag or experiment of this repository; "),
        (["HEAD~2"], "HEAD~2 has no data/out_of_fold.csv in DVC's cache"),
    ],
)
def test_a_run_that_is_not_there_is_a_sentence(folder: Path, names: list[str], said: str) -> None:
    edit(folder / "params.yaml", **{"blend.experiments": names})
    result = run_stage(folder, "blend")
    assert result.exit_code == 1
    assert said in result.output


def test_a_run_of_another_task_is_a_sentence(folder: Path) -> None:
    for fold in (0, 1):
        file = folder / f"data/predictions/{fold}/test.csv"
        file.write_text(file.read_text().replace("t3,", "other,"))
    edit(folder / "params.yaml", **{"blend.experiments": ["good"]})
    result = run_stage(folder, "blend")
    assert result.exit_code == 1
    assert "other test images" in result.output


def test_ranks_do_not_see_how_sure_a_fold_is(folder: Path) -> None:
    edit(folder / "params.yaml", **{"competition.metric": "auc", "competition.task": "multilabel",
                                    "competition.label_columns": CLASSES})  # fmt: skip
    _, before, _ = blended(folder, how="rank_mean")
    file = folder / "data/predictions/1/test.csv"
    unsure = predictions.read(file)
    predictions.write(file, unsure.ids, unsure.classes, 0.5 + unsure.numbers / 1000)
    _, after, _ = blended(folder)
    np.testing.assert_allclose(after, before)


def test_what_a_fold_left_that_is_no_longer_named_goes(folder: Path) -> None:
    """DVC would count it among the deps, and a clone without it would run the stage again."""
    for name in ("history", "rates"):
        for fold in "01":
            (folder / f"data/{name}/{fold}").mkdir(parents=True)
    edit(folder / "params.yaml", folds=[1])
    assert run_stage(folder, "blend").exit_code == 0
    for name in ("history", "rates", "predictions"):
        assert [left.name for left in (folder / f"data/{name}").iterdir()] == ["1"]
