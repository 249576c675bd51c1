"""The ledger, submissions/ledger.csv: what was submitted, what made it, and what it scored."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from stages.base import paths, records
from stages.base.errors import UserError
from stages.competition import provenance
from stages.competition.submissions import FINISHED, Submission

LEDGER = paths.LEDGER
COLUMNS = (
    "competition", "ref", "date", "file", "commit", "made_by", "sha256", "metric", "cv", "public",
    "private", "status", "message",
)  # fmt: skip
MINIMUM = 5  # submissions, below which a correlation says nothing

Row = dict[str, str]


def read(path: Path = LEDGER) -> list[Row]:
    """The ledger's rows, oldest first; none where there is no ledger yet.

    Raises:
        UserError: the file is not a ledger, or a merge was left half done.

    """
    if not path.exists():
        return []
    try:
        table = [*csv.reader(path.read_text(encoding="utf-8").splitlines())] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}; take it from git again.") from None
    for line, cells in enumerate(table, 1):
        if len(cells) != len(COLUMNS) or (line == 1) != (tuple(cells) == COLUMNS):
            raise UserError(
                f"{path}, line {line}: not a row of the ledger; if a merge left it so, keep the "
                f"rows of both sides under the one header {','.join(COLUMNS)}."
            )
    return _ordered(dict(zip(COLUMNS, cells, strict=True)) for cells in table[1:])


def write(rows: Iterable[Row], path: Path = LEDGER) -> None:
    """Write the ledger whole, a row a line, oldest first: the same rows give the same bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_ordered(rows))
    records.write_text(path, text.getvalue())


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """By date, each of Kaggle's refs once: a union merge may bring one twice, then the scored."""
    rows = sorted(rows, key=lambda row: row["status"] in FINISHED)
    once = {(row["competition"], row["ref"]): row for row in rows}
    return sorted(once.values(), key=lambda row: (row["date"], row["ref"]))


def of(slug: str, rows: Iterable[Row]) -> list[Row]:
    """The rows of one competition."""
    return [row for row in rows if row["competition"] == slug]


def merge(rows: Sequence[Row], slug: str, listed: Iterable[Submission]) -> list[Row]:
    """The rows brought up to what Kaggle lists of a competition; no row or score is lost."""
    known = {row["ref"]: row for row in of(slug, rows)}
    new = dict.fromkeys(COLUMNS, "") | {"competition": slug}
    for one in listed:
        known[one.ref] = _joined(known.get(one.ref, new), one)
    return _ordered([*rows, *known.values()])


def _joined(row: Row, one: Submission) -> Row:
    """A row with what Kaggle says now, and with what made it once that is known."""
    about = None if row["commit"] else provenance.claimed(one.message)
    said = {key: _one_line(value) for key, value in asdict(one).items() if value}
    return row | (asdict(about) if about else {}) | said


def _one_line(text: str) -> str:
    return " ".join(text.split())


def scores(rows: Sequence[Row]) -> tuple[str, dict[int, tuple[float, float]]]:
    """CV and public score by the row's number, of the rows with both; and their metric.

    Rows of another metric than the newest of them are left out: they do not compare.
    """
    both = {
        n: row
        for n, row in enumerate(rows, 1)
        if _is_number(row["cv"]) and _is_number(row["public"])
    }
    if not both:
        return "", {}
    metric = both[max(both)]["metric"]
    same = {n: row for n, row in both.items() if row["metric"] == metric}
    return metric, {n: (float(row["cv"]), float(row["public"])) for n, row in same.items()}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
