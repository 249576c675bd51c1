"""Downloading through the real `kaggle` command, which exits 0 on many failures.

What counts is what it left behind: an archive whose every file has the right checksum.
"""

from __future__ import annotations

import json
import time
import zipfile
import zlib
from pathlib import Path

import click

from stages.base import bar
from stages.base.errors import UserError
from stages.competition import kaggle

WAITS = (10.0, 60.0)  # seconds before another try; kaggle hides any Retry-After
LARGE = 2**30  # bytes of files, from which on checking them shows its progress
BLOCK = 2**20  # bytes
ZIP = b"PK"  # the first bytes of every zip
ENCRYPTED = 0x1  # flag of a member (APPNOTE 4.4.4)


def download(slug: str, folder: Path) -> Path:
    """Download a competition's archive into `folder` and return its path.

    What may pass by itself is tried again, after a pause. A download that was cut short is resumed
    by the next try or call; one that is there is not downloaded again.

    Raises:
        UserError: one sentence with the remedy.

    """
    archive = folder / f"{slug}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _persist(slug, archive)
    except KeyboardInterrupt:
        raise UserError(
            f"download of {slug} was interrupted; run again to go on where it stopped."
        ) from None
    except OSError as error:
        raise UserError(
            f"download of {slug} failed: {folder} cannot be written ({error.strerror}); make room "
            "or change its permissions, then run again."
        ) from None
    return archive


def _persist(slug: str, archive: Path) -> None:
    for wait in (*WAITS, None):
        reason, passes = _attempt(slug, archive)
        if not reason:
            return
        if wait is None or not passes:
            raise UserError(f"download of {slug} failed: {reason}.")
        click.echo(f"{reason}; trying again in {wait:g} s", err=True)
        time.sleep(wait)


def _attempt(slug: str, archive: Path) -> tuple[str, bool]:
    """Run the command once: why there is no whole archive, if so, and whether that may pass."""
    _discard_useless(archive)
    words = ("competitions", "download", slug, "-p", str(archive.parent))
    answer = kaggle.run(*words, show=bar.watched())
    if answer.status == 0 and _is_whole(archive):
        _marker(archive).unlink(missing_ok=True)
        return "", False
    found = kaggle.foreseen(answer.said)
    if found and (answer.status or _can_resume(archive)):
        return kaggle.explain(answer.said, slug), found.passes
    if answer.status == 0 and not _can_resume(archive):
        _discard(archive)  # else kaggle would skip it as already downloaded
        return "no whole archive arrived, what came was damaged; run again", False
    said = kaggle.quoted(answer.said)
    return f"no whole archive arrived (Kaggle said: {said}); run again to resume", False


def _is_whole(archive: Path) -> bool:
    """Whether an archive has its announced size and every file in it its checksum."""
    if _marker(archive).exists() and _missing(archive) != 0:
        return False
    try:
        with zipfile.ZipFile(archive) as opened:
            _check(opened)
    except NotImplementedError:
        return True  # whoever opens it tells what it needs
    except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile, zlib.error):
        return False
    return True


def _check(opened: zipfile.ZipFile) -> None:
    """Read every file to its end, where its checksum is compared; encrypted ones cannot be."""
    members = [m for m in opened.infolist() if not m.flag_bits & ENCRYPTED]
    size = sum(m.file_size for m in members)
    about = {"total": size, "unit": "B", "unit_scale": True, "wanted": size >= LARGE}
    with bar.Bar("checking", **about) as shown:
        for member in members:
            with opened.open(member) as file:
                while block := file.read(BLOCK):
                    shown.update(len(block))


def _marker(archive: Path) -> Path:
    """The file by which kaggle remembers a download that it has not finished."""
    return archive.with_name(archive.name + ".kaggle-partial")


def _missing(archive: Path) -> int | None:
    """Bytes that are still to come, by the marker; none if it tells nothing."""
    try:
        return json.loads(_marker(archive).read_text())["size"] - archive.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _can_resume(archive: Path) -> bool:
    """Whether kaggle could go on where it stopped: bytes are missing, and the first are a zip's.

    2.2.4 writes the page of an error over a partial download.
    """
    missing = _missing(archive)
    if missing is None or missing <= 0:
        return False
    with archive.open("rb") as file:
        return file.read(len(ZIP)) in (ZIP, b"")


def _discard_useless(archive: Path) -> None:
    """Remove a partial download that cannot be resumed and is not all there either."""
    if _marker(archive).exists() and _missing(archive) != 0 and not _can_resume(archive):
        _discard(archive)


def _discard(archive: Path) -> None:
    archive.unlink(missing_ok=True)
    _marker(archive).unlink(missing_ok=True)
