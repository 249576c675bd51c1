"""The network: head, pooling, layer groups, frozen statistics, any feature layout."""

import copy

import pytest
import torch
from torch import nn

from stages.base.errors import UserError
from stages.fit.groups import every_layer, layer_groups, split_backbone
from stages.fit.stepper import Stepper
from stages.model.hardware import resolve_precision
from stages.model.network import Network, Pool, build_backbone, build_head

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture
def network():
    torch.manual_seed(0)
    body = build_backbone("test_resnet")
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm's zeros keep a first gradient from most weights
    head = build_head(2 * body.num_features, 3, [8], [0, 0])
    return Network(body, head, "concat", MEAN, STD)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=generator)
    return pixels, torch.tensor([0, 1, 2, 1])


def train_one_step(make_learner, network, batch, layers):
    network.freeze_to(layers)
    groups = layer_groups(network.backbone, network.head)
    if layers == "head":
        groups = groups[-1:]
    before = copy.deepcopy(network.backbone.state_dict())
    network.train()
    Stepper(make_learner(network, groups), [0.1] * len(groups)).step(batch, 1)
    return {n for n, t in network.backbone.state_dict().items() if not torch.equal(t, before[n])}


def is_statistic(name):
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_head_of_the_lesson():
    head = build_head(4096, 120, [512], [0.25, 0.5])
    kinds = ["BatchNorm1d", "Dropout", "Linear", "ReLU", "BatchNorm1d", "Dropout", "Linear"]
    assert [type(layer).__name__ for layer in head] == kinds
    assert [parameters(head[i]) for i in (0, 2, 4, 6)] == [8192, 2_097_664, 1024, 61_560]
    assert [head[1].p, head[5].p] == [0.25, 0.5]


def test_a_dropout_of_zero_leaves_its_layer_out():
    head = build_head(16, 3, [8], [0, 0.5])
    kinds = ["BatchNorm1d", "Linear", "ReLU", "BatchNorm1d", "Dropout", "Linear"]
    assert [type(layer).__name__ for layer in head] == kinds


def test_no_hidden_layers_make_a_single_linear_layer():
    head = build_head(16, 3, [], [0.5])
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    assert [layer.weight.shape for layer in linear] == [(3, 16)]
    assert not any(isinstance(layer, nn.ReLU) for layer in head)


def test_head_weights_are_kaiming_normal_and_biases_zero():
    torch.manual_seed(0)
    linear = build_head(4096, 10, [512], [0, 0])[1]
    assert linear.weight.std().item() == pytest.approx((2 / 4096) ** 0.5, rel=0.01)
    assert linear.weight.mean().item() == pytest.approx(0, abs=1e-4)
    assert linear.bias.count_nonzero() == 0


def test_concat_pooling_is_max_first_then_average():
    x = torch.randn(2, 3, 4, 5)
    pooled = Pool("concat")(x)
    assert torch.equal(pooled[:, :3], x.flatten(2).max(dim=2).values)
    torch.testing.assert_close(pooled[:, 3:], x.flatten(2).mean(dim=2))


@pytest.mark.parametrize(("kind", "width"), [("concat", 14), ("avg", 7), ("max", 7)])
def test_pooling_has_the_width_it_says(kind, width):
    assert Pool(kind).width(7) == width
    assert Pool(kind)(torch.zeros(2, 7, 3, 3)).shape == (2, width)


def test_resnet34_is_cut_where_fastai_cut_it():
    body, head = build_backbone("resnet34"), build_head(1024, 2, [], [0])
    children = dict(body.named_children())
    early = nn.ModuleList(children[n] for n in ("conv1", "bn1", "layer1", "layer2"))
    late = nn.ModuleList(children[n] for n in ("layer3", "layer4"))
    groups = [{id(p) for p in group} for group in layer_groups(body, head)]
    assert groups == [{id(p) for p in part.parameters()} for part in (early, late, head)]


@pytest.mark.parametrize(
    "architecture",
    [
        "densenet121",
        "efficientnet_lite0",
        "convnext_tiny",
        "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224",
        "caformer_s18",  # timm groups no layers of it
        "rdnet_tiny",  # nor stages of this one
    ],
)
def test_every_parameter_of_any_architecture_is_in_one_group(architecture):
    with torch.device("meta"):
        body = build_backbone(architecture)
    early, late = ([id(p) for p in group] for group in split_backbone(body))
    assert early
    assert late
    assert sorted(early + late) == sorted(id(p) for p in body.parameters())
    layers = [[id(p) for p in group] for group in every_layer(body, nn.Identity())]
    assert all(layers[:-1])
    assert sorted(p for layer in layers for p in layer) == sorted(early + late)


