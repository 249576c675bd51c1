"""`repodium plan`: what it says beforehand, against what the stages then do, step by step."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from stages.base import params
from stages.commands import plan as command
from stages.figures import plan as figure
from stages.fit.stepper import Learner, Stepper
from stages.learner import plan, timing
from tests.project import ROOT, edit, run_all, run_stage, write_competition, write_project

TRAINING = ["head", "augment", "progressive", "find_lr_unfreeze", "unfreeze"]
BEFORE = ["fetch", "split", "resize", "screen", "backbone", "precompute", "duplicates",
          "head_views", "find_lr_head"]  # fmt: skip
STEPS = [
    {"image_size": 40, "layers": "head", "fits": [{"lr": "auto", "cycles": 2}]},
    {"image_size": 48, "layers": "all", "fits": [
        {"lr": 0.003, "cycles": 1, "cycle_len": 1},
        {"lr": "auto", "cycles": 1, "cycle_len": 2, "schedule": "one_cycle"}]},
]  # fmt: skip


def planned(*words):
    return CliRunner().invoke(command.command, words, catch_exceptions=False)


def suggest(folder, finder, rate):
    path = folder / f"metrics/0/{finder}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"suggestion": rate}))


# ---- against the stages themselves


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A project before its training."""
    write_competition(source := tmp_path_factory.mktemp("competition"))
    changes = {"progressive.steps": STEPS, "batches.oversample": 1.0, "augment.batch_size": 6}
    folder = write_project(tmp_path_factory.mktemp("project"), source, **changes)
    run_all(folder, ["0"], BEFORE)
    suggest(folder, "find_lr_head", 0.004)
    return folder


@pytest.fixture
def project(ready, tmp_path, monkeypatch):
    folder = shutil.copytree(ready, tmp_path / "p")
    monkeypatch.chdir(folder)
    return folder


