"""The backbone's activations of every image, computed once.

The rows are kept by image name: fastai's cache was keyed by the architecture and the size alone,
so that another split of the same size silently paired activations with the wrong labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.base import records
from stages.base.unfinished import Kept

if TYPE_CHECKING:
    import torch

FEATURES = "features.npy"
INDEX = "index.csv"


def place(kept: Kept, folder: Path, names: Sequence[str]) -> None:
    """Give the finished activations (N, ..., F) their place, and write the image of each row."""
    kept.place(FEATURES, folder / FEATURES)
    write_index(folder, names)


def write_index(folder: Path, names: Sequence[str]) -> None:
    """Write the image of each row."""
    records.write_table(folder / INDEX, pd.DataFrame({"image": names}))


def read(images: Sequence[str], *folders: Path) -> torch.Tensor:
    """Activations (N, V, F) of the images named, in that order: the views of all folders.

    They may be most of the memory: each goes from its file straight to its place.
    """
    import torch  # seconds, that who only writes does without

    files = [_open(folder) for folder in folders]
    views = sum(array.shape[1] for array, _ in files)
    found, seen = torch.empty(len(images), views, files[0][0].shape[2]), 0
    for array, row in files:
        places = found.numpy()[:, seen : seen + array.shape[1]]
        for place, image in zip(places, images, strict=True):
            place[:] = array[row[image]]
        seen += array.shape[1]
    return found


def _open(folder: Path) -> tuple[np.ndarray, dict[str, int]]:
    """The file, as (N, V, F), and the row of each image."""
    names = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)["image"]
    array = np.load(folder / FEATURES, mmap_mode="r")
    return array.reshape(len(array), -1, array.shape[-1]), {name: i for i, name in enumerate(names)}
