"""How cost grows with the number of images: time, memory and disk of every stage.

    python benchmarks/growth.py 1000 10000 100000

makes a competition of that many small photographs of 120 classes in one zip, runs the pipeline
through DVC with a tiny network, each fit for one epoch, and prints of each stage its seconds, the
most memory that its processes held at once (resident, what is shared counted in each), the bytes an
image of what it wrote, and at last the seconds of a `dvc repro` that has nothing to do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import click
import cv2
import numpy as np
import psutil
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.project import STAGES, write_repository

CLASSES = 120
HEIGHT, WIDTH = 40, 48
IDLE = 5  # runs with nothing to do
EPOCH = {"lr": 0.01, "cycles": 1, "cycle_len": 1}
SIZES = {"resize.shorter_side": 32} | {
    f"{stage}.image_size": 32 for stage in ("head", "augment", "unfreeze")
}
FITS = {f"{stage}.fits": [EPOCH] for stage in ("head", "augment", "unfreeze")}
BATCHES = {f"{stage}.batch_size": 64 for stage in ("head", "augment", "unfreeze", "tta")}
PARAMS = {
    "competition.labels": "folders", "competition.id_column": None, "competition.label_columns": [],
    "head.views": 1, "progressive.steps": [], "tta.augmented": 1, **SIZES, **FITS, **BATCHES,
}  # fmt: skip


@click.command()
@click.argument("counts", nargs=-1, type=int, required=True)
def main(counts: tuple[int, ...]) -> None:
    """Print a line a stage and count."""
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "c"
            folder = write_repository(Path(temporary) / "r", source, **PARAMS)
            write_competition(source, count)
            for stage in STAGES:
                peak, seconds = run(folder, "--single-item", stage)
                click.echo(
                    f"{stage:<17}{count:>8} images  {seconds:6.1f} s  {peak / 1e6:6.0f} MB of "
                    f"memory  {written(folder, stage) / count:6.0f} bytes an image"
                )
            idle = sorted(run(folder)[1] for _ in range(IDLE))
            click.echo(f"{'nothing to do':<17}{count:>8} images  {idle[IDLE // 2]:6.2f} s")


def write_competition(folder: Path, count: int) -> None:
    """Write a zip of small JPEGs and a sample submission; every fifth image is a test image."""
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 196, (CLASSES, 5, 6, 3)).astype(np.float32)
    classes = [f"c{number:03d}" for number in range(CLASSES)]
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        for i in range(count):
            number = i // 5 % CLASSES
            place = f"train/{classes[number]}" if i % 5 else "test"
            archive.writestr(f"{place}/{i:07d}.jpg", picture(colours[number], rng))
        lines = [["id", *classes]]
        lines += [[f"{i:07d}.jpg", *[f"{1 / CLASSES:.4f}"] * CLASSES] for i in range(0, count, 5)]
        text = "".join(f"{','.join(line)}\n" for line in lines)
        archive.writestr("sample_submission.csv", text)


def picture(colours: np.ndarray, rng: np.random.Generator) -> bytes:
    """A JPEG of a class's colours under noise that is this image's own."""
    own = rng.normal(0, 40, (8, 8, 3)).astype(np.float32)
    coarse = sum(cv2.resize(part, (WIDTH, HEIGHT)) for part in (colours, own))
    pixels = coarse + rng.normal(0, 20, (HEIGHT, WIDTH, 3))
    _, jpeg = cv2.imencode(".jpg", pixels.clip(0, 255).astype(np.uint8))
    return jpeg.tobytes()


def written(folder: Path, stage: str) -> int:
    """Bytes of a stage's outputs, as DVC noted them."""
    lock = YAML(typ="safe").load((folder / "dvc.lock").read_text())
    found = [of for name, of in lock["stages"].items() if name.split("@")[0] == stage]
    return sum(out["size"] for of in found for out in of["outs"])


def run(folder: Path, *words: str) -> tuple[int, float]:
    """Run `dvc repro`; the most bytes of memory that it held, and seconds."""
    start, peak = time.monotonic(), 0
    command = ["dvc", "repro", "--quiet", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, held(watched))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return peak, time.monotonic() - start


def held(process: psutil.Process) -> int:
    """Bytes of a process and its children."""
    try:
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
