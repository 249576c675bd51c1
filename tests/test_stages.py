"""The stages as a pipeline, run in this process on a tiny competition of real image files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from PIL import Image

from stages import resize
from stages.base.settings import Transforms
from stages.commands import summary
from stages.fit.sampling import Sampler
from stages.images.loading import Views, load
from stages.images.pack import Pack
from stages.model import checkpoint
from stages.model.processor import processor
from stages.rows.folds import get_cv_idxs
from tests.project import CLASSES, ROOT, TEST, TRAIN, edit, run_all, run_stage, write_competition
from tests.project import write_project as project

PLAIN = Transforms(augment="none", max_zoom=1.0, rotate=0, lighting=0.0)
MODELS = ["head", "augment", "progressive", "unfreeze"]
LATE = [
    "augment", "progressive", "find_lr_unfreeze", "unfreeze", "tta", "blend", "interpret",
    "gradcam", "submission",
]  # fmt: skip


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder)
    return folder


@pytest.fixture(scope="module")
def finished(competition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages have all run, for two folds."""
    folder = project(tmp_path_factory.mktemp("finished"), competition, folds=[0, 1])
    run_all(folder, ["0", "1"])
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "p")


def metrics(folder: Path, stage: str, fold: str = "") -> dict:
    return json.loads((folder / "metrics" / fold / f"{stage}.json").read_text())


def model(folder: Path, stage: str, fold: str = "0") -> Path:
    return folder / f"data/models/{fold}/{stage}.safetensors"


def test_the_submission_has_the_samples_columns_ids_and_order(
    finished: Path, competition: Path
) -> None:
    got = pd.read_csv(finished / "submissions/submission.csv", dtype={"id": str})
    sample = pd.read_csv(competition / "sample_submission.csv", dtype={"id": str})
    assert list(got.columns) == list(sample.columns)
    assert list(got["id"]) == list(sample["id"])
    assert len(got) == TEST
    np.testing.assert_allclose(got.iloc[:, 1:].sum(axis=1), 1, atol=1e-6)


def test_the_submission_is_the_mean_of_the_folds(finished: Path) -> None:
    folds = [pd.read_csv(finished / f"data/predictions/{f}/test.csv", dtype={"id": str})
             for f in (0, 1)]  # fmt: skip
    mean = (folds[0].set_index("id") + folds[1].set_index("id")) / 2
    got = pd.read_csv(finished / "submissions/submission.csv", dtype={"id": str}).set_index("id")
    np.testing.assert_allclose(got[CLASSES], mean.loc[got.index, CLASSES], atol=1e-8)


def test_a_fold_validates_the_rows_of_get_cv_idxs(finished: Path) -> None:
    for fold in (0, 1):
        rows = pd.read_csv(finished / f"data/predictions/{fold}/validation.csv", dtype={"id": str})
        expected = sorted(get_cv_idxs(TRAIN, fold))
        assert list(rows["id"]) == [f"{i:03d}" for i in expected]


