"""Over- and underfitting: planted losses, false alarms by their formula, and real small fits."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import nn

from stages.base.settings import Fit
from stages.fit import fitting, reading, training
from stages.fit.data import ActivationData
from stages.fit.fitting import History, Rates
from stages.model.tasks import TASKS

TAIL = 1 - NormalDist().cdf(2)  # beyond two standard errors, on one side
ROWS = 300


def losses(mean, seed, rows=ROWS):
    """Losses as those of a classifier: few rows lose most of it."""
    return np.random.default_rng(seed).exponential(mean, rows)


def shifted(values, by, noise=0.02, seed=9):
    """The losses of the same rows under other weights, `by` higher on average."""
    change = np.random.default_rng(seed).normal(0, noise, len(values))
    return values + by + change - change.mean()


@pytest.mark.parametrize(
    ("train", "valid", "since_best", "expected"),
    [
        (0.05, 0.4, 0.1, "overfits"),
        (0.05, 0.4, 0.0, "fits"),
        (0.05, 0.4, 0.0005, "fits"),
        (0.4, 0.4, 0.0, "underfits"),
        (0.6, 0.4, 0.0005, "underfits"),
        (0.4, 0.4, 0.1, "worsens"),
        (0.6, 0.4, 0.1, "worsens"),
    ],
)
def test_planted_losses_are_read_as_they_were_planted(train, valid, since_best, expected):
    """A rise of 0.0005 is within noise: the rows' changes have a standard error of 0.0012."""
    last = losses(valid, seed=1)
    best = shifted(last, -since_best)
    assert reading.verdict(losses(train, seed=2), last, best, earlier=3) == expected


def test_two_samples_of_one_distribution_are_seldom_clearly_apart():
    """The training rows lose less in 2.3 of 100 cases, and more in as many."""
    rng, times = np.random.default_rng(0), 4000
    below = above = 0
    for _ in range(times):
        a, b = rng.exponential(0.4, (2, ROWS))
        below += reading.verdict(a, b, b, earlier=0) == "fits"
        above += reading.verdict(b, a, a, earlier=0) == "fits"
    error = math.sqrt(TAIL * (1 - TAIL) / times)
    assert below / times == pytest.approx(TAIL, abs=4 * error)
    assert (below + above) / times == pytest.approx(2 * TAIL, abs=4 * math.sqrt(2) * error)


@pytest.mark.parametrize("epochs", [2, 30])
def test_of_epochs_that_are_alike_the_lowest_seldom_shows_a_rise(epochs):
    """Not more often for many epochs; without the correction it would be in 25 of 100 cases."""
    rng, times, alarms = np.random.default_rng(0), 1000, 0
    own, train = losses(0.4, seed=1), losses(0.05, seed=2)
    for _ in range(times):
        found = own + rng.normal(0, 0.1, (epochs, ROWS))
        best = found[found.mean(axis=1).argmin()]
        alarms += reading.verdict(train, found[-1], best, epochs - 1) == "overfits"
    assert alarms / times <= TAIL + 4 * math.sqrt(TAIL / times)


def test_a_rise_is_found_as_often_as_the_formula_says():
    """One of its limit and a standard error more: in 84 of 100 cases."""
    rng, times, earlier = np.random.default_rng(0), 2000, 9
    own, train = losses(0.4, seed=1), losses(0.05, seed=2)
    rise = (reading.limit(earlier) + 1) * 0.1 / math.sqrt(ROWS)
    found = sum(
        reading.verdict(train, own + rng.normal(rise, 0.1, ROWS), own, earlier) == "overfits"
        for _ in range(times)
    )
    power = NormalDist().cdf(1)
    assert found / times == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / times))


@pytest.mark.parametrize("comparisons", [1, 5, 60])
def test_all_comparisons_together_err_as_often_as_one(comparisons):
    beyond = 1 - NormalDist().cdf(reading.limit(comparisons))
    assert comparisons * beyond == pytest.approx(TAIL)


