"""head_views: activations of augmented views, so that the head trains on augmentation, cached.

The question under the lecture, "why not precompute=True with augmentation?", answered: fastai's
cache held one view an image; this one holds `head.views`, and each epoch takes another.
"""

from stages.base import command, params, paths, records, unfinished
from stages.base.growing import GrowingArray
from stages.model import activations


@command.stage("head_views")
def main() -> None:
    """Run head.views - 1 augmented views of every training image through the backbone."""
    s = params.load("head_views")
    if s.head.views == 1:
        activations.write_index(paths.HEAD_VIEWS, [])
        records.write_metrics("head_views", {"images": 0, "views": 1})
        return
    from stages import precompute  # torch, which there is no need of until here
    from stages.images.loading import ManyViews
    from stages.images.pack import Pack
    from stages.model import hardware

    pack, network = Pack(paths.PACK), precompute.build(s)
    which = [f"head_views/{i}" for i in range(1, s.head.views)]
    views = ManyViews(pack, pack.training, s.head.image_size, s.transforms, s.seed, which)
    kept = unfinished.keep("head_views")
    used = kept.machines(hardware.record(network.precision))
    shape = (len(views.rows), len(which), network.width)
    with GrowingArray(kept, activations.FEATURES, shape) as array:
        for batch in precompute.features(network, views, array.rows, "head_views", s):
            array.add(batch)
    activations.place(kept, paths.HEAD_VIEWS, [pack.names[row] for row in views.rows])
    records.write_metrics("head_views", {"images": len(views.rows), "views": s.head.views, **used})
    kept.finish()


if __name__ == "__main__":
    main()
