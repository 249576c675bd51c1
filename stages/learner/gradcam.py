"""Grad-CAM (Selvaraju et al. 2017): the places of an image that speak for an output.

Each channel of the last feature map before pooling weighs as much as the output's gradient towards
it, averaged over the map; where the weighed sum is above 0, a place speaks for the output. All of
it is on the CPU and in fp32, for there are few images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from stages.base import paths
from stages.images import views
from stages.model import checkpoint
from stages.model.checkpoint import Header
from stages.model.network import Network


class NoMapError(Exception):
    """The network leaves no map of places; the sentence says so."""


@dataclass(frozen=True)
class Explained:
    """An image as the network saw it, what it said, and where the reasons lie."""

    seen: np.ndarray
    """uint8 (S, S, 3)."""
    outputs: np.ndarray
    """(C,), as the task means them."""
    heat: np.ndarray
    """(K, S, S), an output each, from 0 to 1; 0 all over if no place speaks for it."""
    layer: str
    """Which layer's map that is, and its channels and places."""


def load(fold: str, task: str, classes: list[str]) -> tuple[Header, Network]:
    """The network that `tta` predicts with; where that averages snapshots, the last of them.

    Raises:
        UserError: it was trained for other classes or another task than there are now.

    """
    path = paths.model(fold, "unfreeze")
    header = checkpoint.read_header(path)
    header.check_purpose(path, task, classes)
    return header, checkpoint.load_network(path, paths.BACKBONE).eval()


def explain(
    header: Header, network: Network, image: np.ndarray, outputs: Sequence[int]
) -> Explained:
    """What speaks for each of `outputs` in the plain view of an image, uint8 (H, W, 3).

    Raises:
        NoMapError: the network leaves no map.

    """
    seen = views.view(image, header.size)
    with torch.no_grad():
        found = network.feature_map(torch.from_numpy(seen).permute(2, 0, 1)[None])
        said = header.trains.activation(network.head(network.pool(found)))[0].numpy()
    side = side_of(found, header)
    heat = spread(maps(network, found, outputs), side, header.size).numpy()
    layer = f"{header.architecture}.forward_features, {found.shape[1]} x {side} x {side}"
    return Explained(seen, said, heat, layer)


def maps(network: Network, found: torch.Tensor, outputs: Sequence[int]) -> torch.Tensor:
    """The map (K, 1, H, W) of each output, from the feature map (1, C, H, W) before pooling.

    Only what follows the map has to be run again: its input is the layer that is asked about.
    """
    last = nn.Sequential(network.pool, network.head)
    repeated = found.detach().expand(len(outputs), -1, -1, -1).clone().requires_grad_()
    captum = LayerGradCam(last, network.pool)
    how = {"attribute_to_layer_input": True, "relu_attributions": True}
    return captum.attribute(repeated, [*outputs], **how).detach()


def side_of(found: torch.Tensor, header: Header) -> int:
    """Places of a side of the map, which is square as the view is; a transformer's is flat.

    Raises:
        NoMapError: there is one place alone, or there is no such number.

    """
    places = found.shape[2] * found.shape[3]
    side = isqrt(places)
    if side < 2 or side**2 != places:
        raise NoMapError(
            f"{header.architecture} leaves no map: {places} place{'s' * (places > 1)} at "
            f"{header.size} pixels."
        )
    return side


def spread(flat: torch.Tensor, side: int, size: int) -> torch.Tensor:
    """Maps (K, 1, H, W), flat or square, over the whole view: (K, size, size), each at most 1.

    Each is on a scale of its own: little speaks for a class that was not said, but it has a place.
    """
    square = flat.reshape(-1, 1, side, side)
    smooth = LayerAttribution.interpolate(square, (size, size), "bilinear").squeeze(1)
    return smooth / smooth.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo().tiny)
