"""Kill every long stage at random times, let it go on, and compare all that it wrote.

    python benchmarks/kills.py --kills 30

works on a clone of the repository beside the real one, whose pipeline must have run. Each round
starts one stage anew through DVC, kills all its processes with SIGKILL after a random share of the
time that the stage takes, runs it again to its end, and compares dvc.lock, metrics, and the sha256
of every model, of the predictions and of the submission with the uninterrupted run's.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click

STAGES = ["resize", "precompute", "augment@0", "progressive@0", "unfreeze@0", "tta@0"]
WRITTEN = ("dvc.lock", "metrics/**/*.json", "data/resized/*", "data/activations/*",
           "data/models/**/*.safetensors", "data/history/**/*.csv", "data/predictions/**/*.csv",
           "submissions/submission.csv")  # fmt: skip


@click.command()
@click.option("--kills", default=30, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(kills: int, seed: int) -> None:
    """Print a line a kill, and a table of the time that each stage lost."""
    rng, lost = random.Random(seed), {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        clone = prepare(Path(folder) / "clone")
        expected, usual = hashes(clone), {stage: run(clone, stage) for stage in STAGES}
        wrong = hashes(clone) != expected
        for number in range(kills):
            stage = STAGES[number % len(STAGES)]
            at = rng.uniform(0.1, 1) * usual[stage]
            spent = kill(clone, stage, at)
            mended = clean(clone)
            rest = run(clone, stage)
            same = hashes(clone) == expected
            wrong |= not same
            lost[stage].append(spent + rest - usual[stage])
            verdict = "same" if same else "DIFFERENT"
            click.echo(
                f"{number + 1:>3}  {stage:<14} killed after {spent:5.1f} s of {usual[stage]:5.1f}, "
                f"then {rest:5.1f}, lost {lost[stage][-1]:5.1f}: {verdict}{mended}"
            )
    for stage, seconds in lost.items():
        if seconds:
            usually, most = statistics.median(seconds), max(seconds)
            click.echo(f"{stage:<14} lost {usually:.1f} s, {most:.1f} at most")
    raise SystemExit(wrong)


def prepare(clone: Path) -> Path:
    """A clone that shares DVC's cache, its outs in place."""
    here = Path.cwd()
    subprocess.run(["git", "clone", "--quiet", here, clone], check=True)
    dvc(clone, "cache", "dir", "--local", str(here / ".dvc/cache"))
    dvc(clone, "checkout", "--quiet")
    return clone


def hashes(clone: Path) -> dict[str, str]:
    """The sha256 of everything that the pipeline wrote."""
    files = sorted(p for pattern in WRITTEN for p in clone.glob(pattern) if p.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def run(clone: Path, stage: str) -> float:
    """Run one stage to its end; seconds."""
    start = time.monotonic()
    dvc(clone, "repro", "--force", "--single-item", stage)
    seconds = time.monotonic() - start
    shutil.rmtree(clone / "work/checkpoints", ignore_errors=True)
    return seconds


def kill(clone: Path, stage: str, after: float) -> float:
    """Start one stage anew and kill all its processes; seconds until then."""
    start = time.monotonic()
    running = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage], cwd=clone, env=environment(clone),
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return time.monotonic() - start


def clean(clone: Path) -> str:
    """Free a lock of DVC's that the kill cut off; says so if there was one."""
    said = subprocess.run(["repodium", "clean"], cwd=clone, env=environment(clone), check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    return ", DVC's lock was cut off and freed" if "cut off" in said else ""


def dvc(clone: Path, *words: str) -> None:
    """Run DVC in the clone."""
    subprocess.run(["dvc", *words], cwd=clone, env=environment(clone), check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip


def environment(clone: Path) -> dict[str, str]:
    """The clone's own code is what runs."""
    return os.environ | {"PYTHONPATH": str(clone)}


if __name__ == "__main__":
    main()
