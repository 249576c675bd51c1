"""A tiny competition on real image files, and a project that enters it; used by several tests."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image
from ruamel.yaml import YAML

from stages.base import paths
from stages.base.settings import Optimizer
from stages.competition import ledger

ROOT = Path(__file__).parent.parent
CLASSES = ["blue", "green sea", "red"]
COLOURS = {"blue": (40, 60, 200), "green sea": (40, 180, 90), "red": (200, 50, 40)}
TRAIN, TEST = 45, 12
STAGES = [
    "fetch", "split", "resize", "screen", "backbone", "precompute", "explore", "duplicates",
    "head_views", "find_lr_head", "head", "augment", "progressive", "find_lr_unfreeze", "unfreeze",
    "tta", "blend", "interpret", "gradcam", "submission", "report",
]  # fmt: skip
PER_FOLD = {
    "find_lr_head", "head", "augment", "progressive", "find_lr_unfreeze", "unfreeze", "tta",
}  # fmt: skip
TINY = {
    "competition.slug": "colours",
    "competition.suffix": "auto",
    "resize.shorter_side": 56,
    "model.architecture": "test_efficientnet",
    "model.weights": "none",
    "model.head_layers": [16],
    "find_lr.start": 1e-5,
    "find_lr.batches": 20,
    "head.image_size": 32,
    "head.views": 3,
    "head.batch_size": 8,
    "head.fits": [{"lr": 0.05, "cycles": 2}],
    "augment.image_size": 32,
    "augment.batch_size": 8,
    "augment.fits": [{"lr": "auto", "cycles": 1, "cycle_len": 1}],
    "progressive.batch_size": 8,
    "progressive.steps": [
        {"image_size": 48, "layers": "head", "fits": [{"lr": 0.01, "cycles": 1, "cycle_len": 1}]}
    ],
    "unfreeze.image_size": 48,
    "unfreeze.batch_size": 8,
    "unfreeze.fits": [{"lr": [0.001, 0.003, 0.01], "cycles": 2, "cycle_len": 1, "cycle_mult": 2}],
    "tta.augmented": 2,
    "tta.batch_size": 8,
    "runtime.workers": 0,
    "runtime.device": "cpu",
}


def write_competition(folder: Path, names: list[int] | None = None) -> None:
    """Write train/, test/, labels.csv and sample_submission.csv, files in the order of `names`."""
    for i in names or range(TRAIN + TEST):
        subset = "train" if i < TRAIN else "test"
        path = folder / subset / f"{i:03d}.{'png' if i % 7 == 0 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    rows = [f"{i:03d},{CLASSES[i % 3]}" for i in range(TRAIN)]
    (folder / "labels.csv").write_text("\n".join(["id,label", *rows]) + "\n")
    rows = [f"{i:03d},0.3,0.3,0.4" for i in reversed(range(TRAIN, TRAIN + TEST))]
    header = "id,red,blue,green sea"
    (folder / "sample_submission.csv").write_text("\n".join([header, *rows]) + "\n")


def picture(i: int) -> bytes:
    """One image: its class's colour under noise; sizes, formats and modes differ."""
    rng = np.random.default_rng(i)
    height, width = rng.integers(40, 90, 2)
    pixels = rng.normal(COLOURS[CLASSES[i % 3]], 40, (height, width, 3)).clip(0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    buffer = io.BytesIO()
    if i % 7 == 0:
        image.convert("RGBA").save(buffer, "PNG")
    else:
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 5 == 0 else 1  # EXIF orientation
        image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def optimizer(**changes: object) -> Optimizer:
    """The optimizer of params.yaml, fastai 0.7's, changed."""
    plain = {"name": "sgd", "momentum": 0.9, "weight_decay": 0.0, "ema": 0.0, "layer_decay": None}
    return Optimizer(**(plain | changes))


def edit(path: Path, **changes: object) -> None:
    """Change dotted keys of a params file."""
    yaml = YAML()
    document = yaml.load(path.read_text())
    for key, value in changes.items():
        *groups, leaf = key.split(".")
        node = document
        for group in groups:
            node = node[int(group) if group.isdigit() else group]
        node[leaf] = value
    with path.open("w") as file:
        yaml.dump(document, file)


def write_project(folder: Path, source: Path, **changes: object) -> Path:
    """A folder with the repository's pipeline and the tiny competition's params."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "submissions").mkdir(exist_ok=True)
    ledger.write([], folder / paths.LEDGER)
    edit(folder / "params.yaml", **(TINY | {"competition.source": str(source)} | changes))
    return folder


def write_repository(folder: Path, source: Path, **changes: object) -> Path:
    """The same as a git and DVC repository, with the code, committed."""
    write_project(folder, source, **changes)
    shutil.copytree(
        ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore", "plots.html"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    git(folder, "init", "-q")
    commit(folder, "start")
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git, with a name of its own."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", *who, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, message: str) -> None:
    """Commit everything that is not ignored."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def dvc(folder: Path, *words: str, **environment: str) -> str:
    """Run the real `dvc` of this environment in `folder`; its output, whatever the exit status."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env |= {"PYTHONPATH": str(folder)} | environment
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "dvc"), *words],
        cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return ran.stdout


def stages_run(output: str) -> list[str]:
    """The stages that a `dvc repro` carried out, by its output."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
    return [line.split("'")[1] for line in lines]


def heeds_signals() -> None:
    """In a child process: every signal is heard, whatever the process that runs the tests ignores.

    A shell's job in the background ignores Ctrl-C, and `nohup` SIGHUP; children inherit it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def run_stage(folder: Path, stage: str, *fold: str) -> Result:
    """Run a stage's command in this process, in `folder`."""
    from importlib import import_module

    module, before = ("find_lr", [stage[8:]]) if stage.startswith("find_lr_") else (stage, [])
    command = import_module(f"stages.{module}").main
    here = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(command, [*before, *fold], catch_exceptions=False)
    finally:
        os.chdir(here)


def run_all(folder: Path, folds: list[str], only: list[str] | None = None) -> None:
    """Run stages in this process, in the pipeline's order, each fold in turn."""
    for stage in only or STAGES:
        for fold in folds if stage in PER_FOLD else [None]:
            result = run_stage(folder, stage, *([fold] if fold else []))
            assert result.exit_code == 0, result.output
