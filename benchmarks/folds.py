"""Folds side by side: processes that train a fold each, against one after the other.

    python benchmarks/folds.py --processes 2

works on a clone of the bundled competition with as many folds. Each round trains them all twice:
one after the other on all cores, as `dvc repro` does, and all at once on a share of the cores each.
It prints the seconds of both, and whether, with the same number of threads, models, metrics and
predictions have the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
SHARED = ("backbone", "duplicates", "head_views")
STEPS = ("find_lr_head", "head", "augment", "progressive", "find_lr_unfreeze", "unfreeze", "tta")
WRITTEN = ("metrics/[0-9]/*.json", "data/models/**/*.safetensors", "data/predictions/**/*.csv")


@click.command()
@click.option("--processes", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(processes: int, rounds: int) -> None:
    """Print a line a round, then the medians; the exit status is 1 if bytes differ."""
    cores = os.cpu_count() or 1
    share = max(1, cores // processes)
    with tempfile.TemporaryDirectory() as temporary:
        clone = prepare(Path(temporary) / "clone", list(range(processes)))
        train(clone, share, [range(processes)])
        expected, pairs = digest(clone), []
        for _ in range(rounds):
            after = train(clone, cores, [range(processes)])
            beside = train(clone, share, [[fold] for fold in range(processes)])
            pairs.append((after, beside))
            click.echo(f"one after the other {after:6.1f} s, side by side {beside:6.1f} s")
        same = digest(clone) == expected
    ratios = sorted(after / beside for after, beside in pairs)
    click.echo(
        f"{processes} folds side by side are {statistics.median(ratios):.2f} times as fast "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); bytes: {'the same' if same else 'DIFFERENT'}"
    )
    raise SystemExit(not same)


def prepare(clone: Path, folds: list[int]) -> Path:
    """A clone that trains `folds`, and what they share."""
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    yaml = YAML()
    document = yaml.load(clone / "params.yaml")
    document["folds"] = folds
    yaml.dump(document, clone / "params.yaml")
    start(clone, os.cpu_count() or 1, [*SHARED]).wait()
    return clone


def train(clone: Path, threads: int, shares: list) -> float:
    """Train folds anew, a process a share of them; seconds."""
    began = time.perf_counter()
    running = [
        start(clone, threads, ["-f", "-s", *(f"{step}@{fold}" for step in STEPS for fold in share)])
        for share in shares
    ]
    statuses = [process.wait() for process in running]
    if any(statuses):
        raise SystemExit("a stage failed.")
    return time.perf_counter() - began


def start(clone: Path, threads: int, words: list[str]) -> subprocess.Popen:
    """Start a `dvc repro` whose processes use so many threads."""
    env = os.environ | {"PYTHONPATH": str(clone), "OMP_NUM_THREADS": str(threads)}
    words = ["dvc", "--wait-for-lock", "repro", *words]
    return subprocess.Popen(words, cwd=clone, env=env, stdout=subprocess.DEVNULL)


def digest(clone: Path) -> str:
    """One hash over all that the folds wrote."""
    found = hashlib.sha256()
    for path in sorted(p for pattern in WRITTEN for p in clone.glob(pattern)):
        found.update(f"{path.relative_to(clone)}\n".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    main()
