"""Views against Pillow, numpy and hand formulas: what the network really sees."""

import math
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.base.settings import Transforms
from stages.images import views
from stages.images.loading import Views
from stages.images.views import Draw

DRAWS = 4000
SIDE_ON = Transforms(augment="side_on", max_zoom=1.1, rotate=10, lighting=0.05)


def array(view):
    """Signed, to subtract."""
    return view.astype(int)


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def centre_crop(pixels, size):
    """fastai's: offset ceil(surplus / 2)."""
    top, left = (math.ceil((side - size) / 2) for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def by_pillow(pixels, size):
    """Shorter side to `size` by Pillow's antialiased bilinear filter, then the centre crop."""
    height, width = pixels.shape[:2]
    shortest = min(width, height)
    scaled = max(width * size // shortest, size), max(height * size // shortest, size)
    resized = Image.fromarray(pixels).resize(scaled, Image.Resampling.BILINEAR)
    return centre_crop(np.asarray(resized), size).astype(int)


def columns(width, height):
    """A picture whose red is the column, and whose green is the row, of each pixel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)


def draws(kind="side_on", max_zoom=1.1, rotate=10, lighting=0.05):
    transforms = Transforms(augment=kind, max_zoom=max_zoom, rotate=rotate, lighting=lighting)
    return [views.draw(views.generator(42, i), transforms) for i in range(DRAWS)]


def share(outcomes):
    return sum(outcomes) / DRAWS


def close_to(p):
    """A share of DRAWS within four standard deviations."""
    return pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / DRAWS))


# ---- the plain view


@pytest.mark.parametrize(
    ("width", "height"),
    [(64, 64), (90, 64), (91, 64), (64, 90), (64, 91), (65, 64), (64, 65), (200, 64)],
)
def test_an_image_at_size_is_cropped_at_the_centre_to_the_pixel(width, height):
    pixels = noise(width, height)
    assert np.array_equal(array(views.view(pixels, 64)), centre_crop(pixels, 64))


@pytest.mark.parametrize(
    ("width", "height"),
    [(120, 90), (90, 120), (97, 83), (83, 97), (128, 128), (300, 90), (40, 30), (30, 40)],
)
def test_the_plain_view_is_pillows_resize_and_crop(smooth, width, height):
    pixels = smooth(width, height)
    found = array(views.view(pixels, 64))
    assert np.abs(found - by_pillow(pixels, 64)).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(120, 90), (90, 120), (215, 200), (200, 215)])
def test_the_plain_view_has_the_shorter_side_exactly(width, height):
    """On a ramp the position seen can be read off: half a pixel in means the crop is off by one."""
    scale = min(width, height) / 64
    scaled = width * 64 // min(width, height), height * 64 // min(width, height)
    found = array(views.view(columns(width, height), 64))
    for channel, side, length in ((0, width, scaled[0]), (1, height, scaled[1])):
        seen = np.arange(64) + math.ceil((length - 64) / 2) + 0.5
        expected = seen * side / length - 0.5
        line = found[32, :, 0] if channel == 0 else found[:, 32, 1]
        inner = slice(1, -1)  # the outermost may reach over the edge
        assert np.abs(line - expected)[inner].max() <= 0.51 + 0.01 * scale


@pytest.mark.parametrize(("width", "height"), [(680, 512), (512, 680), (500, 375), (453, 340)])
def test_a_large_image_is_reduced_without_aliasing(smooth, width, height):
    """Fine detail must be averaged away, as by Pillow, and not sampled."""
    detail = np.random.default_rng(0).normal(0, 60, (height, width, 1))
    pixels = (smooth(width, height) * 0.5 + 64 + detail).clip(0, 255).astype(np.uint8)
    difference = array(views.view(pixels, 64)) - by_pillow(pixels, 64)
    assert np.abs(difference).mean() < 6
    sampled = pixels[:: height // 64, :: width // 64][:64, :64].astype(int)
    assert np.abs(difference).mean() < np.abs(sampled - by_pillow(pixels, 64)).mean() / 5


@pytest.mark.parametrize(("width", "height"), [(683, 515), (515, 683), (127, 200), (129, 128)])
def test_a_reduced_image_stays_in_place(smooth, width, height):
    """Sides that no whole block divides must not shift the picture."""
    pixels = smooth(width, height)
    difference = array(views.view(pixels, 64)) - by_pillow(pixels, 64)
    assert np.abs(difference[2:-2, 2:-2]).max() <= 2


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_view_is_uint8_of_the_size(size):
    view = views.view(noise(50, 40), size, Draw(zoom=1.05, angle=5, brightness=0.04))
    assert view.dtype == np.uint8
    assert view.shape == (size, size, 3)


def test_the_image_itself_is_left_as_it_was():
    image = noise(70, 64)
    before = image.copy()
    views.view(image, 64, Draw(contrast=1.05, brightness=0.05, flip=True))
    assert np.array_equal(image, before)


# ---- mirror and symmetries


@pytest.mark.parametrize(("width", "height"), [(64, 64), (91, 64), (64, 91)])
def test_the_mirror_is_exact(width, height):
    pixels = noise(width, height)
    found = array(views.view(pixels, 64, Draw(flip=True)))
    assert np.array_equal(found, centre_crop(pixels[:, ::-1], 64))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (91, 64), (64, 90)])
def test_the_dihedral_is_numpys_rot90_and_then_the_mirror(width, height, turns, flip):
    pixels = noise(width, height)
    turned = np.rot90(pixels, turns)
    expected = centre_crop(turned[:, ::-1] if flip else turned, 64)
    found = array(views.view(pixels, 64, Draw(turns=turns, flip=flip)))
    assert np.array_equal(found, expected)


def test_all_eight_symmetries_differ():
    image = noise(16, 16)
    found = {
        views.view(image, 16, Draw(turns=k, flip=f)).tobytes()
        for k in range(4)
        for f in (False, True)
    }
    assert len(found) == 8


# ---- rotation


def test_a_rotation_by_a_right_angle_is_a_quarter_turn():
    pixels = noise(64, 64)
    found = array(views.view(pixels, 64, Draw(angle=90)))
    assert np.array_equal(found, np.rot90(pixels))


@pytest.mark.parametrize("angle", [10, -10, 30, 45, -90, 135])
@pytest.mark.parametrize(("x", "y"), [(16, 0), (0, -15), (-12, 9)])
def test_a_rotation_moves_a_mark_counter_clockwise_by_its_angle(angle, x, y):
    """x to the right and y down from the centre."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[32 + y - 1 : 32 + y + 1, 32 + x - 1 : 32 + x + 1] = 255  # its middle is at (x, y)
    found = array(views.view(pixels, 64, Draw(angle=angle)))[:, :, 0]
    rows, cols = np.mgrid[:64, :64] - 31.5
    turn = math.radians(angle)
    expected_x = x * math.cos(turn) + y * math.sin(turn)
    expected_y = -x * math.sin(turn) + y * math.cos(turn)
    assert (found * cols).sum() / found.sum() == pytest.approx(expected_x, abs=0.1)
    assert (found * rows).sum() / found.sum() == pytest.approx(expected_y, abs=0.1)


@pytest.mark.parametrize("angle", [10, -10, 45, 180])
def test_a_rotated_view_has_no_black_corners(angle):
    image = np.full((64, 64, 3), 200, np.uint8)
    assert (views.view(image, 64, Draw(angle=angle)) == 200).all()


@pytest.mark.parametrize("angle", [10, -10, 45])
def test_beyond_the_border_is_the_mirror_image_edge_pixel_repeated(angle):
    """As if the picture had been padded by its reflection before it was turned."""
    pixels = noise(64, 64) // 4 + columns(64, 64) * 2
    padded = np.pad(pixels, ((32, 32), (32, 32), (0, 0)), mode="symmetric")
    expected = array(views.view(padded, 128, Draw(angle=angle)))[32:-32, 32:-32]
    found = array(views.view(pixels, 64, Draw(angle=angle)))
    assert np.abs(found - expected).max() <= 1


def test_a_long_image_is_rotated_whole_before_it_is_cropped(smooth):
    """Corners of the crop then hold real pixels, and the centre is the long image's."""
    pixels = smooth(128, 64)
    turned = Image.fromarray(pixels).rotate(8, Image.Resampling.BILINEAR, center=(64, 32))
    found = array(views.view(pixels, 64, Draw(angle=8)))
    expected = centre_crop(np.asarray(turned).astype(int), 64)
    assert np.abs(found - expected)[8:-8].max() <= 2  # Pillow fills black above and below


# ---- zoom and crop


def test_a_zoom_of_two_shows_the_middle_half_twice_as_large():
    pixels = columns(64, 64) * 3
    found = array(views.view(pixels, 64, Draw(zoom=2.0)))
    positions = 16 + (np.arange(64) + 0.5) / 2 - 0.5
    assert np.abs(found[:, :, 0] - 3 * positions[None, :]).max() <= 0.51
    assert np.abs(found[:, :, 1] - 3 * positions[:, None]).max() <= 0.51


@pytest.mark.parametrize(("zoom", "side"), [(1.0, 64), (1.01, 64), (1.1, 70), (1.5, 96)])
def test_a_zoomed_images_shorter_side_is_rounded_down(zoom, side):
    """fastai scaled to int(zoom * size) and cropped from there."""
    pixels = noise(side, side)
    found = array(views.view(pixels, 64, Draw(zoom=zoom)))
    assert np.array_equal(found, centre_crop(pixels, 64))


@pytest.mark.parametrize("surplus", [0, 1, 2, 5, 40])
def test_a_random_crop_starts_anywhere_but_the_last_offset(surplus):
    """floor(u * surplus), as in fastai: 0 to surplus - 1, and 0 where a single pixel is over."""
    image = columns(32 + surplus, 32)
    lefts = {
        int(views.view(image, 32, Draw(right=u, down=0.5))[0, 0, 0])
        for u in np.linspace(0, 1, 200, endpoint=False)
    }
    assert lefts == set(range(max(surplus, 1)))


def test_a_random_crop_never_leaves_the_image():
    last = np.nextafter(1, 0)
    found = array(views.view(columns(40, 50), 32, Draw(zoom=1.1, down=last, right=last)))
    assert found[-1, -1, 1] <= 49
    assert (np.diff(found[:, 0, 1]) >= 0).all()
    assert (np.diff(found[0, :, 0]) >= 0).all()


def test_down_and_right_move_the_crop_each_by_itself():
    image = columns(48, 64)
    found = array(views.view(image, 48, Draw(down=0.5, right=0.9)))
    assert found[0, 0].tolist() == [0, 8, 0]


def test_a_turned_image_is_cropped_along_its_long_side_too():
    pixels = noise(80, 64)
    found = array(views.view(pixels, 64, Draw(turns=1, down=0.5, right=0.5)))
    assert np.array_equal(found, np.rot90(pixels)[8:72, :64])


# ---- light


@pytest.mark.parametrize(
    ("brightness", "contrast"),
    [(0.03, 1.0), (-0.05, 1.0), (0.0, 1.05), (0.0, 1 / 1.05), (0.05, 1.05), (-0.04, 0.96)],
)
def test_lighting_is_about_the_mean_of_all_pixels_and_channels(brightness, contrast):
    pixels = noise(64, 64) // 2 * np.array([1, 0, 2], np.uint8)  # channels of different means
    x = pixels / 255
    lit = ((x - x.mean()) * contrast + x.mean() + brightness).clip(0, 1)
    found = views.view(pixels, 64, Draw(brightness=brightness, contrast=contrast))
    assert np.abs(array(found) - 255 * lit).max() <= 0.501


# ---- what is drawn


def test_every_draw_of_side_on_is_within_its_range():
    for drawn in draws("side_on"):
        assert 1 <= drawn.zoom < 1.1
        assert -10 <= drawn.angle < 10
        assert -0.05 <= drawn.brightness < 0.05
        assert 1 / 1.05 <= drawn.contrast < 1.05
        assert 0 <= drawn.down < 1
        assert 0 <= drawn.right < 1


@pytest.mark.parametrize("kind", ["side_on", "top_down", "basic", "none"])
def test_zoom_comes_with_three_quarters_uniformly(kind):
    zooms = np.array([drawn.zoom for drawn in draws(kind, max_zoom=1.4)])
    assert share(zooms > 1) == close_to(0.75)
    quarters = np.histogram(zooms[zooms > 1], bins=4, range=(1, 1.4))[0]
    assert list(quarters / DRAWS) == [close_to(0.75 / 4)] * 4


@pytest.mark.parametrize("kind", ["side_on", "top_down", "basic"])
def test_rotation_comes_with_three_quarters_uniformly_either_way(kind):
    angles = np.array([drawn.angle for drawn in draws(kind, rotate=30)])
    assert share(angles != 0) == close_to(0.75)
    quarters = np.histogram(angles[angles != 0], bins=4, range=(-30, 30))[0]
    assert list(quarters / DRAWS) == [close_to(0.75 / 4)] * 4


@pytest.mark.parametrize("kind", ["side_on", "top_down", "basic"])
def test_brightness_is_always_drawn_uniformly(kind):
    values = [drawn.brightness for drawn in draws(kind, lighting=0.2)]
    quarters = np.histogram(values, bins=4, range=(-0.2, 0.2))[0]
    assert list(quarters / DRAWS) == [close_to(0.25)] * 4


def test_contrast_is_raised_by_c_or_lowered_by_its_inverse():
    """1 + c for c of 0 to 0.2, else 1 / (1 - c): from 1/1.2 and not from 0.8."""
    values = np.array([drawn.contrast for drawn in draws(lighting=0.2)])
    c = np.where(values >= 1, values - 1, 1 - 1 / values)
    quarters = np.histogram(c, bins=4, range=(-0.2, 0.2))[0]
    assert quarters.sum() == DRAWS
    assert list(quarters / DRAWS) == [close_to(0.25)] * 4


def test_side_on_mirrors_every_other_image_and_turns_none():
    found = draws("side_on")
    assert share(drawn.flip for drawn in found) == close_to(0.5)
    assert {drawn.turns for drawn in found} == {0}


def test_top_down_draws_all_eight_symmetries_equally():
    counts = Counter((drawn.turns, drawn.flip) for drawn in draws("top_down"))
    assert set(counts) == {(k, f) for k in range(4) for f in (False, True)}
    assert [n / DRAWS for n in counts.values()] == [close_to(1 / 8)] * 8


@pytest.mark.parametrize("kind", ["basic", "none"])
def test_basic_and_none_neither_mirror_nor_turn(kind):
    assert {(drawn.turns, drawn.flip) for drawn in draws(kind)} == {(0, False)}


def test_none_zooms_and_crops_alone():
    for drawn in draws("none"):
        assert (drawn.angle, drawn.brightness, drawn.contrast) == (0, 0, 1)
    assert len({drawn.down for drawn in draws("none")}) == DRAWS


def test_settings_of_one_and_zero_draw_nothing_but_the_crop():
    for drawn in draws("basic", max_zoom=1, rotate=0, lighting=0):
        assert drawn == Draw(down=drawn.down, right=drawn.right)


def test_a_changed_setting_leaves_the_other_choices_alone():
    for a, b in zip(draws("side_on"), draws("basic", max_zoom=1.3), strict=True):
        assert (a.angle, a.brightness, a.contrast) == (b.angle, b.brightness, b.contrast)
        assert (a.down, a.right) == (b.down, b.right)


def test_choices_of_one_draw_are_independent():
    found = draws("side_on", max_zoom=2)
    table = np.array([[d.zoom, d.angle, d.brightness, d.contrast, d.down, d.right] for d in found])
    others = np.corrcoef(table.T)[~np.eye(6, dtype=bool)]
    assert np.abs(others).max() < 4 / math.sqrt(DRAWS)


# ---- what a view depends on


def written(some, key):
    """What a set of views writes for a key."""
    out = np.empty(some.shape, np.uint8)
    some.write(key, out)
    return out


def pictures(*names):
    return {name: noise(48, 40, seed=len(name)) for name in names}


def test_a_view_depends_on_seed_draw_and_image_name_alone(make_pack):
    """Neither on the image's number, nor on its row in the pack, nor on what was drawn before."""
    few = make_pack(pictures("a", "bb", "ccc"), "few")
    more = make_pack(pictures("ccc", "dddd", "bb", "a"), "more")
    first = Views(few, few.rows(["a", "bb"]), 32, SIDE_ON, 42)
    second = Views(more, more.rows(["bb", "dddd"]), 32, SIDE_ON, 42)
    written(second, (1, "augment/0"))
    assert np.array_equal(written(first, (1, "augment/0")), written(second, (0, "augment/0")))


def test_seed_draw_and_image_name_each_change_the_view(make_pack):
    same = noise(48, 40)
    pack = make_pack({"a": same, "b": same})

    def view(seed=42, which="augment/0", number=0):
        some = Views(pack, np.array([0, 1]), 32, SIDE_ON, seed)
        return written(some, (number, which)).tobytes()

    assert len({view(), view(seed=43), view(which="augment/1"), view(number=1)}) == 4


def test_the_plain_view_depends_on_no_seed(make_pack):
    pack = make_pack(pictures("a"))
    both = (Views(pack, np.array([0]), 32, SIDE_ON, seed) for seed in (1, 2))
    first, second = (written(some, (0, "")) for some in both)
    assert np.array_equal(first, second)


def test_generators_of_different_keys_differ_and_of_the_same_key_agree():
    assert views.generator(1, "a").random() == views.generator(1, "a").random()
    keys = [(1, "a"), (2, "a"), (1, "b"), ("a", 1), (1,), ()]
    assert len({views.generator(*key).random() for key in keys}) == len(keys)


def test_the_number_of_threads_changes_no_pixel():
    image = noise(700, 560)
    threads, found = cv2.getNumThreads(), []
    drawn = Draw(zoom=1.07, angle=7, brightness=0.03, contrast=1.04, down=0.3, right=0.8)
    try:
        for n in (1, 2):
            cv2.setNumThreads(n)
            found.append(views.view(image, 256, drawn))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(*found)


def test_a_view_is_written_where_it_is_asked_for():
    """Reduced, warped and lit: the whole way ends in the given place, and touches no other."""
    image, places = noise(300, 280), np.zeros((3, 64, 64, 3), np.uint8)
    drawn = Draw(zoom=1.07, angle=7, brightness=0.03, contrast=1.04)
    views.view(image, 64, drawn, places[1])
    assert np.array_equal(places[1], views.view(image, 64, drawn))
    assert not places[[0, 2]].any()


@pytest.mark.parametrize(("width", "height"), [(65_000, 20), (20, 65_000)])
def test_the_longest_image_of_a_pack_has_a_view(width, height):
    assert np.array_equal(
        array(views.view(noise(width, height), 20)), centre_crop(noise(width, height), 20)
    )
