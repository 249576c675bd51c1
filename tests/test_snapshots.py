"""Snapshots: the weights at the end of each cycle, and what is predicted with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from stages import tta
from stages.base import params
from stages.fit import training
from stages.images.loading import Views
from stages.images.pack import Pack
from stages.learner import snapshots
from stages.model import checkpoint
from stages.rows import tables
from tests.project import edit, run_all, run_stage, write_competition, write_project

CYCLES = {"lr": [0.001, 0.003, 0.01], "cycles": 2, "cycle_len": 1, "cycle_mult": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that kept its two cycles' weights, of one and two epochs."""
    source, folder = tmp_path_factory.mktemp("competition"), tmp_path_factory.mktemp("trained")
    write_competition(source)
    write_project(folder, source, **{"unfreeze.cycle_save": True, "unfreeze.fits": [CYCLES]})
    run_all(folder, ["0"])
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "p")


def predicted(folder: Path, name: str = "test") -> np.ndarray:
    table = pd.read_csv(folder / f"data/predictions/0/{name}.csv", dtype={"id": str})
    return table.set_index("id").to_numpy()


def test_there_is_one_for_each_cycle_named_by_its_last_epoch(trained: Path) -> None:
    files = {file.name for file in (trained / "data/snapshots/0").iterdir()}
    assert files == {"cycles.csv", "epoch_0.safetensors", "epoch_2.safetensors"}
    assert pd.read_csv(trained / "data/snapshots/0/cycles.csv")["epoch"].tolist() == [0, 2]


def test_the_last_one_is_the_model_that_the_stage_leaves(trained: Path) -> None:
    last = trained / "data/snapshots/0/epoch_2.safetensors"
    assert last.read_bytes() == (trained / "data/models/0/unfreeze.safetensors").read_bytes()


def test_the_first_one_is_the_model_of_a_training_of_one_cycle(copied: Path) -> None:
    """That is, it is taken after the cycle's last batch; fastai's was taken before it."""
    first = (copied / "data/snapshots/0/epoch_0.safetensors").read_bytes()
    edit(copied / "params.yaml", **{"unfreeze.fits.0.cycles": 1})
    run_all(copied, ["0"], ["unfreeze"])
    assert (copied / "data/models/0/unfreeze.safetensors").read_bytes() == first


def test_none_are_kept_unless_they_are_asked_for(copied: Path) -> None:
    shutil.rmtree(copied / "data/snapshots")
    edit(copied / "params.yaml", **{"unfreeze.cycle_save": False})
    run_all(copied, ["0"], ["unfreeze"])
    assert [file.name for file in (copied / "data/snapshots/0").iterdir()] == ["cycles.csv"]


@pytest.mark.parametrize("name", ["validation", "test"])
def test_predictions_are_the_mean_of_what_each_snapshot_predicts(copied: Path, name: str) -> None:
    alone = []
    for file in ("epoch_0", "epoch_2"):
        snapshot = copied / f"data/snapshots/0/{file}.safetensors"
        shutil.copy(snapshot, copied / "data/models/0/unfreeze.safetensors")
        run_all(copied, ["0"], ["tta"])
        alone.append(predicted(copied, name))
    assert np.abs(alone[0] - alone[1]).max() > 0.001  # they differ
    edit(copied / "params.yaml", **{"tta.snapshots": "predictions"})
    run_all(copied, ["0"], ["tta"])
    np.testing.assert_allclose(predicted(copied, name), np.mean(alone, axis=0), atol=1e-7)


def test_averaged_weights_are_means_and_batchnorm_knows_the_training_images(copied: Path) -> None:
    files = sorted((copied / "data/snapshots/0").glob("*.safetensors"))
    states = [load_file(file) for file in files]
    network = checkpoint.load_network(files[-1], copied / "data/backbone.safetensors")
    rows, _ = tables.of_fold(tables.read(copied / "data/folds.csv"), "0")
    pack = Pack(copied / "data/resized")
    views = Views(pack, pack.rows(rows["image"]), 32, None, 0)
    pixels = np.empty((len(rows), *views.shape), np.uint8)
    for number, out in enumerate(pixels):
        views.write((number, ""), out)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    snapshots.average(network, files, [batch])
    name = "backbone.conv_stem.weight"
    stem = network.state_dict()[name]
    torch.testing.assert_close(stem, (states[0][name] + states[1][name]) / 2)
    header = checkpoint.read_header(files[-1])
    mean, std = (torch.tensor(three).view(3, 1, 1) for three in (header.mean, header.std))
    scaled = (batch / 255 - mean) / std
    seen = torch.nn.functional.conv2d(scaled, stem, stride=2, padding=1)
    statistics = network.state_dict()["backbone.bn1.running_mean"]
    torch.testing.assert_close(statistics, seen.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_averaged_weights_leave_frozen_statistics_alone(copied: Path) -> None:
    files = sorted((copied / "data/snapshots/0").glob("*.safetensors"))
    network = checkpoint.load_network(files[-1], copied / "data/backbone.safetensors")
    network.freeze_batchnorm = True
    snapshots.average(network, files, [torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)])
    states = [load_file(file) for file in files]
    name = "backbone.bn1.running_mean"
    expected = (states[0][name] + states[1][name]) / 2
    torch.testing.assert_close(network.state_dict()[name], expected)


def test_batches_that_renew_statistics_are_mixed_as_in_training(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the table is sorted, and however few views a forward pass of tta takes.

    A batch of one class, or of one image, has less variance than the images have.
    """
    table = tables.read(copied / "data/folds.csv").sort_values("label")
    table.to_csv(copied / "data/folds.csv", index=False)
    still = {"augment": "none", "max_zoom": 1.0}
    changes = {f"transforms.{name}": value for name, value in still.items()}
    edit(copied / "params.yaml", **changes, **{"tta.snapshots": "weights", "tta.batch_size": 1})
    monkeypatch.chdir(copied)
    s = params.load("tta")
    header, network = training.load("0", "unfreeze", s)
    list(tta.models("0", header, network, s))
    rows, _ = tables.of_fold(table, "0")
    pack = Pack(copied / "data/resized")
    views = Views(pack, pack.rows(rows["image"]), header.size, None, 0)
    pixels = np.empty((len(rows), *views.shape), np.uint8)
    for number, out in enumerate(pixels):
        views.write((number, ""), out)
    mean, std = (torch.tensor(three) for three in (header.mean, header.std))
    scaled = ((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2)
    state = network.state_dict()
    seen = torch.nn.functional.conv2d(
        scaled, state["backbone.conv_stem.weight"], stride=2, padding=1
    )
    variance = state["backbone.bn1.running_var"] / seen.var(dim=(0, 2, 3))
    assert variance.median() > 0.8


def test_tta_with_averaged_weights_predicts_something_else_and_says_how_good(copied: Path) -> None:
    before = predicted(copied)
    edit(copied / "params.yaml", **{"tta.snapshots": "weights"})
    run_all(copied, ["0"], ["tta"])
    after = predicted(copied)
    assert np.abs(after - before).max() > 0.001
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-6)
    run_all(copied, ["0"], ["tta"])
    assert (predicted(copied) == after).all()


def test_snapshots_that_nothing_keeps_are_a_sentence(copied: Path) -> None:
    edit(copied / "params.yaml", **{"tta.snapshots": "weights", "unfreeze.cycle_save": False})
    result = run_stage(copied, "tta", "0")
    assert result.exit_code == 2
    assert "tta.snapshots: weights needs those of unfreeze; set unfreeze.cycle_save" in (
        result.output
    )
