"""`repodium ledger`: every submission, its cross-validation beside its score, and the way back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from stages.base import params, paths, terminal
from stages.base.errors import UserError
from stages.competition import ledger, provenance, submissions
from stages.competition.ledger import COLUMNS, LEDGER, MINIMUM, Row
from stages.shell import completing, tables
from stages.shell.command import Command

SHOWN = ("#", "ref", "date", "commit", "cv", "public", "private", "status", "note")
RIGHT = [SHOWN.index(name) for name in ("#", "cv", "public", "private")]
NARROW = 110  # columns of a terminal, below which these are shown by their first characters
SHORT = {"date": len("2026-01-31"), "commit": 7}
PAINTS = {"COMPLETE": terminal.good, "PENDING": terminal.warning, "ERROR": terminal.bad}
WAY_BACK = """
The same file, from DVC's cache:
  dvc get . {path} --rev {commit} -o {copy}
Where the cache no longer has it, made again, to the same byte:
  git checkout {commit} && dvc repro
Either has the sha256 {sha256}.\
"""
NO_SCORES = "CV against public score: no submission has both yet."
NOT_BORNE_OUT = (
    "{refs}: no CV, for the commit in the message is not in this clone, or has another dvc.lock; "
    "git fetch, then run this again."
)


def refs(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The submissions that are recorded, the newest first, to complete REF."""
    with suppress(UserError):
        return completing.beginning([row["ref"] for row in ledger.read()][::-1], incomplete)
    return []


@click.command(
    cls=Command,
    examples={
        "repodium ledger": "all of them, as Kaggle scored them by now",
        "repodium ledger --offline": "as they were last recorded",
        "repodium ledger 41234567": "one, and the commands back to its file",
    },
)
@click.argument("ref", required=False, shell_complete=refs)
@click.option("--offline", is_flag=True, help="Show what is recorded, without asking Kaggle.")
def command(ref: str | None, offline: bool) -> None:
    """Show every submission, its CV beside its score.

    With REF (Kaggle's number) all about this one, and the way back to its file.
    submissions/ledger.csv is brought up to date with Kaggle first. Also what was submitted by hand
    is recorded; with its commit, if its message names one.
    """
    competition = params.read().competition
    rows = ledger.read()
    if not offline and competition.source != "demo":
        rows = synced(rows, competition.slug)
    rows = ledger.of(competition.slug, rows)
    if ref:
        click.echo(details(rows, ref))
    elif rows:
        click.echo("\n".join(table(rows)) + "\n")
        terminal.say("\n".join(remarks(rows)))
    else:
        click.echo("Nothing was submitted yet; `repodium submit` does.")


def synced(rows: list[Row], slug: str) -> list[Row]:
    """The rows after a look at Kaggle's; written where that changes anything.

    Raises:
        UserError: Kaggle does not list them; the ledger is as it was.

    """
    try:
        found = ledger.merge(rows, slug, submissions.listed(slug))
    except UserError as error:
        said = error.message.removesuffix(".")
        raise UserError(f"{said}; `repodium ledger --offline` shows what is recorded.") from None
    if found != rows:
        ledger.write(found)
        new = len(found) - len(rows)
        changed = sum(row not in rows for row in found) - new
        click.echo(f"{LEDGER}: {new} new, {changed} changed.\n")
    return found


def table(rows: Sequence[Row]) -> list[str]:
    """The rows, aligned, a line each under a header; the newest last."""
    shown = [cells(number, row) for number, row in enumerate(rows, 1)]
    names, *lines = tables.lines([SHOWN, *shown], right=RIGHT, cut=[SHOWN.index("note")])
    return [terminal.heading(names), *lines]


def cells(number: int, row: Row) -> tuple[str, ...]:
    """What the table shows of a row; an empty cell is a dash."""
    date = row["date"][:16].replace("T", " ")
    shown = row | {"#": str(number), "date": date, "note": provenance.note(row["message"])}
    if (terminal.columns(sys.stdout) or NARROW) < NARROW:
        shown |= {name: shown[name][:most] for name, most in SHORT.items()}
    shown["status"] = PAINTS.get(row["status"], str)(row["status"])
    return tuple(shown[name] or ("" if name == "note" else "-") for name in SHOWN)


def remarks(rows: Sequence[Row]) -> list[str]:
    """What the scores say together, the picture of them, and what could not be joined."""
    metric, found = ledger.scores(rows)
    lines = [f"CV against public score ({metric}): {agreement(found)}" if found else NO_SCORES]
    if found:
        from stages.figures import ledger as figure  # matplotlib is slow to import

        picture = paths.picture("ledger")
        figure.draw(picture, found, metric)
        lines.append(f"Picture: {picture}")
    if astray := [
        r["ref"] for r in rows if not r["commit"] and provenance.STAMP.search(r["message"])
    ]:
        lines.append(NOT_BORNE_OUT.format(refs=", ".join(astray)))
    return lines


def agreement(found: dict[int, tuple[float, float]]) -> str:
    """Pearson's and Spearman's correlation, once there are enough scores to mean something."""
    if len(found) < MINIMUM:
        return f"{len(found)} of the {MINIMUM} submissions that a correlation needs."
    import pandas as pd  # slow to import

    scores = pd.DataFrame(found.values())
    pearson, spearman = scores.corr().iloc[0, 1], scores.rank().corr().iloc[0, 1]
    return f"Pearson {pearson:.3f}, Spearman {spearman:.3f}, {len(scores)} submissions."


def details(rows: Sequence[Row], ref: str) -> str:
    """Everything about one submission, and the commands back to its file.

    Raises:
        UserError: the ledger has no such submission.

    """
    row = next((row for row in rows if row["ref"] == ref), None)
    if row is None:
        known = ", ".join(row["ref"] for row in rows[-5:]) or "none"
        raise UserError(f"the ledger has no submission {ref}; the newest are {known}.")
    lines = [f"{name:<9}{row[name] or '-'}" for name in COLUMNS]
    if row["commit"]:
        path, copy = paths.SUBMISSIONS / row["file"], paths.SUBMISSIONS / f"{row['commit']}.csv"
        lines.append(WAY_BACK.format(path=path, copy=copy, **row))
    return "\n".join(lines)
