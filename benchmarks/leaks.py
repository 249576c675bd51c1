"""The `duplicates` stage on real images with planted copies: what it finds, and what that is worth.

    python benchmarks/leaks.py [FOLDER]

FOLDER is where benchmarks/sets.py has written its sets. For every kind of change, copies of PLANTED
training images are added, of no image two, under the original's label. Printed are, at several
limits, the share of them listed beside their originals, the listed pairs of different originals,
and the pairs listed on the set as it was: look-alikes that the set came with, for it has no file
twice (reports/duplicates.png under work/benchmarks/leaks shows some).

Then the head's log loss and accuracy out of fold, of all originals and of those with a copy: as the
set was, with copies anywhere, and with copies in one fold.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageOps
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets
from benchmarks.head import ours
from stages.base import params, paths
from stages.copies.report import PAIR
from stages.fit import training
from stages.rows import tables

ROOT = Path(__file__).parent.parent
SETS = ["emoji", "stamps"]
PLANTED = 40
LIMITS = [(0.5, 16), (0.4, 20), (0.6, 12), (0.8, 16)]  # the first is the recipes'
WORK = ROOT / "work/benchmarks/leaks"
STAGES = ["fetch", "split", "resize", "screen", "backbone", "precompute", "head_views"]
Limits = tuple[float, int]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Nine tenths of each side, from anywhere."""
    width, height = (round(side * 0.9) for side in image.size)
    left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


def compressed(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """What a JPEG of quality 50 keeps."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


CHANGES: dict[str, Change] = {
    "exact": lambda image, _: image,
    "crop 90 %": crop,
    "JPEG quality 50": compressed,
    "flip": lambda image, _: ImageOps.mirror(image),
    "half the size": lambda image, _: image.resize((image.width // 2, image.height // 2)),
    "brightness +20 %": lambda image, _: ImageEnhance.Brightness(image).enhance(1.2),
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=ROOT / "work/benchmarks/sets")
def main(folder: Path) -> None:
    """Print what is found, then what the head scores."""
    for name in SETS:
        work = WORK / name
        shutil.rmtree(work, ignore_errors=True)
        origin = plant(folder / name, work / "competition")
        clean = project(work / "clean", name, folder / name)
        planted = project(work / "planted", name, work / "competition")
        for made in (clean, planted):
            run(made, *STAGES)
        for limits in LIMITS:
            report(name, limits, origin, pairs(planted, *limits), pairs(clean, *limits))
        copied = set(origin.loc[origin["kind"] != "", "original"])
        score(f"{name}, as it was", clean, copied)
        score(f"{name}, copies anywhere", planted, copied)
        pairs(planted, *LIMITS[0], keep_together="duplicates")
        score(f"{name}, copies in one fold", planted, copied)


def plant(source: Path, target: Path) -> pd.DataFrame:
    """Copy a set and plant copies; each training image's original, and how it was changed."""
    shutil.copytree(source, target)
    labels, rng = pd.read_csv(source / "labels.csv", dtype=str), np.random.default_rng(0)
    chosen = labels.iloc[rng.permutation(len(labels))[: PLANTED * len(CHANGES)]]
    origin = [(f"train/{i}.png", f"train/{i}.png", "") for i in labels["id"]]
    rows = []
    for number, row in enumerate(chosen.itertuples(index=False)):
        kind, copy = list(CHANGES)[number % len(CHANGES)], f"copy{number:03d}"
        path, file = source / f"train/{row.id}.png", target / f"train/{copy}.png"
        with Image.open(path) as image:
            CHANGES[kind](image.convert("RGB"), rng).save(file)
        if kind == "exact":
            shutil.copy(path, file)
        rows.append((copy, row.label))
        origin.append((f"train/{copy}.png", f"train/{row.id}.png", kind))
    table = pd.concat([labels, pd.DataFrame(rows, columns=labels.columns)])
    table.to_csv(target / "labels.csv", index=False)
    return pd.DataFrame(origin, columns=["image", "original", "kind"])


def project(folder: Path, name: str, source: Path) -> Path:
    """A folder in which the pipeline's stages can be run on a set."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", folder)
    sets.write_params(folder / "params.yaml", sets.params(name, source))
    return folder


def run(folder: Path, *stages: str) -> None:
    """Run stages."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    for stage in stages:
        words = [sys.executable, "-m", f"stages.{stage}"]
        subprocess.run(words, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def pairs(folder: Path, cosine: float, bits: int, keep_together: str = "none") -> pd.DataFrame:
    """The pairs that are listed at a limit."""
    path = folder / paths.PARAMS
    document = YAML().load(path)
    document["duplicates"] |= {"cosine": cosine, "distance": bits}
    document["split"]["keep_together"] = keep_together
    sets.write_params(path, document)
    run(folder, "duplicates")
    return pd.read_csv(folder / paths.COPIES)


def report(
    name: str, limits: Limits, origin: pd.DataFrame, found: pd.DataFrame, clean: pd.DataFrame
) -> None:
    """Print recall of each kind of change, and the pairs that were not planted."""
    listed = {frozenset(pair) for pair in zip(found["image_a"], found["image_b"], strict=True)}
    planted = origin[origin["kind"] != ""]
    hit = [frozenset(p) in listed for p in zip(planted["image"], planted["original"], strict=True)]
    recall = pd.Series(hit, index=planted["kind"]).groupby(level=0, sort=False).mean()
    first = origin.set_index("image")["original"]
    a, b = (found[end].map(lambda image: first.get(image, image)) for end in PAIR)
    each = ", ".join(f"{kind} {share:.2f}" for kind, share in recall.items())
    click.echo(
        f"{name}, cosine {limits[0]}, distance {limits[1]}: {np.mean(hit):.3f} found ({each}); "
        f"{(a == b).sum()} listed pairs of copies, {(a != b).sum()} of others; "
        f"{len(clean)} on the set as it was"
    )


def score(title: str, folder: Path, copied: set[str]) -> None:
    """Print the head's log loss and accuracy out of fold, of originals alone."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        s, rows = params.load("head"), tables.read(paths.FOLDS)
        found = pd.concat([of_fold(str(k), s) for k in sorted(set(rows["fold"]) - {-1})])
    finally:
        os.chdir(here)
    found = found[~found["image"].str.contains("/copy")]
    for whose, part in (("all", found), ("with a copy", found[found["image"].isin(copied)])):
        click.echo(
            f"{title:<30}{whose:<12}{len(part):>5} rows  log loss {part['loss'].mean():.3f}  "
            f"accuracy {part['right'].mean():.3f}"
        )


def of_fold(fold: str, s: object) -> pd.DataFrame:
    """The image, log loss and hit of each row that a fold holds out."""
    rows = training.of_fold(fold)[1]
    truth = tables.targets(rows, tables.classes(paths.CLASSES), "multiclass")
    p = ours(fold, s)
    losses = -np.log(p[np.arange(len(p)), truth].clip(1e-15))
    return pd.DataFrame({"image": rows["image"], "loss": losses, "right": p.argmax(1) == truth})


if __name__ == "__main__":
    main()
