"""Test-time augmentation: the stack, its average, and that workers change nothing."""

import numpy as np
import pytest
import torch

from stages.base.settings import Transforms
from stages.images.loading import ManyViews
from stages.learner import tta
from stages.model.network import Network, build_backbone, build_head
from stages.model.tasks import TASKS

SIDE_ON = Transforms(augment="side_on", max_zoom=1.1, rotate=10, lighting=0.05)
IMAGES = [f"train/{i}.jpg" for i in range(5)]


@pytest.fixture
def network():
    torch.manual_seed(0)
    head = build_head(192, 3, [], [0])
    network = Network(build_backbone("test_resnet"), head, "concat", [0.5] * 3, [0.2] * 3)
    network.backbone.train()  # statistics as of real pixels, so that views tell apart
    with torch.no_grad():
        network.backbone.forward_features(torch.randn(16, 3, 32, 32))
    return network


@pytest.fixture
def images(make_pack):
    rng = np.random.default_rng(0)
    return make_pack({name: rng.integers(0, 256, (40, 48, 3), np.uint8) for name in IMAGES})


def predict(network, pack, augmented=4, images=IMAGES, workers=1, batch_size=8):
    views = ManyViews(pack, pack.rows(images), 32, SIDE_ON, 42, tta.names(augmented))
    batches = tta.predict(network, TASKS["multiclass"], views, batch_size, workers)
    return np.concatenate(list(batches)).transpose(1, 0, 2)


def test_the_stack_is_views_by_images_by_classes(network, images):
    assert predict(network, images).shape == (1 + 4, 5, 3)


def test_predictions_are_probabilities(network, images):
    stack = predict(network, images)
    assert stack.min() >= 0
    np.testing.assert_allclose(stack.sum(axis=2), 1, atol=1e-6)


def test_the_first_view_is_the_plain_one_whatever_comes_after(network, images):
    plain = predict(network, images, augmented=0)
    assert plain.shape == (1, 5, 3)
    np.testing.assert_allclose(predict(network, images)[0], plain[0], atol=1e-5)


def test_augmented_views_differ_from_each_other(network, images):
    stack = predict(network, images)
    assert len(np.unique(stack[:, 0].round(6), axis=0)) == 5


def test_more_views_keep_the_first_ones(network, images):
    few, many = (predict(network, images, augmented=n) for n in (2, 4))
    np.testing.assert_allclose(many[:3], few, atol=1e-5)


def test_rows_are_in_the_order_of_the_images_named(network, images):
    backwards = predict(network, images, images=IMAGES[::-1])
    np.testing.assert_allclose(backwards[:, ::-1], predict(network, images), atol=1e-5)


def test_dropout_is_off_and_statistics_stay(network, images):
    before = network.backbone.bn1.running_mean.clone()
    network.train()
    assert np.array_equal(predict(network, images), predict(network, images))
    assert torch.equal(before, network.backbone.bn1.running_mean)


def test_the_number_of_workers_changes_nothing(network, images):
    stacks = [predict(network, images, workers=n) for n in (1, 2, 3)]
    assert np.array_equal(stacks[0], stacks[1])
    assert np.array_equal(stacks[0], stacks[2])


def test_a_plain_weight_of_a_fifth_with_four_views_is_the_plain_mean():
    stack = np.random.default_rng(0).dirichlet([1] * 3, size=(5, 7))
    np.testing.assert_allclose(tta.average(stack, 0.2), stack.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("augmented", [1, 2, 4, 8])
def test_the_augmented_views_share_what_the_plain_one_leaves(augmented):
    stack = np.random.default_rng(0).dirichlet([1] * 3, size=(1 + augmented, 7))
    expected = 0.7 * stack[0] + 0.3 * stack[1:].mean(axis=0)
    np.testing.assert_allclose(tta.average(stack, 0.7), expected, rtol=1e-12)


def test_rows_of_the_average_sum_to_one():
    stack = np.random.default_rng(0).dirichlet([0.1] * 120, size=(5, 50)).astype(np.float32)
    np.testing.assert_allclose(tta.average(stack, 0.2).sum(axis=1), 1, atol=1e-6)


def test_without_augmented_views_the_plain_one_counts_alone():
    stack = np.random.default_rng(0).dirichlet([1] * 3, size=(1, 7))
    assert np.array_equal(tta.average(stack, 0.2), stack[0])
