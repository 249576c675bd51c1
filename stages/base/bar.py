"""Progress bars: all of one look, and none where nobody looks, in a pipe or in CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from tqdm import tqdm

from stages.base import terminal

LOOK = "{desc} |{bar}| {n_fmt}/{total_fmt}  {rate_noinv_fmt}  {elapsed}<{remaining}"
EVERY = 0.5  # seconds between two drawings
WIDEST = 120  # columns


def watched() -> bool:
    """Whether somebody looks: standard error is a terminal, and not that of a CI service.

    These set the variable CI (GitHub, GitLab, Travis, CircleCI, AppVeyor ...).
    """
    return sys.stderr.isatty() and os.environ.get("CI", "").lower() in ("", "0", "false")


class Bar(tqdm):
    """A bar on standard error, gone at the end; over `items`, or moved by `update`.

    `look` is a format of tqdm's, or makes one for so many columns whenever the bar is drawn.
    """

    monitor_interval = 0  # no thread that watches over it: every update looks at the clock

    def __init__(
        self,
        name: str,
        items: Iterable | None = None,
        *,
        look: str | Callable[[int], str] = LOOK,
        wanted: bool = True,
        **more: Any,
    ) -> None:
        self._look = look
        fixed = {"leave": False, "mininterval": EVERY, "miniters": 1, "ncols": 80, "nrows": 20}
        fixed["disable"] = not (wanted and watched())
        super().__init__(items, name, **({"unit": " images"} | more | fixed))

    @property
    def format_dict(self) -> dict[str, Any]:
        """What tqdm draws by."""
        width = min(WIDEST, terminal.columns(self.fp) or self.ncols)
        look = self._look(width) if callable(self._look) else self._look
        return super().format_dict | {"ncols": width, "bar_format": look}


def write(line: str) -> None:
    """Print a line, above the bar if there is one; it comes at once, also in a pipe."""
    with Bar.external_write_mode():
        click.echo(line)


def arrange(fields: Mapping[str, str], first_to_go: Iterable[str], width: int) -> str:
    """Join the fields that are not empty, leaving out the first to go while they are too wide.

    `{bar}` stands for the bar, which is at least five columns wide.
    """
    kept = {name: text for name, text in fields.items() if text}
    for name in first_to_go:
        if len(" ".join(kept.values())) <= width:
            break
        kept.pop(name, None)
    return " ".join(kept.values())[:width]
