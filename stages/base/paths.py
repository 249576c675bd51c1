"""Where every stage reads and writes, relative to the repository's root (as dvc.yaml says too)."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")

DOWNLOADS = Path("work/downloads")
CHECKPOINTS = Path("work/checkpoints")
RUNNING = Path("work/running")
COMPETITION = Path("data/competition.zip")
LABELLED = Path("data/labelled.csv")
CLASSES = Path("data/classes.csv")
WANTED = Path("data/wanted.csv")
SCREENED = Path("data/screened.csv")
FOLDS = Path("data/folds.csv")
TEST = Path("data/test.csv")
QUARANTINE = Path("reports/unreadable.csv")
COPIES = Path("reports/duplicates.csv")
REPORT = Path("reports/index.html")
MOST_CONFUSED = Path("reports/most_confused.csv")
PER_CLASS = Path("reports/per_class.csv")
ADVICE = Path("reports/advice.txt")
PACK = Path("data/resized")
UNREADABLE = Path("data/unreadable.csv")
BACKBONE = Path("data/backbone.safetensors")
ACTIVATIONS = Path("data/activations")
HEAD_VIEWS = Path("data/head_views")
MODELS = Path("data/models")
PREDICTIONS = Path("data/predictions")
HISTORY, RATES = Path("data/history"), Path("data/rates")
OUT_OF_FOLD = Path("data/out_of_fold.csv")
BLENDED = Path("data/blended.csv")
SUBMISSIONS = Path("submissions")
LEDGER = Path("submissions/ledger.csv")


def model(fold: str, stage: str) -> Path:
    """The checkpoint that `stage` leaves for `fold`."""
    return MODELS / fold / f"{stage}.safetensors"


def snapshots(fold: str) -> Path:
    """The checkpoints that `unfreeze` leaves for `fold`, one a cycle."""
    return Path(f"data/snapshots/{fold}")


def history(fold: str, stage: str) -> Path:
    """The epochs of `stage` for `fold`, one row an epoch."""
    return HISTORY / fold / f"{stage}.csv"


def rates(fold: str, stage: str) -> Path:
    """The curve, loss against rate, that find_lr drew before `stage`."""
    return RATES / fold / f"{stage}.csv"


def metrics(stage: str, fold: str | None = None) -> Path:
    """The metrics of `stage`, kept in git so that they can be compared in any clone."""
    return Path("metrics", *filter(None, [fold]), f"{stage}.json")


def picture(name: str, fold: str | None = None) -> Path:
    """A picture for people, made by a stage."""
    return Path("reports", *filter(None, [fold]), f"{name}.png")
