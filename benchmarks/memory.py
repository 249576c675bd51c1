"""The memory that resize and precompute take, by the number of images.

    python benchmarks/memory.py 1000 10000 100000

makes a competition of that many small photographs in one zip, runs both stages as processes, and
prints the most memory that they and their workers held at once (resident, what is shared counted
in each), seconds, and the megabytes that they wrote.
"""

from __future__ import annotations

import io
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
from tests.project import write_project

PARAMS = {
    "competition.task": "multiclass", "resize.shorter_side": 32, "head.image_size": 32,
    "augment.image_size": 32, "progressive.steps": [], "unfreeze.image_size": 32,
    "precompute.batch_size": 64, "runtime.workers": 1, "competition.labels": "folders",
    "competition.id_column": None, "competition.label_columns": [],
}  # fmt: skip


@click.command()
@click.argument("counts", nargs=-1, type=int, required=True)
def main(counts: tuple[int, ...]) -> None:
    """Print a line a stage and count."""
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_project(Path(temporary) / "p", Path(temporary) / "c", **PARAMS)
            write_images(folder / "data/raw/c.zip", count)
            run(folder, "backbone")
            for stage in ("resize", "precompute"):
                peak, seconds = run(folder, stage)
                size = sum(p.stat().st_size for p in (folder / "data").rglob("*") if p.is_file())
                click.echo(
                    f"{stage:<11}{count:>8} images  {peak / 1e6:7.0f} MB  {seconds:6.1f} s  "
                    f"{size / 1e6:6.0f} MB on disk"
                )


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
    """Run a stage; the most bytes of memory that it held, and seconds."""
    start, peak = time.monotonic(), 0
    words = [sys.executable, "-m", f"stages.{stage}"]
    env = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, held(watched))
            time.sleep(0.05)
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
