"""The ledger, submissions/ledger.csv: what was submitted, what made it, and what it scored.

A submission is made by a commit: by its dvc.lock, which holds the md5 of every piece of code and
data and every param behind the file. The message that goes to Kaggle carries both names, so that
a row can be joined with its commit in any clone, also where it was submitted by hand.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ruamel.yaml import YAML

from stages import paths, records
from stages.competition.submissions import FINISHED, Submission
from stages.errors import UserError

LEDGER = paths.SUBMISSIONS / "ledger.csv"
LOCK = Path("dvc.lock")
MAKERS = [paths.PARAMS, paths.PIPELINE, LOCK, Path("metrics"), Path("stages")]
COLUMNS = (
    "ref", "date", "file", "commit", "made_by", "sha256", "metric", "cv", "public", "private",
    "status", "message",
)  # fmt: skip
MINIMUM = 5  # submissions, below which a correlation says nothing
DIGITS = 12  # of a commit and of a hash: enough to be unique, short enough for a message
STAMP = re.compile(rf"\brepodium ([0-9a-f]{{{DIGITS}}}) made by ([0-9a-f]{{{DIGITS}}})\b")

Row = dict[str, str]


@dataclass(frozen=True)
class Made:
    """What made a submission, and what the cross-validation promised; text, as in the ledger."""

    commit: str
    """The first digits of the commit."""
    made_by: str
    """The first digits of the sha256 of its dvc.lock."""
    sha256: str
    """Of the submission file."""
    metric: str
    cv: str
    """Empty where no row validated."""


def current() -> Made:
    """What the working tree made.

    Raises:
        UserError: something that makes the submission is not committed.

    """
    if changed := _git("status", "--porcelain", "--", *map(str, MAKERS)).decode().splitlines():
        names = ", ".join(line[3:] for line in changed[:3]) + (" ..." if len(changed) > 3 else "")
        raise UserError(
            f"{names}: not as in the last commit, by which a submission is known; "
            "commit first (git add -A && git commit), then submit."
        )
    return made("HEAD")


def made(commit: str) -> Made:
    """What `commit` made, read from git.

    Raises:
        UserError: there is no such commit, or it holds no result of the pipeline.

    """
    name = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()
    lock = hashlib.sha256(_at(name, LOCK)).hexdigest()
    results = json.loads(_at(name, paths.metrics("submission")))
    metric = YAML(typ="safe", pure=True).load(_at(name, paths.PARAMS))["competition"]["metric"]
    cv = results.get(f"cv_{metric}", "")
    return Made(name[:DIGITS], lock[:DIGITS], results["sha256"], metric, str(cv))


def message(about: Made, note: str = "") -> str:
    """What is written beside a submission at Kaggle, for people and for `claimed`."""
    stamp = f"repodium {about.commit} made by {about.made_by}"
    return f"{stamp}: {_one_line(note)}" if note.strip() else stamp


def note(text: str) -> str:
    """A message without its stamp: what the user added."""
    return STAMP.sub("", text).strip(" :")


def claimed(text: str) -> Made | None:
    """What made the submission whose message this is, if its commit is here and bears it out."""
    if not (found := STAMP.search(text)):
        return None
    commit, made_by = found.groups()
    try:
        about = made(commit)
    except UserError:
        return None
    return about if about.made_by == made_by else None


def _at(commit: str, path: Path) -> bytes:
    return _git("show", f"{commit}:./{path.as_posix()}")


def _git(*words: str) -> bytes:
    try:
        ran = subprocess.run(["git", *words], capture_output=True)
    except FileNotFoundError:
        raise UserError("the command `git` is not on PATH; install it.") from None
    if ran.returncode:
        said = " ".join(ran.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
        raise UserError(
            f"git {words[0]} failed ({said or 'no such commit'}); a submission is known by its "
            "commit: run dvc repro in a git repository, then git add -A && git commit."
        )
    return ran.stdout


def read(path: Path = LEDGER) -> list[Row]:
    """The ledger's rows, oldest first; none where there is no ledger yet.

    Raises:
        UserError: the file is not a ledger, or a merge was left half done.

    """
    if not path.exists():
        return []
    table = [*csv.reader(path.read_text(encoding="utf-8").splitlines())] or [[]]
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
    once = {row["ref"]: row for row in sorted(rows, key=lambda row: row["status"] in FINISHED)}
    return sorted(once.values(), key=lambda row: (row["date"], row["ref"]))


def merge(rows: Sequence[Row], listed: Iterable[Submission]) -> list[Row]:
    """The rows brought up to what Kaggle lists; none is lost, and no score that was known."""
    known = {row["ref"]: row for row in rows}
    for one in listed:
        known[one.ref] = _joined(known.get(one.ref, dict.fromkeys(COLUMNS, "")), one)
    return _ordered(known.values())


def _joined(row: Row, one: Submission) -> Row:
    """A row with what Kaggle says now, and with what made it once that is known."""
    about = None if row["commit"] else claimed(one.message)
    said = {key: _one_line(value) for key, value in asdict(one).items() if value}
    return row | (asdict(about) if about else {}) | said


def _one_line(text: str) -> str:
    return " ".join(text.split())


def scores(rows: Sequence[Row]) -> tuple[str, dict[int, tuple[float, float]]]:
    """CV and public score by the row's number, of the rows with both; and their metric.

    Rows of another metric than the newest of them are left out: they do not compare.
    """
    both = {n: row for n, row in enumerate(rows, 1) if row["cv"] and row["public"]}
    if not both:
        return "", {}
    metric = both[max(both)]["metric"]
    same = {n: row for n, row in both.items() if row["metric"] == metric}
    return metric, {n: (float(row["cv"]), float(row["public"])) for n, row in same.items()}
