"""What the network sees of an image: the plain view, and augmented views, as one warp.

fastai 0.7 scaled, rotated, lit, mirrored and cropped an image in turn, each step interpolating
the last. Here the same steps are composed into one affine map and the pixels are interpolated
once. The plain view is the same map with nothing drawn: shorter side exactly `size`, centre crop.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from stages.base.settings import Transforms
from stages.images.decoding import scaled_size

P_ROTATE = P_ZOOM = 0.75
P_FLIP = 0.5


@dataclass(frozen=True)
class Draw:
    """The random choices behind one view, in fastai's order; the defaults are the plain view."""

    zoom: float = 1.0
    angle: float = 0.0  # degrees
    brightness: float = 0.0
    contrast: float = 1.0
    turns: int = 0  # quarter turns
    flip: bool = False
    down: float | None = None  # where the crop lies, 0 to 1; None is the centre
    right: float | None = None


PLAIN = Draw()


def generator(*key: object) -> np.random.Generator:
    """A random generator that depends on `key` alone: (seed, stage, epoch, image) for a view."""
    text = "/".join(map(str, key)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest()))


def draw(rng: np.random.Generator, transforms: Transforms) -> Draw:
    """Draw one augmented view: fastai's probabilities and ranges.

    zoom U(1, max_zoom) and rotation U(-rotate, rotate) with probability 0.75 each; brightness
    b ~ U(-l, l), contrast 1 + c or 1 / (1 - c) with c ~ U(-l, l), always (until January 2018
    fastai's were not random); the mirror or the dihedral; a crop at random. The same number of
    draws whatever the settings, so that one changed setting leaves the other choices alone.
    """
    u = rng.random(10)
    kind = transforms.augment
    zoom = 1 + u[1] * (transforms.max_zoom - 1) if u[0] < P_ZOOM else 1.0
    if kind == "none":
        return Draw(zoom=zoom, down=u[8], right=u[9])
    contrast = (2 * u[5] - 1) * transforms.lighting
    return Draw(
        zoom=zoom,
        angle=(2 * u[3] - 1) * transforms.rotate if u[2] < P_ROTATE else 0.0,
        brightness=(2 * u[4] - 1) * transforms.lighting,
        contrast=1 + contrast if contrast >= 0 else 1 / (1 - contrast),
        turns=int(u[6] * 4) if kind == "top_down" else 0,
        flip=kind in ("side_on", "top_down") and u[7] < P_FLIP,
        down=u[8],
        right=u[9],
    )


def view(
    image: np.ndarray, size: int, drawn: Draw = PLAIN, out: np.ndarray | None = None
) -> np.ndarray:
    """One view, uint8 (size, size, 3), of an image, uint8 (H, W, 3); in `out`, if that is given."""
    height, width = image.shape[:2]
    block = max(1, min(height, width) // int(drawn.zoom * size))
    to_image = mapping(width, height, size, drawn)
    to_source = _between_centres(_affine(1 / block, 1 / block, 0, 0) @ to_image)
    warped = _warped(_reduced(image, block), to_source, size, out)
    return _lit(warped, image, drawn)


def mapping(width: int, height: int, size: int, drawn: Draw) -> np.ndarray:
    """The affine map (3, 3) from pixel positions in a view to those in the image, edges at 0.

    Read from the right: place the crop, undo the mirror, the quarter turns and the rotation
    (about fastai's centre, (W // 2, H // 2)), undo the scaling.
    """
    w, h = scaled_size(width, height, int(drawn.zoom * size))
    turned_w, turned_h = (h, w) if drawn.turns % 2 else (w, h)
    left, top = _crop(turned_w, size, drawn.right), _crop(turned_h, size, drawn.down)
    return (
        _affine(width / w, height / h, 0, 0)
        @ _rotation(drawn.angle, w // 2, h // 2)
        @ _unturn(drawn.turns, w, h)
        @ (_affine(-1, 1, turned_w, 0) if drawn.flip else np.eye(3))
        @ _affine(1, 1, left, top)
    )


def _reduced(image: np.ndarray, block: int) -> np.ndarray:
    """Means of whole blocks: a warp looks at four pixels, and would skip those between."""
    if block == 1:
        return image
    height, width = image.shape[0] // block, image.shape[1] // block
    whole = image[: height * block, : width * block]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _warped(
    image: np.ndarray, to_source: np.ndarray, size: int, out: np.ndarray | None
) -> np.ndarray:
    """The bilinear warp: on four channels OpenCV takes half the time, the copies included."""
    warped = cv2.warpAffine(
        cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), to_source[:2], (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=out)


def _between_centres(to_source: np.ndarray) -> np.ndarray:
    """The same map between pixel centres at whole numbers, as OpenCV counts, not edges at 0."""
    return _affine(1, 1, -0.5, -0.5) @ to_source @ _affine(1, 1, 0.5, 0.5)


def _crop(length: int, size: int, at: float | None) -> int:
    surplus = length - size
    return -(-surplus // 2) if at is None else int(at * surplus)


def _affine(scale_x: float, scale_y: float, x: float, y: float) -> np.ndarray:
    return np.array([[scale_x, 0, x], [0, scale_y, y], [0, 0, 1]], dtype=np.float64)


def _unturn(turns: int, width: int, height: int) -> np.ndarray:
    """From an image turned counter-clockwise by quarter turns (numpy's rot90) back to it."""
    back = {
        0: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        1: [[0, -1, width], [1, 0, 0], [0, 0, 1]],
        2: [[-1, 0, width], [0, -1, height], [0, 0, 1]],
        3: [[0, 1, 0], [-1, 0, height], [0, 0, 1]],
    }
    return np.array(back[turns % 4], dtype=np.float64)


def _rotation(degrees: float, x: float, y: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return _affine(1, 1, x, y) @ turn @ _affine(1, 1, -x, -y)


def _lit(pixels: np.ndarray, image: np.ndarray, drawn: Draw) -> np.ndarray:
    """(x - mean) * contrast + mean + brightness, the mean over all the image's pixels, in place."""
    if drawn.contrast == 1 and drawn.brightness == 0:
        return pixels
    mean = sum(cv2.mean(image)) / 3
    lit = (np.arange(256) - mean) * drawn.contrast + mean + 255 * drawn.brightness
    return cv2.LUT(pixels, lit.round().clip(0, 255).astype(np.uint8), dst=pixels)
