"""Loading: batches depend on their keys, never on who prepares them."""

import numpy as np
import pytest
import torch

from stages.images import loading
from stages.images.loading import ManyViews, Views
from stages.learner.data import ImageData
from stages.settings import Transforms

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
    return ImageData(views, targets, np.array([0, 2, 3, 5, 8]), np.array([1, 4, 6, 7]), 2, 0)


def contents(batches):
    return [(pixels.numpy().tobytes(), numbers.tolist()) for pixels, numbers in batches]


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_yields_the_same_batches_in_order(views, workers):
    keys = loading.chunks([(i, which) for which in WHICH for i in (3, 0, 8, 5)], 5)
    alone = contents(loading.load(views, keys, 0))
    assert [numbers for _, numbers in alone] == [[3, 0, 8, 5, 3], [0, 8, 5, 3, 0], [8, 5]]
    assert contents(loading.load(views, keys, workers)) == alone


def test_a_batch_is_uint8_views_and_their_numbers(views):
    [(pixels, numbers)] = loading.load(views, [[(3, ""), (1, "a")]], 0)
    assert pixels.shape == (2, 3, 20, 20)
    assert pixels.dtype == torch.uint8
    assert numbers.tolist() == [3, 1]


def test_a_view_does_not_depend_on_the_batch_it_falls_into(views):
    keys = [(i, "augment/0") for i in range(6)]
    found = [
        torch.cat([pixels for pixels, _ in loading.load(views, loading.chunks(keys, size), 0)])
        for size in (2, 6)
    ]
    assert torch.equal(*found)


def test_many_views_are_the_views_one_by_one(views, images):
    many = ManyViews(images, images.rows(NAMES), 20, TOP_DOWN, 42, WHICH)
    for number in (0, 7):
        stack, found = many[number]
        assert found == number
        assert torch.equal(stack, torch.stack([views[number, which][0] for which in WHICH]))


def test_items_are_numbered_by_the_rows_given_and_not_by_the_packs(images):
    some = Views(images, images.rows(["7.jpg", "2.jpg"]), 20, TOP_DOWN, 42)
    assert torch.equal(some.image(0), images.image(7))
    assert torch.equal(some.image(1), images.image(2))


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


def test_take_leaves_the_rest():
    rest = iter(range(5))
    assert list(loading.take(rest, 2)) == [0, 1]
    assert list(rest) == [2, 3, 4]


def test_a_number_of_workers_is_taken_as_given_and_auto_is_at_least_one():
    assert loading.resolve_workers(0) == 0
    assert loading.resolve_workers(3) == 3
    assert loading.resolve_workers("auto") >= 1


def epochs_of(data, names):
    return [(contents(train), contents(valid)) for train, valid in data.epochs(names)]


def test_an_epoch_of_images_trains_on_its_rows_and_validates_the_others(data):
    [(train, valid)] = epochs_of(data, ["augment/0"])
    assert sorted(t for _, targets in train for t in targets) == [0, 20, 30, 50, 80]
    assert [targets for _, targets in valid] == [[10, 40], [60, 70]]
    assert data.steps == len(train) == 2


def test_validation_sees_plain_views_in_every_epoch(data, views):
    (_, first), (_, second) = epochs_of(data, ["augment/0", "augment/1"])
    assert first == second
    expected = torch.stack([views[i, ""][0] for i in (1, 4)]).numpy().tobytes()
    assert first[0][0] == expected


def test_training_sees_other_views_in_another_order_every_epoch(data):
    (first, _), (second, _) = epochs_of(data, ["augment/0", "augment/1"])
    assert not {pixels for pixels, _ in first} & {pixels for pixels, _ in second}


def test_an_epoch_by_itself_is_the_epoch_among_others(data):
    assert epochs_of(data, ["augment/0", "augment/1"])[1] == epochs_of(data, ["augment/1"])[0]


@pytest.mark.parametrize("workers", [1, 2])
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
