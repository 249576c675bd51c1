"""Pretrained weights: the same whichever way they come, checked, and never executed."""

import json
import pickle
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from stages.base import paths
from stages.base.errors import UserError
from stages.learner import weights
from stages.model import checkpoint
from stages.model.network import build_backbone
from tests.project import run_stage, write_project


@pytest.fixture(scope="module")
def package():
    """The bundled competition's backbone, and its outputs on some pixels."""
    body, source = weights.load("efficientnet_lite0", "package")
    return body, source


@pytest.fixture
def tensors():
    torch.manual_seed(5)
    return build_backbone("test_resnet").state_dict()


def outputs(body):
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        return body.eval().forward_features(torch.randn(1, 3, 64, 64, generator=generator))


def same(body, tensors):
    return all(torch.equal(t, tensors[name]) for name, t in body.state_dict().items())


def test_package_weights_are_the_same_from_a_copy_of_any_kind(package, tmp_path):
    tensors = package[0].state_dict()
    save_file(tensors, tmp_path / "copy.safetensors")
    torch.save(tensors, tmp_path / "copy.pth")
    expected = outputs(package[0])
    for name in ("copy.safetensors", "copy.pth"):
        body, source = weights.load("efficientnet_lite0", str(tmp_path / name))
        assert torch.equal(outputs(body), expected)
        assert name in source


def test_package_weights_are_pretrained_and_their_source_is_named(package):
    body, source = package
    assert source.startswith("package: ")
    random, _ = weights.load("efficientnet_lite0", "none")
    statistics = body.state_dict()["bn1.running_var"]
    assert not torch.equal(statistics, random.state_dict()["bn1.running_var"])


def test_a_package_for_another_architecture_is_refused():
    with pytest.raises(UserError, match="efficientnet_lite0 alone"):
        weights.load("resnet34", "package")


def test_no_weights_are_random_by_the_seed():
    first, second = (weights.load("test_resnet", "none", seed=3)[0] for _ in range(2))
    assert same(first, second.state_dict())
    assert not same(weights.load("test_resnet", "none", seed=4)[0], first.state_dict())


def test_a_checkpoint_with_a_state_dict_inside_is_unpacked(tensors, tmp_path):
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "w.pth")
    body, _ = weights.load("test_resnet", str(tmp_path / "w.pth"))
    assert same(body, tensors)


def test_a_classifier_beyond_the_backbone_is_left_out(tensors):
    matched = weights.match(
        build_backbone("test_resnet"), tensors | {"fc.weight": torch.zeros(9)}, "w"
    )
    assert set(matched) == set(tensors)


def test_tensors_match_by_name_in_any_order(tensors):
    matched = weights.match(
        build_backbone("test_resnet"), dict(reversed(list(tensors.items()))), "w"
    )
    assert all(matched[name] is t for name, t in tensors.items())


def test_tensors_of_other_names_match_by_order(tensors):
    named = {f"net.{i}.{name.rpartition('.')[2]}": t for i, (name, t) in enumerate(tensors.items())}
    matched = weights.match(build_backbone("test_resnet"), named, "w")
    assert list(matched) == list(tensors)
    assert all(matched[name] is t for name, t in tensors.items())


def test_a_wrong_shape_is_refused_and_named(tensors):
    first = next(iter(tensors))
    wrong = tensors | {first: torch.zeros(2, 3)}
    with pytest.raises(UserError, match=rf"{first} in w\.pth is \(2, 3\)"):
        weights.match(build_backbone("test_resnet"), wrong, "w.pth")


def test_another_architecture_is_refused_and_a_missing_tensor_named(tensors):
    wanted = build_backbone("test_efficientnet")
    missing = next(name for name in wanted.state_dict() if name not in tensors)
    with pytest.raises(UserError, match=f"no tensor {missing}.*another network"):
        weights.match(wanted, tensors, "w.pth")


def test_a_shape_that_differs_by_order_is_refused(tensors):
    named = {f"net.{i}.{name.rpartition('.')[2]}": t for i, (name, t) in enumerate(tensors.items())}
    last = list(named)[-1]
    named |= {last: torch.zeros(1, 2, 3)}
    with pytest.raises(UserError, match="different networks"):
        weights.match(build_backbone("test_resnet"), named, "w.pth")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def dump_pickle(value, path):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("dump", [torch.save, dump_pickle])
def test_a_file_that_would_execute_code_is_refused_and_not_executed(tmp_path, dump):
    touched, file = tmp_path / "touched", tmp_path / "bomb.pth"
    dump({"weight": Bomb(touched)}, file)
    with pytest.raises(UserError, match=r"bomb\.pth is neither"):
        weights.read(file)
    assert not touched.exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"garbage", bytes(1000)])
def test_a_file_of_something_else_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="is neither"):
        weights.read(tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3)], ids=["list", "tensor"])
def test_a_torch_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UserError, match="is neither"):
        weights.read(tmp_path / "w.pth")


def test_a_missing_file_is_refused():
    with pytest.raises(UserError, match=r"there is no file nowhere/w\.pth"):
        weights.load("test_resnet", "nowhere/w.pth")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.weights"):
        weights.load("test_resnet", str(tmp_path))


def test_the_hub_without_a_network_names_the_file_and_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as error:
        weights.load("test_resnet", "hub")
    sentence = error.value.message
    assert "https://huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.saf" in sentence
    assert "data/weights/test_resnet.safetensors" in sentence
    assert "\n" not in sentence


def test_an_architecture_without_weights_on_the_hub_is_refused():
    with pytest.raises(UserError, match="the hub has no weights of test_coatnet"):
        weights.load("test_coatnet", "hub")


@pytest.mark.parametrize(("source", "size"), [("package", 224), ("none", None)])
def test_the_stage_records_the_size_that_pretrained_weights_saw(tmp_path, source, size):
    changes = {"model.architecture": "efficientnet_lite0", "model.weights": source}
    folder = write_project(tmp_path / "p", Path("unused"), **changes)
    run_stage(folder, "backbone")
    assert json.loads((folder / "metrics/backbone.json").read_text())["pretrained_size"] == size


@pytest.mark.parametrize(
    ("architecture", "mean"),
    [("test_efficientnet", [0.485, 0.456, 0.406]), ("test_vit", [0.5] * 3)],
)
def test_the_stage_records_what_the_network_is_normalised_by(tmp_path, architecture, mean):
    changes = {"model.architecture": architecture, "model.weights": "none"}
    folder = write_project(tmp_path / "p", Path("unused"), **changes)
    run_stage(folder, "backbone")
    header = checkpoint.read_header(folder / paths.BACKBONE, checkpoint.BackboneHeader)
    assert header.mean == mean
