"""What made a submission: a commit, and by its dvc.lock every piece of code, data and params.

The message that goes to Kaggle carries the names of both, so that a row there can be joined with
its commit in any clone, also where it was submitted by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from stages.base import paths
from stages.base.errors import UserError

MAKERS = [paths.PARAMS, paths.PIPELINE, paths.LOCK, Path("metrics"), Path("stages")]
DIGITS = 12  # of a commit and of a hash: enough to be unique, short enough for a message
STAMP = re.compile(rf"\brepodium ([0-9a-f]{{{DIGITS}}}) made by ([0-9a-f]{{{DIGITS}}})\b")


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
            "commit first (`git add -A && git commit`), then submit."
        )
    return made("HEAD")


def made(commit: str) -> Made:
    """What `commit` made, read from git.

    Raises:
        UserError: there is no such commit, or it holds no result of the pipeline.

    """
    name = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()
    lock = hashlib.sha256(_at(name, paths.LOCK)).hexdigest()
    results, written = _at(name, paths.metrics("submission")), _at(name, paths.PARAMS)
    try:
        found = json.loads(results)
        metric = YAML(typ="safe", pure=True).load(written)["competition"]["metric"]
        cv = found.get(f"cv_{metric}")
        cv = "" if cv is None else str(cv)  # the rows may leave a metric undefined
        return Made(name[:DIGITS], lock[:DIGITS], found["sha256"], metric, cv)
    except (LookupError, TypeError, AttributeError, ValueError, YAMLError):
        raise UserError(f"commit {name[:DIGITS]} holds no result of this pipeline.") from None


def message(about: Made, note: str = "") -> str:
    """What is written beside a submission at Kaggle, for people and for `claimed`."""
    stamp = f"repodium {about.commit} made by {about.made_by}"
    return f"{stamp}: {' '.join(note.split())}" if note.strip() else stamp


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
            f"`git {words[0]}` failed ({said or 'no such commit'}); a submission is known by its "
            "commit: run `dvc repro` in a git repository, then `git add -A && git commit`."
        )
    return ran.stdout
