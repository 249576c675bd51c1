"""A terminal of our own, for what is shown on a terminal alone."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.project import ROOT

RUN = "import sys; sys.argv[0] = 'repodium'; from stages.cli import main; main()"


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `repodium` into `folder`, and that on PATH: the code of this checkout."""
    script = folder / "repodium"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{RUN}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def piped(*words: str) -> str:
    """What the same writes into a pipe, errors too."""
    process = subprocess.run(
        [sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip
    return process.stdout


def shown(*words: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """What `repodium` with these words shows on a terminal, and its exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *words], stdin=theirs, stdout=theirs, stderr=theirs,
        env=env | {"TERM": "xterm", "PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    return process.wait(), said.decode().replace("\r\n", "\n")


def _read(file: int) -> bytes:
    try:
        return os.read(file, 2**16)
    except OSError:  # the other end is closed: how Linux says it
        return b""
