"""Images that look alike: their activations point the same way and their hashes hardly differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd

from stages.copies import hashes

TILE, STRIP = 2048, 128  # images that are in memory, and of these compared, with a TILE at a time
MOST = 50  # copies of an image in a tile; more are a crowd, which the first of them join as well
COLUMNS = ["a", "b", "cosine", "distance"]
TINY = 1e-12


class Limits(Protocol):
    """The `duplicates` group of params.yaml."""

    cosine: float
    distance: int


def pairs(
    features: np.ndarray, rows: np.ndarray, looks: hashes.Looks, limits: Limits
) -> pd.DataFrame:
    """Pairs of alike images: a < b, their numbers; cosine; distance.

    Activations (M, F), which may lie in a file, and the rows (N,) of them that the images are;
    what they look like.
    """
    found = [
        alike
        for candidates in _candidates(features, rows, limits.cosine)
        if len(alike := _alike(*candidates, looks, limits))
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def _alike(
    a: np.ndarray, b: np.ndarray, cosine: np.ndarray, looks: hashes.Looks, limits: Limits
) -> pd.DataFrame:
    """Those of candidates (P,) that look alike enough for their cosine."""
    distance = hashes.distances(looks.at(a), looks.at(b)).astype(int)
    table = pd.DataFrame(dict(zip(COLUMNS, (a, b, cosine, distance), strict=True)))
    return table[distance <= most_bits(cosine, limits)].groupby("a").head(MOST)


def most_bits(cosine: np.ndarray, limits: Limits) -> np.ndarray:
    """How many bits of a hash may differ at a cosine: none at the least, `distance` at 1.

    An enlarged thumbnail has the same hash but softer activations, a crop the other way round: one
    limit for both would let in whatever is a little alike in both.
    """
    return limits.distance * (cosine - limits.cosine) / (1 - limits.cosine)


def _candidates(
    features: np.ndarray, rows: np.ndarray, least: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images a < b (P,) whose cosine (P,) is at least so much, strip by strip.

    Memory does not grow with the set, whatever part of it is alike.
    """
    mean = _mean(features, rows)
    for i in range(0, len(rows), TILE):
        first = _directions(features[rows[i : i + TILE]], mean)
        for j in range(i, len(rows), TILE):
            second = first if i == j else _directions(features[rows[j : j + TILE]], mean)
            for k in range(0, len(first), STRIP):
                cosine = first[k : k + STRIP] @ second.T
                near = np.triu(cosine >= least, k + 1) if i == j else cosine >= least
                a, b = np.nonzero(near)
                yield a + i + k, b + j, cosine[a, b].astype(np.float64).round(4)


def _mean(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The mean activations (F,): what all images have in common makes none of them alike."""
    total = np.zeros(features.shape[1])
    for i in range(0, len(rows), TILE):
        total += features[rows[i : i + TILE]].sum(axis=0, dtype=np.float64)
    return total / max(1, len(rows))


def _directions(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Activations (B, F) less their mean, each of length 1."""
    apart = (features - mean).astype(np.float32)
    return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), TINY)
