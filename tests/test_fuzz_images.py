"""Damaged images of every format: upright RGB, or one kind of error; half an image never passes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.images import decoding
from tests.strategies import damaged, scaled

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning")

SIZE = (30, 24)
FORMS = [  # format, mode, options
    ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True}), ("PNG", "RGB", {}), ("PNG", "RGBA", {}),
    ("PNG", "P", {}), ("PNG", "I;16", {}), ("PNG", "1", {}), ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "F", {}),
    ("TIFF", "RGB", {"compression": "jpeg"}), ("TIFF", "1", {"compression": "group4"}),
    ("BMP", "RGB", {}), ("BMP", "P", {}), ("GIF", "P", {}), ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
]  # fmt: skip


def encoded(form: str, mode: str, options: dict) -> bytes:
    """A noisy picture, so that every part of the file counts; turned, where EXIF can say so."""
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 1
    buffer = io.BytesIO()
    about = {"exif": exif.tobytes()} if form in ("JPEG", "PNG", "WEBP") else {}
    (image if mode == "I;16" else image.convert(mode)).save(buffer, form, **options, **about)
    return buffer.getvalue()


FILES = {" ".join([f, m, *map(str, o.values())]): encoded(f, m, o) for f, m, o in FORMS}


def decoded(data: bytes, at_least: int | None = None) -> np.ndarray | None:
    """The picture; none if it is refused, in one line without an address in memory."""
    try:
        image = decoding.decode(data, at_least)
    except ValueError as error:
        said = str(error)
    else:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert image.size > 0
        return image
    assert said.isprintable()
    assert " at 0x" not in said
    return None


@pytest.fixture(autouse=True)
def _quiet(capfd):
    """The libraries in C say what they think of each file; nobody need read it."""
    yield
    capfd.readouterr()


@pytest.mark.parametrize("name", FILES)
@scaled(1 / 2)
@given(data=st.data(), at_least=st.sampled_from([None, 8, 20]))
def test_a_damaged_image_is_a_picture_or_a_value_error(name, data, at_least):
    decoded(data.draw(damaged(FILES[name])), at_least)


@given(start=st.sampled_from([b"", *[data[:12] for data in FILES.values()]]), rest=st.binary())
def test_arbitrary_bytes_are_a_picture_or_a_value_error(start, rest):
    decoded(start + rest)


@pytest.mark.parametrize("at_least", [None, 8])
@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_refused_or_whole(name, at_least):
    data = FILES[name]
    whole = decoding.decode(data, at_least).tobytes()
    for end in range(0, len(data), max(1, len(data) // 60)):
        image = decoded(data[:end], at_least)
        assert image is None or image.tobytes() == whole, f"{end} of {len(data)} bytes"


def test_a_number_that_is_none_is_black():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[np.nan, 255, np.inf]], np.float32)).save(buffer, "TIFF")
    assert decoding.decode(buffer.getvalue())[0, :, 0].tolist() == [0, 1, 255]
