"""What a network makes of images, seen in one view or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise

import torch

from stages.base.bar import Bar
from stages.images.loading import ManyViews, chunks, load
from stages.model.hardware import moved


@torch.inference_mode()
def of_views(
    compute: Callable[[torch.Tensor], torch.Tensor],
    views: ManyViews,
    batch_size: int,
    workers: int,
    device: torch.device,
    start: int = 0,
    name: str = "",
) -> Iterator[torch.Tensor]:
    """What `compute` makes of pixels: (B, V, C) of every view of the items, from `start` on.

    `batch_size` counts views. `name` is shown beside the progress. An accelerator has its next
    batch before the last one is waited for.
    """
    images = max(1, batch_size // len(views.which))
    todo = [batch for batch in chunks(range(len(views.rows)), images) if batch[0] >= start]
    flat = (pixels.flatten(0, 1) for pixels, _ in load(views, todo, workers, device))
    outputs = (compute(moved(batch, device)).float() for batch in flat)
    with Bar(name, total=len(views.rows), initial=start) as bar:
        for last, _ in pairwise(chain(outputs, [None])):
            found = last.unflatten(0, (-1, len(views.which))).cpu()
            yield found
            bar.update(len(found))