def carried_out(stage, monkeypatch):
    """The rates of every step of a stage, and the names of its epochs."""
    rates, names = [], []
    step, seeded = Stepper.step, Learner.seeded

    def watched_step(self, batch, multiplier):
        rates.append([])
        loss = step(self, batch, multiplier)
        rates[-1] += [group["lr"] for group in self.optimizer.param_groups]
        return loss

    def watched_name(self, name):
        names.append(name)
        seeded(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", watched_step)
        patch.setattr(Learner, "seeded", watched_name)
        assert run_stage(Path.cwd(), stage, "0").exit_code == 0
    return rates, names


def announced(stage):
    """The same, as planned."""
    s = params.read()
    rows, entries = plan.rows_of("0", s), [e for e in plan.entries(s) if e.stage == stage]
    rates = [np.outer(e.multipliers(rows), command.known(e, "0", s)).tolist() for e in entries]
    return [*chain(*rates)], [name for e in entries for name in e.names]


def agree(found, expected):
    assert found[1] == expected[1]
    assert len(found[0]) == len(expected[0]) > 0
    for step, rates in zip(found[0], expected[0], strict=True):
        assert step == pytest.approx(rates, rel=1e-9)


def test_every_step_is_taken_at_the_rates_that_were_announced(project, monkeypatch):
    """Copies of rare classes, auto, groups, a stage of several sizes and fits; then a rate a layer.

    The finder before unfreeze runs in between, as in the pipeline.
    """
    for stage in ("head", "augment", "progressive"):
        expected = announced(stage)
        agree(carried_out(stage, monkeypatch), expected)
    edit(Path("params.yaml"), **{"unfreeze.fits": [{"lr": "auto", "cycles": 2, "cycle_len": 1}]})
    edit(Path("params.yaml"), **{"optimizer.layer_decay": 0.5})
    assert run_stage(project, "find_lr_unfreeze", "0").exit_code == 0
    suggest(project, "find_lr_unfreeze", 0.002)
    expected = announced("unfreeze")
    assert len(expected[0][0]) > 3
    agree(carried_out("unfreeze", monkeypatch), expected)


def test_copies_of_rare_classes_are_counted(project):
    """36 rows of 3 classes; the labels of the rest say how many copies make all classes equal."""
    labels = [line.split(",")[2:] for line in Path("data/folds.csv").read_text().splitlines()[1:]]
    counts = Counter(label for label, fold in labels if fold != "0")
    rows = plan.rows_of("0", params.read())
    assert (rows.train, rows.valid) == (36, 9)
    assert rows.epoch == 3 * max(counts.values()) > 36
    assert f"36 rows to train on, {rows.epoch} with copies, 9 to validate" in planned().output


# ---- the time


def test_the_time_is_of_real_steps_and_nothing_is_written_but_the_picture(project, monkeypatch):
    monkeypatch.setattr(timing, "WHILE", 0.01)
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    result = planned("--time")
    assert result.exit_code == 0, result.output
    heading, *lines = result.output.splitlines()[1:9]
    assert heading.split()[-1] == "time"
    assert [line.split()[-1] for line in lines] == ["s"] * 7  # six fits, and their total
    after = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    assert set(after) - set(before) == {Path("reports/plan.png")}
    assert {path: after[path] for path in before} == before


def test_a_fits_time_is_its_epochs_by_its_images(project, monkeypatch):
    """Each kind of work, at its size and in its layers, is tried once and counted up."""
    tried = []

    def costs(learner, data):
        tried.append((len(learner.groups), data.steps))
        return 2.0, 0.5

    monkeypatch.setattr(timing, "costs", costs)
    s = params.read()
    rows = plan.rows_of("0", s)
    epochs = [2, 1, 2, 1, 2, 3]
    an_epoch = 2.0 * rows.epoch + 0.5 * rows.valid
    assert timing.estimate(plan.entries(s), rows, s) == [n * an_epoch for n in epochs]
    of = {size: -(-rows.epoch // size) for size in (6, 8)}
    assert tried == [(1, of[8]), (1, of[6]), (1, of[8]), (3, of[8])]  # unfreeze is as the last size


def test_seconds_an_image_leave_out_the_first_batches(monkeypatch):
    """A clock that goes on by a second a batch of four images, and by a hundred while it warms."""
    clock, batches = [0.0], []

    def work():
        batches.append(4)
        clock[0] += 100 if len(batches) <= 2 else 1
        return 4

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    assert timing.seconds(work, torch.device("cpu")) == 1 / 4
    assert len(batches) == 2 + timing.WHILE


@pytest.mark.parametrize("gone", ["data/resized", "data/activations", "data/backbone.safetensors"])
def test_the_time_without_what_is_to_be_tried_is_a_sentence(project, gone):
    path = Path(gone)
    path.unlink() if path.is_file() else shutil.rmtree(path)
    result = planned("--time")
    assert result.exit_code == 1
    assert result.output.count("\nError: real steps are tried, and " + gone) == 1
    assert "is not there; run `dvc repro duplicates` first." in result.output


def test_the_time_of_rows_that_were_split_anew_is_a_sentence(project):
    os.utime("data/labelled.csv")
    assert "and data/folds.csv of these rows is not there; run" in planned("--time").output


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("model.architecture", "test_resnet", "the test_resnet backbone"),
     ("model.pool", "avg", "data/activations of pool avg")],
)  # fmt: skip
def test_the_time_of_another_network_than_there_is_is_a_sentence(project, key, value, said):
    edit(Path("params.yaml"), **{key: value})
    result = planned("--time")
    assert result.exit_code == 1
    assert f"\nError: real steps are tried, and {said} is not there; run" in result.output


def test_views_of_the_head_that_are_not_made_yet_are_not_needed(project, monkeypatch):
    monkeypatch.setattr(timing, "WHILE", 0.01)
    shutil.rmtree("data/head_views")
    edit(Path("params.yaml"), **{"head.views": 9})
    assert planned("--time").exit_code == 0


def test_the_time_of_a_single_row_is_the_sentence_of_the_stages(project):
    table = Path("data/folds.csv")
    heading, *rows = table.read_text().splitlines()
    valid = [row for row in rows if row.endswith(",0")]
    train = next(row for row in rows if not row.endswith(",0"))
    table.write_text("\n".join([heading, train, *valid]) + "\n")
    assert "BatchNorm needs 2" in planned("--time").output


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.6, "60 s"), (119, "119 s"), (120, "2.0 min"), (750, "12 min"),
     (7199, "120 min"), (7200, "2.0 h"), (12240, "3.4 h"), (400_000, "111 h")],
)  # fmt: skip
def test_times_in_words(seconds, words):
    assert command.in_words(seconds) == words


# ---- what it says


