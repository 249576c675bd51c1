"""One pack of all resized images: JPEGs end to end in one file, and an index.

    images.bin   the JPEGs, one after the other
    index.csv    image (its name in the archive), offset, bytes, width, height; sorted by image

Random access reads one image and decodes none of its neighbours, from any number of processes.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from stages.resume.growing import Growing
from stages.resume.unfinished import Kept

BLOB = "images.bin"
INDEX = "index.csv"
UNREADABLE = "unreadable.csv"
COLUMNS = ["image", "offset", "bytes", "width", "height"]


class Writer(Growing):
    """Writes a pack, image by image, among a stage's unfinished work."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept, BLOB, INDEX, UNREADABLE)
        for name, columns in ((INDEX, COLUMNS), (UNREADABLE, ["image", "fault"])):
            if not self.size(name):
                self._row(name, *columns)
        self.bytes = self.size(BLOB)
        self.images, self.unreadable = self._count(INDEX), self._count(UNREADABLE)

    def add(self, name: str, jpeg: bytes, width: int, height: int) -> None:
        """Append an image."""
        self.append(BLOB, jpeg)
        self._row(INDEX, name, self.bytes, len(jpeg), width, height)
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


class Pack:
    """Read access to a pack, by row number of its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = pd.read_csv(folder / INDEX, dtype={"image": str}, keep_default_na=False)
        self.names: list[str] = list(self.index["image"])
        self._row = {name: row for row, name in enumerate(self.names)}
        self._offset = self.index["offset"].to_numpy()
        self._bytes = self.index["bytes"].to_numpy()
        self._blob = os.open(folder / BLOB, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[type[Pack], tuple[Path]]:
        return Pack, (self.folder,)  # a worker process opens the file itself

    def __del__(self) -> None:
        os.close(self._blob)

    def rows(self, images: Iterable[str]) -> np.ndarray:
        """Row numbers of images by name."""
        return np.array([self._row[name] for name in images], dtype=np.int64)

    def jpeg(self, row: int) -> bytes:
        """The bytes of one JPEG."""
        return os.pread(self._blob, self._bytes[row], self._offset[row])

    def image(self, row: int) -> torch.Tensor:
        """One image, uint8 (3, H, W)."""
        pixels = np.array(Image.open(io.BytesIO(self.jpeg(row))))
        return torch.from_numpy(pixels).permute(2, 0, 1)
