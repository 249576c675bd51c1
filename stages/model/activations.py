"""The backbone's activations of every image, computed once.

The rows are kept by image name: fastai's cache was keyed by the architecture and the size alone,
so that another split of the same size silently paired activations with the wrong labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def read(folder: Path, images: Iterable[str]) -> torch.Tensor:
    """Activations (N, ..., F) of the images named, in that order."""
    names = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)["image"]
    row = {name: i for i, name in enumerate(names)}
    array = np.load(folder / FEATURES, mmap_mode="r")
    import torch  # seconds, that who only writes does without

    return torch.from_numpy(array[[row[image] for image in images]])