def test_the_score_is_over_all_out_of_fold_rows(finished: Path) -> None:
    right, losses = [], []
    for fold in (0, 1):
        table = pd.read_csv(finished / f"data/predictions/{fold}/validation.csv", dtype={"id": str})
        truth = [CLASSES[int(i) % 3] for i in table["id"]]
        right += list(table[CLASSES].idxmax(axis=1) == truth)
        losses += [-np.log(row[t]) for (_, row), t in zip(table.iterrows(), truth, strict=True)]
    found = metrics(finished, "submission")
    assert found["validation_rows"] == len(right) == 18
    assert found["cv_accuracy"] == pytest.approx(np.mean(right))
    assert found["cv_log_loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_colours_are_learned(copied: Path) -> None:
    """In twelve epochs: the weights are random at first, and after three it is chance."""
    fits = [{"lr": [0.003, 0.01, 0.03], "cycles": 1, "cycle_len": 12}]
    edit(copied / "params.yaml", **{"unfreeze.fits": fits})
    run_all(copied, ["0", "1"], ["unfreeze", "tta", "blend", "submission"])
    assert metrics(copied, "submission")["cv_accuracy"] > 0.8


def test_the_finder_leaves_a_curve_a_picture_and_a_suggestion(finished: Path) -> None:
    curve = pd.read_csv(finished / "data/rates/0/head.csv")
    assert curve["lr"].iloc[0] == pytest.approx(1e-5)
    assert (curve["lr"].diff().dropna() > 0).all()
    assert Image.open(finished / "reports/0/find_lr_head.png").size[0] > 300
    assert set(metrics(finished, "find_lr_head", "0")) == {"suggestion"}


def test_resize_starts_no_more_threads_than_runtime_workers(
    competition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a whole image, which may be large, and others may have the other cores."""
    folder, seen = project(tmp_path / "p", competition, **{"runtime.workers": 3}), []
    run_stage(folder, "fetch")
    monkeypatch.setattr(
        resize, "ThreadPoolExecutor", lambda n: seen.append(n) or ThreadPoolExecutor(n)
    )
    assert run_stage(folder, "resize").exit_code == 0
    assert seen == [3]


def test_history_has_a_row_an_epoch(finished: Path) -> None:
    history = pd.read_csv(finished / "data/history/0/unfreeze.csv")
    assert list(history["epoch"]) == [0, 1, 2]  # 1 + 2 epochs: two cycles, cycle_mult 2
    assert history[["train_loss", "valid_loss", "accuracy"]].notna().all(axis=None)


def test_images_of_another_suffix_are_not_packed(competition: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "p", competition, **{"competition.suffix": ".png"})
    for stage in ("fetch", "resize"):
        assert run_stage(folder, stage).exit_code == 0
    packed = Pack(folder / "data/resized").names
    assert packed == sorted(str(p.relative_to(competition)) for p in competition.rglob("*.png"))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_training_rows_are_seen_plainly_by_the_model_that_is_kept(copied: Path, ema: float) -> None:
    """Nine of them, as many as validate, by the checkpoint and by torch's own loss."""
    edit(copied / "params.yaml", **{"optimizer.ema": ema})
    run_all(copied, ["0"], ["head", "progressive"])
    rows = pd.read_csv(copied / "data/folds.csv", dtype={"id": str})
    train = rows[rows["fold"] != 0].iloc[Sampler(np.zeros(36), 0, seed=42).some(9)]
    targets = torch.tensor([CLASSES.index(label) for label in train["label"]])
    pack = Pack(copied / "data/resized")
    for stage, size in (("head", 32), ("progressive", 48)):
        views = Views(pack, pack.rows(train["image"]), size, PLAIN, seed=42)
        [(pixels, _)] = load(views, [[(i, "") for i in range(9)]], 1)
        network = checkpoint.load_network(
            model(copied, stage), copied / "data/backbone.safetensors"
        ).place(torch.device("cpu"), metrics(copied, "progressive", "0")["precision"])
        with torch.inference_mode():
            expected = F.cross_entropy(network.eval()(pixels), targets).item()
        found = metrics(copied, stage, "0")
        assert found["plain_train_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_stage_says_once_how_it_fits_and_the_summary_in_a_word(copied: Path) -> None:
    for stage in MODELS:
        output, found = run_stage(copied, stage, "0").output, metrics(copied, stage, "0")
        said = f"{stage} {found['reading']}: validation loss {found['valid_loss']:.3g}, "
        assert output.count(said) == 1
        assert f"and {found['plain_train_loss']:.3g} on training rows seen plainly: " in output
    here = Path.cwd()
    os.chdir(copied)
    try:
        lines = CliRunner().invoke(summary.command, catch_exceptions=False).output.splitlines()
    finally:
        os.chdir(here)
    for stage, line in zip(MODELS, lines[1:], strict=False):
        assert line.split()[1] == stage
        assert line.endswith(f"  {metrics(copied, stage, '0')['reading']}")


def test_a_checkpoint_says_what_it_is(finished: Path) -> None:
    header = checkpoint.read_header(model(finished, "unfreeze"))
    assert header.classes == CLASSES
    assert (header.architecture, header.size, header.trained) == ("test_efficientnet", 48, "all")


def test_the_backbone_is_in_a_checkpoint_only_once_it_was_trained(finished: Path) -> None:
    sizes = {stage: model(finished, stage).stat().st_size for stage in MODELS}
    assert sizes["head"] == sizes["augment"] < sizes["unfreeze"] / 3
    assert checkpoint.read_header(model(finished, "progressive")).trained == "head"


def test_hardware_is_recorded_with_the_metrics(finished: Path) -> None:
    found = metrics(finished, "unfreeze", "0")
    assert found["device"] == f"cpu: {processor()}"
    assert found["threads"] >= 1
    assert found["precision"] in ("fp32", "bf16", "fp16")


def test_a_stage_without_fits_passes_the_model_on(copied: Path) -> None:
    edit(copied / "params.yaml", **{"augment.fits": [], "progressive.steps": []})
    run_all(copied, ["0"], ["augment", "progressive"])
    first, last = (checkpoint.load_file(model(copied, s)) for s in ("head", "progressive"))
    assert all((first[name] == last[name]).all() for name in first)
    assert model(copied, "head").read_bytes() == model(copied, "progressive").read_bytes()
    found = metrics(copied, "progressive", "0")
    assert found["epochs"] == 0
    assert not {"valid_loss", "plain_train_loss", "reading"} & set(found)


def test_a_stage_that_trains_nothing_needs_no_torch(copied: Path, tmp_path: Path) -> None:
    """It took three seconds to import it."""
    (tmp_path / "torch.py").write_text("raise AssertionError('torch is imported')")
    nothing = {f"{stage}.fits": [] for stage in ("augment", "unfreeze")}
    nothing |= {"progressive.steps": [], "find_lr.before": []}
    edit(copied / "params.yaml", **nothing)
    for stage in ("find_lr head", "augment", "progressive", "find_lr unfreeze", "unfreeze"):
        command = [sys.executable, "-m", *f"stages.{stage} 0".split()]
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        subprocess.run(command, cwd=copied, env=os.environ | {"PYTHONPATH": path}, check=True)
    assert pd.read_csv(copied / "data/snapshots/0/cycles.csv").empty
    assert model(copied, "head").read_bytes() == model(copied, "unfreeze").read_bytes()


OPTIONS = [
    ("optimizer.name", "adamw"), ("optimizer.ema", 0.9), ("loss.class_weights", "balanced"),
    ("loss.focal_gamma", 2.0), ("loss.label_smoothing", 0.1), ("batches.oversample", 1.0),
]  # fmt: skip
ON_IMAGES = [("batches.mixup", 0.4), ("batches.cutmix", 1.0)]


@pytest.mark.parametrize(
    ("stage", "key", "value"),
    [("head", *option) for option in OPTIONS]
    + [("augment", *option) for option in OPTIONS + ON_IMAGES]
    + [("progressive", "batches.mixup", 0.4)],
)
def test_an_option_of_training_reaches_its_stages(
    copied: Path, stage: str, key: str, value: object
) -> None:
    before = model(copied, stage).read_bytes()
    edit(copied / "params.yaml", **{key: value})
    run_all(copied, ["0"], [stage])
    assert model(copied, stage).read_bytes() != before


@pytest.mark.parametrize(("key", "value"), [*OPTIONS[:1], *OPTIONS[2:]])
def test_the_finder_looks_at_what_will_be_trained_on(copied: Path, key: str, value: object) -> None:
    """But for averaged weights: it judges steps."""
    path = copied / "data/rates/0/head.csv"
    before = path.read_bytes()
    edit(copied / "params.yaml", **{key: value})
    run_all(copied, ["0"], ["find_lr_head"])
    assert path.read_bytes() != before


def test_a_rate_a_layer_trains_early_layers_less(copied: Path) -> None:
    def moved(layer_decay: float) -> tuple[float, float]:
        edit(copied / "params.yaml", **{"optimizer.layer_decay": layer_decay})
        run_all(copied, ["0"], ["unfreeze"])
        after = checkpoint.load_file(model(copied, "unfreeze"))
        stem, head = "backbone.conv_stem.weight", "head.2.weight"
        return tuple(float((after[n] - before[n]).abs().mean()) for n in (stem, head))

    start = checkpoint.load_network(
        model(copied, "progressive"), copied / "data/backbone.safetensors"
    )
    before = start.state_dict()
    edit(copied / "params.yaml", **{"unfreeze.fits": [{"lr": 0.01, "cycles": 1}]})
    even, steep = moved(1.0), moved(0.5)
    assert steep[0] < even[0] / 10
    assert steep[1] == pytest.approx(even[1], rel=0.5)


def test_a_run_without_any_unfreezing_predicts(copied: Path) -> None:
    edit(copied / "params.yaml", **{"unfreeze.fits": [], "find_lr.before": ["head"], "folds": [0]})
    run_all(copied, ["0"], LATE)
    assert metrics(copied, "find_lr_unfreeze", "0") == {"suggestion": None}
    assert checkpoint.read_header(model(copied, "unfreeze")).trained == "head"
    assert metrics(copied, "submission")["validation_rows"] == 9


def test_full_trains_on_every_row_and_validates_none(copied: Path) -> None:
    edit(copied / "params.yaml", folds=["full"])
    run_all(copied, ["full"], ["find_lr_head", "head", *LATE])
    assert pd.read_csv(copied / "data/predictions/full/validation.csv").empty
    assert metrics(copied, "submission")["validation_rows"] == 0
    assert "cv_log_loss" not in metrics(copied, "submission")
    assert len(pd.read_csv(copied / "submissions/submission.csv")) == TEST
    history = pd.read_csv(copied / "data/history/full/head.csv")
    assert history["valid_loss"].isna().all()
    for stage in MODELS:
        assert not {"plain_train_loss", "reading"} & set(metrics(copied, stage, "full"))


def test_a_fold_taken_out_of_params_is_left_out_though_its_files_remain(copied: Path) -> None:
    edit(copied / "params.yaml", folds=[0])
    run_all(copied, [], ["blend", "submission"])
    one = pd.read_csv(copied / "data/predictions/0/test.csv", dtype={"id": str}).set_index("id")
    got = pd.read_csv(copied / "submissions/submission.csv", dtype={"id": str}).set_index("id")
    np.testing.assert_allclose(got[CLASSES], one.loc[got.index, CLASSES], atol=1e-8)


def test_workers_and_file_order_change_no_byte(finished: Path, tmp_path: Path) -> None:
    backwards = tmp_path / "competition"
    write_competition(backwards, names=list(reversed(range(TRAIN + TEST))))
    folder = project(tmp_path / "p", backwards, folds=[0, 1], **{"runtime.workers": 2})
    run_all(folder, ["0", "1"])
    for name in (
        "submissions/submission.csv", "data/models/1/unfreeze.safetensors",
        "metrics/1/unfreeze.json",
    ):  # fmt: skip
        assert (folder / name).read_bytes() == (finished / name).read_bytes(), name


def test_lr_auto_is_what_the_finder_suggested(copied: Path) -> None:
    path = copied / "metrics/0/find_lr_head.json"
    path.write_text('{"suggestion": 0.02}')
    run_stage(copied, "augment", "0")
    highest = pd.read_csv(copied / "data/history/0/augment.csv")["lr"].iloc[0]
    second_of_five = (1 + np.cos(np.pi / 5)) / 2  # the first batch is the warm start
    assert highest == pytest.approx(0.02 * second_of_five, rel=1e-5)


def test_lr_auto_without_a_slope_asks_for_a_number(copied: Path) -> None:
    (copied / "metrics/0/find_lr_head.json").write_text('{"suggestion": null}')
    result = run_stage(copied, "augment", "0")
    assert result.exit_code == 1
    assert "give the rate as a number" in result.output


@pytest.mark.parametrize(
    ("classes", "difference"),
    [
        (["green sea", "blue", "red"], "3 classes, and there are 3: number 1 is 'green sea' there"),
        (["blue", "green sea"], "2 classes, and there are 3: number 3 is missing there and 'red'"),
        ([*CLASSES, "white"], "4 classes, and there are 3: number 4 is 'white' there and missing"),
    ],
)
def test_a_model_of_other_classes_is_refused(
    copied: Path, classes: list[str], difference: str
) -> None:
    path, before = model(copied, "unfreeze"), copied / "data/predictions/0/test.csv"
    header, tensors = checkpoint.read_header(path), checkpoint.load_file(path)
    checkpoint.save(path, replace(header, classes=classes), tensors)
    before.unlink()
    result = run_stage(copied, "tta", "0")
    assert result.exit_code == 1
    assert f"unfreeze.safetensors was trained for {difference}" in result.output
    assert "run `dvc repro` so that it is trained anew." in result.output
    assert not before.exists()


def test_a_model_of_another_architecture_is_refused(copied: Path) -> None:
    path = model(copied, "progressive")
    header, tensors = checkpoint.read_header(path), checkpoint.load_file(path)
    checkpoint.save(path, replace(header, architecture="resnet34"), tensors)
    result = run_stage(copied, "unfreeze", "0")
    assert result.exit_code == 1
    assert "progressive.safetensors is a resnet34 and" in result.output


def test_a_mistyped_key_stops_the_first_stage(competition: Path, tmp_path: Path) -> None:
    folder = project(tmp_path, competition)
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("plain_weight:", "plain_wieght:"))
    result = run_stage(folder, "fetch")
    assert result.exit_code == 2
    assert "tta.plain_wieght" in result.output
    assert "tta.plain_weight" in result.output
