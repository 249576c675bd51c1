"""`repodium submit`: from a committed file to a score in the ledger."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ruamel.yaml import YAML

from stages.base import params, paths
from stages.base.errors import UserError
from stages.competition import ledger, provenance, submissions
from stages.competition.ledger import LEDGER
from stages.competition.submissions import Submission
from stages.shell import completing
from stages.shell.command import Command

if TYPE_CHECKING:
    from stages.base.settings import Settings


@click.command(
    cls=Command,
    examples={
        "repodium submit": "what the pipeline wrote, once it is committed",
        'repodium submit -m "eight views"': "with words of your own in Kaggle's list",
    },
)
@click.argument(
    "file",
    required=False,
    type=click.Path(path_type=Path),
    shell_complete=completing.submissions,
)
@click.option("-m", "--message", "note", default="", help="Words of your own beside the commit.")
@click.option("--timeout", default=900.0, show_default=True, help="Seconds to wait for the score.")
def command(file: Path | None, note: str, timeout: float) -> None:
    """Submit a file, wait for its score, record both.

    FILE is what the pipeline made if none is named. Only what the last commit made is submitted,
    so that every score leads back to its making.
    """
    settings = params.read()
    slug = settings.competition.slug
    path = local(file or paths.SUBMISSIONS / settings.submission.file)
    text = provenance.message(checked(path, settings), note)
    try:
        known = {one.ref for one in submissions.listed(slug)}
        ref = record(slug, submissions.send(slug, path, text, known)).ref
        click.echo(f"{path} is submission {ref} to {slug}, recorded in {LEDGER}.")
        tell(slug, record(slug, submissions.wait(slug, ref, timeout)))
    except KeyboardInterrupt:
        raise UserError(
            "stopped before Kaggle had scored; `repodium ledger` shows what arrived, and its score."
        ) from None


def local(file: Path) -> Path:
    """`file` as dvc.lock would name it.

    Raises:
        UserError: it lies outside the repository.

    """
    try:
        return file.resolve().relative_to(Path.cwd().resolve())
    except ValueError:
        raise UserError(
            f"{file} is not in this repository; submit what `dvc repro` wrote."
        ) from None


def checked(file: Path, settings: Settings) -> provenance.Made:
    """What made `file`.

    Raises:
        UserError: it is not what the last commit made, or Kaggle would refuse it.

    """
    if settings.competition.source == "demo":
        raise UserError(
            f"the bundled competition is not on Kaggle; `repodium score {file}` scores the file."
        )
    about = provenance.current()
    check_locked(file)
    check_fresh()
    if found := faults(file, settings):
        raise UserError(f"{file} would be refused: {'; '.join(found)}.")
    return about


def check_locked(file: Path) -> None:
    """Compare a file with its md5 in dvc.lock.

    Raises:
        UserError: the pipeline makes no such file, or another one.

    """
    stages = YAML(typ="safe", pure=True).load(paths.LOCK.read_bytes())["stages"]
    outs = {out["path"]: out["md5"] for s in stages.values() for out in s.get("outs", [])}
    if file.as_posix() not in outs:
        raise UserError(f"{file} is not in dvc.lock; run `dvc repro`, or submit what it wrote.")
    if not file.is_file():
        raise UserError(f"{file} is not there; run `dvc checkout {file}`, or else `dvc repro`.")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "md5").hexdigest()
    if found != outs[file.as_posix()]:
        raise UserError(
            f"{file} is not the file that dvc.lock holds; run `dvc repro`, then commit."
        )


def check_fresh() -> None:
    """Ask DVC whether the commit would make the submission that dvc.lock holds.

    The report may be of before: it shows the ledger, to which each submission adds a row.

    Raises:
        UserError: it would not, for something was committed but never carried out.

    """
    try:
        words = ["dvc", "status", "--quiet", "--with-deps", "submission"]
        stale = subprocess.run(words, capture_output=True).returncode
    except FileNotFoundError:
        raise UserError("the command `dvc` is not on PATH; activate the environment.") from None
    if stale:
        raise UserError(
            "the last commit would make another file (`dvc status` says why); run `dvc repro`, "
            "then commit."
        )


def faults(file: Path, settings: Settings) -> list[str]:
    """Why Kaggle would refuse the file."""
    from stages.competition import check  # slow to import, and the refusals above do without

    return check.faults_of(file, settings)


def record(slug: str, one: Submission) -> Submission:
    """Write what Kaggle says of a submission into the ledger."""
    ledger.write(ledger.merge(ledger.read(), slug, [one]))
    return one


def tell(slug: str, one: Submission) -> None:
    """Show the score beside the cross-validation's.

    Raises:
        UserError: Kaggle could not score the file.

    """
    if one.status == "ERROR":
        raise UserError(
            f"Kaggle could not score submission {one.ref}: it says why at "
            f"{submissions.PAGE_OF.format(slug=slug)}; mend that, run `dvc repro`, submit again."
        )
    row = next(row for row in ledger.of(slug, ledger.read()) if row["ref"] == one.ref)
    click.echo(f"{row['metric']}: public {row['public'] or '-'}, CV {row['cv'] or '-'}")
