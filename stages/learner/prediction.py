"""What a network makes of images, seen in one view or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from stages.base.bar import Bar
from stages.images.loading import ManyViews, chunks, load


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

    `batch_size` counts views. `name` is shown beside the progress.
    """
    images = max(1, batch_size // len(views.which))
    todo = [batch for batch in chunks(range(len(views.rows)), images) if batch[0] >= start]
    with Bar(name, total=len(views.rows), initial=start) as bar:
        for pixels, _ in load(views, todo, workers):
            flat = pixels.flatten(0, 1).to(device, non_blocking=True)
            yield compute(flat).float().view(len(pixels), len(views.which), -1).cpu()
            bar.update(len(pixels))
