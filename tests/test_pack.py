"""The pack: the right image at random access, shared by threads."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.images import decoding, pack

NAMES = ["train/b.jpg", "train/a.jpg", "test/NA", "0012"]


@pytest.fixture
def pictures():
    """One colour each, of different sizes."""
    return {
        name: np.full((20 + i, 30 + 2 * i, 3), 40 * (i + 1), np.uint8)
        for i, name in enumerate(NAMES)
    }


@pytest.fixture
def images(make_pack, pictures):
    return make_pack(pictures)


def read_all(images, order):
    return [images.image(row).tobytes() for row in order]


def test_each_row_is_its_own_image_in_any_order(images, pictures):
    for row in (2, 0, 3, 1, 2):
        expected = pictures[NAMES[row]]
        found = images.image(row)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected).max() <= 2


def test_the_jpeg_is_the_one_that_was_written(images, pictures):
    expected = decoding.to_jpeg(pictures["train/a.jpg"], 95)
    assert images.jpeg(1) == expected


def test_names_are_kept_as_they_were_written(images):
    assert images.names == NAMES
    assert len(images) == 4


def test_rows_are_found_by_name(images):
    assert images.rows(["0012", "train/b.jpg", "test/NA", "0012"]).tolist() == [3, 0, 2, 3]
    with pytest.raises(KeyError, match="absent"):
        images.rows(["absent"])


def test_the_index_says_where_each_jpeg_lies_and_how_large_it_is(images, pictures):
    index = pd.read_csv(images.folder / "index.csv", dtype={"image": str}, keep_default_na=False)
    assert list(index.columns) == ["image", "offset", "bytes", "width", "height", "training"]
    assert index["offset"].tolist() == [0, *index["bytes"].cumsum()[:-1]]
    assert index["bytes"].sum() == (images.folder / "images.bin").stat().st_size
    sizes = [(p.shape[1], p.shape[0]) for p in pictures.values()]
    assert list(zip(index["width"], index["height"], strict=True)) == sizes


def test_a_broken_neighbour_does_not_matter(images):
    before = read_all(images, [0, 2, 3])
    start, length = images.index.loc[1, ["offset", "bytes"]]
    with (images.folder / "images.bin").open("r+b") as blob:
        blob.seek(start)
        blob.write(bytes(length))
    again = pack.Pack(images.folder)
    assert read_all(again, [0, 2, 3]) == before
    with pytest.raises(OSError, match=r"images.bin is damaged at train/a.jpg"):
        again.image(1)


def test_several_threads_read_at_once(images):
    orders = [np.random.default_rng(i).permutation(4).tolist() * 10 for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_all, [images] * 4, orders))
    assert found == [read_all(images, order) for order in orders]


def test_the_decoder_agrees_with_pillows(images):
    for row in range(4):
        assert np.array_equal(images.image(row), Image.open(io.BytesIO(images.jpeg(row))))
