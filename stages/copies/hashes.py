"""Perceptual hashes: 64 bits that hardly change when an image is resized, compressed or lit.

The DCT hash of pHash (Zauner, 2010): whether each of the 8x8 lowest frequencies of the grey image,
32x32, lies above their median. A hash of the mirrored image finds flips, those of crops find crops.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from stages.images.pack import Pack

SMALL, LOW = 32, 8
SIGNS = (-1.0) ** np.arange(LOW)  # a mirror turns the sign of every odd frequency
KEPT = 0.9  # of each side, in a crop
CROPS = [(0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]  # down, right
CHUNK = 256  # images that a thread takes at a time


def of_pack(pack: Pack, rows: Sequence[int]) -> np.ndarray:
    """Hashes (N, V) uint64 of the images in `rows`; see of_image."""
    chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV decodes outside Python's lock
        found = pool.map(lambda chunk: [of_image(pack.image(row)) for row in chunk], chunks)
        return np.array([h for part in found for h in part], np.uint64).reshape(-1, 2 + len(CROPS))


def of_image(pixels: np.ndarray) -> np.ndarray:
    """Hashes (V,) uint64 of an image (H, W, 3): plain, mirrored, and of its crops."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    plain = _frequencies(grey)
    crops = [_frequencies(_crop(grey, *where)) for where in CROPS]
    return np.array([_bits(low) for low in (plain, plain * SIGNS, *crops)], np.uint64)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many bits (P,) differ between images with hashes (P, V): any view of one, the other."""
    ways = np.concatenate([a ^ b[:, :1], b ^ a[:, :1]], axis=1)
    return np.bitwise_count(ways).min(axis=1)


def _frequencies(grey: np.ndarray) -> np.ndarray:
    """The lowest frequencies (LOW, LOW), whole numbers: a blank image has none but the first."""
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    return cv2.dct(small.astype(np.float32))[:LOW, :LOW].round()


def _bits(low: np.ndarray) -> np.uint64:
    return np.packbits(low > np.median(low)).view(np.uint64)[0]


def _crop(grey: np.ndarray, down: float, right: float) -> np.ndarray:
    """Ninety per cent of each side, from `down` and `right` of what is left over."""
    height, width = (max(1, round(side * KEPT)) for side in grey.shape)
    top, left = round((grey.shape[0] - height) * down), round((grey.shape[1] - width) * right)
    return grey[top : top + height, left : left + width]
