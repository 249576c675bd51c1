"""Thresholds for F-beta: the best there are, by brute force with scikit-learn."""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.scoring import thresholds
from tests.labelled import F_BETAS, every_threshold, scikit, tagged

seeds = pytest.mark.parametrize("seed", range(4))
f_betas = pytest.mark.parametrize("metric", F_BETAS)


@f_betas
@seeds
def test_the_single_threshold_is_the_best_of_all(metric, seed):
    truth, p = tagged(seed)
    tried = [scikit(metric, truth, p > t) for t in every_threshold(p)]
    assert scikit(metric, truth, p > thresholds.one(metric, truth, p)) == pytest.approx(max(tried))


@pytest.mark.parametrize("signal", [0.0, 0.5, 2.0])
def test_the_single_threshold_is_at_least_as_good_as_fastais_seven(signal):
    """recipe: max over .17, .18 ... .23 of sklearn's fbeta, beta 2, samples, preds > th."""
    truth, p = tagged(1, n=300, signal=signal)
    seven = [scikit("f2", truth, p > t) for t in np.arange(0.17, 0.24, 0.01)]
    assert len(seven) == 7
    assert scikit("f2", truth, p > thresholds.one("f2", truth, p)) >= max(seven)


def test_a_threshold_lies_midway_between_the_predictions_that_it_parts():
    truth, p = np.array([[1, 1], [1, 0]]), np.array([[0.9, 0.7], [0.6, 0.2]])
    assert thresholds.one("f1_micro", truth, p) == pytest.approx(0.4)


def test_the_best_may_be_to_say_everything_or_nothing_of_a_class():
    truth, p = np.array([[1, 0], [1, 0]]), np.array([[0.4, 0.9], [0.3, 1.0]])
    assert thresholds.per_class("f1_micro", truth, p) == pytest.approx([0.15, 1])
    assert thresholds.per_class("f1_macro", truth, p) == pytest.approx([0.15, 1])


def test_predictions_that_have_no_number_between_them_are_parted_too():
    low = 0.6
    high = np.nextafter(low, 1)
    found = thresholds.one("f1_micro", np.array([[0, 1]]), np.array([[low, high]]))
    assert low <= found < high


@seeds
def test_thresholds_of_macro_f1_are_each_the_best(seed):
    truth, p = tagged(seed)
    found = thresholds.per_class("f1_macro", truth, p)
    best = [
        max(f1_score(truth[:, c], p[:, c] > t, zero_division=0) for t in every_threshold(p[:, c]))
        for c in range(4)
    ]
    assert scikit("f1_macro", truth, p > found) == pytest.approx(np.mean(best))


@f_betas
@pytest.mark.parametrize("seed", range(10))
def test_a_threshold_a_class_is_never_worse_than_one_for_all(metric, seed):
    truth, p = tagged(seed)
    single = scikit(metric, truth, p > thresholds.one(metric, truth, p))
    assert scikit(metric, truth, p > thresholds.per_class(metric, truth, p)) >= single - 1e-12


@seeds
@pytest.mark.parametrize("metric", ["f1_micro", "f1_samples", "f2"])
def test_no_single_class_can_be_improved_any_more(metric, seed):
    truth, p = tagged(seed, n=25, signal=0.3)  # so little that one pass does not find it
    found = thresholds.per_class(metric, truth, p)
    reached = scikit(metric, truth, p > found)
    for c, t in itertools.product(range(4), every_threshold(p)):
        other = found.copy()
        other[c] = t
        assert scikit(metric, truth, p > other) <= reached + 1e-9


@f_betas
@pytest.mark.parametrize(
    ("truth", "p"),
    [
        (np.zeros((5, 3)), np.full((5, 3), 0.4)),
        (np.ones((5, 3)), np.full((5, 3), 0.4)),
        (np.eye(3), np.zeros((3, 3))),
        (np.eye(3), np.ones((3, 3))),
        (np.array([[1.0]]), np.array([[0.3]])),
        (np.column_stack([np.ones(4), np.zeros(4)]), np.linspace(0, 1, 8).reshape(4, 2)),
        (np.array([[1.0], [0.0], [1.0]]), np.array([[0.3], [0.2], [0.2]])),
    ],
    ids=["none true", "all true", "all nought", "all one", "one cell", "one class never true",
         "one class alone"],
)  # fmt: skip
def test_odd_rows_have_thresholds_too(metric, truth, p):
    with warnings.catch_warnings(action="error"):
        one, many = thresholds.one(metric, truth, p), thresholds.per_class(metric, truth, p)
    assert 0 <= one <= 1
    assert ((many >= 0) & (many <= 1)).all()


@f_betas
def test_neither_single_precision_nor_the_order_of_rows_matters(metric):
    truth, p = tagged(5)
    p = p.astype(np.float32)
    assert thresholds.one(metric, truth, p) == thresholds.one(metric, truth[::-1], p[::-1])
    wide = p.astype(float)
    assert thresholds.one(metric, truth, p) == thresholds.one(metric, truth, wide)
