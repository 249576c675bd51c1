"""What the shell offers for an argument when one presses Tab: quick, and never an error."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from stages.base import paths
from stages.base.pipeline import HERE

EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # as DVC names them
PLAIN = re.compile(r"refs/(?:heads|tags)/(.+)")


def beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """The names that may be meant."""
    return [name for name in names if name.startswith(incomplete)]


def revisions(_: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Branches, tags and DVC's experiments; for the second run of two also the files here."""
    refs = ["git", "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", "refs/exps"]
    said = ""
    with suppress(OSError):
        said = subprocess.run(refs, capture_output=True, text=True).stdout
    found = [PLAIN.fullmatch(line) or EXPERIMENT.fullmatch(line) for line in said.splitlines()]
    names = ["HEAD", "HEAD~1", *(match[1] for match in found if match)]
    return beginning(names + [HERE] * (param.name == "b"), incomplete)


def submissions(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The files of submissions/, or any file where none of them is meant."""
    files = sorted(f for f in paths.SUBMISSIONS.glob("*.csv") if f.name != "ledger.csv")
    found = beginning(map(str, files), incomplete)
    return [*map(CompletionItem, found)] or [CompletionItem(incomplete, type="file")]


def images(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The training images, once `split` has listed them."""
    try:
        with paths.LABELLED.open(encoding="utf-8", newline="") as file:
            return beginning((row["image"] for row in csv.DictReader(file)), incomplete)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError):
        return []
