"""Submissions at Kaggle: sending one, finding its row, waiting for its score.

The exit status of `kaggle competitions submit` proves nothing, in either direction: 2.2.4 exits 0
when the upload was refused, and an answer may get lost on its way back. What counts is the row
that Kaggle lists.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.base import bar
from stages.base.errors import UserError
from stages.competition import kaggle

PAGE = 200  # rows, the most that kaggle shows; it has no way to the next page
FINISHED = ("COMPLETE", "ERROR")
ALIKE = 42  # characters of a message that tell it: commit and hash, whatever becomes of the rest
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two looks, growing by half
PATIENCE = 10.0  # seconds until a submission that Kaggle took is in its list
PAGE_OF = "https://www.kaggle.com/competitions/{slug}/submissions"
REMEDIES = {  # of what surely made no row
    "allowance": "the competition's submissions of today are used up; submit again after midnight "
    "UTC (`kaggle competitions submission-limits {slug}` counts them)",
    "could not submit to competition": "Kaggle's storage did not take the file; submit again",
}


@dataclass(frozen=True)
class Submission:
    """A row of Kaggle's list; text, empty where Kaggle says nothing."""

    ref: str
    date: str
    """UTC, as 2026-01-31T12:00:00Z."""
    file: str
    message: str
    status: str
    """PENDING, COMPLETE or ERROR."""
    public: str
    private: str


def listed(slug: str) -> list[Submission]:
    """The newest submissions to a competition, 200 at most.

    Raises:
        UserError: one sentence with the remedy.

    """
    form = ("--page-size", str(PAGE), "--format", "json")
    answer = kaggle.run("competitions", "submissions", slug, *form)
    rows = rows_of(answer.out)
    if not rows and (answer.status or "No submissions found" not in answer.out):
        said = why(answer.said, slug)
        raise UserError(f"Kaggle did not list the submissions to {slug}: {said}.")
    try:
        return [_row(row) for row in rows]
    except (KeyError, ValueError, OverflowError) as error:
        raise UserError(
            f"Kaggle lists the submissions to {slug} in a form that is not known here "
            f"({type(error).__name__}: {error}); install the `kaggle` of constraints.txt."
        ) from None


def rows_of(out: str) -> list[dict[str, Any]]:
    """The rows of kaggle's JSON, around which warnings may stand; none where there is no JSON."""
    start = re.search(r"^\[\r?$", out, re.MULTILINE)
    try:
        rows, _ = json.JSONDecoder().raw_decode(out[start.start() :] if start else "[]")
    except (ValueError, RecursionError):
        return []
    return rows if all(isinstance(row, dict) for row in rows) else []


def _row(said: dict[str, Any]) -> Submission:
    text = {key: "" if value is None else _text(value) for key, value in said.items()}
    return Submission(
        ref=text["ref"],
        date=_utc(text["date"]),
        file=text["fileName"],
        message=text["description"],
        status=text["status"].removeprefix("SubmissionStatus."),
        public=text["publicScore"],
        private=text["privateScore"],
    )


def _text(value: Any) -> str:
    """A value as text that can be written; JSON may hold half a surrogate pair."""
    return str(value).encode("utf-8", "replace").decode()


def _utc(date: str) -> str:
    """Kaggle's date, which names no zone and means UTC, to the second."""
    given = datetime.fromisoformat(date)
    aware = given.replace(tzinfo=given.tzinfo or UTC).astimezone(UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%SZ}"


def send(slug: str, file: Path, message: str, known: Collection[str]) -> Submission:
    """Submit a file and return its row: the one with this message and with no ref of `known`.

    Raises:
        UserError: no such row came to be; one sentence with the remedy.

    """

    def own() -> Submission | None:
        new = (s for s in listed(slug) if s.ref not in known)
        return next((s for s in new if s.message[:ALIKE] == message[:ALIKE]), None)

    words = ("competitions", "submit", slug, "-f", str(file), "-m", message)
    answer = kaggle.run(*words, show=bar.watched())
    clear = any(sign in answer.said.lower() for sign in REMEDIES)
    found, fault = _until(0 if clear else PATIENCE, own)  # also where only the answer was lost
    if found:
        return found
    refused = clear or answer.status != 0
    said = why(answer.said, slug) if refused else "Kaggle took it, but does not list it"
    if refused and not fault:
        raise UserError(f"{file} was not submitted: {said}.")
    raise UserError(
        f"whether {file} was submitted is not known: {said}; look with `repodium ledger`, then "
        "submit again if it is not there."
    )


def wait(slug: str, ref: str, seconds: float) -> Submission:
    """Wait until Kaggle has scored a submission; a fault on the way is not the end of it.

    Raises:
        UserError: it took longer.

    """
    with bar.Bar("waiting for Kaggle's score", look="{desc}: {elapsed}") as line:

        def scored() -> Submission | None:
            line.refresh()
            done = (s for s in listed(slug) if s.ref == ref and s.status in FINISHED)
            return next(done, None)

        found, fault = _until(seconds, scored)
    if found:
        return found
    raise UserError(
        f"Kaggle has not scored submission {ref} within {seconds:g} s"
        f"{f' ({fault})' if fault else ''}; `repodium ledger` shows its score once it has."
    )


def _until(seconds: float, look: Callable[[], Submission | None]) -> tuple[Submission | None, str]:
    """What `look` finds at once or within `seconds`, and else what kept it from looking last."""
    pause, end = FIRST_PAUSE, time.monotonic() + seconds
    while True:
        try:
            found, fault = look(), ""
        except UserError as error:
            found, fault = None, error.message.rstrip(".")
        left = end - time.monotonic()
        if found or left <= 0:
            return found, fault
        time.sleep(min(pause, left))
        pause = min(1.5 * pause, LONGEST_PAUSE)


def why(said: str, slug: str) -> str:
    """Why a command failed, with the remedy; Kaggle's own last words if nobody foresaw it."""
    for sign, remedy in REMEDIES.items():
        if sign in said.lower():
            return remedy.format(slug=slug)
    page = PAGE_OF.format(slug=slug)
    return kaggle.explain(said, slug) or f"Kaggle said: {kaggle.quoted(said)}; see {page}"
