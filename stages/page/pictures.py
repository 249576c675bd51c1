"""The pictures of the report: which there are, and how they come into the page.

A new picture is a line of PICTURES; it must be an out of an earlier stage, and a dep of `report`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

REPORTS = Path("reports")
WIDEST = 1400  # pixels; no screen shows more of a column of text
COLOURS = 4096  # that a drawing has at most
QUALITY = 80  # of a picture with photographs in it
PICTURES = (  # section, file, title, what it shows
    ("data", "contact.png", "Samples", "training images, a line a class"),
    ("data", "classes.png", "Classes", "a bar a class, as long as it has training images"),
    ("data", "sizes.png", "Sizes", "width against height of every image, and how many have each"),
    ("data", "duplicates.png", "Copies", "the worst pairs of images that are copies, side by side"),
    ("mistakes", "images.png", "Images", "the validated images that were most wrong, most right "
     "and most unsure; of numbers, those with the largest and the smallest errors"),
    ("mistakes", "confusion.png", "Confusion", "what is true against what was said, of all rows "
     "that were validated; the table below has the most frequent mistakes"),
    ("mistakes", "gradcam.png", "Where it looked", "the most wrong images as the network saw "
     "them, and beside each, in heat, the places that spoke for what it said and for what is true "
     "(Grad-CAM)"),
    ("mistakes", "calibration.png", "Calibration", "how often what was said with a probability "
     "is true, against that probability"),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A picture in the page: a data URI, its pixels and the words for it."""

    uri: str
    width: int
    height: int
    title: str
    shows: str


def of(section: str, without: Container[str] = ()) -> Iterator[Picture]:
    """The pictures of a section that there are, in the order of PICTURES."""
    for place, file, title, shows in PICTURES:
        path = REPORTS / file
        if place == section and file not in without and path.exists():
            yield embedded(path, title, shows)


def embedded(path: Path, title: str, shows: str) -> Picture:
    """A picture, no wider than a page; a drawing has few colours, and they stay as they are."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    image.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
    small = webp(image, lossless=image.getcolors(COLOURS) is not None)
    uri = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
    return Picture(uri, *image.size, title, shows)


def webp(image: Image.Image, *, lossless: bool) -> bytes:
    """An image as WebP; lossless is sharper for a drawing, and smaller."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=QUALITY, method=2 if lossless else 4)
    return buffer.getvalue()
