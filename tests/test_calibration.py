"""Temperature and clipping: the formulas, the right values found, and honest scores of both."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logit, softmax

from stages.base.errors import UserError
from stages.scoring import calibration, ensemble, metrics
from stages.scoring.decisions import Question

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


def test_a_temperature_divides_the_logarithms():
    np.testing.assert_allclose(
        calibration.temper(P, 2.0, "multiclass"), softmax(np.log(P) / 2, axis=1)
    )


def test_of_several_labels_it_divides_the_log_odds_of_each():
    found = calibration.temper(P, 2.0, "multilabel")
    np.testing.assert_allclose(logit(found), logit(P) / 2)


def test_at_one_probabilities_stay_to_the_bit():
    assert (calibration.temper(P, 1.0, "multiclass") == P).all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_certain_probabilities_stay_numbers(task):
    found = calibration.temper(np.eye(3), 3.0, task)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == np.arange(3)).all()


def drawn(rows, temperature, seed=0):
    """Labels that follow the true probabilities, and predictions that are too sure or not enough.

    The true probabilities, at 1 / temperature: the right temperature takes them back.
    """
    rng = np.random.default_rng(seed)
    true = softmax(2 * rng.normal(size=(rows, 4)), axis=1)
    truth = np.array([rng.choice(4, p=p) for p in true])
    logs = np.log(true) * temperature
    return truth, softmax(logs, axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_lost_is_found_again(temperature):
    truth, given = drawn(20_000, temperature)
    found = calibration.temperature(
        lambda t: metrics.log_loss(truth, calibration.temper(given, t, "multiclass"))
    )
    assert found == pytest.approx(temperature, rel=0.05)


def test_certain_predictions_are_clipped_by_the_share_that_is_wrong():
    """The loss -(1 - e) log(1 - m) - e log m of the margin m is lowest at m = e."""
    truth = np.zeros(1000, dtype=int)
    certain = np.tile([1.0, 0.0], (1000, 1))
    certain[:30] = [0.0, 1.0]  # a share e of 0.03 is wrong
    found = calibration.margin(lambda v: metrics.log_loss(truth, v), certain, "multiclass")
    assert found == pytest.approx(0.03, rel=0.2)  # margins are tried eight a power of ten


def test_good_probabilities_are_not_clipped():
    truth, given = drawn(5000, 1.0)
    margin = calibration.margin(lambda v: metrics.log_loss(truth, v), given, "multiclass")
    assert margin < 0.002


def plan(**changes):
    plain = {"how": "mean", "weights": "equal", "temperature": 1.0, "clip": 0.0}
    return SimpleNamespace(**plain | changes)


LOSS = Question("log_loss", "multiclass")


def test_models_that_are_too_sure_score_better_at_the_temperature_found_on_other_rows():
    truth, given = drawn(1500, 3.0)
    blend = ensemble.Blend(plan(temperature="tuned"), LOSS)
    parts = np.arange(len(truth)) % 5
    honest = blend.out_of_sample(truth, given[None], parts)
    _, right = drawn(1500, 1.0)
    assert metrics.log_loss(truth, honest) < metrics.log_loss(truth, given) - 0.1
    assert metrics.log_loss(truth, honest) == pytest.approx(
        metrics.log_loss(truth, right), abs=0.02
    )


def test_what_is_chosen_among_models_that_know_nothing_flatters_on_its_own_rows_alone():
    """Twelve random models on 60 rows: some are right by luck, and luck does not carry over."""
    naive, honest = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = rng.integers(3, size=60)
        stack = rng.dirichlet(np.ones(3), size=(12, 60))
        equal = metrics.log_loss(truth, stack.mean(axis=0))
        blend = ensemble.Blend(plan(weights="greedy"), LOSS)
        rule = blend.learn(truth, stack)
        naive.append(equal - metrics.log_loss(truth, blend.use(rule, stack)))
        out = blend.out_of_sample(truth, stack, rng.integers(5, size=60))
        honest.append(equal - metrics.log_loss(truth, out))
    assert np.mean(naive) > 0.02
    assert np.mean(honest) < 0


def test_nothing_chosen_needs_no_rows():
    blend = ensemble.Blend(plan(temperature=2.0, clip=0.01), LOSS)
    nothing = np.empty((2, 0, 3))
    assert blend.out_of_sample(np.empty(0, int), nothing, np.empty(0, int)).shape == (0, 3)


@pytest.mark.parametrize(
    ("key", "value"), [("weights", "greedy"), ("temperature", "tuned"), ("clip", "tuned")]
)
def test_what_is_to_be_chosen_without_rows_is_a_sentence(key, value):
    blend = ensemble.Blend(plan(**{key: value}), LOSS)
    with pytest.raises(UserError, match=f"blend.{key}: {value} is chosen on validation rows"):
        blend.out_of_sample(np.empty(0, int), np.empty((2, 0, 3)), np.empty(0, int))
