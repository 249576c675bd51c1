"""precompute: the frozen backbone's activations of every image, once for all folds."""

from collections.abc import Iterator
from types import SimpleNamespace

import click
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from stages import params, paths, records
from stages.images.loading import Views, chunks, load, resolve_workers
from stages.images.pack import Pack
from stages.learner import activations, checkpoint, hardware
from stages.learner.network import Network, build_backbone


@click.command()
def main() -> None:
    """Run the plain view of every image through the backbone (lesson: precompute=True)."""
    s = params.load("precompute")
    pack = Pack(paths.PACK)
    network = build(s)
    width = network.pool.width(network.backbone.num_features)
    activations.write(paths.ACTIVATIONS, pack.names, features(network, pack, s), width)
    records.write_metrics(
        "precompute",
        {"images": len(pack), "activations": width, **hardware.record(network.precision)},
    )


def build(s: SimpleNamespace) -> Network:
    """The backbone under a head that is never used."""
    header = checkpoint.read_header(paths.BACKBONE, checkpoint.BackboneHeader)
    backbone = build_backbone(header.architecture)
    backbone.load_state_dict(checkpoint.load_file(paths.BACKBONE))
    network = Network(backbone, nn.Identity(), s.model.pool, header.mean, header.std)
    return network.place(hardware.resolve_device(s.runtime.device), s.model.precision).eval()


@torch.inference_mode()
def features(network: Network, pack: Pack, s: SimpleNamespace) -> Iterator[torch.Tensor]:
    """Activations (B, F), batch by batch, in the pack's order."""
    views = Views(pack, np.arange(len(pack)), s.head.image_size, transforms=None, seed=0)
    keys = chunks([(row, "") for row in range(len(pack))], s.precompute.batch_size)
    batches = load(views, keys, resolve_workers(s.runtime.workers))
    for pixels, _ in tqdm(batches, "precompute", len(keys), unit="batch", disable=None):
        yield network.features(pixels.to(network.precision.device))


if __name__ == "__main__":
    main()