@pytest.fixture
def split(tmp_path, monkeypatch):
    """The bundled competition's params, and 100 rows as `split` leaves them: 20 in fold 0."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    table(tmp_path / "data/labelled.csv", [i % 5 for i in range(100)])
    (tmp_path / "data/classes.csv").write_text("class,rows\na,50\nb,50\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path, folds, labels="ab"):
    rows = [f"{i},{i}.png,{labels[i % 2]},{fold}" for i, fold in enumerate(folds)]
    path.write_text("\n".join(["id,image,label,fold", *rows]) + "\n")


def test_epochs_steps_and_rates_of_each_fit(split):
    """80 rows are 3 batches of 32, and 2 of 64; (3, 4, 2) is 4 + 8 + 16 epochs, (2, 1, 3) 1 + 3."""
    result = planned()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "fold 0: 80 rows to train on, 20 to validate (data/labelled.csv)",
        "stage        size  layers  batch  epochs  steps  highest rates",
        "head           56  head       64      28     56  0.1",
        "augment        56  head       64       2      4  0.01",
        "progressive    72  head       64       2      4  0.01",
        "unfreeze       72  all        32       4     12  0.02, 0.05, 0.1",
        "total                                 36     76",
        "picture: reports/plan.png",
    ]
    assert Image.open("reports/plan.png").size[0] > 800


def test_a_last_batch_of_one_image_is_none(split):
    table(split / "data/labelled.csv", [0] * 35 + [1] * 65)
    assert "augment        56  head       64       2      2  0.01" in planned().output


def test_a_rate_a_layer_is_said_in_short(split):
    fits = [{"lr": 0.02, "cycles": 1}]
    edit(Path("params.yaml"), **{"optimizer.layer_decay": 0.5, "unfreeze.fits": fits})
    edit(Path("params.yaml"), **{"model.architecture": "test_efficientnet"})
    line = next(line for line in planned().output.splitlines() if line.startswith("unfreeze"))
    lowest, _, highest, groups, _ = line.replace(",", "").split()[6:]
    assert highest == "0.02"
    assert float(lowest) == pytest.approx(0.02 / 2 ** (int(groups) - 1), rel=1e-2)


def auto(stage):
    edit(Path("params.yaml"), **{f"{stage}.fits": [{"lr": "auto", "cycles": 2, "cycle_len": 1}]})


def test_auto_is_what_the_finder_suggested(split):
    auto("unfreeze")
    suggest(split, "find_lr_unfreeze", 0.2)
    output = planned().output
    assert "2      6  0.002, 0.02, 0.2 (auto)\n" in output
    assert "\nauto: what find_lr_unfreeze suggested when it last ran.\n" in output


def test_auto_before_the_finder_ran_is_said_and_drawn_all_the_same(split):
    auto("augment")
    result = planned()
    assert result.exit_code == 0, result.output
    assert "2      4  auto\n" in result.output
    assert "\nauto: find_lr_head has not run yet; the picture has 0.01 in its" in result.output
    assert Path("reports/plan.png").exists()


def test_auto_of_which_the_stage_will_know_nothing_is_said_before_it_stops_there(split):
    auto("augment")
    suggest(split, "find_lr_head", None)
    assert "augment needs the rate as a number." in planned().output


def test_nothing_to_train_is_a_sentence(split):
    none = {f"{stage}.fits": [] for stage in ("head", "augment", "unfreeze")}
    edit(Path("params.yaml"), **none, **{"progressive.steps": []})
    result = planned()
    assert result.exit_code == 0
    assert result.output.endswith(
        "Nothing is trained: every list of `fits` in params.yaml is empty.\n"
    )


def test_the_table_written_last_counts(split):
    """Of a competition before this one, whose later stages have not run again, rows may be left."""
    folds, labelled = split / "data/folds.csv", split / "data/labelled.csv"
    table(folds, [0, 1, 2])
    os.utime(folds, (2000, 2000))
    os.utime(labelled, (1000, 1000))
    assert planned().output.startswith("fold 0: 2 rows to train on, 1 to validate (data/folds.csv)")
    os.utime(labelled, (3000, 3000))
    assert planned().output.startswith("fold 0: 80 rows to train on")


def test_full_validates_none(split):
    edit(Path("params.yaml"), folds=["full", 0])
    assert planned().output.startswith("fold full: 100 rows to train on, 0 to validate")


def test_before_split_it_says_what_to_run(split):
    (split / "data/labelled.csv").unlink()
    result = planned()
    assert result.exit_code == 1
    assert result.output == "Error: the rows are not known yet; run `dvc repro split` first.\n"


@pytest.mark.parametrize(("folds", "labels"), [([1, 2] * 9, "ab"), ([0, 1] * 9, "az")])
def test_rows_of_other_folds_or_labels_are_refused(split, folds, labels):
    table(split / "data/labelled.csv", folds, labels)
    result = planned()
    assert result.exit_code == 1
    assert "data/labelled.csv has other labels or folds than params.yaml; run" in result.output


# ---- the picture


def fit(groups, batches=30, known=True, step="unfreeze 64 px"):
    rates = [0.01 * 0.7**k for k in reversed(range(groups))]
    return figure.Fit(step, np.linspace(1, 0, batches), rates, known)


@pytest.mark.parametrize(
    "fits",
    [[fit(1)], [fit(1, batches=1)], [fit(1, step="head 64 px"), fit(3)], [fit(40, known=False)],
     [fit(2), fit(2)], [fit(1, 9, step="a"), fit(1, 9000, step="b"), fit(3, 200_000, step="c")]],
)  # fmt: skip
def test_any_number_of_groups_and_batches_is_drawn(tmp_path, fits):
    figure.draw(tmp_path / "plan.png", fits)
    width, height = Image.open(tmp_path / "plan.png").size
    assert width > height > 400
