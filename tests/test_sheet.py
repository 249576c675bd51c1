"""`repodium views`: what it shows against the batches that training and TTA get."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from stages.base import params
from stages.commands import views as command
from stages.fit.data import ImageData
from stages.images.loading import ManyViews, Views, load
from stages.learner import sheet, tta
from tests.project import ROOT, edit

NAMES = ["train/a.png", "train/b.png", "train/c.png", "train/d.png"]


@pytest.fixture
def pack(make_pack, smooth):
    return make_pack({name: smooth(90 + i, 80) for i, name in enumerate(NAMES)})


RECIPE = {
    "transforms.augment": "side_on", "resize.shorter_side": 96, "head.image_size": 64,
    "augment.image_size": 64, "augment.fits.0.cycles": 3, "progressive.steps.0.image_size": 80,
    "progressive.steps.0.fits.0.cycles": 3, "unfreeze.image_size": 80,
}  # fmt: skip


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The bundled competition's at two sizes, with mirrors; further changes can be made."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def change(**changes):
        edit(Path("params.yaml"), **RECIPE | changes)
        return params.read()

    return change


def shown(s):
    return {line.about: (line.size, line.names) for line in sheet.lines(s)}


def test_each_size_has_the_plain_view_and_those_of_its_first_six_epochs(settings):
    assert shown(settings()) == {
        "64 px": (64, ["", "augment/0", "augment/1", "augment/2"]),
        "80 px": (80, ["", "progressive/0", "progressive/1", "progressive/2",
                       "unfreeze/0", "unfreeze/1", "unfreeze/2"]),
        "80 px, TTA": (80, ["", "tta/0", "tta/1", "tta/2", "tta/3"]),
    }  # fmt: skip


def test_the_heads_own_views_are_shown_if_it_is_trained_on_some(settings):
    s = settings(**{"head.views": 3, "augment.fits": []})
    assert shown(s)["64 px"] == (64, ["", "head_views/1", "head_views/2"])


def test_tta_is_at_the_size_last_trained_at(settings):
    fits = {f"{stage}.fits": [] for stage in ("head", "augment", "unfreeze")}
    s = settings(**fits, **{"progressive.steps": [], "head.image_size": 72, "tta.augmented": 0})
    assert shown(s) == {"72 px, TTA": (72, [""])}


def batches(pack, s, size, stage, epochs):
    """What ImageData gives the network: the pixels of every image in each epoch, and validation."""
    data = ImageData(
        views=Views(pack, pack.rows(NAMES), size, s.transforms, s.seed),
        targets=torch.arange(len(NAMES)),  # each image is its own class
        train=np.arange(len(NAMES)),
        valid=np.arange(len(NAMES)),
        batch_size=3,
        workers=1,
    )
    for train, valid in data.epochs([f"{stage}/{i}" for i in range(epochs)]):
        for part in (train, valid):
            yield {
                NAMES[t]: x for pixels, y in part for x, t in zip(pixels, y.tolist(), strict=True)
            }


def test_a_tile_is_what_the_network_is_trained_and_validated_on(pack, settings):
    s = settings()
    line = next(line for line in sheet.lines(s) if line.about == "64 px")
    first, plain, second, _, third, _ = batches(pack, s, 64, "augment", 3)
    for name in NAMES:
        tiles = line.pixels(pack, name, s)
        assert tiles.shape == (4, 64, 64, 3)
        for tile, pixels in zip(tiles, (plain, first, second, third), strict=True):
            assert np.array_equal(tile, pixels[name].permute(1, 2, 0).numpy())
    assert len({tile.tobytes() for tile in tiles}) == 4


def test_a_tile_of_tta_is_what_tta_predicts_on(pack, settings):
    s = settings()
    *_, line = sheet.lines(s)
    views = ManyViews(pack, pack.rows(NAMES), 80, s.transforms, s.seed, tta.names(4))
    [(pixels, _)] = load(views, [range(len(NAMES))], 1)
    for name, expected in zip(NAMES, pixels, strict=True):
        assert np.array_equal(line.pixels(pack, name, s), expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("wanted", ["train/b.png", "b.png", "b"])
def test_an_image_is_named_in_full_or_by_its_id(pack, wanted):
    assert sheet.chosen(pack, [wanted, "train/d.png"]) == ["train/b.png", "train/d.png"]


def test_without_a_name_three_are_shown_that_are_not_neighbours(make_pack, smooth):
    pack = make_pack({f"{i}.png": smooth(20, 20) for i in range(8)})
    assert sheet.chosen(pack, []) == ["0.png", "2.png", "4.png"]


def test_fewer_images_than_that_are_all_shown(make_pack, smooth):
    pack = make_pack({"a.png": smooth(20, 20), "b.png": smooth(20, 20)})
    assert sheet.chosen(pack, []) == ["a.png", "b.png"]


def ran(*words):
    return CliRunner().invoke(command.command, words, catch_exceptions=False)


def test_the_command_draws_a_line_a_size_for_each_image(make_pack, smooth, settings):
    settings(**{"batches.mixup": 0.2})
    make_pack({name: smooth(100, 96) for name in NAMES}, "data/resized")
    result = ran("a", "c", "d")
    assert result.output.splitlines() == [
        "note: mixup blends what is shown with other images.",
        "picture: reports/views.png; the numbers are those of the epochs.",
    ]
    three = Image.open("reports/views.png").size
    ran("a")
    one = Image.open("reports/views.png").size
    assert one[0] == three[0] > 800
    assert 3 * one[1] == pytest.approx(three[1], abs=3)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("z", "there is no training image z; there are cat/a.png, dog/a.png."),
     ("a", "a may be any of cat/a.png, dog/a.png; name it in full.")],
)  # fmt: skip
def test_a_name_of_none_or_several_is_a_sentence(make_pack, smooth, settings, wanted, said):
    settings()
    make_pack({name: smooth(20, 20) for name in ("cat/a.png", "dog/a.png")}, "data/resized")
    result = ran(wanted)
    assert (result.exit_code, result.output) == (1, f"Error: {said}\n")


def test_before_resize_it_says_what_to_run(settings):
    settings()
    result = ran()
    assert result.exit_code == 1
    assert result.output == "Error: the images are not resized yet; run `dvc repro resize` first.\n"
