"""How cost grows with the number of images: time, memory and disk of resize and precompute.

    python benchmarks/growth.py 1000 10000 100000

makes a competition of that many small photographs in one zip, runs both stages through DVC, and
prints seconds, the most memory that their processes held at once (resident, what is shared counted
in each), the bytes an image that they wrote, and the seconds of a `dvc repro` that has nothing to
do.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import click
import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.project import write_repository

PARAMS = {
    "competition.task": "multiclass", "resize.shorter_side": 32, "head.image_size": 32,
    "augment.image_size": 32, "progressive.steps": [], "unfreeze.image_size": 32,
    "precompute.batch_size": 64, "competition.labels": "folders",
    "competition.id_column": None, "competition.label_columns": [],
}  # fmt: skip


@click.command()
@click.argument("counts", nargs=-1, type=int, required=True)
def main(counts: tuple[int, ...]) -> None:
    """Print a line a stage and count."""
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "c"
            folder = write_repository(Path(temporary) / "r", source, **PARAMS)
            write_images(source / "c.zip", count)
            for stage in ("fetch", "backbone"):
                run(folder, stage)
            for stage, written in (("resize", "resized"), ("precompute", "activations")):
                peak, seconds = run(folder, stage)
                size = sum(p.stat().st_size for p in (folder / "data" / written).iterdir())
                click.echo(
                    f"{stage:<11}{count:>8} images  {seconds:6.1f} s  {peak / 1e6:6.0f} MB of "
                    f"memory  {size / count:6.0f} bytes an image"
                )
            idle = [run(folder, "precompute")[1] for _ in range(5)]
            click.echo(f"nothing    {count:>8} images  {statistics.median(idle):6.2f} s")


def write_images(path: Path, count: int) -> None:
    """A zip of small JPEGs, a hundred different ones under many names."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(100):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(count):
            archive.writestr(
                f"{'train' if i % 5 else 'test'}/{i % 3}/{i:07d}.jpg", pictures[i % 100]
            )


def run(folder: Path, stage: str) -> tuple[int, float]:
    """Run `dvc repro` up to a stage; the most bytes of memory that it held, and seconds."""
    start, peak = time.monotonic(), 0
    words = ["dvc", "repro", "--quiet", stage]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, held(watched))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{stage} failed")
    return peak, time.monotonic() - start


def held(process: psutil.Process) -> int:
    """Bytes of a process and its children."""
    try:
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
