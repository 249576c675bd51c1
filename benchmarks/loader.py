"""How many images a second the loader prepares, with no network to wait for it.

On a CPU rates.py has loader and network in turn; a GPU has them side by side, and waits if its
network takes more images than this.

    python benchmarks/loader.py                 plain and augmented views, on 1 thread and on all
    python benchmarks/loader.py --side 247      from a pack of smaller images
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from rates import SIDE_ON, pack_of_photographs, timed

from stages.base.cores import resolve_workers
from stages.images.loading import Key, Views, chunks, load


def prepare(views: Views, keys: list[Key], batch: int, threads: int) -> None:
    """Load every batch, and throw it away."""
    for _ in load(views, chunks(keys, batch), threads):
        pass


@click.command()
@click.option("--size", default=224, show_default=True, help="Pixels that the network sees.")
@click.option("--side", default=340, show_default=True, help="Shorter side of the pack's images.")
@click.option("--batch", default=64, show_default=True, help="Images a batch.")
@click.option("--images", default=1024, show_default=True)
@click.option("--rounds", default=7, show_default=True)
def main(size: int, side: int, batch: int, images: int, rounds: int) -> None:
    """Print images a second of plain and of augmented views, least to most of the rounds."""
    with TemporaryDirectory() as folder:
        pack = pack_of_photographs(Path(folder), images, side)
        views = Views(pack, np.arange(images), size, SIDE_ON, 0)
        cases = [
            (kind, threads, [(i, which) for i in range(images)])
            for kind, which in (("plain", ""), ("augmented", "augment/0"))
            for threads in sorted({1, resolve_workers("auto")})
        ]
        rates: list[list[float]] = [[] for _ in cases]
        for _ in range(rounds + 1):  # the first is thrown away
            for (_, threads, keys), row in zip(cases, rates, strict=True):
                row.append(images / timed(lambda k=keys, t=threads: prepare(views, k, batch, t)))
        for (kind, threads, _), [_, *row] in zip(cases, rates, strict=True):
            click.echo(
                f"{kind:<10} {threads:2d} thread{'s' if threads > 1 else ' '} "
                f"{statistics.median(row):6.0f} images/s ({min(row):.0f} to {max(row):.0f})"
            )


if __name__ == "__main__":
    main()
