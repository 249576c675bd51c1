"""A hash of everything that decides what a stage writes: its params, its code and its inputs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from stages.base import params, pipeline

CODE = Path(__file__).parents[2]


def of(stage: str, fold: str | None = None) -> str:
    """The fingerprint of a stage as it would run now."""
    declared = params.only(params.read(), pipeline.params(stage))
    text = json.dumps([stage, fold, declared], default=_plain, sort_keys=True)
    inputs = pipeline.inputs(stage, fold)
    lines = [text, *(f"{path} {_hash(_place(path))}" for path in inputs)]
    return _digest("\n".join(lines))[:16]


def _plain(group: Any) -> dict[str, Any]:
    return group.model_dump() if hasattr(group, "model_dump") else vars(group)


def _place(path: Path) -> Path:
    """Where an input lies; code is the code that runs."""
    return CODE / path if path.parts[0] == "stages" else path


def _hash(path: Path) -> str:
    """The hash of a file or a folder; of a folder the one that DVC recorded, if DVC runs this.

    DVC hashed the folder when it was made. To read many gigabytes again would cost more than some
    stages do.
    """
    if path.is_dir():
        return ("DVC_STAGE" in os.environ and pipeline.recorded(path)) or _of_folder(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_folder(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")
    return _digest("\n".join(f"{p.relative_to(folder).as_posix()} {_hash(p)}" for p in files))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
