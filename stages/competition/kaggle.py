"""The `kaggle` command, run as a process, and what the things that it says mean.

Its exit status is 0 on many failures: whoever runs it looks at what it left behind. Facts of
kaggle 2.2.4 and 2.2.5, from their source.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import IO

import click

from stages.base.errors import UserError

SILENCE = 600.0  # seconds without a sign of life, after which it is stopped: it has no timeout
LONGEST = 500  # characters of what it said that stand in a sentence
RULES = "https://www.kaggle.com/competitions/{slug}/rules"
ACCEPT = "accept the competition's rules at {rules}, then run again"
TOKEN = (
    "`kaggle` found no token that it accepts; make one at https://www.kaggle.com/settings and put "
    "it into ~/.kaggle/access_token, or set KAGGLE_API_TOKEN (an older key: ~/.kaggle/kaggle.json, "
    "or KAGGLE_USERNAME and KAGGLE_KEY), or run `kaggle auth login`"
)
NETWORK = "Kaggle could not be reached, or was lost on the way; look to the network, then run again"


@dataclass(frozen=True)
class Fault:
    """What can go wrong: the words by which kaggle tells, and the remedy."""

    sign: str
    """A pattern of lower-case text."""
    remedy: str
    passes: bool = False
    """Whether it may be over in a minute or two, by itself."""


FAULTS = (
    Fault(
        r"no space left|quota exceeded",
        "the disk is full; free some space, then run again to resume",
    ),
    Fault(
        r"\[errno (13|30)\]", "`kaggle` may not write there; change the permissions, then run again"
    ),
    Fault(r"user cancelled", "it was interrupted; run again to go on where it stopped"),
    Fault(r"accept this competition", ACCEPT),
    Fault(
        r"403 client error|permission \S+ was denied",
        f"{ACCEPT}; if there is no such page, check competition.slug",
    ),
    Fault(
        r"404 client error|not found",
        "Kaggle knows no competition {slug!r}; check competition.slug",
    ),
    Fault(r"authentication required|401 client error|unauthenticated", TOKEN),
    Fault(
        r"429 client error|too many requests",
        "Kaggle asks for patience; wait some minutes, then run again",
        passes=True,
    ),
    Fault(
        r"5\d\d server error|internal server error|service unavailable|bad gateway",
        "Kaggle has trouble of its own; run again later",
        passes=True,
    ),
    Fault(
        r"max retries exceeded|connection ?(aborted|broken|error|refused|reset)|timed out"
        r"|remote ?(end closed|disconnected)|incompleteread|invalidchunklength",
        NETWORK,
        passes=True,
    ),
)
SECRET = re.compile(
    r"(?<=bearer )[^'\"\n]+|(?<=basic )[^'\"\n]+|\?[^\s?=]*=[^\s'\")]+", re.IGNORECASE
)


@dataclass(frozen=True)
class Answer:
    """What one run of the command said."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All of it, fit to be quoted: without tokens, keys and signatures of addresses."""
        text = self.out + self.err
        for name, value in os.environ.items():
            if name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_TOKEN") and len(value) > 7:
                text = text.replace(value, "...")
        return SECRET.sub("...", text)


def run(*words: str, show: bool = False) -> Answer:
    """Run `kaggle` with these words; `show` passes its progress bar on as it comes.

    Raises:
        UserError: there is no such command.

    """
    try:
        with tempfile.TemporaryFile() as out, subprocess.Popen(
            ["kaggle", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE
        ) as process:  # fmt: skip
            try:
                err = _listen(process, show)
            except BaseException:
                process.kill()
                raise
            out.seek(0)
            return Answer(process.wait(), out.read().decode(errors="replace"), err)
    except (FileNotFoundError, PermissionError):
        raise UserError("the command `kaggle` is not on PATH; activate the environment.") from None


def _listen(process: subprocess.Popen[bytes], show: bool) -> str:
    """What a process says on stderr until its end, which comes when it is silent for too long."""
    heard, shown, chunks = b"", False, queue.SimpleQueue()
    threading.Thread(target=_queue, args=(process.stderr, chunks), daemon=True).start()
    try:
        while chunk := chunks.get(timeout=SILENCE):
            heard += chunk
            bars = re.findall(rb"\r[^\r\n]*", chunk) if show else []
            click.echo(b"".join(bars), err=True, nl=False)
            shown = shown or bool(bars)
    except queue.Empty:
        process.kill()
        heard += f"\nthe connection timed out: nothing came for {SILENCE:g} s".encode()
    finally:
        click.echo("\n" * shown, err=True, nl=False)  # below the bar
    return heard.decode(errors="replace")


def _queue(stream: IO[bytes], chunks: queue.SimpleQueue[bytes]) -> None:
    """Queue what comes, as it comes; an empty chunk is the end."""
    while chunk := stream.read1():
        chunks.put(chunk)
    chunks.put(b"")


def foreseen(said: str) -> Fault | None:
    """What kaggle said went wrong; none if nobody foresaw it."""
    return next((one for one in FAULTS if re.search(one.sign, said.lower())), None)


def explain(said: str, slug: str) -> str | None:
    """The remedy for what kaggle said, one clause; none if nobody foresaw it."""
    found = foreseen(said)
    return found.remedy.format(slug=slug, rules=RULES.format(slug=slug)) if found else None


def quoted(said: str) -> str:
    """The last line of what kaggle said, to stand in a sentence."""
    plain = ("".join(filter(str.isprintable, line)).strip() for line in said.splitlines())
    lines = [line for line in plain if line]
    return lines[-1][:LONGEST].rstrip(".") if lines else "nothing"
