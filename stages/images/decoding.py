"""Any image file that Pillow reads, as upright 8-bit RGB, and fastai's resize."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LONGEST = 65_500  # pixels of a JPEG


class UnreadableError(ValueError):
    """Bytes that are no image which can be shown; the message says why."""


def decode(data: bytes, at_least: int | None = None) -> Image.Image:
    """Decode an image file to RGB: EXIF orientation applied, transparency on white.

    `at_least`: the shorter side that the caller will shrink to; a larger JPEG is then decoded at
    1/2, 1/4 or 1/8 by the decoder itself, never below that side.

    Raises:
        UnreadableError: Pillow cannot read the file, or it is so large that it may be a bomb.

    """
    try:
        return to_rgb(ImageOps.exif_transpose(_loaded(data, at_least)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  each decoder fails on foreign bytes in its own way
        raise UnreadableError(_said(error, data)) from None


def _loaded(data: bytes, at_least: int | None) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if at_least:
        image.draft("RGB", (at_least, at_least))
    image.load()
    return image


def _said(error: Exception, data: bytes) -> str:
    """Why an image cannot be read, in a line."""
    if not data:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image of a known format"
    return " ".join(str(error).split()) or type(error).__name__


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of any mode: 16-bit greys scaled to 8, alpha and transparent palettes onto white."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    """16-bit (0..65535) to 8-bit; values that fit 8 bits already are kept."""
    values = np.nan_to_num(values)
    top = 255 if values.max(initial=0) <= 255 else 65535
    return (values.astype(np.float64).clip(0, top) * (255 / top)).round().astype(np.uint8)


def scaled_size(width: int, height: int, shorter_side: int) -> tuple[int, int]:
    """Width and height with the shorter side exactly `shorter_side`: 500x375 at 340 is 453x340.

    Each side is max(floor(side * shorter_side / shortest), shorter_side): fastai's `scale_to`.
    """
    shortest = min(width, height)
    return (
        max(width * shorter_side // shortest, shorter_side),
        max(height * shorter_side // shortest, shorter_side),
    )


def shrink(image: Image.Image, shorter_side: int) -> Image.Image:
    """Resize to a shorter side of `shorter_side`; small images are enlarged, as in fastai.

    Antialiased and bilinear: torch's kernel gives Pillow's pixels, within a level, in a third of
    its time.

    Raises:
        UnreadableError: it would become longer than a JPEG can be.

    """
    import torch  # seconds, that who only decodes does without
    import torch.nn.functional as F

    width, height = scaled_size(*image.size, shorter_side)
    if max(width, height) > LONGEST:
        raise UnreadableError(f"it is too long and thin, {image.width} x {image.height}")
    pixels = torch.from_numpy(np.array(image))[None].permute(0, 3, 1, 2)
    small = F.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True)
    return Image.fromarray(small[0].permute(1, 2, 0).numpy())


def to_jpeg(image: Image.Image, quality: int) -> bytes:
    """The bytes of a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
