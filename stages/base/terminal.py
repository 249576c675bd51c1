"""How text looks on a terminal: colours, and lines that break between words.

A pipe gets plain text: `click.echo` takes the colours out, and nothing is broken for it.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import IO

import click

WORD = re.compile(r"(?:`[^`]*`|\S)+")  # a command between backquotes stays whole, to be copied
ESCAPE = "\x1b["
UNTOLD = 80  # columns

Paint = Callable[[str], str]


def painted(text: str, **look: object) -> str:
    """Text in a colour, but where the user wants none (https://no-color.org)."""
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if unwanted or not text.strip() else click.style(text, **look)


good: Paint = partial(painted, fg="green")
warning: Paint = partial(painted, fg="yellow")
bad: Paint = partial(painted, fg="red")
heading: Paint = partial(painted, bold=True)


def columns(stream: IO[str]) -> int | None:
    """How many columns a terminal has; None of a pipe or a file, whose lines may be of any length.

    A terminal that tells no width counts as one of 80.
    """
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNTOLD
    except (OSError, ValueError):
        return UNTOLD


def width(text: str) -> int:
    """The columns that text takes: colours none, accents none, and wide characters two."""
    plain = click.unstyle(text) if ESCAPE in text else text
    return len(plain) if plain.isascii() else sum(map(_width, plain))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # they change the one before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, most: int | None, indent: int = 0) -> str:
    """Text in lines of `most` columns, broken between words, for a place `indent` columns in.

    All lines but the first are indented so far. Its own lines stay, and a word that is too long
    runs over. Without `most` no line is broken.
    """
    lines = [part for line in text.split("\n") for part in _broken(line, most, indent)]
    return ("\n" + " " * indent).join(lines)


def say(text: str) -> None:
    """Print text for people on stdout, on a terminal broken between words."""
    click.echo(wrapped(text, columns(sys.stdout)))


def _broken(line: str, most: int | None, indent: int) -> list[str]:
    if most is None or indent + width(line) <= most:
        return [line]
    parts: list[str] = []
    for word in WORD.findall(line):
        if parts and indent + width(parts[-1]) + 1 + width(word) <= most:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
