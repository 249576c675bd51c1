"""The whole recipe beside fastai: seconds and validation score, on the same images and weights.

    python benchmarks/whole.py FOLDER [--fold 1] [--size 224] [--set 'augment.fits=[]']

A round is fastai_peer.py and then `dvc repro` in a fresh clone, from fetch to submission, both on a
fold of the set in FOLDER (see sets.py); five rounds, on five folds, unless folds are named. For
every stage it prints the seconds since the start with the score that it reached, fastai's beside
them, and how much sooner the first stage was there that is as good as fastai's best; at the end
the medians of the rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets, watch

ROOT = Path(__file__).parent.parent
FOLDS = 5  # of each set
SCORED = {
    "head": "valid_loss",
    "augment": "valid_loss",
    "unfreeze": "valid_loss",
    "tta": "log_loss",
}


class Reached(NamedTuple):
    """What was there when."""

    name: str
    seconds: float
    log_loss: float
    accuracy: float

    def __str__(self) -> str:
        about = f"log loss {self.log_loss:.3f}   accuracy {self.accuracy:.3f}"
        return f"{self.name:<10}{self.seconds:8.1f} s   {about}"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fold", "folds", multiple=True, type=int, help="One that validates; all if none.")
@click.option("--size", default=128, show_default=True, help="Pixels of the square, for both.")
@click.option("--seed", default=42, show_default=True, help="Of both.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a parameter.")
def main(folder: Path, folds: Sequence[int], size: int, seed: int, changes: Sequence[str]) -> None:
    """Run both, fold after fold, and print what each reached when."""
    rounds = []
    for fold in folds or range(FOLDS):
        click.echo(f"{folder.name}, fold {fold}, {size} px, seed {seed}")
        best = fastai(folder, fold, size, seed)
        click.echo(best)
        params = recipe(folder, fold, size, changes) | {"seed": seed}
        with TemporaryDirectory() as temporary:
            found = list(ours(params, Path(temporary) / "clone"))
        click.echo("\n".join(map(str, found)))
        rounds.append([best, *found])
        click.echo(f"{sooner(*rounds[-1]):.1f} times sooner (0: never as good)")
    click.echo(f"medians of {len(rounds)} rounds")
    for several in zip(*rounds, strict=True):
        _, *numbers = zip(*several, strict=True)
        click.echo(Reached(several[0].name, *map(median, numbers)))
    ratios = sorted(sooner(*found) for found in rounds)
    click.echo(f"{median(ratios):.1f} times sooner ({ratios[0]:.1f} to {ratios[-1]:.1f})")


def sooner(best: Reached, *found: Reached) -> float:
    """How many times sooner than fastai's best the first of those found was as good; or 0."""
    there = [reached.seconds for reached in found if reached.log_loss <= best.log_loss]
    return best.seconds / there[0] if there else 0.0


def fastai(folder: Path, fold: int, size: int, seed: int) -> Reached:
    """fastai's best log loss, of any epoch or with TTA, and the seconds until then."""
    peer = [sys.executable, ROOT / "benchmarks/fastai_peer.py", folder]
    options = ["--fold", str(fold), "--size", str(size), "--seed", str(seed)]
    line = subprocess.run([*peer, *options], check=True, capture_output=True, text=True).stdout
    found = json.loads(line)
    epochs = [
        Reached("fastai", found["startup_seconds"] + e["seconds"], e["valid_loss"], e["accuracy"])
        for e in found["epochs"]
    ]
    seconds, *scores = (found["tta"][name] for name in ("seconds", "log_loss", "accuracy"))
    tta = Reached("fastai", epochs[-1].seconds + seconds, *scores)
    return min([*epochs, tta], key=lambda reached: reached.log_loss)


def recipe(folder: Path, fold: int, size: int, changes: Sequence[str]) -> dict:
    """The recipe's params on one fold of a set, at one size, with the changes KEY=VALUE."""
    params = sets.params(folder.name, folder, size) | {"folds": [fold]}
    params["progressive"]["steps"] = []
    for change in changes:
        key, _, value = change.partition("=")
        group, _, name = key.partition(".")
        params[group][name] = YAML(typ="safe").load(value)
    return params


def ours(params: dict, clone: Path) -> Iterator[Reached]:
    """What each stage that scores reached, and when it was done."""
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    sets.write_params(clone / "params.yaml", params)
    ended = {ran.stage: ran.ended for ran in watch.repro(clone)}
    for stage, name in SCORED.items():
        metrics = json.loads((clone / f"metrics/{params['folds'][0]}/{stage}.json").read_text())
        if name in metrics:  # it has fits
            yield Reached(stage, ended[stage], metrics[name], metrics["accuracy"])
    yield Reached("submission", ended["report"], metrics["log_loss"], metrics["accuracy"])


if __name__ == "__main__":
    main()
