"""BatchNorm folded into convolutions: the outputs of the plain network, and of its weights now."""

import pytest
import torch
from torch import nn

from stages.model import folding
from stages.model.hardware import resolve_precision
from stages.model.network import Network, build_backbone

CPU = torch.device("cpu")


def with_statistics(module):
    """The module, as if it had been trained: every BatchNorm does something."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1, generator=generator)
            norm.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(norm.bias, 0, 0.1, generator=generator)
    return module.eval()


def norms(module):
    return sum(isinstance(one, nn.BatchNorm2d) for one in module.modules())


def images(n=2):
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def network(precision="fp32", seed=0):
    torch.manual_seed(seed)
    body = with_statistics(build_backbone("test_efficientnet"))
    head = nn.Linear(2 * body.num_features, 3)
    return Network(body, head, "concat", [0.5] * 3, [0.2] * 3).place(CPU, precision)


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=generator)


@torch.inference_mode()
def plain_features(network, pixels):
    """What the backbone itself makes of pixels."""
    x = (pixels / 255 - 0.5) / 0.2
    return network.pool(network.backbone.forward_features(x))


@pytest.mark.parametrize(
    ("architecture", "left"),
    [
        ("test_efficientnet", 0), ("test_resnet", 0), ("mobilenetv3_small_100", 0), ("resnet18", 0),
        ("resnest14d", 0), ("fasternet_t0", 0), ("densenet121", 62),  # 62 follow no convolution
    ],
)  # fmt: skip
def test_a_folded_network_has_the_outputs_of_the_plain_one(architecture, left):
    torch.manual_seed(0)
    body = with_statistics(build_backbone(architecture).double())
    seen = images().double()
    faster = folding.folded(body, seen[:1])
    assert norms(faster) == left
    with torch.inference_mode():
        expected, found = body.forward_features(seen), faster.forward_features(seen)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


class TwoWays(nn.Module):
    """A convolution whose output is normalised, and added to that."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward_features(self, x):
        x = self.conv(x)
        return x + self.norm(x)


@pytest.mark.parametrize("make", [TwoWays, lambda: build_backbone("test_vit")])
def test_a_network_that_cannot_be_folded_is_left_as_it_is_and_not_copied(make):
    body = with_statistics(make())
    assert folding.folded(body, images(1)) is body


def test_the_network_that_is_folded_keeps_its_own_layers():
    body = with_statistics(build_backbone("test_resnet"))
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    folding.folded(body, images(1))
    assert body.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())


def test_a_frozen_network_sees_through_a_folded_one(pixels):
    """With depthwise convolutions too, whose `forward` place() replaces."""
    whole = network().eval()
    torch.testing.assert_close(
        whole.features(pixels), plain_features(whole, pixels), rtol=1e-4, atol=1e-4
    )
    assert [norms(body) for body in whole._folded] == [0]


def test_in_bf16_it_is_as_near_to_fp32_as_the_plain_one(pixels):
    whole = network(precision="bf16").eval()
    exact = plain_features(whole, pixels)
    found = whole.features(pixels)
    with torch.inference_mode(), resolve_precision("bf16", CPU).autocast():
        rounded = plain_features(whole, pixels)
    assert (found - exact).norm() < 1.5 * (rounded - exact).norm()


def test_other_weights_are_seen_at_once(pixels):
    whole = network().eval()
    old = whole.features(pixels)
    whole.load_backbone(network(seed=1).backbone.state_dict())
    found = whole.features(pixels)
    assert not torch.allclose(found, old, rtol=1e-2)
    torch.testing.assert_close(found, plain_features(whole, pixels), rtol=1e-3, atol=1e-3)


def test_what_was_trained_since_is_seen(pixels):
    whole = network().eval()
    old = whole.features(pixels)
    whole.freeze_to("all")
    whole.train()
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1)
    whole(pixels).square().mean().backward()
    optimizer.step()
    whole.eval()
    for layers in ("all", "head"):
        whole.freeze_to(layers)
        found = whole.features(pixels)
        assert not torch.allclose(found, old, rtol=1e-2)
        expected = plain_features(whole, pixels)
        torch.testing.assert_close(found.detach(), expected, rtol=1e-3, atol=1e-3)


def test_the_head_trains_on_a_copy_that_was_made_in_prediction(pixels):
    whole = network().eval()
    with torch.inference_mode():
        whole(pixels)
    whole.train()
    whole(pixels).square().mean().backward()
    assert whole.head.weight.grad.abs().sum() > 0


def test_a_copy_is_in_no_file(pixels):
    whole = network()
    names = whole.state_dict().keys()
    whole.eval().features(pixels)
    assert whole.state_dict().keys() == names
