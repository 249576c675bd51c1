"""One hash: the same submission whatever the machine is doing.

    python benchmarks/same_bytes.py

enters a tiny competition once for each number of workers and each order of the files, with another
hash seed each time, idle or loaded, through DVC or each stage alone, and prints the sha256 of all
models, predictions, metrics and of the submission together.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.project import PER_FOLD, STAGES, TEST, TRAIN, write_competition, write_repository

WRITTEN = (
    "metrics/**/*.json", "data/activations/*", "data/models/**/*.safetensors",
    "data/history/**/*.csv", "data/predictions/**/*.csv", "submissions/submission.csv",
)  # fmt: skip
IMAGES = range(TRAIN + TEST)
ORDERS = {
    "ascending": list(IMAGES),
    "shuffled": np.random.default_rng(0).permutation(TRAIN + TEST).tolist(),
}


LOADS = (4, 0, 0, 4, 4, 0)  # each with every number of workers and every order
HOW = ("dvc repro", "each alone", "each alone", "dvc repro")


@click.command()
def main() -> None:
    """Print a line a run; the exit status is 1 if two hashes differ."""
    seen = set()
    for number, (workers, order) in enumerate(itertools.product((4, 1, 0), reversed(ORDERS))):
        load, how = LOADS[number], HOW[number % len(HOW)]
        with tempfile.TemporaryDirectory() as temporary, busy(load):
            write_competition(Path(temporary) / "c", ORDERS[order])
            found = run(Path(temporary), workers, how, hash_seed=number)
        seen.add(found)
        click.echo(
            f"workers {workers}  files {order:<9}  busy processes {load}  hash seed {number:<2}  "
            f"{how:<10}  {found[:16]}"
        )
    raise SystemExit(len(seen) != 1)


def run(folder: Path, workers: int, how: str, hash_seed: int) -> str:
    """Run the whole pipeline; the hash of what it wrote."""
    project = write_repository(folder / "p", Path("../c"), **{"runtime.workers": workers})
    env = os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(project)}
    for words in [["dvc", "repro"]] if how == "dvc repro" else alone():
        subprocess.run(words, cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha256()
    for path in sorted(p for pattern in WRITTEN for p in project.glob(pattern)):
        digest.update(f"{path.relative_to(project)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def alone() -> Iterator[list[str]]:
    """The command of each stage."""
    for stage in STAGES:
        name, _, before = stage.partition("_lr_")
        module = [f"stages.{name}_lr", before] if before else [f"stages.{stage}"]
        yield [sys.executable, "-m", *module, *(["0"] if stage in PER_FOLD else [])]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep the cores busy meanwhile."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
