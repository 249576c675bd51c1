"""Grad-CAM of the most wrong images: where the heat lies, whose it is, and what is drawn."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from stages.base import leftovers
from stages.figures import heat, tiles
from stages.learner import gradcam
from stages.model import checkpoint
from stages.model.checkpoint import BackboneHeader, Header
from stages.model.network import Network, build_backbone
from stages.scoring import out_of_fold
from stages.scoring.out_of_fold import Table
from tests.project import ROOT, edit, run_stage, write_project

MEAN, STD = [0.5] * 3, [0.25] * 3
SIZE = 64
CLASSES = ["a", "b", "c"]
CHANGES = {
    "multiclass": {},
    "multilabel": {"competition.label_separator": " "},
    "regression": {"competition.metric": "rmse"},
}


def header_of(architecture, task="multiclass", classes=CLASSES, size=SIZE, pool="concat"):
    numbers = len(classes) if task == "regression" else 0
    return Header(architecture, task, classes, pool, [8], [0.0, 0.0], [1.0] * numbers,
                  [2.0] * numbers, size, MEAN, STD, "all")  # fmt: skip


def network_of(header, seed=0):
    """A network with random weights whose statistics are of real pixels."""
    torch.manual_seed(seed)
    backbone = build_backbone(header.architecture)
    head = header.build_head(backbone.num_features)
    network = Network(backbone, head, header.pool, MEAN, STD).train()
    network.freeze_to("all")
    with torch.no_grad():
        network(torch.randint(0, 256, (16, 3, header.size, header.size), dtype=torch.uint8))
    return network.eval()


class Cells(nn.Module):
    """A backbone of two channels, 8 x 8 pixels a place: how bright it is, and how dark."""

    num_features = 2

    def forward_features(self, x):
        bright = nn.functional.avg_pool2d(x, 8).mean(dim=1, keepdim=True)
        return torch.cat([bright.clamp(min=0), (-bright).clamp(min=0)], dim=1)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 3)])
def test_the_heat_of_a_class_lies_on_the_square_that_it_depends_on(row, column):
    image = np.zeros((64, 64, 3), np.uint8)
    image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    head = nn.Linear(2, 2, bias=False)
    head.weight = nn.Parameter(torch.eye(2))  # class 0: bright; class 1: dark
    header = header_of("cells", classes=["bright", "dark"], pool="avg")
    network = Network(Cells(), head, "avg", MEAN, STD).eval()
    found = gradcam.explain(header, network, image, [0, 1])
    peak = np.unravel_index(found.heat[0].argmax(), (64, 64))
    assert (peak[0] // 8, peak[1] // 8) == (row, column)
    centre = 8 * row + 4, 8 * column + 4
    assert found.heat[0][centre] == pytest.approx(1, abs=0.15)
    assert found.heat[1][centre] == pytest.approx(0, abs=0.15)
    assert found.heat[0].sum() < 4 * 64  # and nowhere else
    assert found.layer == "cells.forward_features, 2 x 8 x 8"


def by_hand(network, seen, output):
    """Grad-CAM as the paper has it: through the whole network, with torch's own gradients."""
    kept = []
    network.freeze_to("all")
    original = network.backbone.forward_features
    network.backbone.forward_features = lambda x: kept.append(original(x)) or kept[0]
    x = network._normalised(torch.from_numpy(seen).permute(2, 0, 1)[None])
    features = network.backbone.forward_features(x)
    said = network.head(network.pool(network._as_map(features)))[0]
    [gradient] = torch.autograd.grad(said[output], features)
    if features.dim() == 3:  # a transformer's, its class token first
        features, gradient = features[0, 1:].T, gradient[0, 1:].T
        features, gradient = (t.reshape(len(t), 10, 10) for t in (features, gradient))
    else:
        features, gradient = features[0], gradient[0]
    weights = gradient.mean(dim=(1, 2))
    return sum(w * channel for w, channel in zip(weights, features, strict=True)).clamp(min=0)


@pytest.mark.parametrize(("architecture", "size"), [("test_efficientnet", 96), ("test_vit", 160)])
@pytest.mark.parametrize("output", [0, 1, 2])
def test_a_map_is_the_papers_by_hand(smooth, architecture, size, output):
    header = header_of(architecture, size=size)
    network, seen = network_of(header), smooth(size, size)
    expected = by_hand(network, seen, output).detach()
    with torch.no_grad():
        features = network.feature_map(torch.from_numpy(seen).permute(2, 0, 1)[None])
    got = gradcam.maps(network, features, [output]).reshape(expected.shape)
    assert expected.any()
    scale = expected.max()
    torch.testing.assert_close(got / scale, expected / scale, atol=1e-5, rtol=1e-5)
    found = gradcam.explain(header, network, seen, [output])
    assert found.heat.shape == (1, size, size)
    assert found.heat.max() == pytest.approx(1)


