"""Downloading through the real `kaggle` command, which exits 0 on many failures.

What counts is what it left behind: an archive whose every file has the right checksum.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import zipfile
import zlib
from pathlib import Path

import click

from stages.errors import UserError

RULES = "https://www.kaggle.com/competitions/{slug}/rules"
ACCEPT = "accept the competition's rules at {rules}"
UNKNOWN = "kaggle knows no competition {slug!r}; check competition.slug"
PATIENCE = "kaggle asks for patience; wait some minutes, then run again"
REMEDIES = {
    "accept this competition": ACCEPT + ", then run again",
    "403 client error": ACCEPT + ", then run again; if there is no such page, check "
    "competition.slug",
    "404 client error": UNKNOWN,
    "not found": UNKNOWN,
    "authentication required": "kaggle found no token that it accepts; make one at "
    "https://www.kaggle.com/settings and put it into ~/.kaggle/access_token, or set "
    "KAGGLE_API_TOKEN",
    "429 client error": PATIENCE,
    "too many requests": PATIENCE,
}


def download(slug: str, folder: Path) -> Path:
    """Download a competition's archive into `folder` and return its path.

    A download that was cut short is resumed by the next call.

    Raises:
        UserError: one sentence with the remedy.

    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{slug}.zip"
    status, said = _run(["kaggle", "competitions", "download", slug, "-p", str(folder)])
    whole = _is_whole(archive)
    if whole or not _can_resume(archive):
        _marker(archive).unlink(missing_ok=True)
    if not whole and not _can_resume(archive):
        archive.unlink(missing_ok=True)  # else kaggle would skip it as already downloaded
    if status or not whole:
        raise UserError(f"download of {slug} failed: {_remedy(said, slug)}.")
    return archive


def _run(command: list[str]) -> tuple[int, str]:
    """Exit status and output of a command; its progress bar, on stderr, is shown as it comes."""
    shown = b""
    try:
        with tempfile.TemporaryFile() as out, subprocess.Popen(
            command, stdout=out, stderr=subprocess.PIPE
        ) as process:  # fmt: skip
            while chunk := process.stderr.read1():
                click.echo(chunk, err=True, nl=False)
                shown += chunk
            status = process.wait()
            out.seek(0)
            return status, (out.read() + shown).decode(errors="replace")
    except FileNotFoundError:
        raise UserError("the command `kaggle` is not on PATH; activate the environment.") from None


def _is_whole(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.testzip() is None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError):
        return False


def _marker(archive: Path) -> Path:
    """The file by which kaggle remembers a download that it has not finished."""
    return archive.with_name(archive.name + ".kaggle-partial")


def _can_resume(archive: Path) -> bool:
    """Whether kaggle would go on where it stopped: by its marker, bytes are missing."""
    try:
        return archive.stat().st_size < json.loads(_marker(archive).read_text())["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remedy(said: str, slug: str) -> str:
    for sign, remedy in REMEDIES.items():
        if sign in said.lower():
            return remedy.format(slug=slug, rules=RULES.format(slug=slug))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].rstrip(".") if lines else "it said nothing"
    return f"no whole archive arrived (kaggle said: {last}); run again to resume"
