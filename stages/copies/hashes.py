"""What an image looks like, in 64 bits that hardly change when it is resized, compressed or lit.

The DCT hash of pHash (Zauner, 2010): whether each of the 8x8 lowest frequencies of the grey image,
32x32, lies above their median. A hash of the mirrored image finds flips, those of crops find crops;
the mean colour tells flags and buttons apart that are alike in grey.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from stages.base.bar import Bar
from stages.images.pack import Pack

SMALL, LOW = 32, 8
SIGNS = (-1.0) ** np.arange(LOW)  # a mirror turns the sign of every odd frequency
KEPT = 0.9  # of each side, in a crop
CROPS = [(0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]  # down, right
VIEWS = 2 + len(CROPS)
COLOUR = 13  # of 255, how far the mean colours of two copies lie apart at the most
FAR = 65  # bits between images of different colours
ENOUGH = 64  # pixels of the shorter side that an image need have here
CHUNK = 64  # images that a thread takes at a time


@dataclass(frozen=True)
class Looks:
    """What N images look like."""

    bits: np.ndarray
    """Hashes (N, V) uint64 of the plain image, the mirrored one, and crops."""
    colours: np.ndarray
    """Mean colours (N, 2), red and blue against grey."""


def of_pack(pack: Pack, rows: np.ndarray) -> Looks:
    """What the images in `rows` look like."""
    bits, colours = np.empty((len(rows), VIEWS), np.uint64), np.empty((len(rows), 2))

    def look(chunk: slice) -> int:
        images = [pack.image(row, ENOUGH) for row in rows[chunk]]
        bits[chunk], colours[chunk] = hashed(images), coloured(images)
        return len(images)

    chunks = [slice(i, i + CHUNK) for i in range(0, len(rows), CHUNK)]
    bar = Bar("duplicates", total=len(rows))
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV works outside Python's lock
        for done in pool.map(look, chunks):
            bar.update(done)
    return Looks(bits, colours)


def hashed(images: Sequence[np.ndarray]) -> np.ndarray:
    """Hashes (B, V) uint64 of images, each (H, W, 3)."""
    low = np.array([_frequencies(image) for image in images])
    above = low > np.median(low, axis=(2, 3), keepdims=True)
    return np.packbits(above.reshape(-1, VIEWS, LOW * LOW), axis=2).view(np.uint64)[..., 0]


def coloured(images: Sequence[np.ndarray]) -> np.ndarray:
    """Mean colours (B, 2) of images, each (H, W, 3)."""
    means = np.array([[cv2.mean(image)[:3] for image in images]], np.float32)
    return cv2.cvtColor(means, cv2.COLOR_RGB2YCrCb)[0, :, 1:]


def distances(looks: Looks, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many bits (P,) differ between any view of one image and the other, or else FAR."""
    found = np.full(len(a), FAR)
    apart = looks.colours[a] - looks.colours[b]
    near = np.flatnonzero((apart**2).sum(axis=1) <= COLOUR**2)
    one, other = looks.bits[a[near]], looks.bits[b[near]]
    ways = np.concatenate([one ^ other[:, :1], other ^ one[:, :1]], axis=1)
    found[near] = np.bitwise_count(ways).min(axis=1)
    return found


def _frequencies(image: np.ndarray) -> list[np.ndarray]:
    """The lowest frequencies (LOW, LOW) of each view."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    plain = _lowest(grey)
    return [plain, plain * SIGNS, *(_lowest(_crop(grey, *where)) for where in CROPS)]


def _lowest(grey: np.ndarray) -> np.ndarray:
    """The lowest frequencies (LOW, LOW), whole numbers: a blank image has none but the first."""
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    return cv2.dct(small.astype(np.float32))[:LOW, :LOW].round()


def _crop(grey: np.ndarray, down: float, right: float) -> np.ndarray:
    """Nine tenths of each side, from `down` and `right` of what is left over."""
    height, width = (max(1, round(side * KEPT)) for side in grey.shape)
    top, left = round((grey.shape[0] - height) * down), round((grey.shape[1] - width) * right)
    return grey[top : top + height, left : left + width]
