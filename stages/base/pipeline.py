"""What dvc.yaml says of a stage, and what dvc.lock recorded."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.base import paths
from stages.base.errors import UserError

Document = dict[str, Any]

HERE = "workspace"  # the files here, beside commits and experiments


def _read(path: Path) -> Document:
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run this in the folder that has it.") from None


@cache
def _parsed(text: str) -> Document:
    return YAML(typ="safe").load(text) or {}


def stages() -> Document:
    """The entries of all stages, by name, in the pipeline's order."""
    return _read(paths.PIPELINE)["stages"]


def stage(name: str) -> Document:
    """The entry of a stage."""
    return stages()[name]


def params(name: str) -> list[str]:
    """The dotted keys of params.yaml that a stage declares."""
    return stage(name).get("params", [])


def inputs(name: str, fold: str | None) -> list[Path]:
    """The files and folders that a stage depends on, code and data."""
    return [Path(path.replace("${item.fold}", fold or "")) for path in stage(name)["deps"]]


def recorded(folder: Path) -> str | None:
    """DVC's hash of a folder that a stage wrote, if it still is of the size that DVC recorded."""
    if not paths.LOCK.exists():
        return None
    stages = _read(paths.LOCK).get("stages", {}).values()
    outs = {out["path"]: out for entry in stages for out in entry.get("outs", ())}
    out = outs.get(folder.as_posix(), {})
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file()]
    return (
        out.get("md5") if (out.get("nfiles"), out.get("size")) == (len(sizes), sum(sizes)) else None
    )
