"""The one kind of error that a user is meant to read."""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from stages.base import terminal

FULL = (errno.ENOSPC, errno.EDQUOT)
BARRED = (errno.EACCES, errno.EPERM, errno.EROFS)


class UserError(click.ClickException):
    """A user's mistake: one sentence with the remedy, exit status 1, no traceback.

    Anything else that goes wrong is our own bug and keeps its traceback.
    """

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on stderr, or into `file`."""
        stream = file or sys.stderr
        text = f"{terminal.bad('Error:')} {self.format_message()}"
        click.echo(terminal.wrapped(text, terminal.columns(stream)), file=stream)


class SettingsError(UserError):
    """A params file that cannot be used: one sentence a fault, exit status 2."""

    exit_code = 2


@contextmanager
def disk_told() -> Iterator[None]:
    """Tell in a sentence that the disk is full, or a file not for this user.

    Raises:
        UserError: the sentence.

    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                "the disk is full: free some space (`repodium clean` shows what may go), then run "
                "again to go on."
            ) from None
        if error.errno in BARRED and error.filename:
            raise UserError(
                f"{error.filename}: {error.strerror}; change that, or work in a folder of your own."
            ) from None
        raise


def some(names: Iterable[object]) -> str:
    """The first few of many names, for a sentence."""
    shown = [str(n) for n in names]
    return ", ".join(shown[:5]) + (f" ... {len(shown)} in all" if len(shown) > 5 else "")
