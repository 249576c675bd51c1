"""What a finished run leaves for `report`, made up: no network is trained for it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.figures import confusion, overview
from stages.looking import confused
from tests.project import write_project

STAGES = {"head": 6, "augment": 2, "progressive": 3, "unfreeze": 7}
USED = {
    "device": "cpu: AMD EPYC (family 25, model 17)",
    "threads": 2,
    "precision": "bf16",
    "torch": "2.15.0",
}
HOSTILE = ["<script>alert(1)</script>", 'a "quoted" & b', "größer"]


def write(
    folder: Path, classes: list[str] = HOSTILE, images: int = 60, folds: tuple = (0, 1)
) -> Path:
    """A folder with everything that `report` reads, for a competition of those classes."""
    write_project(folder, Path("unused"), folds=list(folds))
    for fold in map(str, folds):
        _write_fold(folder, fold)
    _write_metrics(folder, classes, images, len(folds))
    _write_tables(folder, classes, images)
    _draw(folder / "reports", classes, images)
    return folder


def write_json(path: Path, values: dict) -> None:
    """Write a metrics file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2))


def _write_fold(folder: Path, fold: str) -> None:
    valid = fold != "full"
    for stage, epochs in STAGES.items():
        losses = [1.5 * math.exp(-0.3 * n) for n in range(epochs)]
        table = pd.DataFrame({
            "stage": stage, "epoch": range(epochs), "size": 56, "layers": "head", "lr": 0.01,
            "train_loss": losses, "valid_loss": losses if valid else None,
            "accuracy": 0.9 if valid else None,
        })  # fmt: skip
        _csv(folder / f"data/history/{fold}/{stage}.csv", table)
        scores = {"train_loss": losses[-1], "valid_loss": losses[-1], "accuracy": 0.9}
        seen = {"plain_train_loss": losses[-1] / 2, "reading": "fits"}
        found = scores | seen if valid else {"train_loss": losses[-1]}
        write_json(folder / f"metrics/{fold}/{stage}.json", {"epochs": epochs, **found, **USED})
    tta = {"log_loss": 0.2, "accuracy": 0.95, "plain_log_loss": 0.3} if valid else {}
    write_json(folder / f"metrics/{fold}/tta.json", {"validation_rows": 20 * valid, **tta, **USED})
    for stage, suggestion in {"head": 0.01, "unfreeze": None}.items():
        rates = np.geomspace(1e-4, 10, 50)
        curve = pd.DataFrame({"lr": rates, "train_loss": 2 + rates**2})
        _csv(folder / f"data/rates/{fold}/{stage}.csv", curve)
        write_json(folder / f"metrics/{fold}/find_lr_{stage}.json", {"suggestion": suggestion})


def _csv(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def _write_metrics(folder: Path, classes: list[str], images: int, folds: int) -> None:
    copies = {"exact": 1, "near": 2, "across_folds": 3, "rows_moved": 0}
    cv = {
        "cv_log_loss": 0.2, "cv_log_loss_low": 0.15, "cv_log_loss_high": 0.27, "cv_accuracy": 0.95,
        "cv_log_loss_lowest_fold": 0.18, "cv_log_loss_highest_fold": 0.22,
    }  # fmt: skip
    for stage, found in {
        "backbone": {"architecture": "test_efficientnet", "weights": "none", "sha256": "0" * 64},
        "split": {"rows": images, "folds": 5}, "screen": {"training_images": images},
        "explore": {"train_images": images, "classes": len(classes)},
        "resize": {"images": images, "unreadable": 0}, "duplicates": copies,
        "blend": {"folds": " ".join(map(str, range(folds))), "temperature": 1.25},
        "submission": {"validation_rows": images, **cv, "test_rows": 9, "sha256": "ab" * 32},
    }.items():  # fmt: skip
        write_json(folder / f"metrics/{stage}.json", found)


def _write_tables(folder: Path, classes: list[str], images: int) -> None:
    pairs = pd.DataFrame({"pair": [f"{a} as b" for a in classes], "truth": classes, "count": 3})
    _csv(folder / "reports/most_confused.csv", pairs)
    _csv(folder / "reports/per_class.csv", pd.DataFrame({"class": classes, "f1": 0.9}))
    long = "03521_Animalia_Chordata_Aves_Accipitriformes_Accipitridae_Accipiter_cooperii"
    advice = f"resize.shorter_side: 340 is enough.\nClass {long} has 9 training images.\n"
    (folder / "reports/advice.txt").write_text(advice)
    table = pd.DataFrame(np.full((images, len(classes)), 1 / len(classes)), columns=classes)
    table.insert(0, "id", [f"{n:05d}" for n in range(images)])
    _csv(folder / "submissions/submission.csv", table)


def _draw(folder: Path, classes: list[str], images: int) -> None:
    rng = np.random.default_rng(0)
    shown = [name.translate({ord("$"): None}) for name in classes]
    counts = pd.Series(rng.integers(50, 200, len(classes)), index=shown)
    overview.draw_counts(folder / "classes.png", counts)
    sizes = pd.DataFrame(rng.integers(100, 900, (images, 2)), columns=["width", "height"])
    overview.draw_sizes(folder / "sizes.png", sizes, 340)
    matrix = rng.poisson(0.3, (len(classes), len(classes))) + 30 * np.eye(len(classes), dtype=int)
    confusion.draw(folder / "confusion.png", matrix, shown, confused.pairs(matrix))
    photographs(folder / "duplicates.png", 800, rng)


def photographs(path: Path, side: int, rng: np.random.Generator) -> None:
    """A picture as a contact sheet is: smooth, with some noise, hard to make small."""
    coarse = Image.fromarray(rng.integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    noisy = (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path)
