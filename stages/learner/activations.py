"""The backbone's activations of every image, computed once.

The rows are kept by image name: fastai's cache was keyed by the architecture and the size alone,
so that another split of the same size silently paired activations with the wrong labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.records import whole

FEATURES = "features.npy"
INDEX = "index.csv"


def write(folder: Path, names: Sequence[str], batches: Iterable[torch.Tensor], width: int) -> None:
    """Write activations (N, width) fp32 batch by batch, and the image of each row."""
    with whole(folder / FEATURES) as part:
        array = np.lib.format.open_memmap(part, "w+", np.float32, (len(names), width))
        start = 0
        for batch in batches:
            array[start : start + len(batch)] = batch.cpu().numpy()
            start += len(batch)
        array.flush()
    with whole(folder / INDEX) as part:
        pd.DataFrame({"image": names}).to_csv(part, index=False, lineterminator="\n")


def read(folder: Path, images: Iterable[str]) -> torch.Tensor:
    """Activations (N, F) of the images named, in that order."""
    names = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)["image"]
    row = {name: i for i, name in enumerate(names)}
    array = np.load(folder / FEATURES, mmap_mode="r")
    return torch.from_numpy(array[[row[image] for image in images]])
