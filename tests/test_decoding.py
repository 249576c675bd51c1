"""Decoding: any file as upright RGB on white, and fastai's resize."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from stages.images import decoding

UPRIGHT = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
STORED = {  # how a camera stores an upright picture, by EXIF orientation
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image, kind="PNG", **options):
    """Through a file and back, as an array (H, W, 3)."""
    found = decoding.decode(encoded(image, kind, **options))
    assert found.shape[2] == 3
    return found


def one(mode, value):
    return Image.new(mode, (1, 1), value)


@pytest.mark.parametrize(
    ("size", "shorter_side", "expected"),
    [
        ((500, 375), 340, (453, 340)),
        ((375, 500), 340, (340, 453)),
        ((340, 340), 340, (340, 340)),
        ((8, 8), 64, (64, 64)),
        ((30, 20), 64, (96, 64)),
        ((1000, 10), 83, (8300, 83)),
    ],
)
def test_the_shorter_side_is_exact_and_the_longer_rounded_down(size, shorter_side, expected):
    assert decoding.scaled_size(*size, shorter_side) == expected
    assert (
        decoding.shrink(np.zeros((*size[::-1], 3), np.uint8), shorter_side).shape[1::-1] == expected
    )


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (679, 660), (60, 40)])
def test_resizing_is_pillows_antialiased_bilinear(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    found = decoding.shrink(pixels, 340)
    expected = Image.fromarray(pixels).resize(found.shape[1::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_set_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    assert np.array_equal(decoded(stored, exif=exif.tobytes()), UPRIGHT)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (one("L", 77), [77] * 3),
        (one("1", 0), [0] * 3),
        (one("1", 1), [255] * 3),
        (one("RGB", (1, 2, 3)), [1, 2, 3]),
        (one("RGBA", (10, 20, 30, 255)), [10, 20, 30]),
        (one("RGBA", (10, 20, 30, 0)), [255] * 3),
        (one("RGBA", (0, 0, 0, 51)), [204] * 3),
        (one("LA", (40, 255)), [40] * 3),
        (one("LA", (40, 0)), [255] * 3),
        (one("I;16", 65535), [255] * 3),
        (one("I;16", 257 * 100), [100] * 3),
        (one("I;16", 0), [0] * 3),
        (one("I;16", 100), [100] * 3),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_mode_becomes_rgb_with_transparency_on_white(image, expected):
    assert decoded(image)[0, 0].tolist() == expected


def test_a_transparent_palette_colour_is_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    assert decoded(image)[0].tolist() == [[200, 0, 0], [0, 0, 200]]
    assert decoded(image, transparency=0)[0].tolist() == [[255, 255, 255], [0, 0, 200]]


def test_a_transparent_grey_or_colour_of_a_png_is_white():
    assert decoded(one("L", 9), transparency=9)[0, 0].tolist() == [255] * 3
    colour = one("RGB", (1, 2, 3))
    assert decoded(colour, transparency=(1, 2, 3))[0, 0].tolist() == [255] * 3


def test_the_first_frame_of_an_animation_is_taken():
    frames = [one("RGB", (200, 0, 0)), one("RGB", (0, 200, 0))]
    found = decoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert found[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("cmyk", "expected"),
    [((0, 0, 0, 0), [255] * 3), ((0, 0, 0, 255), [0] * 3), ((0, 255, 255, 0), [255, 0, 0])],
)
def test_a_cmyk_jpeg_is_not_inverted(cmyk, expected):
    found = decoded(Image.new("CMYK", (8, 8), cmyk), "JPEG", quality=95)
    assert np.abs(found[4, 4].astype(int) - expected).max() <= 3


@pytest.mark.parametrize(("mode", "top"), [("I", 65535), ("F", 65535), ("I", 255), ("F", 255)])
def test_wide_greys_are_scaled_by_16_bits_or_kept_if_they_fit_8(mode, top):
    image = Image.fromarray(np.array([[0, top // 5, top]], np.int32)).convert(mode)
    assert decoded(image, "TIFF")[0, :, 0].tolist() == [0, 51, 255]


def test_floats_up_to_1_are_shares_of_white():
    image = Image.fromarray(np.array([[0, 0.2, 1]], np.float32))
    assert decoded(image, "TIFF")[0, :, 0].tolist() == [0, 51, 255]


def test_wide_greys_below_zero_are_black():
    assert decoded(one("I", -5), "TIFF")[0, 0].tolist() == [0] * 3


@pytest.mark.parametrize("at_least", [None, 340, 100])
@pytest.mark.parametrize("size", [(500, 375), (1361, 2001), (2720, 2725)])
@pytest.mark.parametrize(
    "options",
    [{"quality": 95}, {"quality": 40}, {"subsampling": 0}, {"progressive": True}],
    ids=["fine", "coarse", "full colour", "progressive"],
)
def test_a_jpeg_has_the_very_pixels_that_pillow_decodes(smooth, size, options, at_least):
    noise = np.random.default_rng(0).integers(-30, 31, (*size[::-1], 3))
    pixels = (smooth(*size) + noise).clip(0, 255).astype(np.uint8)
    data = encoded(Image.fromarray(pixels), "JPEG", **options)
    pillow = Image.open(io.BytesIO(data))
    assert decoding.is_ordinary(pillow, data)
    if at_least:
        pillow.draft("RGB", (at_least, at_least))
    assert np.array_equal(decoding.decode(data, at_least), np.asarray(pillow))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(2000, 1500), (1500, 2000), (689, 681), (679, 1000)])
def test_a_large_jpeg_is_decoded_smaller_but_never_too_small(smooth, size, mode):
    data = encoded(Image.fromarray(smooth(*size)).convert(mode), "JPEG", quality=95)
    draft = decoding.decode(data, at_least=340)
    assert min(draft.shape[:2]) >= 340
    found, full = (
        decoding.shrink(image, 340).astype(int) for image in (draft, decoding.decode(data))
    )
    assert found.shape == full.shape
    assert np.abs(found - full).mean() < 1


def test_a_large_jpeg_is_really_decoded_smaller(smooth):
    data = encoded(Image.fromarray(smooth(2000, 1500)), "JPEG")
    assert decoding.decode(data, at_least=340).shape == (375, 500, 3)
    assert decoding.decode(data).shape == (1500, 2000, 3)


def test_a_large_sideways_jpeg_is_upright_and_large_enough(smooth):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(smooth(1200, 800)), "JPEG", exif=exif.tobytes())
    assert decoding.decode(data, at_least=340).shape == (600, 400, 3)


def huge_png():
    """A valid beginning of a PNG of 40,000 by 40,000 pixels, in a hundred bytes."""
    parts = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0), b"IDAT" + bytes(9)
    chunks = (struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"<html>404</html>",
        bytes(1000),
        b"\xff\xd8\xff\xe0" + bytes(50),
        encoded(Image.new("RGB", (50, 50), "red"), "JPEG")[:-200],
        encoded(Image.new("RGB", (50, 50), "red"))[:60],
        huge_png(),
    ],
    ids=["empty", "text", "page", "zeros", "no jpeg", "cut jpeg", "cut png", "huge png"],
)
def test_what_cannot_be_decoded_raises_what_is_promised(data):
    with pytest.raises(ValueError, match=r"^[^\n<]+$"):
        decoding.decode(data)


def test_a_large_image_is_read_without_a_word(tmp_path):
    """Pillow would print a warning, two lines of it, over the bar."""
    path = tmp_path / "large.png"
    path.write_bytes(encoded(Image.new("RGB", (20, 10)), "PNG"))
    code = (
        "import sys; from PIL import Image; from stages.images import decoding; "
        "Image.MAX_IMAGE_PIXELS = 150; print(decoding.decode(open(sys.argv[1], 'rb').read()).shape)"
    )
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("(10, 20, 3)\n", "")


@pytest.mark.parametrize("quality", [1, 50, 90, 100])
@pytest.mark.parametrize("size", [(1, 1), (17, 16), (453, 340)])
def test_a_jpeg_of_the_pack_is_the_one_that_pillow_makes(smooth, size, quality):
    pixels = smooth(*size)
    image = Image.fromarray(pixels)
    expected = Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality)))
    found = Image.open(io.BytesIO(decoding.to_jpeg(pixels, quality)))
    assert (np.asarray(found) == np.asarray(expected)).all()


def test_a_jpeg_of_the_pack_is_close_to_its_picture(smooth):
    pixels = smooth(60, 40)
    found = decoding.decode(decoding.to_jpeg(pixels, quality=90))
    assert np.abs(found.astype(int) - pixels).mean() < 2
