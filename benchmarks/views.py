"""Augmentation on cached activations: `head.views` beside plain views and the augment stage.

    python benchmarks/views.py FOLDER [--views 8] [--size 128]

FOLDER is a set (see sets.py). In a fresh clone the head of each fold is trained on activations of
plain views, then on augmented images by the augment stage (five epochs, cosine cycles of one), and
anew on activations of several views. Printed is the mean over the folds of what each reached in
validation, and the seconds that it took: once, or in the median of the folds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import click

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets, watch
from benchmarks.watch import Ran
from benchmarks.whole import FOLDS, ROOT

AUGMENT = {"lr": 0.01, "cycles": 5, "cycle_len": 1}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--views", default=8, show_default=True, help="Of an image, the plain one included.")
@click.option("--size", default=128, show_default=True, help="Pixels of the square.")
def main(folder: Path, views: int, size: int) -> None:
    """Print a line each: plain views, the augment stage after them, several views."""
    with TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        write(clone, folder, size, views=1)
        watch.repro(clone, "duplicates")  # what all have in common
        ran = watch.repro(clone, "augment")
        click.echo(f"{'views: 1':<14}{reached(clone, 'head')}   {spent(ran, 'head')}")
        click.echo(f"{'then augment':<14}{reached(clone, 'augment')}   {spent(ran, 'augment')}")
        write(clone, folder, size, views=views)
        ran = watch.repro(clone, "head")
        both = f"{spent(ran, 'head_views')}, {spent(ran, 'head')}"
        click.echo(f"{f'views: {views}':<14}{reached(clone, 'head')}   {both}")


def write(clone: Path, folder: Path, size: int, views: int) -> None:
    """Write the params of a set, all folds, and five epochs of the augment stage."""
    document = sets.params(folder.name, folder, size)
    document["folds"], document["find_lr"]["before"] = list(range(FOLDS)), []
    document["augment"]["fits"], document["head"]["views"] = [AUGMENT], views
    if folder.name in sets.MIRRORED:
        document["transforms"]["augment"] = "side_on"
    sets.write_params(clone / "params.yaml", document)


def reached(clone: Path, stage: str) -> str:
    """The mean scores of a stage over the folds, and the least and the most."""
    files = [clone / f"metrics/{fold}/{stage}.json" for fold in range(FOLDS)]
    found = [json.loads(file.read_text()) for file in files]
    losses, hits = ([metrics[name] for metrics in found] for name in ("valid_loss", "accuracy"))
    return (
        f"log loss {mean(losses):.3f} ({min(losses):.3f} to {max(losses):.3f})   "
        f"accuracy {mean(hits):.3f} ({min(hits):.3f} to {max(hits):.3f})"
    )


def spent(ran: list[Ran], stage: str) -> str:
    """Seconds of a stage, a fold if it is run for each."""
    seconds = [one.ended - one.begun for one in ran if one.stage == stage]
    each = f"{median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}) a fold"
    return each if len(seconds) > 1 else f"{seconds[0]:.1f} s once"


if __name__ == "__main__":
    main()
