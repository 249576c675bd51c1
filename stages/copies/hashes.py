"""What an image looks like, in 64 bits that hardly change when it is resized, compressed or lit.

The DCT hash of pHash (Zauner, 2010): whether each of the 8x8 lowest frequencies of the grey image,
32x32, lies above their median. A hash of the mirrored image finds flips, those of crops find crops;
the mean colour tells flags and buttons apart that are alike in grey.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from stages.images.pack import Pack

SMALL, LOW = 32, 8
SIGNS = (-1.0) ** np.arange(LOW)  # a mirror turns the sign of every odd frequency
KEPT = 0.9  # of each side, in a crop
CROPS = [(0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]  # down, right
VIEWS = 2 + len(CROPS)
COLOUR = 13  # of 255, how far the mean colours of two copies lie apart at the most
FAR = 65  # bits between images of different colours
CHUNK = 256  # images that a thread takes at a time


@dataclass(frozen=True)
class Looks:
    """What N images look like."""

    bits: np.ndarray
    """Hashes (N, V) uint64 of the plain image, the mirrored one, and crops."""
    colours: np.ndarray
    """Mean colours (N, 2), red and blue against grey."""

    def at(self, numbers: np.ndarray) -> Self:
        """Those of some of the images."""
        return type(self)(self.bits[numbers], self.colours[numbers])


def of_pack(pack: Pack, rows: np.ndarray) -> Looks:
    """What the images in `rows` look like."""
    chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV decodes outside Python's lock
        done = pool.map(lambda chunk: [of_image(pack.image(row)) for row in chunk], chunks)
        found = [one for part in done for one in part]
    bits = np.array([bits for bits, _ in found], np.uint64).reshape(-1, VIEWS)
    return Looks(bits, np.array([colour for _, colour in found]).reshape(-1, 2))


def of_image(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes (V,) uint64 and mean colour (2,) of an image (H, W, 3)."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    plain = _frequencies(grey)
    crops = [_frequencies(_crop(grey, *where)) for where in CROPS]
    bits = [_bits(low) for low in (plain, plain * SIGNS, *crops)]
    mean = np.array([[cv2.mean(pixels)[:3]]], np.float32)
    return np.array(bits, np.uint64), cv2.cvtColor(mean, cv2.COLOR_RGB2YCrCb)[0, 0, 1:]


def distances(a: Looks, b: Looks) -> np.ndarray:
    """How many bits (P,) differ between any view of one image and the other, or else FAR."""
    ways = np.concatenate([a.bits ^ b.bits[:, :1], b.bits ^ a.bits[:, :1]], axis=1)
    bits = np.bitwise_count(ways).min(axis=1)
    return np.where(np.linalg.norm(a.colours - b.colours, axis=1) <= COLOUR, bits, FAR)


def _frequencies(grey: np.ndarray) -> np.ndarray:
    """The lowest frequencies (LOW, LOW), whole numbers: a blank image has none but the first."""
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    return cv2.dct(small.astype(np.float32))[:LOW, :LOW].round()


def _bits(low: np.ndarray) -> np.uint64:
    return np.packbits(low > np.median(low)).view(np.uint64)[0]


def _crop(grey: np.ndarray, down: float, right: float) -> np.ndarray:
    """Nine tenths of each side, from `down` and `right` of what is left over."""
    height, width = (max(1, round(side * KEPT)) for side in grey.shape)
    top, left = round((grey.shape[0] - height) * down), round((grey.shape[1] - width) * right)
    return grey[top : top + height, left : left + width]