def test_few_rows_are_unclear_where_even_no_training_loss_at_all_would_be_within_noise():
    last = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 5.0])
    assert reading.verdict(np.zeros(6), last, last, earlier=0) == "is unclear"
    assert reading.verdict(np.ones(1), np.ones(1), np.zeros(1), earlier=1) == "is unclear"


def test_losses_that_are_no_numbers_worsen():
    nan, best = np.full(ROWS, np.nan), losses(0.4, seed=1)
    assert reading.verdict(nan, nan, best, earlier=2) == "worsens"
    assert reading.verdict(nan, nan, nan, earlier=0) == "worsens"


def rows_of(*epochs):
    """A history of epochs (size, validation loss)."""
    return [{"epoch": i, "size": s, "valid_loss": v} for i, (s, v) in enumerate(epochs)]


def test_epochs_at_another_size_are_not_compared():
    history = rows_of((64, 0.1), (128, 0.5), (128, 0.31), (128, 0.4))
    last = losses(0.4, seed=1)
    found = reading.read(losses(0.02, seed=2), last, shifted(last, -0.09), history)
    assert (found.verdict, found.lowest, found.epoch) == ("overfits", 0.31, 2)
    assert found.sentence("progressive") == (
        f"progressive overfits: validation loss 0.4, 0.31 after epoch 2, and {found.train:.3g} on "
        "training rows seen plainly: fewer epochs, or more augmentation, dropout or weight decay."
    )


@pytest.mark.parametrize("before", [0.5, 0.4, 0.39999])
def test_of_a_loss_that_is_as_low_as_the_lowest_no_epoch_is_named(before):
    last, train = losses(0.4, seed=1), losses(0.4, seed=2)
    found = reading.read(train, last, last, rows_of((64, before), (64, 0.4)))
    assert found.sentence("head").startswith(
        f"head underfits: validation loss 0.4, its lowest, and {train.mean():.3g} on training rows"
    )


# Real fits of a small network on two classes, of which the first of ten numbers tells the most.


def examples(rows, seed, *, chance=False):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 10, generator=generator)
    told = 0.0 if chance else 2.0
    noise = torch.randn(rows, generator=generator)
    return inputs, (told * inputs[:, 0] + noise > 0).long()


def trained(make_learner, rows, *, chance=False, dropout=0.0, **fit):
    """The reading of one fit on so many rows, and its history; 400 others validate."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 2))
    inputs, targets = examples(rows, 1, chance=chance)
    valid = examples(400, 2, chance=chance)
    data = ActivationData((inputs[:, None], targets), valid, 20, seed=1)
    learner, history = make_learner(network), History()
    about = {"stage": "head", "size": 64, "layers": "head"}
    fitting.fit_all(learner, data, [Fit(**fit)], Rates(None, 10), history, **about)
    return training.read(network, learner.device, TASKS["multiclass"], data, history), history


def test_a_head_trained_far_too_long_on_few_random_labels_overfits(make_learner):
    found, _ = trained(make_learner, 60, chance=True, lr=0.05, cycles=60)
    assert found.verdict == "overfits"
    assert found.train < 0.1
    assert found.valid > 2 * found.lowest
    assert found.lowest == pytest.approx(math.log(2), abs=0.05)  # that of a fair coin


def test_one_epoch_at_a_tiny_rate_underfits(make_learner):
    found, _ = trained(make_learner, 400, lr=1e-5, cycles=1)
    assert found.verdict == "underfits"


def test_an_ordinary_fit_fits(make_learner):
    """Few rows, which it learns better than those that it has not seen."""
    found, _ = trained(make_learner, 100, lr=0.05, cycles=1, cycle_len=15)
    assert found.verdict == "fits"
    assert found.train < found.valid < math.log(2)


def test_rates_that_are_far_too_high_worsen_it(make_learner):
    found, _ = trained(make_learner, 400, lr=3.0, cycles=5)
    assert found.verdict == "worsens"


def test_dropout_does_not_make_a_fit_an_underfit(make_learner):
    """In the lesson's table it does: there the training loss is above that of validation."""
    found, history = trained(make_learner, 100, dropout=0.9, lr=0.02, cycles=1, cycle_len=40)
    assert history.rows[-1]["train_loss"] > found.valid
    assert found.verdict == "fits"