@pytest.mark.parametrize(
    ("architecture", "first", "last"),
    [
        ("efficientnet_lite0", "conv_stem", "conv_head"),
        ("caformer_s18", "stem.conv", "stages.3.blocks.2.mlp.fc2"),
    ],
)
def test_the_early_group_is_nearer_to_the_pixels(architecture, first, last):
    with torch.device("meta"):
        body = build_backbone(architecture)
    early, late = ({id(p) for p in group} for group in split_backbone(body))
    assert id(body.get_submodule(first).weight) in early
    assert id(body.get_submodule(last).weight) in late


def test_features_of_a_cnn_are_pooled_over_its_map(network, batch):
    network.eval()
    found = network.backbone.forward_features(normalised(batch[0]))
    expected = torch.cat([found.amax((2, 3)), found.mean((2, 3))], 1)
    torch.testing.assert_close(network.features(batch[0]), expected, rtol=1e-4, atol=1e-5)


def test_features_of_a_vit_are_pooled_over_its_patches_without_the_class_token():
    body = build_backbone("test_vit").eval()
    pixels = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    tokens = body.forward_features(normalised(pixels))
    assert tokens.shape == (2, 1 + 100, 64)
    expected = torch.cat([tokens[:, 1:].amax(1), tokens[:, 1:].mean(1)], 1)
    network = Network(body, nn.Identity(), "concat", MEAN, STD).eval()
    torch.testing.assert_close(network.features(pixels), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_vit_takes_a_size_that_is_no_multiple_of_its_patches():
    """The lesson's 299, say: what is missing of the last patches is 0, the mean colour."""
    network = Network(build_backbone("test_vit"), nn.Identity(), "avg", MEAN, STD).eval()
    pixels = torch.randint(0, 256, (2, 3, 100, 100), dtype=torch.uint8)
    padded = nn.functional.pad(normalised(pixels), (0, 12, 0, 12))  # to seven patches of 16
    expected = network.backbone.forward_features(padded)[:, 1:].mean(1)
    torch.testing.assert_close(network.features(pixels), expected, rtol=1e-4, atol=1e-5)


def test_features_of_a_swin_are_pooled_over_height_and_width():
    body = build_backbone("swin_tiny_patch4_window7_224").eval()
    pixels = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    with torch.inference_mode():
        found = body.forward_features(normalised(pixels))
    assert found.shape == (1, 7, 7, 768)
    network = Network(body, nn.Identity(), "avg", MEAN, STD).eval()
    torch.testing.assert_close(network.features(pixels), found.mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_weights_of_five_dimensions_stay_as_they_are():
    """Lambda layers have such; all others are in the order in which convolutions are fast."""
    body = build_backbone("lambda_resnet26t").eval()
    pixels = torch.randint(0, 256, (1, 3, 256, 256), dtype=torch.uint8)
    with torch.inference_mode():
        found = body.forward_features(normalised(pixels)).mean((2, 3))
        network = Network(body, nn.Identity(), "avg", MEAN, STD).eval()
        torch.testing.assert_close(network.features(pixels), found, rtol=1e-3, atol=1e-4)
    assert body.stem.conv1.conv.weight.is_contiguous(memory_format=torch.channels_last)


def normalised(pixels):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (pixels / 255 - mean) / std


def test_pixels_are_normalised_by_mean_and_std():
    body = nn.Identity()
    body.forward_features = lambda x: x
    network = Network(body, nn.Identity(), "avg", MEAN, STD)
    pixels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
    expected = normalised(pixels).flatten(1)
    torch.testing.assert_close(network(pixels), expected, rtol=1e-5, atol=1e-5)


def test_normalisation_is_not_in_the_files():
    """It stands in the header; a second copy could contradict it."""
    network = Network(nn.Identity(), nn.Linear(3, 2), "avg", MEAN, STD)
    assert sorted(network.state_dict()) == ["head.bias", "head.weight"]


def test_training_the_head_changes_nothing_of_the_backbone(make_learner, network, batch):
    head = copy.deepcopy(network.head.state_dict())
    assert train_one_step(make_learner, network, batch, "head") == set()
    assert not torch.equal(head["1.weight"], network.head[1].weight)


def test_training_all_layers_changes_every_weight_and_statistic(make_learner, network, batch):
    changed = train_one_step(make_learner, network, batch, "all")
    assert changed == set(network.backbone.state_dict())


def test_freeze_batchnorm_keeps_statistics_while_all_weights_train(make_learner, network, batch):
    network.freeze_batchnorm = True
    changed = train_one_step(make_learner, network, batch, "all")
    assert changed == {n for n in network.backbone.state_dict() if not is_statistic(n)}


def test_the_head_of_a_frozen_network_trains(network):
    network.freeze_to("head")
    network.train()
    assert network.head.training
    assert not any(m.training for m in network.backbone.modules())


def test_freezing_again_after_unfreezing_stops_the_backbone(make_learner, network, batch):
    network.freeze_to("all")
    assert train_one_step(make_learner, network, batch, "head") == set()


def test_a_batch_of_one_image_size_serves_another(network, batch):
    assert network.eval()(batch[0][:, :, :48, :32]).shape == (4, 3)


@pytest.mark.parametrize(
    ("architecture", "size", "why"),
    [
        ("test_vit_relpos", 64, "doesn't match model"),
        ("levit_128s", 64, "broadcast"),
        ("efficientvim_m1", 64, "several maps"),
    ],
)
def test_a_size_that_an_architecture_cannot_take_is_refused(architecture, size, why):
    network = Network(build_backbone(architecture), nn.Identity(), "avg", MEAN, STD).eval()
    with pytest.raises(UserError, match=rf"images of {size} pixels \(.*{why}.*image_size"):
        network.features(torch.zeros(2, 3, size, size, dtype=torch.uint8))


def test_what_goes_wrong_at_a_size_that_it_takes_is_no_mistake_of_the_users(network, batch):
    network.backbone.layer4 = nn.Linear(3, 3)
    with pytest.raises(RuntimeError, match="shapes"):
        network.eval()(batch[0])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("resnett34", "resnet34"), ("efficientnet_lit0", "efficientnet_lite0")],
)
def test_an_unknown_architecture_is_refused_by_naming_the_nearest(wrong, right):
    with pytest.raises(UserError, match=f"'{wrong}'; did you mean {right}?"):
        build_backbone(wrong)


