"""Pictures of pictures: each image in its place, to the pixel, and words that fit."""

import numpy as np
import pytest
from PIL import Image

from stages.figures import columns, contact, overview, scatter, tiles, words
from stages.figures.style import INK, RED
from stages.figures.tiles import GAP, LINE, MARGIN, SIDE, Section, Tile

LONG = "cost $5_or $x^ of a very long name, longer than any image is wide.jpg"


def noise(seed, height=SIDE, width=SIDE):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def place(sheet, image):
    """Where an image lies in a sheet, whole and unchanged: left, top."""
    found = np.argwhere((sheet == image[0, 0]).all(axis=-1))
    height, width = image.shape[:2]
    [where] = [
        (int(x), int(y)) for y, x in found
        if np.array_equal(sheet[y : y + height, x : x + width], image)
    ]  # fmt: skip
    return where


def test_images_stand_in_lines_each_pixel_as_it_was(tmp_path):
    images = [noise(i) for i in range(7)]
    shown = [Tile(image, [(LONG, INK), (LONG, RED)]) for image in images]
    sections = [Section(LONG, shown[:4], LONG), Section("", shown[4:])]
    for name in "ab":
        tiles.draw(tmp_path / name, sections)
    sheet = read(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found = [place(sheet, image) for image in images]
    columns = [MARGIN + i * (SIDE + GAP) for i in range(3)]
    assert [x for x, _ in found] == [*columns, columns[0], *columns]
    tops = sorted({y for _, y in found})
    assert [y for _, y in found] == [tops[0]] * 3 + [tops[1]] + [tops[2]] * 3
    assert min(np.diff(tops)) >= SIDE + 2 * LINE
    assert sheet.shape[1] == columns[2] + SIDE + MARGIN


def test_words_stay_under_their_own_image(tmp_path):
    shown = [Tile(noise(i), [(LONG, RED)] * 3) for i in range(6)]
    tiles.draw(tmp_path / "t.png", [Section("", shown)])
    sheet = read(tmp_path / "t.png")
    white = (sheet == 255).all(axis=-1)
    for column in range(2):
        left = MARGIN + SIDE + column * (SIDE + GAP)
        assert white[:, left + 4 : left + GAP].all()
    for row in range(2):
        bottom = MARGIN + SIDE + row * (SIDE + 3 * LINE + GAP)
        assert not white[bottom : bottom + 3 * LINE].all()
        assert white[bottom + 3 * LINE + 2 : bottom + 3 * LINE + GAP].all()


def test_a_section_is_as_high_as_its_images_and_words_follow_them(tmp_path):
    flat, flatter = noise(0, 100), noise(1, 80)
    pairs = [Section("a", [Tile(flat, [("x", INK)]), Tile(flatter, [("y", INK)])])] * 2
    tiles.draw(tmp_path / "t.png", pairs[:1], columns=2, beside=2)
    one = read(tmp_path / "t.png")
    (_, top), (_, other) = place(one, flat), place(one, flatter)
    assert top + 100 == other + 80
    under = one[top + 100 : top + 100 + LINE, MARGIN : MARGIN + SIDE]
    assert not (under == 255).all()
    tiles.draw(tmp_path / "t.png", pairs, columns=2, beside=2)
    assert read(tmp_path / "t.png").shape == one.shape  # the second beside the first


@pytest.mark.parametrize("shape", [(1, 900), (900, 1)])
def test_a_strip_is_shown_as_a_strip(tmp_path, shape):
    tiles.draw(tmp_path / "t.png", [Section("", [Tile(noise(0, *shape), [])])])
    assert not (read(tmp_path / "t.png") == 255).all()


def test_lines_under_a_heading_each_pixel_as_it_was(tmp_path):
    images = [noise(i, 115, 115) for i in range(4)]
    lines = [
        contact.Line("72 px", "TTA", images[:2], ["plain", LONG], heading=LONG),
        contact.Line(LONG, LONG, images[2:], [LONG, LONG]),
    ]
    contact.draw(tmp_path / "c.png", lines, 4, side=115, label=76)
    sheet = read(tmp_path / "c.png")
    places = [place(sheet, image) for image in images]
    assert places[0][0] == places[2][0]
    assert places[1][0] - places[0][0] == 115 + contact.GAP
    assert places[0][1] == contact.HEADING
    assert places[2][1] - places[0][1] == 115 + contact.GAP + contact.UNDER


@pytest.mark.parametrize("inches", [0.1, 0.5, 1, 2])
def test_a_text_that_is_too_wide_loses_its_middle(inches):
    assert words.fitted("short", 10, 9) == "short"
    shown = words.fitted(LONG, inches, 9).replace(r"\$", "$")
    start, _, end = shown.partition("...")
    assert LONG.startswith(start)
    assert LONG.endswith(end)
    assert 0 <= len(start) - len(end) <= 1
    assert words.width(shown, 9) <= inches or shown == "..."
    longer = f"{LONG[: len(start) + 1]}...{LONG[-len(end) - 1 :]}"
    assert words.width(longer, 9) > inches


@pytest.mark.parametrize("names", [["$x_1$", "US$_{2", "c$^$"], [f"point {i}" for i in range(30)]])
def test_columns_of_any_name_and_number_are_drawn_without_a_warning(tmp_path, names):
    numbers = np.random.default_rng(0).normal(0, 1, (50, len(names)))
    overview.draw_numbers(tmp_path / "n.png", numbers, names)
    scatter.draw(tmp_path / "s.png", numbers, numbers, names)


def test_more_columns_than_colours_are_told_as_one():
    numbers = np.arange(24.0).reshape(2, 12)
    names, across, up = columns.told([f"c{i}" for i in range(12)], numbers, -numbers)
    assert names == ["all 12 columns"]
    assert across.shape == up.shape == (24, 1)
    assert (across == -up).all()
    assert columns.told(["a$", "b"], numbers[:, :2])[0] == [r"a\$", "b"]
