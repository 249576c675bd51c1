"""precompute: the frozen backbone's activations of every image, once for all folds."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from stages import command, params, paths, records
from stages.images.loading import Views, chunks, load, resolve_workers
from stages.images.pack import Pack
from stages.learner import activations, checkpoint, hardware
from stages.learner.network import Network, build_backbone
from stages.resume import unfinished
from stages.resume.growing import GrowingArray


@command.stage("precompute")
def main() -> None:
    """Run the plain view of every image through the backbone (lesson: precompute=True)."""
    s = params.load("precompute")
    pack = Pack(paths.PACK)
    network = build(s)
    width = network.pool.width(network.backbone.num_features)
    kept = unfinished.keep("precompute")
    used = kept.machines(hardware.record(network.precision))
    with GrowingArray(kept, activations.FEATURES, (len(pack), width)) as array:
        for batch in features(network, pack, array.rows, s):
            array.add(batch.cpu().numpy())
    activations.place(kept, paths.ACTIVATIONS, pack.names)
    records.write_metrics("precompute", {"images": len(pack), "activations": width, **used})
    kept.finish()


def build(s: SimpleNamespace) -> Network:
    """The backbone under a head that is never used."""
    header = checkpoint.read_header(paths.BACKBONE, checkpoint.BackboneHeader)
    backbone = build_backbone(header.architecture)
    backbone.load_state_dict(checkpoint.load_file(paths.BACKBONE))
    network = Network(backbone, nn.Identity(), s.model.pool, header.mean, header.std)
    return network.place(hardware.resolve_device(s.runtime), s.model.precision).eval()


@torch.inference_mode()
def features(
    network: Network, pack: Pack, start: int, s: SimpleNamespace
) -> Iterator[torch.Tensor]:
    """Activations (B, F), batch by batch, in the pack's order, from row `start` on."""
    views = Views(pack, np.arange(len(pack)), s.head.image_size, transforms=None, seed=0)
    keys = chunks([(row, "") for row in range(len(pack))], s.precompute.batch_size)
    todo = [batch for batch in keys if batch[0][0] >= start]
    batches = load(views, todo, resolve_workers(s.runtime.workers))
    where = network.precision.device
    with (
        hardware.enough_memory("precompute.batch_size", s.precompute.batch_size, where),
        tqdm(None, "precompute", len(pack), initial=start, unit="image", disable=None) as bar,
    ):
        for pixels, _ in batches:
            yield network.features(pixels.to(where))
            bar.update(len(pixels))


if __name__ == "__main__":
    main()
