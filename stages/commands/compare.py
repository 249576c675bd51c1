"""`repodium compare`: what differs between two runs: params, scores, and what they ran on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from stages.base.errors import UserError

MACHINE = ("device", "threads", "precision", "torch", "deterministic")
Change = tuple[str, Any, Any]  # name, old, new


@click.command()
@click.argument("a", default="HEAD")
@click.argument("b", default="workspace")
def command(a: str, b: str) -> None:
    """Compare two runs: commits, branches or experiments, A the last commit, B the files here.

    What ran on another machine is named: its last digits may differ for that alone.
    """
    scores, machines = [], []
    for name, old, new in differences("metrics", a, b):
        (machines if name.rpartition(" ")[2] in MACHINE else scores).append((name, old, new))
    params = list(differences("params", a, b))
    for title, changes in (("params", params), ("scores", scores), ("machine", machines)):
        click.echo("\n".join(table(title, changes)))
    if machines:
        click.echo(
            "\nThese runs were made on different machines, or in another precision: part of every "
            "difference may come from that."
        )


def differences(kind: str, a: str, b: str) -> Iterator[Change]:
    """What DVC finds to differ, `metrics` or `params`.

    Raises:
        UserError: there is no such revision, or this is no DVC repository.

    """
    words = ["dvc", kind, "diff", "--json", a, *([] if b == "workspace" else [b])]
    try:
        ran = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("the command `dvc` is not on PATH; activate the environment.") from None
    if ran.returncode:
        said = " ".join(ran.stderr.split()).removeprefix("ERROR: ")
        raise UserError(f"dvc {kind} diff failed: {said}")
    for file, changes in json.loads(ran.stdout or "{}").items():
        where = stage_of(file)
        for key, values in changes.items():
            yield f"{where} {key}".strip(), values.get("old"), values.get("new")


def stage_of(file: str) -> str:
    """A metrics file as the stage that wrote it, metrics/0/tta.json as tta@0; nothing of params."""
    path = Path(file)
    if path.suffix != ".json":
        return ""
    fold = path.parent.name
    return path.stem if fold == "metrics" else f"{path.stem}@{fold}"


def table(title: str, changes: list[Change]) -> list[str]:
    """Lines for people."""
    if not changes:
        return [f"{title}: no difference"]
    width = max(len(name) for name, *_ in changes)
    return [f"{title}:", *(f"  {n:<{width}}  {_shown(a)} -> {_shown(b)}" for n, a, b in changes)]


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
