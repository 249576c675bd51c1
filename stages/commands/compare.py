"""`repodium compare`: whether a run is better than another, and what differs between them."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.base import params, paths, pipeline, terminal
from stages.base.errors import UserError
from stages.base.pipeline import HERE
from stages.shell import completing, tables
from stages.shell.command import Command

if TYPE_CHECKING:  # slow to import
    import numpy as np

    from stages.scoring.comparison import Verdict
    from stages.scoring.out_of_fold import Table

MACHINE = ("device", "threads", "precision", "torch", "deterministic")
OLD = 1  # column of the table
PAINTS = {"better": terminal.good, "worse": terminal.bad, "within noise": terminal.warning}
Change = tuple[str, Any, Any]  # name, old, new


@click.command(
    cls=Command,
    examples={
        "repodium compare": "the files here with those of the last commit",
        "repodium compare HEAD~1": "... with those of the commit before it",
        "repodium compare HEAD~1 HEAD": "what the last commit changed",
    },
)
@click.argument("a", default="HEAD", shell_complete=completing.revisions)
@click.argument("b", default=HERE, shell_complete=completing.revisions)
def command(a: str, b: str) -> None:
    """Say whether a run is better than another.

    Runs are commits, branches, tags or experiments: A is the last commit if it is not named, and B
    the files here. B is better, worse, or within noise, by the rows that both validated; what else
    differs, params and scores, is listed. What ran on another machine is named: its last digits
    may differ for that alone.
    """
    scores, machines = [], []
    for name, old, new in differences("metrics", a, b):
        if name.rpartition(" ")[2] not in MACHINE:
            scores.append((name, old, new))
        elif None not in (old, new):  # a fold of one run alone ran on no other machine
            machines.append((name, old, new))
    changed = list(differences("params", a, b))
    terminal.say(verdict(a, b))
    for title, changes in (("params", changed), ("scores", scores), ("machine", machines)):
        click.echo("\n".join(table(title, changes)))
    if machines:
        terminal.say(
            "\nThese runs were made on different machines, or in another precision: part of every "
            "difference may come from that."
        )


def verdict(a: str, b: str) -> str:
    """Whether B is better, by the rows that both validated."""
    from stages.scoring import comparison, decisions

    s = params.read()
    try:
        before, after = table_of(a), table_of(b)
        if before.rows.empty or after.rows.empty:
            empty = a if before.rows.empty else b
            return f"rows: {empty} validated none, so that nothing says how good it is."
        truth = after.truth(task := s.competition.task)
        if s.competition.metric == "qwk":  # a rating may be in no validated row
            truth = truth_of_all(b, after.classes, task)
        ask = decisions.asked(s.competition, s.submission, truth)
        return coloured(comparison.compare(before, after, ask))
    except UserError as error:
        return f"rows: only the scores can be compared, for {error}"


def coloured(found: Verdict) -> str:
    """The verdict in a sentence, its word in colour."""
    start, word, rest = found.sentence.partition(f": {found.word}, ")
    return f"{start}: {PAINTS[found.word](found.word)}, {rest}" if word else start


def table_of(revision: str) -> Table:
    """The out-of-fold rows of a run."""
    from stages.scoring import out_of_fold, runs

    return out_of_fold.parse(io.StringIO(runs.text(paths.OUT_OF_FOLD, revision)))


def truth_of_all(revision: str, names: list[str], task: str) -> np.ndarray:
    """What is true of all labelled rows of a run; see cells.targets."""
    from stages.rows import tables
    from stages.scoring import runs

    rows = tables.read(io.StringIO(runs.text(paths.FOLDS, revision)))
    return tables.targets(rows, names, task)


def differences(kind: str, a: str, b: str) -> Iterator[Change]:
    """What DVC finds to differ, `metrics` or `params`.

    Raises:
        UserError: there is no such revision, or this is no DVC repository.

    """
    words = ["dvc", kind, "diff", "--json", a, *([] if b == HERE else [b])]
    try:
        ran = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("the command `dvc` is not on PATH; activate the environment.") from None
    if ran.returncode:
        said = " ".join(ran.stderr.split()).removeprefix("ERROR: ")
        raise UserError(f"`dvc {kind} diff` failed: {said}")
    found = json.loads(ran.stdout or "{}")
    for file in sorted(found, key=place):  # DVC's own order is another each time
        where = stage_of(file)
        for key, values in sorted(found[file].items()):
            yield f"{where} {key}".strip(), values.get("old"), values.get("new")


def place(file: str) -> tuple[int, str]:
    """Where a file comes in the list: its stage in the pipeline's order, then its fold."""
    order = list(pipeline.stages()) if paths.PIPELINE.exists() else []  # not in a folder inside
    name = Path(file).stem
    return (order.index(name) if name in order else len(order)), file


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
        return [f"{terminal.heading(title)}: no difference"]
    rows = [(f"  {name} ", _shown(old), "->", _shown(new)) for name, old, new in changes]
    aligned = tables.lines(rows, right=[OLD], gap=" ")
    return [f"{terminal.heading(title)}:", *aligned]


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
