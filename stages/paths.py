"""Where every stage reads and writes, relative to the repository's root (as dvc.yaml says too)."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")

DOWNLOADS = Path("work/downloads")
RAW = Path("data/raw")
FOLDS = Path("data/folds.csv")
CLASSES = Path("data/classes.csv")
TEST = Path("data/test.csv")
PACK = Path("data/resized")
BACKBONE = Path("data/backbone.safetensors")
ACTIVATIONS = Path("data/activations")
PREDICTIONS = Path("data/predictions")
SUBMISSIONS = Path("submissions")


def model(fold: str, stage: str) -> Path:
    """The checkpoint that `stage` leaves for `fold`."""
    return Path(f"data/models/{fold}/{stage}.safetensors")


def history(fold: str, stage: str) -> Path:
    """The epochs of `stage` for `fold`, one row an epoch."""
    return Path(f"data/history/{fold}/{stage}.csv")


def rates(fold: str, stage: str) -> Path:
    """The curve, loss against rate, that find_lr drew before `stage`."""
    return Path(f"data/rates/{fold}/{stage}.csv")


def metrics(stage: str, fold: str | None = None) -> Path:
    """The metrics of `stage`, kept in git so that they can be compared in any clone."""
    return Path("metrics", *filter(None, [fold]), f"{stage}.json")


def picture(name: str, fold: str | None = None) -> Path:
    """A picture for people, made by a stage."""
    return Path("reports", *filter(None, [fold]), f"{name}.png")