def test_outputs_are_those_of_prediction_in_the_plain_view(smooth):
    header = header_of("test_efficientnet", "regression")
    network, image = network_of(header), smooth(90, 70)
    found = gradcam.explain(header, network, image, [0])
    assert found.seen.shape == (SIZE, SIZE, 3)
    with torch.no_grad():
        raw = network(torch.from_numpy(found.seen).permute(2, 0, 1)[None])[0]
    np.testing.assert_allclose(found.outputs, 1 + 2 * raw.numpy(), rtol=1e-5)


class Tokens(nn.Module):
    """A backbone that leaves five tokens, which lie in no square."""

    num_features = 3

    def forward_features(self, x):
        return x.flatten(2)[:, :, :5].movedim(1, 2)


def test_a_network_whose_tokens_are_no_square_is_told_to_have_no_map():
    header = header_of("tokens", pool="avg")
    network = Network(Tokens(), header.build_head(3), "avg", MEAN, STD).eval()
    with pytest.raises(gradcam.NoMapError, match="tokens leaves no map: 5 places at 64 pixels"):
        gradcam.explain(header, network, np.zeros((80, 80, 3), np.uint8), [0])


def test_the_hotter_the_brighter_on_black_and_on_white():
    image = np.zeros((10, 10, 3), np.uint8)
    image[:5] = 255
    ramp = np.tile(np.linspace(0, 1, 10), (10, 1))
    drawn = heat.over(image, ramp)
    bright = drawn @ np.array(heat.LUMA)
    assert bright[9].tolist() == sorted(bright[9])
    assert bright[0, -1] > bright[0, 0]
    assert (drawn[:, 0] == drawn[:, 0, :1]).all()  # without heat grey


def project(folder, make_pack, task="multiclass", folds=(0, 1), count=12, size=SIZE, **changes):
    """A project whose folds' models lie where `unfreeze` leaves them, and out-of-fold rows."""
    write_project(folder, Path("unused"), folds=list(folds),
                  **{"competition.task": task} | CHANGES[task] | changes)  # fmt: skip
    rng = np.random.default_rng(1)
    make_pack({f"{i}.png": rng.integers(0, 255, (80, 90, 3), np.uint8) for i in range(count)})
    (folder / "data").mkdir()
    (folder.parent / "pack").rename(folder / "data/resized")
    header = header_of("test_efficientnet", task, size=size)
    for seed, fold in enumerate(folds):
        network = network_of(header, seed)
        path = folder / f"data/models/{fold}/unfreeze.safetensors"
        checkpoint.save_network(path, header, network)
    base = BackboneHeader("test_efficientnet", "none", network.backbone.num_features, MEAN, STD)
    path = folder / "data/backbone.safetensors"
    checkpoint.save(path, base, network.backbone.state_dict())
    labels = {
        "multiclass": [CLASSES[i % 3] for i in range(count)],
        "multilabel": ["\t".join(CLASSES[: i % 3]) for i in range(count)],
        "regression": ["\t".join([f"{i}"] * 3) for i in range(count)],
    }[task]
    rows = pd.DataFrame({
        "id": [f"row{i}" for i in range(count)], "image": [f"{i}.png" for i in range(count)],
        "fold": [str(folds[i % len(folds)]) for i in range(count)], "label": labels, "group": "",
    })  # fmt: skip
    values = rng.dirichlet(np.ones(3), count).reshape(count, 3)
    out_of_fold.write(folder / "data/out_of_fold.csv", Table(rows, CLASSES, values))
    return folder


def run(folder, monkeypatch):
    """Run the stage; its section of tiles, and its metrics."""
    drawn, draw = [], tiles.draw
    monkeypatch.setattr(tiles, "draw", lambda path, *rest: drawn.extend(rest[0]) or
                        draw(path, *rest))  # fmt: skip
    result = run_stage(folder, "gradcam")
    assert result.exit_code == 0, result.output
    metrics = json.loads((folder / "metrics/gradcam.json").read_text())
    assert Image.open(folder / "reports/gradcam.png").size[0] > 400
    return drawn[0], metrics


def words(tile):
    return [text for text, _ in tile.words]


