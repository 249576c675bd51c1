"""One pack of all resized images: JPEGs end to end in one file, and an index.

    images.bin   the JPEGs, one after the other
    index.csv    image (its name in the archive), offset, bytes, width, height; sorted by image

Random access reads one image and decodes none of its neighbours; the file is memory-mapped, so
that any number of processes share it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from stages.records import whole

BLOB = "images.bin"
INDEX = "index.csv"
COLUMNS = ["image", "offset", "bytes", "width", "height"]


def write(folder: Path, images: Iterable[tuple[str, bytes, tuple[int, int]]]) -> pd.DataFrame:
    """Write (name, JPEG, (width, height)) in the order given, sequentially; returns the index."""
    rows, offset = [], 0
    with whole(folder / BLOB) as part, part.open("wb") as blob:
        for name, jpeg, (width, height) in images:
            blob.write(jpeg)
            rows.append((name, offset, len(jpeg), width, height))
            offset += len(jpeg)
    index = pd.DataFrame(rows, columns=COLUMNS)
    with whole(folder / INDEX) as part:
        index.to_csv(part, index=False, lineterminator="\n")
    return index


class Pack:
    """Read access to a pack, by row number of its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = pd.read_csv(folder / INDEX, dtype={"image": str}, keep_default_na=False)
        self.names: list[str] = list(self.index["image"])
        self._row = {name: row for row, name in enumerate(self.names)}
        self._offset = self.index["offset"].to_numpy()
        self._bytes = self.index["bytes"].to_numpy()
        self._blob = np.memmap(folder / BLOB, mode="r", dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[type[Pack], tuple[Path]]:
        return Pack, (self.folder,)  # a worker process maps the file itself

    def rows(self, images: Iterable[str]) -> np.ndarray:
        """Row numbers of images by name."""
        return np.array([self._row[name] for name in images], dtype=np.int64)

    def jpeg(self, row: int) -> np.ndarray:
        """The bytes of one JPEG, mapped, not copied."""
        start = self._offset[row]
        return self._blob[start : start + self._bytes[row]]

    def image(self, row: int) -> torch.Tensor:
        """One image, uint8 (3, H, W)."""
        pixels = np.array(Image.open(io.BytesIO(self.jpeg(row))))
        return torch.from_numpy(pixels).permute(2, 0, 1)
