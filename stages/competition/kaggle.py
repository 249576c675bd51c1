"""Downloading through the real `kaggle` command, which exits 0 on many failures.

What counts is what it left behind: a file, no `.kaggle-partial` beside it, and a whole archive.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from stages.errors import UserError

RULES = "https://www.kaggle.com/competitions/{slug}/rules"
REMEDIES = {
    "accept this competition": "accept the competition's rules at {rules}, then run again",
    "403": "accept the competition's rules at {rules}, then run again",
    "404": "check competition.slug: kaggle knows no competition {slug!r}",
    "not found": "check competition.slug: kaggle knows no competition {slug!r}",
    "401": "kaggle does not accept your token: make a new one at https://www.kaggle.com/settings",
    "authenticate": (
        "kaggle has no token: make one at https://www.kaggle.com/settings and put it into "
        "~/.kaggle/access_token, or set KAGGLE_API_TOKEN"
    ),
    "429": "kaggle asks for patience: wait some minutes, then run again",
    "too many requests": "kaggle asks for patience: wait some minutes, then run again",
}


def download(slug: str, folder: Path) -> Path:
    """Download a competition's archive into `folder` and return its path.

    A download that was cut short is resumed by the next call.

    Raises:
        UserError: one sentence with the remedy.

    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{slug}.zip"
    command = ["kaggle", "competitions", "download", slug, "-p", str(folder)]
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise UserError("the command `kaggle` is not on PATH; activate the environment.") from None
    if ran.returncode or not _is_whole(archive):
        raise UserError(f"download of {slug} failed: {_remedy(ran.stdout, slug)}.")
    return archive


def _is_whole(archive: Path) -> bool:
    partial = archive.with_name(archive.name + ".kaggle-partial")
    if partial.exists() or not archive.exists():
        return False
    try:
        return zipfile.ZipFile(archive).testzip() is None
    except zipfile.BadZipFile:
        return False


def _remedy(output: str, slug: str) -> str:
    for sign, remedy in REMEDIES.items():
        if sign in output.lower():
            return remedy.format(slug=slug, rules=RULES.format(slug=slug))
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = lines[-1].rstrip(".") if lines else "it said nothing"
    return f"no whole archive arrived (kaggle said: {said}); run again to resume"
