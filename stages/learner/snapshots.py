"""What to predict with: the last weights, each cycle's in turn, or the mean of all cycles'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.optim.swa_utils import update_bn

from stages.model import checkpoint
from stages.model.checkpoint import Tensors
from stages.model.network import Network


def each(network: Network, files: Sequence[Path]) -> Iterator[str]:
    """Give the network the weights of each file in turn; yields its name."""
    for file in files:
        checkpoint.restore(network, load_file(file))
        yield file.stem


@torch.inference_mode()
def average(network: Network, files: Sequence[Path], batches: Iterable[torch.Tensor]) -> None:
    """Give the network the mean weights of the files (Izmailov et al., Averaging weights, 2018).

    The means have BatchNorm statistics of their own: those over `batches` of training images
    (N, 3, H, W), as the paper has it; frozen ones stay as they are.
    """
    checkpoint.restore(network, mean([load_file(file) for file in files]))
    network.freeze_to("all")  # so that its statistics are not held
    if network.freeze_batchnorm:
        network.eval()
        update_bn(map(network.features, batches), network.head)
    else:
        update_bn(batches, network)


def mean(states: Sequence[Tensors]) -> Tensors:
    """The mean of each tensor; of whole numbers, which count something, the last."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if last.is_floating_point()
        else last
        for name, last in states[-1].items()
    }
