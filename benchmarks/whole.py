"""The whole recipe beside fastai: seconds and validation score, on the same images and weights.

    python benchmarks/whole.py FOLDER [--fold 1] [--size 224] [--set 'augment.fits=[]']

runs fastai_peer.py, and then `dvc repro` in a fresh clone, from fetch to submission, both on a fold
of the set in FOLDER (see sets.py), and prints for every stage the seconds since the start with the
score that it reached, fastai's beside them, and how much sooner the first stage was there that is
as good as fastai's best.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets

ROOT = Path(__file__).parent.parent
SCORED = {
    "head": "valid_loss",
    "augment": "valid_loss",
    "unfreeze": "valid_loss",
    "tta": "log_loss",
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fold", default=0, show_default=True, help="The fold that validates.")
@click.option("--size", default=128, show_default=True, help="Pixels of the square, for both.")
@click.option("--seed", default=42, show_default=True, help="Of both.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a parameter.")
def main(folder: Path, fold: int, size: int, seed: int, changes: Sequence[str]) -> None:
    """Run both, one after the other, and print what each reached when."""
    best, seconds = fastai(folder, fold, size, seed)
    about = f"{folder.name}, fold {fold}, {size} px, seed {seed}"
    click.echo(f"{about}: fastai {seconds:.0f} s, log loss {best:.3f}")
    params = recipe(folder, fold, size, changes) | {"seed": seed}
    there = None
    with TemporaryDirectory() as temporary:
        for stage, after, loss, accuracy in ours(params, Path(temporary) / "clone"):
            click.echo(f"{stage:<10}{after:8.1f} s   log loss {loss:.3f}   accuracy {accuracy:.3f}")
            there = there or (after if loss <= best else None)
    click.echo(f"{seconds / there:.1f} times sooner" if there else "never as good")


def fastai(folder: Path, fold: int, size: int, seed: int) -> tuple[float, float]:
    """fastai's best log loss, of any epoch or with TTA, and the seconds until then."""
    peer = [sys.executable, ROOT / "benchmarks/fastai_peer.py", folder]
    options = ["--fold", str(fold), "--size", str(size), "--seed", str(seed)]
    line = subprocess.run([*peer, *options], check=True, capture_output=True, text=True).stdout
    found = json.loads(line)
    epochs = [(e["valid_loss"], found["startup_seconds"] + e["seconds"]) for e in found["epochs"]]
    click.echo(json.dumps(found["epochs"][-1] | {"tta": found["tta"]}))
    tta = found["tta"]["log_loss"], epochs[-1][1] + found["tta"]["seconds"]
    return min([*epochs, tta])


def recipe(folder: Path, fold: int, size: int, changes: Sequence[str]) -> dict:
    """The recipe's params on one fold of a set, at one size, with the changes KEY=VALUE."""
    params = sets.params(folder.name, folder, size) | {"folds": [fold]}
    params["progressive"]["steps"] = []
    for change in changes:
        key, _, value = change.partition("=")
        group, _, name = key.partition(".")
        params[group][name] = YAML(typ="safe").load(value)
    return params


def ours(params: dict, clone: Path) -> Iterator[tuple[str, float, float, float]]:
    """Each stage that scores, the seconds until it was done, its log loss and accuracy."""
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    sets.write_params(clone / "params.yaml", params)
    start = time.perf_counter()
    running = subprocess.Popen(["dvc", "repro"], cwd=clone, stdout=subprocess.PIPE, text=True)
    done = {}
    for line in running.stdout:
        if line.startswith("Running stage"):
            done[line.split("'")[1].partition("@")[0]] = time.perf_counter() - start
    if running.wait():
        raise SystemExit("dvc repro failed")
    begun = [*done, "end"]
    done["end"] = time.perf_counter() - start
    for stage, name in SCORED.items():
        metrics = json.loads((clone / f"metrics/{params['folds'][0]}/{stage}.json").read_text())
        if name in metrics:  # it has fits
            yield stage, done[begun[begun.index(stage) + 1]], metrics[name], metrics["accuracy"]
    yield "submission", done["end"], metrics["log_loss"], metrics["accuracy"]


if __name__ == "__main__":
    main()
