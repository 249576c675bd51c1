"""Cut points for the quadratic weighted kappa: the best there are, by brute force."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from stages.scoring import cut_points
from tests.labelled import every_threshold, rated, tagged


def kappa(truth, numbers, points):
    said = np.searchsorted(points, numbers.ravel())
    return cohen_kappa_score(
        truth.ravel().astype(int), said, weights="quadratic", labels=range(len(points) + 1)
    )


def tuned(truth, numbers, highest):
    return cut_points.tuned(truth.ravel(), numbers.ravel(), 0, highest)


@pytest.mark.parametrize("seed", range(5))
def test_cut_points_climb_and_beat_rounding_where_numbers_lean_to_the_middle(seed):
    truth, numbers = rated(seed)
    points = tuned(truth, numbers, 4)
    assert (np.diff(points) > 0).all()
    assert kappa(truth, numbers, points) > kappa(truth, numbers, [0.5, 1.5, 2.5, 3.5]) + 0.01


@pytest.mark.parametrize("noise", [0.5, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_cut_points_at_all_are_better(seed, noise):
    truth, numbers = rated(seed, n=14, ratings=4, noise=noise)
    numbers = numbers.round(1)  # some are tied
    values = np.unique(numbers)
    gaps = np.concatenate([[-9], (values[:-1] + values[1:]) / 2, [9]])
    every = itertools.combinations_with_replacement(gaps, 3)
    best = max(kappa(truth, numbers, list(points)) for points in every)
    assert kappa(truth, numbers, tuned(truth, numbers, 3)) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(40))
def test_cut_points_are_never_worse_than_rounding(seed):
    truth, numbers = rated(seed, n=8, noise=4)
    rounded = kappa(truth, numbers, [0.5, 1.5, 2.5, 3.5])
    points = tuned(truth, numbers, 4)
    assert (np.diff(points) > 0).all()
    assert kappa(truth, numbers, points) >= rounded - 1e-12


def test_two_ratings_get_the_very_best_cut():
    truth, numbers = tagged(3, n=50, c=1)
    tried = [kappa(truth, numbers, [t]) for t in every_threshold(numbers)]
    assert kappa(truth, numbers, tuned(truth, numbers, 1)) == pytest.approx(max(tried))


def test_a_cut_point_lies_midway_between_the_numbers_that_it_parts():
    truth, numbers = np.array([0, 0, 1, 2]), np.array([0.1, 0.2, 0.4, 0.45])
    assert tuned(truth, numbers, 2) == pytest.approx([0.3, 0.425])


def test_a_rating_that_nobody_has_is_passed_over_by_cut_points_that_climb():
    truth, numbers = np.array([0, 0, 3, 3]), np.array([0.1, 0.2, 0.5, 0.6])
    points = tuned(truth, numbers, 3)
    assert points == pytest.approx([0.275, 0.35, 0.425])
    assert np.searchsorted(points, numbers).tolist() == [0, 0, 3, 3]


def test_ratings_may_begin_anywhere():
    truth, numbers = rated(0)
    here, there = (
        cut_points.tuned(truth.ravel() + k, numbers.ravel() + k, k, 4 + k) for k in (0, -7)
    )
    np.testing.assert_allclose(here - 7, there)


@pytest.mark.parametrize(
    ("truth", "numbers"),
    [([2, 2, 2], [0.1, 1.2, 3]), ([0, 1, 2, 3], [1, 1, 1, 1]), ([2], [0.3])],
    ids=["one rating", "one number", "one row"],
)
def test_where_no_cut_says_anything_it_rounds(truth, numbers):
    points = tuned(np.array(truth), np.array(numbers, dtype=float), 3)
    assert points.tolist() == [0.5, 1.5, 2.5]
