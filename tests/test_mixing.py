"""Mixup and CutMix: pixels, shares and losses, against independent computations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from stages.fit import losses, mixing
from stages.fit.mixing import Mixing
from stages.fit.stepper import Stepper
from stages.model import tasks


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (6, 3, 20, 30), np.uint8))


def before(array):
    """What each item is mixed with."""
    return np.concatenate([array[-1:], array[:-1]])


def test_mixup_is_the_weighted_mean_of_an_image_and_the_one_before(pixels):
    mixed, share = mixing.mixup(pixels, 0.3)
    own = pixels.numpy()
    expected = np.round(0.3 * own.astype(float) + 0.7 * before(own).astype(float))
    assert share == 0.3
    assert mixed.dtype == torch.uint8
    assert np.abs(mixed.numpy() - expected).max() <= 1  # where fp32 rounds a half otherwise
    assert (mixed.numpy() == expected).mean() > 0.99


def test_mixup_leaves_an_image_whose_share_is_all_as_it_was(pixels):
    assert torch.equal(mixing.mixup(pixels, 1.0)[0], pixels)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_cutmix_is_the_image_but_for_a_box_of_the_one_before(pixels, share):
    own, other = pixels.numpy(), before(pixels.numpy())
    for seed in range(30):
        torch.manual_seed(seed)
        mixed, found = mixing.cutmix(pixels, share)
        foreign = (mixed.numpy() != own).any(axis=(0, 1))
        assert (mixed.numpy() == np.where(foreign, other, own)).all()
        height, width = foreign.any(axis=1).sum(), foreign.any(axis=0).sum()
        assert foreign.sum() == height * width  # a box
        assert found == pytest.approx(1 - height * width / 600)
        assert found >= share - 1e-9


def test_a_box_that_no_edge_cuts_has_the_area_drawn(pixels):
    big = torch.arange(2, dtype=torch.uint8)[:, None, None, None].expand(2, 3, 400, 600)
    found = [mixing.cutmix(big, 0.75)[1] for _ in range(200)]
    assert min(found) == pytest.approx(0.75, abs=0.001)


def test_the_share_is_drawn_from_beta():
    torch.manual_seed(0)
    found = [mixing.drawn_share(0.4) for _ in range(2000)]
    assert stats.kstest(found, stats.beta(0.4, 0.4).cdf).pvalue > 0.01


def test_with_both_a_batch_is_one_or_the_other(pixels):
    torch.manual_seed(0)
    both, boxes = Mixing(1.0, 1.0), 0
    for _ in range(400):
        mixed, _ = both(pixels)
        boxes += bool((mixed == pixels).float().mean() > 0.02 or torch.equal(mixed, pixels))
    assert 0.35 < boxes / 400 < 0.75


def test_each_alone_is_itself(pixels):
    for alone, kind in ((Mixing(0.7, 0.0), mixing.mixup), (Mixing(0.0, 0.7), mixing.cutmix)):
        torch.manual_seed(3)
        found = alone(pixels)
        torch.manual_seed(3)
        expected = kind(pixels, mixing.drawn_share(0.7))
        assert torch.equal(found[0], expected[0])
        assert found[1] == expected[1]


def test_without_alphas_nothing_is_mixed():
    assert mixing.of(0.0, 0.0) is None
    assert mixing.of(0.2, 0.0) == Mixing(0.2, 0.0)


class Flat(nn.Module):
    """One linear layer on pixels."""

    def __init__(self, outputs):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3 * 20 * 30, outputs)

    def forward(self, pixels):
        return self.layer(pixels.flatten(1).float() / 255)


def step(make_learner, task, pixels, targets):
    """A step's loss and gradient with mixup, and what it was made of, drawn again."""
    module = Flat(3)
    learner = make_learner(module, task=task)
    learner.mixing = Mixing(0.5, 0.0)
    torch.manual_seed(1)
    loss = Stepper(learner, [0.0]).step((pixels, targets), 1.0)
    torch.manual_seed(1)
    mixed, share = learner.mixing(pixels)
    again = Flat(3)
    return loss, module.layer.weight.grad, again, again(mixed), share


def same(loss, gradient, again, expected):
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, again.layer.weight.grad, rtol=1e-3, atol=1e-5)


def test_mixed_classes_are_trained_towards_both_by_their_shares(make_learner, pixels):
    targets = torch.tensor([0, 1, 2, 0, 2, 1])
    loss, gradient, again, outputs, share = step(
        make_learner, tasks.of("multiclass"), pixels, targets
    )
    soft = share * np.eye(3)[targets] + (1 - share) * np.eye(3)[before(targets.numpy())]
    same(loss, gradient, again, F.cross_entropy(outputs, torch.from_numpy(soft).float()))


def test_mixed_tags_are_trained_towards_both_by_their_shares(make_learner, pixels):
    tags = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (6, 3))).float()
    loss, gradient, again, outputs, share = step(make_learner, tasks.of("multilabel"), pixels, tags)
    soft = torch.from_numpy(share * tags.numpy() + (1 - share) * before(tags.numpy()))
    same(loss, gradient, again, F.binary_cross_entropy_with_logits(outputs, soft))


def test_mixed_numbers_have_the_gradient_of_their_mean(make_learner, pixels):
    numbers = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (6, 3))).float()
    task = tasks.of("regression", [0.0] * 3, [1.0] * 3)
    _, gradient, again, outputs, share = step(make_learner, task, pixels, numbers)
    between = torch.from_numpy(share * numbers.numpy() + (1 - share) * before(numbers.numpy()))
    F.mse_loss(outputs, between.float()).backward()
    np.testing.assert_allclose(gradient, again.layer.weight.grad, rtol=1e-3, atol=1e-5)


def test_mixing_goes_with_weights_and_smoothing(make_learner, pixels):
    targets = torch.tensor([0, 1, 2, 0, 2, 0])
    task, weights = tasks.of("multiclass"), losses.class_weights(targets, 3)
    loss = losses.multiclass(weights, 0.0, 0.1)
    learner = make_learner(Flat(3), task=task)
    learner.loss, learner.mixing = loss, Mixing(0.5, 0.0)
    torch.manual_seed(1)
    found = learner.training_loss(pixels, targets)
    torch.manual_seed(1)
    mixed, share = learner.mixing(pixels)
    outputs = Flat(3)(mixed)
    own = F.cross_entropy(outputs, targets, weights, label_smoothing=0.1)
    other = F.cross_entropy(
        outputs, torch.from_numpy(before(targets.numpy())), weights, label_smoothing=0.1
    )
    assert found.item() == pytest.approx((share * own + (1 - share) * other).item(), rel=1e-5)
