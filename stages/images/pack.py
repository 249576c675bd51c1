"""One pack of all resized images: JPEGs end to end in one file, and an index.

    images.bin   the JPEGs, one after the other
    index.csv    image (its name in the archive), offset, bytes, width, height, whether it is a
                 training image (1 or 0); sorted by image

Random access reads one image and decodes none of its neighbours, from any number of threads.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from stages.images import decoding
from stages.images.packing import BLOB, INDEX


class Pack:
    """Read access to a pack, by row number of its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = pd.read_csv(folder / INDEX, dtype={"image": str}, keep_default_na=False)
        self.names: list[str] = list(self.index["image"])
        self._row = {name: row for row, name in enumerate(self.names)}
        self._offset = self.index["offset"].to_numpy()
        self._bytes = self.index["bytes"].to_numpy()
        self._shorter_side = self.index[["width", "height"]].to_numpy().min(axis=1)
        self._blob = os.open(folder / BLOB, os.O_RDONLY)
        weakref.finalize(self, os.close, self._blob)

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, images: Iterable[str]) -> np.ndarray:
        """Row numbers of images by name."""
        return np.array([self._row[name] for name in images], dtype=np.int64)

    @property
    def training(self) -> np.ndarray:
        """Row numbers of the training images."""
        return np.flatnonzero(self.index["training"])

    def jpeg(self, row: int) -> bytes:
        """The bytes of one JPEG."""
        return os.pread(self._blob, self._bytes[row], self._offset[row])

    def image(self, row: int, at_least: int | None = None) -> np.ndarray:
        """One image, uint8 (H, W, 3); smaller where a shorter side of `at_least` is enough.

        Raises:
            OSError: its bytes are no JPEG any more.

        """
        how = decoding.in_colour(self._shorter_side[row], at_least)
        pixels = cv2.imdecode(np.frombuffer(self.jpeg(row), np.uint8), how)
        if pixels is None:
            raise OSError(f"{self.folder / BLOB} is damaged at {self.names[row]}")
        return pixels
