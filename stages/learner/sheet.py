"""The views of an image that training and prediction see, by the code that makes their batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from stages.base.errors import UserError, some
from stages.base.settings import Settings
from stages.images.loading import ManyViews, load
from stages.images.pack import Pack
from stages.learner import plan, tta

MOST = 7  # views a line
SHOWN = 3  # images, if none is named


@dataclass(frozen=True)
class Line:
    """Views at one size, by the names from which their randomness is drawn; "" is the plain one."""

    about: str
    size: int
    names: list[str]

    def pixels(self, pack: Pack, image: str, s: Settings) -> np.ndarray:
        """Of an image, uint8 (V, size, size, 3)."""
        views = ManyViews(pack, pack.rows([image]), self.size, s.transforms, s.seed, self.names)
        [(batch, _)] = load(views, [[0]], workers=1)
        return batch[0].movedim(1, -1).numpy()


def lines(s: Settings) -> Iterator[Line]:
    """Of each size the plain view and those of its first epochs; then the views of TTA."""
    fits, by_size = plan.entries(s), defaultdict(list)
    for fit in fits:
        by_size[fit.image_size] += _of_head(s) if fit.stage == "head" else fit.names
    for size, names in by_size.items():
        yield Line(f"{size} px", size, list(dict.fromkeys(["", *names]))[:MOST])
    last = fits[-1].image_size if fits else s.head.image_size
    yield Line(f"{last} px, TTA", last, tta.names(s.tta.augmented)[:MOST])


def _of_head(s: Settings) -> list[str]:
    """The views, beside the plain one, whose activations the head trains on."""
    return [f"head_views/{i}" for i in range(1, s.head.views)]


def chosen(pack: Pack, wanted: Sequence[str]) -> list[str]:
    """The names of training images, wanted by name or by id; a few if none is wanted.

    Raises:
        UserError: there is no such image, or there are several.

    """
    names = [pack.names[row] for row in pack.training]
    if not wanted:
        return names[:: max(1, len(names) // SHOWN)][:SHOWN]
    return [_one(name, names) for name in wanted]


def _one(wanted: str, names: Sequence[str]) -> str:
    if wanted in names:
        return wanted
    paths = map(PurePosixPath, names)
    found = [str(path) for path in paths if wanted in (path.name, path.stem)]
    if not found:
        raise UserError(f"there is no training image {wanted}; there are {some(names)}.")
    if len(found) > 1:
        raise UserError(f"{wanted} may be any of {some(found)}; name it in full.")
    return found[0]
