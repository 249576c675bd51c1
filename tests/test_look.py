"""`repodium look`: what was understood of a competition, on one screen."""

import pytest
from click.testing import CliRunner
from PIL import Image

from stages.commands import look
from tests.layouts import LAYOUTS, opened
from tests.test_split import project


def looked(folder, layout, monkeypatch):
    changes = {"split.method": "group"} if "group" in layout.extra else {}
    monkeypatch.chdir(project(folder, layout, **changes))
    result = CliRunner().invoke(look.command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_it_says_what_it_understood(tmp_path, monkeypatch):
    layout = LAYOUTS["space-separated tags (planet)"]
    assert looked(tmp_path, layout, monkeypatch).splitlines() == [
        "labels      train_v2.csv, task multilabel: 3 rows",
        "classes     5: agriculture 1, cloudy 1, haze 1, primary 2, water 1",
        "first rows  train_0 | train-jpg/train_0.jpg | haze, primary",
        "            train_1 | train-jpg/train_1.jpg | agriculture, primary, water",
        "            train_2 | train-jpg/train_2.jpg | cloudy",
        "images      train-jpg: 3 .jpg",
        "            test-jpg, test-jpg-additional: 2 .jpg",
        "submission  sample_v2.csv: 2 rows, image_name, tags",
        "            names of classes, in any number, at most 5, with ' ' between, for f2",
        "            first row test_0, primary clear",
        "nine images reports/look.png",
    ]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_can_be_looked_at(tmp_path, monkeypatch, layout):
    output = looked(tmp_path, layout, monkeypatch)
    assert f": {len(layout.rows)} rows" in output
    assert f": {len(layout.tests)} rows" in output
    width, height = Image.open("reports/look.png").size
    assert width > 500
    assert height > 200


def test_before_fetch_it_says_what_to_run(tmp_path, monkeypatch):
    folder = project(tmp_path, LAYOUTS["csv, ids without suffix (dog breeds)"])
    (folder / "data/competition.zip").unlink()
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(look.command)
    assert result.exit_code == 1
    assert "run `dvc repro fetch` first" in result.output


def test_an_image_that_is_none_is_named_and_the_others_are_shown(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(b"<html>404</html>")
    assert look.picture(opened(tmp_path), "a.jpg") is None
    assert "a.jpg cannot be read: it is not an image of" in capsys.readouterr().out
