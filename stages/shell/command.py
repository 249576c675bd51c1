"""A command whose help ends with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from stages.base import terminal

WIDEST = 80  # columns of a terminal, of which click leaves two free


class Formatter(click.HelpFormatter):
    """Help as click writes it, its headings in bold."""

    def write_heading(self, heading: str) -> None:
        """Write a heading, in bold on a terminal."""
        self.write(f"{'':{self.current_indent}}{terminal.heading(f'{heading}:')}\n")


class Context(click.Context):
    """Click's context, with our formatter."""

    formatter_class = Formatter


class Command(click.Command):
    """A command with examples: lines as one types them, and a word on what each is for."""

    context_class = Context

    def __init__(self, *args: Any, examples: Mapping[str, str], **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, below all else."""
        super().format_epilog(ctx, formatter)
        widest = max(map(len, self.examples))
        beside = [f"  $ {line:{widest}}  # {about}" for line, about in self.examples.items()]
        above = [f"  # {about}\n  $ {line}" for line, about in self.examples.items()]
        with formatter.section("Examples"):
            fits = max(map(len, beside)) <= WIDEST
            formatter.write("\n".join(beside if fits else above) + "\n")
