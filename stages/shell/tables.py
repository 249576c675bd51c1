"""Tables for people: columns that align, also where characters are wide or the terminal narrow."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from stages.base import terminal

LEAST = 8  # to which a column is cut at most
LONGEST = 40  # a longer cell stands out of its column rather than move all others


def lines(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    cut: Collection[int] = (),
    gap: str = "  ",
) -> list[str]:
    """Rows, a line each, every column as wide as its widest cell, `gap` between two.

    The columns `right` hold numbers, which end in line; those of `cut` are shortened where stdout
    is a terminal that is too narrow. Cells of other columns may be coloured.
    """
    widths = [_widest(column) for column in zip(*rows, strict=True)]
    most = terminal.columns(sys.stdout)
    if most is not None and cut:
        rows, widths = _fitted(rows, most - len(gap) * (len(widths) - 1), cut)
    return [
        gap.join(
            _padded(cell, width, right=i in right)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _widest(cells: Sequence[str]) -> int:
    return max((w for w in map(terminal.width, cells) if w <= LONGEST), default=LONGEST)


def _fitted(
    rows: Sequence[Sequence[str]], most: int, cut: Collection[int]
) -> tuple[list[list[str]], list[int]]:
    """The rows with their longest cells shortened until lines fit, and the columns' widths."""
    widths = [max(map(terminal.width, column)) for column in zip(*rows, strict=True)]
    while sum(widths) > most:
        longest = max(cut, key=widths.__getitem__, default=None)
        if longest is None or widths[longest] <= LEAST:
            break  # nothing is left to be cut: the terminal breaks the lines
        widths[longest] -= 1
    short = [[shortened(c, w) for c, w in zip(row, widths, strict=True)] for row in rows]
    return short, widths


def shortened(text: str, most: int) -> str:
    """Text in at most so many columns of the terminal, what is left out told by an ellipsis."""
    if terminal.width(text) <= most:
        return text
    while terminal.width(text) > most - 1:
        text = text[:-1]
    return f"{text}…"


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - terminal.width(cell))
    return space + cell if right else cell + space
