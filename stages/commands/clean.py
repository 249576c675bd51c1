"""`repodium clean`: what takes space beside the results, and freeing it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from stages.base import command as stage_command
from stages.base import paths, terminal, unfinished
from stages.base.errors import UserError
from stages.shell import tables
from stages.shell.command import Command

MB = 1e6  # bytes
RWLOCK = Path(".dvc/tmp/rwlock")
NAME, SIZE = 1, 2  # columns of the table
Row = tuple[str, str, str, str]  # kind, name, size, what was done


@click.command(
    cls=Command,
    examples={
        "repodium clean": "what there is, and how large",
        "repodium clean --checkpoints --downloads": "free all of it",
    },
)
@click.option("--checkpoints", is_flag=True, help="Free the work of stages that were interrupted.")
@click.option("--downloads", is_flag=True, help="Free the archives that Kaggle sent.")
def command(checkpoints: bool, downloads: bool) -> None:
    """Show what takes space beside the results; free it.

    Nothing is freed without an option, but for what a kill left of DVC's lock file: DVC does not
    run beside one that was cut off, and each of its commands reads the notes of processes that
    are gone. Without checkpoints an interrupted stage starts anew; without downloads
    `fetch`, should it run again, downloads again. DVC's own cache is freed by
    `dvc gc --workspace`.
    """
    if damaged(RWLOCK):
        RWLOCK.unlink()
        click.echo(f"{RWLOCK} was cut off when DVC was killed, and DVC could not go on: freed.")
    elif abandoned(RWLOCK):
        RWLOCK.unlink()
        click.echo(f"{RWLOCK} held the notes of a DVC that was killed, and slowed the next: freed.")
    found = [(p, unfinished.stage_of(p)) for p in unfinished.folders() if not running(p)]
    archives = [(p, p.name) for p in sorted(paths.DOWNLOADS.glob("*"))]
    rows = [
        *freed("checkpoints", found, free=checkpoints),
        *freed("downloads", archives, free=downloads),
    ]
    click.echo("\n".join(tables.lines(rows, right=[SIZE], cut=[NAME])))


def freed(title: str, found: list[tuple[Path, str]], *, free: bool) -> Iterator[Row]:
    """A row for each thing of a kind, which is freed if it is to be."""
    if not found:
        yield title, "none", "", ""
    for path, name in found:
        about = f"{size(path) / MB:,.1f} MB"
        if free:
            remove(path)
        yield title, name, about, terminal.good("freed") if free else ""


def damaged(lock: Path) -> bool:
    """Whether a kill cut off the file in which DVC notes who reads and writes what."""
    try:
        json.loads(lock.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def abandoned(lock: Path) -> bool:
    """Whether all whom that file names are gone; they were killed, for DVC leaves it empty."""
    if not lock.exists():
        return False
    held = json.loads(lock.read_bytes())
    readers = [note for notes in held.get("read", {}).values() for note in notes]
    notes = [*readers, *held.get("write", {}).values()]
    return bool(notes) and not any(alive(note["pid"]) for note in notes)


def alive(process: int) -> bool:
    """Whether a process runs, anybody's."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another person's
        return True
    return True


def running(folder: Path) -> bool:
    """Whether the stage whose work this is runs just now."""
    try:
        with stage_command.only_writer(unfinished.stage_of(folder)):
            return False
    except UserError:
        return True


def size(path: Path) -> int:
    """Bytes that are freed with a file or a folder: what has a second name elsewhere stays."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files if p.stat().st_nlink == 1)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
