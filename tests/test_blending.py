"""Blends of several models: averages, ranks, and weights that are chosen."""

import numpy as np
import pytest
from scipy.stats import rankdata

from stages.scoring import blending, metrics

RNG = np.random.default_rng(0)


def probabilities(rows, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), size=rows)


def test_weights_are_those_of_the_arithmetic_mean():
    a, b = probabilities(5, seed=1), probabilities(5, seed=2)
    found = blending.average(np.stack([a, b]), "mean", "multiclass", (0.3, 0.7))
    np.testing.assert_allclose(found, 0.3 * a + 0.7 * b)


def test_weights_are_the_powers_of_the_geometric_mean():
    a, b = probabilities(5, seed=1), probabilities(5, seed=2)
    product = a**0.3 * b**0.7
    found = blending.average(np.stack([a, b]), "gmean", "multiclass", (0.3, 0.7))
    np.testing.assert_allclose(found, product / product.sum(axis=1, keepdims=True))


def test_a_mean_of_ranks_does_not_see_how_sure_a_model_is():
    a, b = RNG.random((50, 1)), RNG.random((50, 1))
    found = blending.average(np.stack([a, b]), "rank_mean", "multilabel")
    np.testing.assert_allclose(found[:, 0], (rankdata(a) + rankdata(b) - 1) / 100)
    squeezed = np.stack([a, 0.5 + b**3 / 100])
    np.testing.assert_allclose(blending.average(squeezed, "rank_mean", "multilabel"), found)


def test_ranks_of_two_classes_sum_to_one():
    p = RNG.random(20)
    np.testing.assert_allclose(blending.ranks(np.column_stack([p, 1 - p])).sum(axis=1), 1)


def test_ranks_lie_between_0_and_1_and_ties_share_theirs():
    assert blending.ranks(np.array([[3.0], [1.0], [3.0], [9.0]])).ravel().tolist() == [
        0.5, 0.125, 0.5, 0.875,
    ]  # fmt: skip


def distance(target):
    """A score that is best where the weights are `target`."""
    return lambda weights: -float(np.abs(weights - target).sum())


@pytest.mark.parametrize("target", [(1, 0, 0), (0, 0.5, 0.5), (0.25, 0.25, 0.5), (0.6, 0.0, 0.4)])
def test_the_weights_that_score_best_are_found(target):
    assert blending.greedy(distance(np.array(target)), 3) == pytest.approx(target)


def noisy(truth, sharpness, seed):
    """A model's predictions: the truth behind noise of its own."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(truth), 3)) * 1.5
    logits[np.arange(len(truth)), truth] += sharpness
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def test_models_with_errors_of_their_own_are_better_together_than_the_best_of_them():
    truth = RNG.integers(3, size=2000)
    stack = np.stack([noisy(truth, sharpness, seed) for seed, sharpness in enumerate((2, 1.8, 0))])

    def score(weights):
        return -metrics.log_loss(truth, blending.average(stack, "mean", "multiclass", weights))

    weights = blending.greedy(score, 3)
    alone = [score(one) for one in np.eye(3)]
    assert sum(weights) == pytest.approx(1)
    assert score(np.array(weights)) > max(alone) + 0.05
    assert weights[2] < min(weights[:2])  # that one knows nothing
    fresh = np.stack([noisy(truth, s, seed + 9) for seed, s in enumerate((2, 1.8, 0))])
    blend = blending.average(fresh, "mean", "multiclass", weights)
    assert metrics.log_loss(truth, blend) < metrics.log_loss(truth, fresh[0]) - 0.05
