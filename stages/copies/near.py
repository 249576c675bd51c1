"""Images that look alike: their activations point the same way and their hashes hardly differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stages.base.bar import Bar
from stages.base.settings import Duplicates
from stages.copies import hashes
from stages.copies.directions import Directions

STRIP, TILE = 256, 2048  # images that are compared at once, and with how many, no fewer
MOST = 50  # pairs of an image with others that have as many
COLUMNS = ["a", "b", "cosine", "distance"]
ROUNDING = 1e-4  # of a bound, in fp32


def pairs(
    features: np.ndarray, rows: np.ndarray, looks: hashes.Looks, limits: Duplicates
) -> pd.DataFrame:
    """Pairs of alike images: a < b, their numbers; cosine; distance.

    Activations (M, F), which may lie in a file, and the rows (N,) of them that the images are;
    what they look like.
    """
    directions = Directions(features, rows)
    listed = np.zeros(len(rows), dtype=int)
    found = [
        _few(alike, listed)
        for candidates in _candidates(directions.sketches, limits.cosine)
        if len(alike := _alike(*candidates, directions, looks, limits))
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def _alike(
    a: np.ndarray, b: np.ndarray, bound: np.ndarray, directions: Directions, looks: hashes.Looks,
    limits: Duplicates,
) -> pd.DataFrame:  # fmt: skip
    """Those of candidates (P,) that look alike enough for their cosine.

    For its bound few do, so that only theirs are asked for.
    """
    distance = hashes.distances(looks, a, b)
    kept = np.flatnonzero(distance <= most_bits(bound, limits))
    a, b, distance = a[kept], b[kept], distance[kept]
    cosine = directions.cosines(a, b).round(4)
    table = pd.DataFrame(dict(zip(COLUMNS, (a, b, cosine, distance), strict=True)))
    return table[(cosine >= limits.cosine) & (distance <= most_bits(cosine, limits))]


def _few(table: pd.DataFrame, listed: np.ndarray) -> pd.DataFrame:
    """The pairs without those of two images that both have MOST already.

    Of a crowd, which has a pair for every two, the first images are paired with all others, which
    links them all the same.
    `listed` (N,) counts the pairs of each image, these too from now on.
    """
    wanted = [table.groupby(end).cumcount() + listed[table[end]] < MOST for end in "ab"]
    kept = table[wanted[0] | wanted[1]]
    for end in "ab":
        np.add.at(listed, kept[end], 1)
    return kept


def most_bits(cosine: np.ndarray, limits: Duplicates) -> np.ndarray:
    """How many bits of a hash may differ at a cosine: none at the least, `distance` at 1.

    An enlarged thumbnail has the same hash but softer activations, a crop the other way round: one
    limit for both would let in whatever is a little alike in both.
    """
    return limits.distance * (cosine - limits.cosine) / (1 - limits.cosine)


def _candidates(
    sketches: np.ndarray, least: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images a < b (P,) whose cosine may be at least so much, and a bound of it, strip by strip."""
    count = len(sketches)
    strips = [(i, j) for i in range(0, count, STRIP) for j in range(i, count, TILE)]
    with Bar("duplicates", total=len(strips) * STRIP * TILE, unit=" pairs", unit_scale=True) as bar:
        for i, j in strips:
            bound = sketches[i : i + STRIP] @ sketches[j : j + TILE].T + np.float32(ROUNDING)
            near = bound >= least
            flat = np.flatnonzero(np.triu(near, 1) if i == j else near)  # faster than in the plane
            a, b = np.divmod(flat, near.shape[1])
            yield a + i, b + j, bound.ravel()[flat]
            bar.update(STRIP * TILE)
