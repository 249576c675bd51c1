"""The first look: what headers say, what they advise, and the contact sheet."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.base.errors import UserError
from stages.figures import contact as figure
from stages.figures.mosaic import mosaic
from stages.looking import advice, contact, headers
from tests.layouts import opened
from tests.project import run_stage, write_project


def saved(mode: str, size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path):
    files = {
        "a.png": saved("L", (30, 20), "PNG"), "b.png": saved("RGBA", (20, 50), "PNG"),
        "c.jpg": saved("RGB", (40, 40), "JPEG"), "d.png": saved("L", (10, 90), "PNG"),
        "cut.png": saved("L", (9, 20), "PNG")[:60], "f.jpg": b"no image",
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return opened(tmp_path)


def test_headers_say_size_mode_and_format_without_the_pixels(archive):
    found = headers.read(archive, ["a.png", "b.png", "c.jpg", "cut.png"])
    assert found.to_numpy().tolist() == [
        [30, 20, "L", "PNG"], [20, 50, "RGBA", "PNG"], [40, 40, "RGB", "JPEG"], [9, 20, "L", "PNG"],
    ]  # fmt: skip
    assert headers.shorter(found).tolist() == [20, 20, 40, 9]


def test_formats_and_modes_are_counted_the_commonest_first(archive):
    found = headers.counts(headers.read(archive, ["b.png", "c.jpg", "a.png", "d.png"]))
    assert list(found.items()) == [
        ("format_PNG", 3), ("format_JPEG", 1), ("mode_L", 2), ("mode_RGB", 1), ("mode_RGBA", 1),
    ]  # fmt: skip


def test_what_is_no_image_is_named(archive):
    with pytest.raises(UserError, match=r"f\.jpg is not a readable image"):
        headers.of_image(archive, "f.jpg")


def table(*sizes, mode="RGB", kind="JPEG"):
    return pd.DataFrame([(*size, mode, kind) for size in sizes], columns=headers.COLUMNS)


@pytest.mark.parametrize(
    ("shorter_side", "said"),
    [
        (250, "resize.shorter_side 250 goes with the originals"),
        (300, "goes with"),
        (301, "is 1.5 times the originals' shorter side, 200 px in the median: upscaling"),
        (66, "is 33% of the originals' shorter side, 200 px in the median: if small details"),
        (67, "goes with"),
    ],
)
def test_the_pack_is_compared_with_the_originals(shorter_side, said):
    originals = table((200, 300), (400, 200), (900, 900))
    [sentence] = advice.of_sizes(originals, shorter_side)
    assert said in sentence


def test_a_head_that_sees_less_than_the_pretrained_weights_did_is_told():
    [sentence] = advice.of_weights(223, 224)
    assert sentence.startswith("head.image_size 223 is below the 224 px that the pretrained")
    assert list(advice.of_weights(224, 224)) == []
    assert list(advice.of_weights(8, None)) == []


def test_test_images_of_another_kind_are_told():
    train = table((200, 300), (210, 300))
    assert list(advice.of_kinds(train, train)) == []
    assert list(advice.of_kinds(train, train[:0])) == []
    small, kind = advice.of_kinds(train, table((100, 300), kind="PNG"))
    assert "205 px on their shorter side and test images 100" in small
    assert "of format JPEG and most test images of PNG" in kind


def test_imbalance_beyond_ten_to_one_is_told_with_the_classes():
    assert list(advice.of_classes(pd.Series({"cat": 100, "dog": 10}))) == []
    [said] = advice.of_classes(pd.Series({"cat": 50, "dog": 101, "newt": 10}))
    assert said == (
        "Class newt has 10 training images and dog 101: batches.oversample: 1 shows both about as "
        "often, and a stratified split.method gives every fold its share."
    )


def test_of_a_class_without_images_nothing_is_advised():
    assert list(advice.of_classes(pd.Series({"cat": 50, "dog": 40, "newt": 0}))) == []
    assert list(advice.of_classes(pd.Series({"cat": 0, "dog": 0}))) == []


def flags_of(labels, classes):
    return np.array(labels)[:, None] == np.arange(classes)


def test_a_line_a_class_the_most_frequent_on_top_its_images_spread_over_the_table():
    lines = contact.of_classes(flags_of([1] * 3 + [0] * 11 + [1] * 2, 2), ["rare", "common"])
    assert [(line.name, line.about) for line in lines] == [
        ("rare", "11 images"), ("common", "5 images"),
    ]  # fmt: skip
    assert lines[0].rows.tolist() == [3, 5, 7, 9, 11, 13]
    assert lines[1].rows.tolist() == [0, 1, 2, 14, 15]


def test_of_many_classes_both_ends_are_shown_and_none_without_images():
    labels = [c for c in range(50) for _ in range(c)]  # class c has c images
    lines = contact.of_classes(flags_of(labels, 50), [f"c{i}" for i in range(50)])
    assert [line.name for line in lines] == [
        "c49", "c48", "c47", "c46", "c45", "c44", "c6", "c5", "c4", "c3", "c2", "c1",
    ]  # fmt: skip
    assert lines[-1].about == "1 image"


def test_a_tag_shows_all_its_images_and_those_without_come_last():
    flags = np.array([[1, 1], [0, 0], [1, 0]], dtype=bool)
    found = {line.name: line.rows.tolist() for line in contact.of_classes(flags, ["a", "b"])}
    assert found == {"a": [0, 2], "b": [0], "(no label)": [1]}


def test_numbers_are_shown_from_the_lowest_to_the_highest():
    numbers = np.random.default_rng(0).permutation(100.0 * np.arange(200))[:, None]
    lines = list(contact.of_numbers(numbers, ["price"]))
    shown = np.concatenate([numbers[line.rows, 0] for line in lines])
    assert (np.diff(shown) > 0).all()
    assert shown[[0, -1]].tolist() == [0, 19900]
    assert [caption for line in lines for caption in line.captions] == [f"{x:g}" for x in shown]
    several = contact.of_numbers(np.zeros((5, 3)), ["x", "y", "z"])
    assert [line.about for line in several] == ["x", "y", "z"]


def test_images_lie_where_they_are_placed_to_the_pixel(tmp_path):
    red = np.full((10, 20, 3), (255, 0, 0), np.uint8)
    with mosaic(tmp_path / "m.png", 200, 100) as sheet:
        sheet.image(red, left=30, top=40, side=40)
    found = np.asarray(Image.open(tmp_path / "m.png").convert("RGB"))
    assert found.shape == (100, 200, 3)
    y, x = np.nonzero((found == (255, 0, 0)).all(axis=-1))
    assert (x.min(), x.max(), y.min(), y.max()) == (30, 69, 50, 69)


def test_a_contact_sheet_is_the_same_each_time_whatever_the_names(tmp_path: Path):
    images = [np.full((20, 30, 3), i * 40, np.uint8) for i in range(5)]
    lines = [
        figure.Line("cost $5_or $x^ " * 9, "5 images", images, []),
        figure.Line("", "none", [], []),
    ]
    files = [tmp_path / f"{i}.png" for i in range(2)]
    for file in files:
        figure.draw(file, lines, contact.COLUMNS)
    assert files[0].read_bytes() == files[1].read_bytes()


OF_TASK = {
    "multiclass": ({}, ["cat", "dog"], ["cat", "dog", "cat", "cat"]),
    "multilabel": (
        {"competition.label_separator": " "}, ["sea", "sky"], ["sea", "", "sea\tsky", ""],
    ),
    "regression": ({"competition.metric": "rmse"}, ["price"], ["4", "-2.5", "11", "3"]),
}  # fmt: skip
ABOUT = {
    "multiclass": {"classes": 2, "rarest_class": 1, "commonest_class": 3},
    "multilabel": {"classes": 2, "rarest_class": 1, "commonest_class": 2},
    "regression": {"lowest": -2.5, "highest": 11.0},
}


@pytest.mark.parametrize("task", OF_TASK)
def test_the_stage_looks_at_each_task(tmp_path, make_pack, task):
    changes, classes, labels = OF_TASK[task]
    folder = write_project(tmp_path / "p", Path("unused"), **{"competition.task": task} | changes)
    names = [f"{i}.jpg" for i in range(6)]
    make_pack({name: np.full((60, 90, 3), 77, np.uint8) for name in names})
    (folder / "data").mkdir()
    shutil.move(tmp_path / "pack", folder / "data/resized")
    with zipfile.ZipFile(folder / "data/competition.zip", "w") as archive:
        for i, name in enumerate(names):
            mode = "L" if i == 5 else "RGB"
            archive.writestr(name, saved(mode, (60 + i, 300), "JPEG"))
    rows = pd.DataFrame({"id": names[:4], "image": names[:4], "fold": 0, "label": labels})
    rows.to_csv(folder / "data/screened.csv", index=False)
    rows[["id"]].assign(image=names[2:]).tail(2).to_csv(folder / "data/test.csv", index=False)
    counts = [sum(name in label.split("\t") for label in labels) for name in classes]
    known = pd.DataFrame({"class": classes, "rows": counts})
    known.to_csv(folder / "data/classes.csv", index=False)
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/backbone.json").write_text('{"pretrained_size": 224}')
    output = run_stage(folder, "explore").output
    advised = (folder / "reports/advice.txt").read_text()
    assert advised in output
    assert "goes with the originals' shorter side, 62.5 px in the median" in advised
    assert "is below the 224 px that the pretrained weights saw" in advised
    found = json.loads((folder / "metrics/explore.json").read_text())
    images = {"train_images": 4, "test_images": 2, "median_width": 62.5, "median_height": 300.0}
    assert found == images | ABOUT[task] | {"format_JPEG": 6, "mode_RGB": 5, "mode_L": 1}
    for picture in ("classes", "sizes", "contact"):
        assert Image.open(folder / f"reports/{picture}.png").size[0] > 500
