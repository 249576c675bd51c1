"""Checkpoints: what goes in comes out, says what it is, and executes nothing."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from stages.base.errors import UserError
from stages.model import checkpoint
from stages.model.checkpoint import BackboneHeader, Header
from stages.model.network import Network, build_backbone

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
HEADER = Header(
    architecture="test_resnet",
    task="multiclass",
    classes=["blue", "green sea", "é, ü"],
    pool="concat",
    head_layers=[8],
    dropout=[0.25, 0.5],
    centre=[],
    spread=[],
    size=64,
    mean=MEAN,
    std=STD,
    trained="head",
)


def network_of(seed):
    torch.manual_seed(seed)
    body = build_backbone("test_resnet")
    return Network(body, HEADER.build_head(body.num_features), "concat", MEAN, STD).eval()


def save_backbone(path, network, architecture="test_resnet"):
    header = BackboneHeader(architecture, "none", network.backbone.num_features, MEAN, STD)
    checkpoint.save(path, header, network.backbone.state_dict())
    return path


@pytest.fixture
def network():
    return network_of(seed=0)


@pytest.fixture
def backbone(tmp_path, network):
    return save_backbone(tmp_path / "backbone.safetensors", network)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_a_head_comes_back_on_the_backbone_of_its_own_file(network, backbone, path, pixels):
    checkpoint.save_network(path, HEADER, network)
    found = checkpoint.load_network(path, backbone).eval()
    assert torch.equal(found(pixels), network(pixels))


def test_save_head_is_read_as_a_network(network, backbone, path, pixels):
    checkpoint.save_head(path, replace(HEADER, trained="all"), network.head)
    assert checkpoint.read_header(path) == HEADER
    assert torch.equal(checkpoint.load_network(path, backbone).eval()(pixels), network(pixels))


def test_a_trained_backbone_comes_back_from_the_checkpoint(network, path, tmp_path, pixels):
    """The backbone file holds other, pretrained weights; they must not win."""
    pretrained = save_backbone(tmp_path / "pretrained.safetensors", network_of(seed=1))
    checkpoint.save_network(path, replace(HEADER, trained="all"), network)
    found = checkpoint.load_network(path, pretrained).eval()
    assert torch.equal(found(pixels), network(pixels))


def test_batchnorm_statistics_are_kept(network, path, tmp_path):
    network.backbone.bn1.running_mean.fill_(7)
    other = save_backbone(tmp_path / "other.safetensors", network_of(seed=1))
    checkpoint.save_network(path, replace(HEADER, trained="all"), network)
    assert (checkpoint.load_network(path, other).backbone.bn1.running_mean == 7).all()


def test_a_head_file_holds_the_head_alone(network, path):
    checkpoint.save_network(path, HEADER, network)
    assert {name.split(".")[0] for name in load_file(path)} == {"head"}


def test_the_header_says_what_the_tensors_are(network, path):
    checkpoint.save_network(path, HEADER, network)
    assert checkpoint.read_header(path) == HEADER


def test_the_normalisation_of_the_header_is_used(network, backbone, path, pixels):
    checkpoint.save_network(path, replace(HEADER, mean=[0.0] * 3), network)
    found = checkpoint.load_network(path, backbone).eval()
    assert not torch.allclose(found.features(pixels), network.features(pixels))


def test_two_saves_give_the_same_bytes(network, path, tmp_path):
    again = tmp_path / "again.safetensors"
    for file in (path, again):
        checkpoint.save_network(file, replace(HEADER, trained="all"), network)
    assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("trained", "layers", "expected"),
    [("head", "head", "head"), ("head", "all", "all"), ("all", "head", "all")],
)
def test_a_backbone_once_trained_stays_in_the_file(trained, layers, expected):
    after = replace(HEADER, trained=trained).after(299, layers)
    assert (after.size, after.trained) == (299, expected)


def test_another_architectures_backbone_is_refused_by_name(network, path, tmp_path):
    checkpoint.save_network(path, HEADER, network)
    other = save_backbone(tmp_path / "other.safetensors", network, architecture="resnet34")
    with pytest.raises(UserError, match=r"is a test_resnet and .* a resnet34"):
        checkpoint.load_network(path, other)


def test_a_checkpoint_of_another_task_is_refused(path):
    with pytest.raises(UserError, match=r"for multiclass, and the task is multilabel; run `dvc "):
        HEADER.check_purpose(path, "multilabel", HEADER.classes)


def test_a_checkpoint_without_its_tensors_is_refused(network, backbone, path):
    tensors = {f"head.{name}": t for name, t in network.head.state_dict().items()}
    del tensors["head.2.weight"]
    checkpoint.save(path, HEADER, tensors)
    with pytest.raises(UserError, match=r"2\.weight"):
        checkpoint.load_network(path, backbone)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04." * 100, b"{}"])
def test_a_file_that_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is not"):
        checkpoint.read_header(path)


def test_a_truncated_checkpoint_is_refused(network, path):
    checkpoint.save_network(path, HEADER, network)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="is not"):
        checkpoint.read_header(path)


def test_a_missing_checkpoint_is_refused(path):
    with pytest.raises(UserError, match="is not"):
        checkpoint.read_header(path)


@pytest.mark.parametrize("metadata", [None, {"repodium": "[]"}, {"repodium": '{"size": 1}'}])
def test_safetensors_of_others_are_refused(path, metadata):
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(UserError, match="is not"):
        checkpoint.read_header(path)


def test_a_backbone_is_no_checkpoint(backbone):
    with pytest.raises(UserError, match="is not a Header"):
        checkpoint.read_header(backbone)


def test_a_layer_that_is_in_two_places_is_saved_with_both(path, tmp_path):
    """As those of timm's coat_lite are."""
    layer = nn.Linear(3, 3)
    shared = nn.Sequential(layer, layer)
    checkpoint.save(path, HEADER, shared.state_dict())
    assert sorted(load_file(path)) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    again = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    again.load_state_dict(load_file(path))
    assert torch.equal(again(torch.ones(1, 3)), shared(torch.ones(1, 3)))


def test_a_save_that_fails_keeps_the_old_file(network, path):
    checkpoint.save_network(path, HEADER, network)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        checkpoint.save(path, HEADER, {"head": "no tensor"})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