@pytest.mark.parametrize("task", CHANGES)
def test_each_task_is_explained_by_what_was_most_wrong(tmp_path, make_pack, monkeypatch, task):
    folder = project(tmp_path / "p", make_pack, task)
    section, metrics = run(folder, monkeypatch)
    assert metrics == {"images": 6, "layer": "test_efficientnet.forward_features, 256 x 2 x 2"}
    each = 3 if task == "multiclass" else 2
    assert len(section.tiles) == 6 * each
    table = out_of_fold.load(folder / "data/out_of_fold.csv")
    truth, values = table.truth(task), table.predicted
    if task == "multiclass":
        p = np.where(values.argmax(1) == truth, 2, values[np.arange(len(truth)), truth])
        first = int(p.argmin())
        said = values[first].argmax()
        assert words(section.tiles[1])[0] == f"said {values[first, said]:.2f} {CLASSES[said]}"
        assert words(section.tiles[2])[0].endswith(CLASSES[truth[first]])
    else:
        wrong = np.abs(values - truth)
        first, worst = np.unravel_index(wrong.argmax(), wrong.shape)
        assert words(section.tiles[1])[0].split(",")[0].endswith(f" {CLASSES[worst]}")
        assert words(section.tiles[1])[2].startswith("in this view")
        assert CLASSES[worst] in words(section.tiles[1])[2]
    assert words(section.tiles[0]) == [f"row{first}", f"fold {first % 2}"]


def test_a_row_is_explained_by_the_model_of_the_fold_that_validated_it(
    tmp_path, make_pack, monkeypatch
):
    folder = project(tmp_path / "p", make_pack)
    section, _ = run(folder, monkeypatch)
    seen = set()
    for start in range(0, 18, 3):
        image, said, true = section.tiles[start : start + 3]
        fold = words(image)[1].partition(" ")[2]
        path = folder / f"data/models/{fold}/unfreeze.safetensors"
        network = checkpoint.load_network(path, folder / "data/backbone.safetensors").eval()
        outputs = [CLASSES.index(words(tile)[0][-1]) for tile in (said, true)]
        header = checkpoint.read_header(path)
        expected = gradcam.explain(header, network, image.image, outputs)
        for tile, place in zip((said, true), expected.heat, strict=True):
            assert np.array_equal(tile.image, heat.over(image.image, place))
        seen.add(fold)
    assert seen == {"0", "1"}


def test_the_same_rows_give_the_same_bytes_and_fewer_images_fewer_tiles(
    tmp_path, make_pack, monkeypatch
):
    folder = project(tmp_path / "p", make_pack)
    run(folder, monkeypatch)
    first = (folder / "reports/gradcam.png").read_bytes()
    run(folder, monkeypatch)
    assert (folder / "reports/gradcam.png").read_bytes() == first
    edit(folder / "params.yaml", **{"gradcam.images": 2})
    section, metrics = run(folder, monkeypatch)
    assert (len(section.tiles), metrics["images"]) == (6, 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": 0}, "No row was validated."),
        ({"size": 32}, "test_efficientnet leaves no map: 1 place at 32 pixels."),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_show_a_sentence_says_why(
    tmp_path, make_pack, monkeypatch, changes, sentence
):
    section, metrics = run(project(tmp_path / "p", make_pack, **changes), monkeypatch)
    assert (section.note, list(section.tiles), metrics) == (sentence, [], {"images": 0})


def test_where_no_row_is_wrong_a_sentence_says_so(tmp_path, make_pack, monkeypatch):
    folder = project(tmp_path / "p", make_pack)
    table = out_of_fold.load(folder / "data/out_of_fold.csv")
    right = np.eye(3)[table.truth("multiclass")]
    out_of_fold.write(folder / "data/out_of_fold.csv", Table(table.rows, CLASSES, right))
    section, metrics = run(folder, monkeypatch)
    assert (section.note, metrics) == ("No row is wrong.", {"images": 0})


def test_without_images_to_explain_torch_is_not_imported(tmp_path, make_pack):
    folder = project(tmp_path / "p", make_pack, **{"gradcam.images": 0})
    code = "import sys, stages.gradcam as g; g.main([], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(ROOT)}, text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not {"torch", "timm", "captum"} & set(done.stdout.split())
    assert "gradcam: images 0" in done.stdout
    assert Image.open(folder / "reports/gradcam.png").size[0] > 400


def test_models_of_folds_that_are_no_longer_named_do_not_stay(tmp_path, make_pack, monkeypatch):
    monkeypatch.chdir(project(tmp_path / "p", make_pack))
    leftovers.remove([1])
    assert [path.name for path in Path("data/models").iterdir()] == ["1"]


def test_a_model_of_other_classes_is_refused(tmp_path, make_pack):
    folder = project(tmp_path / "p", make_pack)
    table = out_of_fold.load(folder / "data/out_of_fold.csv")
    other = Table(table.rows, ["a", "b", "x"], table.predicted)
    other.rows["label"] = "a"
    out_of_fold.write(folder / "data/out_of_fold.csv", other)
    result = run_stage(folder, "gradcam")
    assert result.exit_code == 1
    assert "was trained for 3 classes" in result.output
