"""Reading params.yaml: checked as a whole before any stage works, faults told in sentences.

A mistyped key so costs seconds, not the night. `load(stage)` hands a stage only the keys that it
declares in dvc.yaml: a stage that reads a key DVC does not watch fails at once instead of going
stale.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError

from stages import paths
from stages.errors import SettingsError
from stages.settings import Settings


def keys(group: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the schema; list items appear under their list's own key."""
    for name, field in group.model_fields.items():
        yield f"{prefix}{name}"
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys(inner, f"{prefix}{name}.")


def read(path: Path = paths.PARAMS) -> Settings:
    """Read and check a whole params file.

    Raises:
        SettingsError: one sentence a fault, each naming the file, the key and the remedy.

    """
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"{path}: there is no such file; run this where {path} is.") from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(f"{path}: not readable as YAML: {_first_line(error)}.") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected groups of keys such as `competition:`.")
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {s}." for s in _sentences(error))) from None


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.split(" To suppress this check")[0]


def _sentences(error: ValidationError) -> list[str]:
    """One sentence a fault; alternatives of a value are joined, a mistyped key is one fault."""
    faults: dict[str, list[dict[str, Any]]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(_dotted(fault), []).append(dict(fault))
    said, meant = [], set()
    for key, found in faults.items():
        if found[0]["type"] == "extra_forbidden":
            near = _nearest(key)
            meant.add(near)
            said.append(f"unknown key {key}{f'; did you mean {near}?' if near else ''}".rstrip("?"))
    for key, found in faults.items():
        if found[0]["type"] == "missing" and key not in meant:
            said.append(f"{key} is missing; every key is needed")
        elif found[0]["type"] == "value_error":
            lines = str(found[0]["ctx"]["error"]).split("\n")
            said.extend(f"{key}: {line}" if key else line for line in lines)
        elif found[0]["type"] not in ("missing", "extra_forbidden"):
            expected = " or ".join(_expected(f["msg"]) for f in found)
            said.append(f"{key}: {expected}, not {found[0]['input']!r}")
    return said


def _expected(message: str) -> str:
    return message.removeprefix("Input ").rstrip(".")


def _dotted(fault: Any) -> str:
    """The key as the user wrote it, without pydantic's names for the alternatives of a type."""
    names = {key.split(".")[-1] for key in keys()}
    parts = list(fault["loc"])
    while parts and fault["type"] not in ("extra_forbidden", "missing"):
        if isinstance(parts[-1], int) or parts[-1] in names:
            break
        parts.pop()
    return ".".join(map(str, parts))


def _nearest(key: str) -> str | None:
    """The schema's key most like `key`: a sibling if one is near, else any."""
    *parents, leaf = key.split(".")
    plain = ".".join(p for p in parents if not p.isdigit())
    siblings = [k.split(".")[-1] for k in keys() if k.rpartition(".")[0] == plain]
    if near := difflib.get_close_matches(leaf, siblings, n=1):
        return ".".join([*parents, near[0]])
    leaves = {k.split(".")[-1]: k for k in keys()}
    near = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return leaves[near[0]] if near else None


def declared(stage: str, pipeline: Path = paths.PIPELINE) -> list[str]:
    """The params that `stage` declares in dvc.yaml."""
    stages = YAML(typ="safe", pure=True).load(pipeline.read_text(encoding="utf-8"))["stages"]
    return stages[stage].get("params", [])


def only(settings: Settings, wanted: Iterable[str]) -> SimpleNamespace:
    """`settings` with nothing in it but the dotted keys in `wanted`."""
    view = SimpleNamespace()
    for key in wanted:
        *groups, leaf = key.split(".")
        source, target = settings, view
        for group in groups:
            source = getattr(source, group)
            target = vars(target).setdefault(group, SimpleNamespace())
        setattr(target, leaf, getattr(source, leaf))
    return view


def load(stage: str) -> SimpleNamespace:
    """The checked params that `stage` may see: what it declares in dvc.yaml, and `runtime`."""
    return only(read(), [*declared(stage), "runtime"])
