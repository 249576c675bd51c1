"""Writing results: whole or not at all, in a form that git can compare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.base import paths

if TYPE_CHECKING:  # half a second, that who writes no table does without
    import pandas as pd

Value = float | int | str | bool | None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name only when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # a kill left it, and it may be a link to a file of the user's
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` whole or not at all, with the same line ends on every system."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_table(path: Path, table: pd.DataFrame, **form: Any) -> None:
    """Write a table as a csv, whole or not at all; `form`: what else pandas is to know."""
    with whole(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", **form)


def write_metrics(stage: str, values: Mapping[str, Value], fold: str | None = None) -> None:
    """Write and print a stage's metrics: small, flat, six significant digits.

    No seconds and no dates: the same input must give the same bytes.
    """
    rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}
    write_text(paths.metrics(stage, fold), json.dumps(rounded, indent=2) + "\n")
    shown = ", ".join(f"{key} {value}" for key, value in rounded.items())
    click.echo(f"{stage}{f' (fold {fold})' if fold else ''}: {shown}")


def read_metrics(stage: str, fold: str | None = None) -> dict[str, Value]:
    """The metrics that `stage` wrote."""
    return json.loads(paths.metrics(stage, fold).read_text(encoding="utf-8"))
