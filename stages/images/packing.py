"""Writing a pack (see images/pack.py), image by image, once and from the front to the back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from stages.base.growing import Growing
from stages.base.unfinished import Kept

BLOB = "images.bin"
INDEX = "index.csv"
UNREADABLE = "unreadable.csv"
COLUMNS = ["image", "offset", "bytes", "width", "height", "training"]


class Writer(Growing):
    """Writes a pack, image by image, among a stage's unfinished work."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept, BLOB, INDEX, UNREADABLE)
        for name, columns in ((INDEX, COLUMNS), (UNREADABLE, ["image", "fault"])):
            if not self.size(name):
                self._row(name, *columns)
        self.bytes = self.size(BLOB)
        self.images, self.unreadable = self._count(INDEX), self._count(UNREADABLE)

    def add(self, name: str, jpeg: bytes, width: int, height: int, *, training: bool) -> None:
        """Append an image, of the training images or not."""
        self.append(BLOB, jpeg)
        self._row(INDEX, name, self.bytes, len(jpeg), width, height, int(training))
        self.bytes += len(jpeg)
        self.images += 1
        self.after_step()

    def leave_out(self, name: str, fault: str) -> None:
        """Note an image that cannot be read, and why."""
        self._row(UNREADABLE, name, fault)
        self.unreadable += 1
        self.after_step()

    def _count(self, name: str) -> int:
        """Rows of a table, without its heading."""
        self.files[name].flush()
        with (self.kept.folder / name).open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1

    def _row(self, name: str, *cells: object) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        self.append(name, text.getvalue().encode())


def place(kept: Kept, folder: Path) -> None:
    """Give a finished pack its place."""
    for name in (BLOB, INDEX):
        kept.place(name, folder / name)
