"""Layer groups for differential learning rates, through timm's own grouping."""

from __future__ import annotations

from collections import defaultdict

from torch import nn


def split_backbone(backbone: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Early and late parameters of any timm backbone: the first half of its stages, rounded up.

    timm's coarse grouping names the stages (stem, layer1, ...). For a resnet the first half is
    stem, layer1 and layer2, the second layer3 and layer4: fastai's very cut, and for a densenet
    too. fastai had a table by architecture and no groups for any other.
    """
    stage_of = numbered(backbone, coarse=True)
    half = -(-(max(stage_of.values()) + 1) // 2)
    early, late = [], []
    for name, parameter in backbone.named_parameters():
        (early if stage_of[name] < half else late).append(parameter)
    return early, late


def every_layer(backbone: nn.Module, head: nn.Module) -> list[list[nn.Parameter]]:
    """A group for each layer of any timm backbone, earliest first, and the head's.

    The layers are those of timm's param_groups_layer_decay, for a rate that falls from layer to
    layer (Clark et al. 2020, ELECTRA; Bao et al. 2021, BEiT).
    """
    layer_of = numbered(backbone, coarse=False)
    layers = defaultdict(list)
    for name, parameter in backbone.named_parameters():
        layers[layer_of[name]].append(parameter)
    return [*(layers[number] for number in sorted(layers)), list(head.parameters())]


def numbered(backbone: nn.Module, *, coarse: bool) -> dict[str, int]:
    """The layer, or coarse the stage, of each parameter by name, counted from the pixels.

    By timm's own grouping. Some architectures have none (caformer, pit), or no coarse one (rdnet):
    theirs are timm's runs of twelve tensors.
    """
    from timm.models import group_parameters  # slow to import, and the head alone needs no groups
    from timm.optim import auto_group_layers

    try:
        matcher = backbone.group_matcher(coarse=coarse)
    except (AttributeError, AssertionError):
        return auto_group_layers(backbone)
    return group_parameters(backbone, matcher, reverse=True)


def layer_groups(backbone: nn.Module, head: nn.Module) -> list[list[nn.Parameter]]:
    """The three groups, earliest first: early backbone, late backbone, head.

    Taken from the network that is trained: fastai took them from the head alone when precompute
    was on, so that unfreezing then left the backbone frozen.
    """
    return [*split_backbone(backbone), list(head.parameters())]
