"""What the commands of all stages have in common.

A stage has one writer at a time: where DVC was killed, the process that it started may live on.
And what a machine does to a stage (its disk is full, somebody presses Ctrl-C) is told in a
sentence; what was kept is gone on with.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from stages.base import paths, unfinished
from stages.base.errors import UserError, disk_told

HELD = (errno.EACCES, errno.EAGAIN)


class Stage(click.Command):
    """The command of a stage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the fold from DVC where it is not given: no shell line is built from params."""
        fold = os.environ.get("DVC_STAGE", "").partition("@")[2]
        wanted = sum(isinstance(p, click.Argument) for p in self.params)
        return super().parse_args(ctx, [*args, fold] if fold and len(args) == wanted - 1 else args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the stage, alone."""
        name = address(**ctx.params, stage=self.name)
        with told(name), only_writer(name):
            unfinished.free_finished(name)
            return super().invoke(ctx)


def stage(name: str) -> Callable[[Callable], Stage]:
    """Make a function the command of a stage."""
    return click.command(name, cls=Stage)


def address(stage: str, fold: str | None = None, before: str | None = None) -> str:
    """A stage as DVC writes it: find_lr_head@0."""
    return unfinished.addressed(f"{stage}_{before}" if before else stage, fold)


@contextmanager
def only_writer(name: str) -> Iterator[None]:
    """Hold the stage's lock, which the system frees with the process, however that ends.

    Raises:
        UserError: a living process holds it.

    """
    path = paths.RUNNING / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # some network drives have no locks: then we do without
            if error.errno in HELD:
                raise _still_running(name, path.read_text()) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _still_running(name: str, process: str) -> UserError:
    return UserError(
        f"{name} still runs, as process {process}, though the `dvc repro` that started it is gone; "
        f"wait until it has ended, or stop it (kill {process}), then run again: nothing is lost."
    )


@contextmanager
def told(name: str) -> Iterator[None]:
    """Tell what the machine, not the code, brought upon a stage.

    Raises:
        UserError: the sentence.

    """
    try:
        with disk_told():
            yield
    except KeyboardInterrupt:
        raise UserError(f"{name} was interrupted; `dvc repro` goes on from there.") from None
