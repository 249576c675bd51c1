"""Snapshots: the weights at the end of each cycle (Huang et al. 2017; fastai's cycle_save_name).

Each cycle ends in a minimum of its own, and their predictions differ enough to be worth averaging.
fastai took a snapshot before a cycle's last batch; these are taken after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stages.base import paths, records
from stages.base.unfinished import Kept

if TYPE_CHECKING:  # torch, which a stage without fits has no need of
    from stages.model.checkpoint import Header
    from stages.model.network import Network

LIST = "cycles.csv"


def take(kept: Kept, header: Header, network: Network, epoch: int) -> None:
    """Keep the weights after `epoch` among the unfinished work."""
    if (kept.folder / file_of(epoch)).exists():
        return  # a run that was killed took it, to the same bytes
    from stages.model import checkpoint

    with kept.writing(file_of(epoch)) as part:
        checkpoint.write(part, header, checkpoint.tensors_of(network, header.trained))


def place(kept: Kept, fold: str, epochs: Sequence[int]) -> None:
    """Give those of the `epochs` their place among the outs, with a list of them."""
    folder = paths.snapshots(fold)
    for epoch in epochs:
        kept.place(file_of(epoch), folder / file_of(epoch))
    write_list(fold, epochs)


def write_list(fold: str, epochs: Sequence[int]) -> None:
    """Write which epochs there are snapshots of."""
    table = pd.DataFrame({"epoch": epochs}, dtype=int)
    records.write_table(paths.snapshots(fold) / LIST, table)


def file_of(epoch: int) -> str:
    """The checkpoint's name."""
    return f"epoch_{epoch}.safetensors"


def files(fold: str) -> list[Path]:
    """The checkpoints of a fold's snapshots, the last cycle's last."""
    folder = paths.snapshots(fold)
    return [folder / file_of(epoch) for epoch in pd.read_csv(folder / LIST)["epoch"]]
