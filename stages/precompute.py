"""precompute: the frozen backbone's activations of every image, once for all folds."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from torch import nn

from stages.base import command, params, paths, records, unfinished
from stages.base.cores import resolve_workers
from stages.base.growing import GrowingArray
from stages.images.loading import ManyViews
from stages.images.pack import Pack
from stages.learner.prediction import of_views
from stages.model import activations, checkpoint, hardware
from stages.model.network import Network, build_backbone


@command.stage("precompute")
def main() -> None:
    """Run the plain view of every image through the backbone (lesson: precompute=True)."""
    s = params.load("precompute")
    pack = Pack(paths.PACK)
    network = build(s)
    width = network.width
    kept = unfinished.keep("precompute")
    used = kept.machines(hardware.record(network.precision))
    views = ManyViews(pack, np.arange(len(pack)), s.head.image_size, transforms=None, seed=0)
    with GrowingArray(kept, activations.FEATURES, (len(pack), width)) as array:
        for batch in features(network, views, array.rows, "precompute", s):
            array.add(batch[:, 0])
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


def features(
    network: Network, views: ManyViews, start: int, name: str, s: SimpleNamespace
) -> Iterator[np.ndarray]:
    """Activations (B, V, F) of the views of every item, batch by batch, from item `start` on."""
    where, size = network.precision.device, s.precompute.batch_size
    workers = resolve_workers(s.runtime.workers)
    with hardware.enough_memory("precompute.batch_size", size, where):
        for batch in of_views(network.features, views, size, workers, where, start, name):
            yield batch.numpy()


if __name__ == "__main__":
    main()
