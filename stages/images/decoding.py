"""Any image file that Pillow reads, as upright 8-bit RGB, and fastai's resize."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

# Half as many pixels as a bomb, which is refused, have a scanned slide or a map, which are read.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

LONGEST = 65_500  # pixels of a JPEG
END_OF_JPEG = b"\xff\xd9"
REDUCED = {  # how many times smaller the decoder makes a JPEG: the bare bits, colour is added
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 0: 0,
}  # fmt: skip


class UnreadableError(ValueError):
    """Bytes that are no image which can be shown; the message says why."""


def decode(data: bytes, at_least: int | None = None) -> np.ndarray:
    """Decode an image file to RGB (H, W, 3): EXIF orientation applied, transparency on white.

    `at_least`: the shorter side that the caller will shrink to; a larger JPEG is then decoded at
    1/2, 1/4 or 1/8 by the decoder itself, never below that side.

    Raises:
        UnreadableError: Pillow cannot read the file, or it is so large that it may be a bomb.

    """
    try:
        image = Image.open(io.BytesIO(data))
        if is_ordinary(image, data) and (pixels := _by_opencv(image, data, at_least)) is not None:
            return pixels
        if at_least:
            image.draft("RGB", (at_least, at_least))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return np.array(to_rgb(image))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  each decoder fails on foreign bytes in its own way
        raise UnreadableError(_said(error, data)) from None


def is_ordinary(image: Image.Image, data: bytes) -> bool:
    """Whether it is a whole, upright JPEG in colour, of which OpenCV makes Pillow's very pixels.

    Of one that is cut short OpenCV would make a picture too; Pillow refuses it.
    """
    whole = data.endswith(END_OF_JPEG)
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return image.format == "JPEG" and image.mode == "RGB" and whole and upright


def _by_opencv(image: Image.Image, data: bytes, at_least: int | None) -> np.ndarray | None:
    """The pixels, in two thirds of Pillow's time."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), in_colour(min(image.size), at_least))


def in_colour(shorter_side: int, at_least: int | None) -> int:
    """OpenCV's flag to decode a JPEG to RGB, shrunk by the decoder itself if that is enough.

    It takes the largest factor that leaves the shorter side `at_least`; where that is None no image
    is large enough for any.
    """
    how = next(flag for by, flag in REDUCED.items() if shorter_side >= by * (at_least or LONGEST))
    return how | cv2.IMREAD_COLOR_RGB


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
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    """16-bit (0..65535) to 8-bit; values that fit 8 bits are kept, and floats up to 1 scaled."""
    values = np.nan_to_num(values)
    tops = (1, 255, 65535) if values.dtype.kind == "f" else (255, 65535)
    top = next((top for top in tops if values.max(initial=0) <= top), tops[-1])
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


def shrink(image: np.ndarray, shorter_side: int) -> np.ndarray:
    """Resize (H, W, 3) to a shorter side of `shorter_side`, up or down, as fastai does.

    Antialiased and bilinear: torch's kernel gives Pillow's pixels, within a level, in a third of
    its time.

    Raises:
        UnreadableError: it would become longer than a JPEG can be.

    """
    import torch  # seconds, that who only decodes does without
    import torch.nn.functional as F

    width, height = scaled_size(image.shape[1], image.shape[0], shorter_side)
    if max(width, height) > LONGEST:
        raise UnreadableError(f"it is too long and thin, {image.shape[1]} x {image.shape[0]}")
    pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
    small = F.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).numpy()


def to_jpeg(image: np.ndarray, quality: int) -> bytes:
    """The bytes of a JPEG of (H, W, 3), as Pillow encodes it, in four fifths of its time."""
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return jpeg.tobytes()
