"""The `duplicates` stage on real images with planted copies: what it finds, and what that is worth.

    python benchmarks/leaks.py [FOLDER]

FOLDER is where benchmarks/sets.py has written its sets. For every kind of change, copies of PLANTED
training images are added, of no image two, under the original's label. Recall is the share of them
that is listed beside its original. Pairs of images with different originals are counted apart, on
the planted set and on the set as it was: some are false, some are twins that the set came with
(reports/duplicates.png under work/benchmarks/leaks shows them).

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

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets
from benchmarks.head import ours
from stages.base import params, paths
from stages.fit import training
from stages.rows import tables

ROOT = Path(__file__).parent.parent
SETS = ["emoji", "stamps"]
PLANTED = 40
WORK = ROOT / "work/benchmarks/leaks"
STAGES = ["fetch", "split", "resize", "screen", "backbone", "precompute", "head_views"]
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
            run(made, *STAGES, "duplicates")
        report(name, origin, pairs(planted), pairs(clean))
        copied = {
            image for image, kind in zip(origin["original"], origin["kind"], strict=True) if kind
        }
        score(f"{name}, as it was", clean, copied)
        score(f"{name}, copies anywhere", planted, copied)
        together(planted)
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


def pairs(folder: Path) -> pd.DataFrame:
    """The pairs that were listed."""
    return pd.read_csv(folder / paths.COPIES)


def report(name: str, origin: pd.DataFrame, found: pd.DataFrame, clean: pd.DataFrame) -> None:
    """Print recall a kind of change, and the pairs that were not planted."""
    listed = {frozenset(pair) for pair in zip(found["image_a"], found["image_b"], strict=True)}
    planted = origin[origin["kind"] != ""]
    for kind, rows in planted.groupby("kind", sort=False):
        hits = sum(
            frozenset(pair) in listed for pair in zip(rows["image"], rows["original"], strict=True)
        )
        click.echo(f"{name:<8}{kind:<18}{hits:>4} of {len(rows)} found")
    of = origin.set_index("image")["original"]
    original = [
        found[end].map(lambda image: of.get(image, image)) for end in ("image_a", "image_b")
    ]
    same = int((original[0] == original[1]).sum())
    images = len(tables.read(WORK / name / "clean" / paths.SCREENED))
    click.echo(f"{name:<8}{same} of {len(found)} listed pairs were planted")
    click.echo(f"{name:<8}{len(clean)} pairs listed on the {images} images as they were")


def together(folder: Path) -> None:
    """Put copies into one fold."""
    path = folder / paths.PARAMS
    text = path.read_text().replace("keep_together: none", "keep_together: duplicates")
    path.write_text(text)
    run(folder, "duplicates")


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
