"""Loading: batches depend on their keys, never on who prepares them."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.base import cores
from stages.base.settings import Transforms
from stages.fit.data import ImageData
from stages.images import loading
from stages.images.loading import ManyViews, Views

TOP_DOWN = Transforms(augment="top_down", max_zoom=1.2, rotate=10, lighting=0.05)
NAMES = [f"{i}.jpg" for i in range(9)]
WHICH = ["", "tta/0", "tta/1"]


@pytest.fixture
def images(make_pack):
    rng = np.random.default_rng(0)
    return make_pack({name: rng.integers(0, 256, (26, 30, 3), np.uint8) for name in NAMES})


@pytest.fixture
def views(images):
    return Views(images, images.rows(NAMES), 20, TOP_DOWN, 42)


@pytest.fixture
def data(views):
    targets = torch.arange(9) * 10
    return ImageData(views, targets, np.array([0, 2, 3, 5, 8]), np.array([1, 4, 6, 7]), 2, 1)


def contents(batches):
    return [(pixels.numpy().tobytes(), list(keys)) for pixels, keys in batches]


def written(some, key):
    """What a set of views writes for a key."""
    out = np.empty(some.shape, np.uint8)
    some.write(key, out)
    return out


@pytest.mark.parametrize("workers", [2, 7])
def test_any_number_of_workers_yields_the_same_batches_in_order(views, workers):
    keys = loading.chunks([(i, which) for which in WHICH for i in (3, 0, 8, 5)], 5)
    alone = contents(loading.load(views, keys, 1))
    assert [[i for i, _ in found] for _, found in alone] == [
        [3, 0, 8, 5, 3], [0, 8, 5, 3, 0], [8, 5]
    ]  # fmt: skip
    assert contents(loading.load(views, keys, workers)) == alone


def test_a_batch_is_uint8_views_and_their_keys(views):
    [(pixels, keys)] = loading.load(views, [[(3, ""), (1, "a")]], 1)
    assert pixels.shape == (2, 3, 20, 20)
    assert pixels.dtype == torch.uint8
    assert keys == [(3, ""), (1, "a")]
    assert np.array_equal(pixels[1].permute(1, 2, 0), written(views, (1, "a")))


def test_a_batch_has_the_layout_that_convolutions_want(views):
    [(pixels, _)] = loading.load(views, [[(3, ""), (1, "")]], 1)
    assert pixels.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("device", "ahead"), [("cpu", 0), ("mps", 2)])
def test_beside_an_accelerator_batches_are_prepared_ahead(views, device, ahead):
    asked = []

    def batches():
        for i in range(6):
            asked.append(i)
            yield [(i, "")]

    stream = loading.load(views, batches(), 2, torch.device(device))
    next(stream)
    assert len(asked) == 1 + ahead
    assert [keys for _, keys in stream] == [[(i, "")] for i in range(1, 6)]


def test_training_batches_are_the_same_for_any_device(data):
    def seen(data):
        return [[contents([batch]) for batch in train] for train, _ in data.epochs(["augment/0"])]

    ahead = replace(data, device=torch.device("mps"))
    assert seen(ahead) == seen(data)


def test_what_goes_wrong_in_a_thread_is_raised(views):
    with pytest.raises(IndexError):
        list(loading.load(views, [[(0, ""), (99, "")]], 2))


def test_a_stream_that_is_left_leaves_no_thread(views):
    before = threading.active_count()
    stream = loading.load(views, [[(i, "")] for i in range(9)], 3)
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_a_view_does_not_depend_on_the_batch_it_falls_into(views):
    keys = [(i, "augment/0") for i in range(6)]
    found = [
        torch.cat([pixels for pixels, _ in loading.load(views, loading.chunks(keys, size), 1)])
        for size in (2, 6)
    ]
    assert torch.equal(*found)


def test_training_rows_are_seen_plainly_as_many_as_validate(data, views):
    """Four of the five, in the view that validation has of its own."""
    batches = list(data.plain())
    rows = [int(target) // 10 for _, targets in batches for target in targets]
    assert len(rows) == len(set(rows)) == 4
    assert set(rows) < {0, 2, 3, 5, 8}
    pixels = torch.cat([found for found, _ in batches]).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pixels, [written(views, (i, "")) for i in rows])
    alone = [pixels.numpy().tobytes() for pixels, _ in batches]
    more = [pixels.numpy().tobytes() for pixels, _ in replace(data, workers=3).plain()]
    assert more == alone


def test_many_views_are_the_views_one_by_one(views, images):
    many = ManyViews(images, images.rows(NAMES), 20, TOP_DOWN, 42, WHICH)
    for number in (0, 7):
        found = written(many, number)
        assert np.array_equal(found, [written(views, (number, which)) for which in WHICH])


def test_a_batch_of_many_views_is_a_stack_of_them(images):
    many = ManyViews(images, images.rows(NAMES), 20, TOP_DOWN, 42, WHICH)
    [(pixels, keys)] = loading.load(many, [[4, 2]], 1)
    assert pixels.shape == (2, 3, 3, 20, 20)
    assert keys == [4, 2]
    assert np.array_equal(pixels[1].permute(0, 2, 3, 1), written(many, 2))


def test_items_are_numbered_by_the_rows_given_and_not_by_the_packs(images):
    some = Views(images, images.rows(["7.jpg", "2.jpg"]), 20, TOP_DOWN, 42)
    assert np.array_equal(some.image(0), images.image(7))
    assert np.array_equal(some.image(1), images.image(2))


def test_shuffled_is_a_permutation_of_its_key_alone():
    first = loading.shuffled(100, 42, "head/0")
    np.random.seed(3)  # noqa: NPY002
    assert sorted(first) == list(range(100))
    assert np.array_equal(first, loading.shuffled(100, 42, "head/0"))
    assert not np.array_equal(first, loading.shuffled(100, 42, "head/1"))
    assert not np.array_equal(first, loading.shuffled(100, 43, "head/0"))


def test_shuffled_leaves_nothing_in_place_by_habit():
    fixed = [(loading.shuffled(50, key) == np.arange(50)).sum() for key in range(200)]
    assert np.mean(fixed) == pytest.approx(1, abs=4 / np.sqrt(200))


def test_a_number_of_workers_is_taken_as_given_and_auto_is_at_least_one():
    assert cores.resolve_workers(0) == 1
    assert cores.resolve_workers(3) == 3
    assert cores.resolve_workers("auto") >= 1


def epochs_of(data, names):
    def of(batches):
        return [(pixels.numpy().tobytes(), targets.tolist()) for pixels, targets in batches]

    return [(of(train), of(valid)) for train, valid in data.epochs(names)]


def test_an_epoch_of_images_trains_on_its_rows_and_validates_the_others(data):
    [(train, valid)] = epochs_of(data, ["augment/0"])
    assert sorted(t for _, targets in train for t in targets) == [0, 20, 30, 50, 80]
    assert [targets for _, targets in valid] == [[10, 40], [60, 70]]
    assert data.steps == len(train) == 2


def test_validation_sees_plain_views_in_every_epoch(data, views):
    (_, first), (_, second) = epochs_of(data, ["augment/0", "augment/1"])
    assert first == second
    [(expected, _)] = loading.load(views, [[(1, ""), (4, "")]], 1)
    assert first[0][0] == expected.numpy().tobytes()


def test_training_sees_other_views_in_another_order_every_epoch(data):
    (first, _), (second, _) = epochs_of(data, ["augment/0", "augment/1"])
    assert not {pixels for pixels, _ in first} & {pixels for pixels, _ in second}


def test_an_epoch_by_itself_is_the_epoch_among_others(data):
    assert epochs_of(data, ["augment/0", "augment/1"])[1] == epochs_of(data, ["augment/1"])[0]


@pytest.mark.parametrize("workers", [2, 7])
def test_workers_change_no_epoch(data, workers):
    alone = epochs_of(data, ["augment/0", "augment/1"])
    data.workers = workers
    assert epochs_of(data, ["augment/0", "augment/1"]) == alone


def test_the_same_data_at_another_size(data):
    [(train, _)] = data.at(12).epochs(["augment/0"])
    assert next(train)[0].shape == (2, 3, 12, 12)
    assert data.views.size == 20


def test_no_validation_rows_are_no_validation_batches(data):
    data.valid = np.arange(0)
    [(train, valid)] = epochs_of(data, ["augment/0"])
    assert (len(train), len(valid)) == (2, 0)