def test_an_architecture_like_no_other_is_refused_too():
    with pytest.raises(UserError, match="timm knows no '0'"):
        build_backbone("0")


@pytest.mark.parametrize(("trained", "depthwise"), [(True, torch.float32), (False, torch.bfloat16)])
def test_depthwise_convolutions_train_in_fp32_and_predict_in_bf16(batch, trained, depthwise):
    body = build_backbone("test_efficientnet")
    network = Network(body, nn.Identity(), "avg", [0.5] * 3, [0.5] * 3)
    network.place(torch.device("cpu"), "bf16").freeze_to("all")
    network.train(trained)(batch[0])  # a first time, so that what it predicts with is there
    found = {True: set(), False: set()}

    def see(module, _, out):
        if isinstance(module, nn.Conv2d):
            found[module.groups > 1].add(out.dtype)

    with nn.modules.module.register_module_forward_hook(see):
        network(batch[0])
    assert found == {True: {depthwise}, False: {torch.bfloat16}}


def test_training_in_bf16_follows_the_gradients_of_fp32(batch):
    body = build_backbone("test_efficientnet")
    network = Network(body, nn.Identity(), "avg", [0.5] * 3, [0.5] * 3)
    network.freeze_to("all")
    found = []
    for precision in ("fp32", "bf16"):
        network.place(torch.device("cpu"), precision).eval()
        network.training = True  # a graph, and BatchNorm as it stands
        network.zero_grad()
        network(batch[0]).square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for p in body.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(*found, dim=0) > 0.99


def test_a_precision_that_is_named_is_used():
    assert resolve_precision("fp16", torch.device("cpu")).name == "fp16"


def test_the_head_runs_in_fp32_whatever_the_precision(network, batch):
    network.place(torch.device("cpu"), "bf16").eval()
    assert network.features(batch[0]).dtype == network(batch[0]).dtype == torch.float32
