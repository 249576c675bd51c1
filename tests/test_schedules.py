"""Learning-rate schedules against the closed form, batch by batch."""

import math

import numpy as np
import pytest

from stages.base.settings import Fit
from stages.fit import schedules


def cycles(n, length, mult=1):
    return Fit(lr=0.01, cycles=n, cycle_len=length, cycle_mult=mult)


def closed_form(n, length, mult, batches):
    """SGDR as fastai stepped it: t in the cycle, k in the fit; one loop, no arrays."""
    rates, k, cycle = [], 0, length * batches
    first = cycle
    for _ in range(n):
        for t in range(cycle):
            rates.append(0.01 if k < first / 20 else (1 + math.cos(math.pi * t / cycle)) / 2)
            k += 1
        cycle *= mult
    return rates


@pytest.mark.parametrize(
    ("fit", "epochs"),
    [
        (cycles(3, 1, 2), 7),
        (cycles(3, 2, 1), 6),
        (cycles(5, 1, 1), 5),
        (cycles(1, 1, 2), 1),
        (cycles(2, 3, 3), 12),
        (cycles(5, None), 5),
        (cycles(3, None, 2), 7),
    ],
)
def test_epochs_of_a_fit(fit, epochs):
    assert schedules.epochs(fit) == epochs


@pytest.mark.parametrize(
    ("batch", "expected", "digits"),
    [
        *((k, 0.01, 1e-12) for k in range(18)),
        (18, 0.99384, 5e-6),
        (359, 1.904e-5, 5e-9),
        (360, 1.0, 1e-12),
        (1079, 4.76e-6, 5e-9),
        (1080, 1.0, 1e-12),
    ],
)
def test_the_lessons_schedule_at_360_batches_an_epoch(batch, expected, digits):
    rates = schedules.multipliers(cycles(3, 1, 2), 360)
    assert len(rates) == 2520
    assert rates[batch] == pytest.approx(expected, abs=digits)


@pytest.mark.parametrize(("batches", "warm"), [(360, 18), (506, 26), (20, 1), (21, 2), (1, 1)])
def test_the_first_twentieth_runs_at_a_hundredth(batches, warm):
    rates = schedules.multipliers(cycles(2, 1), batches)
    assert np.flatnonzero(rates == 0.01).tolist() == list(range(warm))


@pytest.mark.parametrize(
    ("n", "length", "mult", "batches"),
    [(3, 1, 2, 7), (3, 1, 1, 40), (2, 2, 3, 13), (5, 1, 1, 1), (3, 1, 2, 1), (1, 4, 2, 33)],
)
def test_every_batch_follows_the_closed_form(n, length, mult, batches):
    rates = schedules.multipliers(cycles(n, length, mult), batches)
    np.testing.assert_allclose(rates, closed_form(n, length, mult, batches), rtol=1e-12)


def test_cycles_of_one_batch_restart_and_never_reach_zero():
    """fastai's went 0.01, 0, 1 and then never restarted."""
    assert schedules.multipliers(cycles(5, 1), 1).tolist() == [0.01, 1, 1, 1, 1]


def test_without_cycle_len_the_rate_is_constant():
    assert schedules.multipliers(cycles(3, None), 4).tolist() == [1] * 12


def test_the_finder_climbs_by_a_constant_factor():
    rates = schedules.climb(1e-5, 10, 360)
    assert len(rates) == 360
    assert rates[0] == pytest.approx(1e-5)
    np.testing.assert_allclose(rates[1:] / rates[:-1], 1.0391223, rtol=1e-7)


def test_the_finder_is_at_1_166_where_the_lessons_stopped():
    assert schedules.climb(1e-5, 10, 360)[304] == pytest.approx(1.166, abs=0.001)


@pytest.mark.parametrize(
    ("rate", "groups", "expected"),
    [
        (0.01, 1, [0.01]),
        (0.01, 3, [0.01] * 3),
        ([0.01], 3, [0.01] * 3),
        ([1e-4, 1e-3, 1e-2], 3, [1e-4, 1e-3, 1e-2]),
    ],
)
def test_one_rate_serves_all_groups_or_each_has_its_own(rate, groups, expected):
    assert schedules.broadcast(rate, groups) == expected


@pytest.mark.parametrize(("rates", "groups"), [([0.1, 0.2], 3), ([0.1, 0.2, 0.3], 1), ([], 2)])
def test_a_wrong_number_of_rates_is_refused(rates, groups):
    with pytest.raises(ValueError, match=f"{len(rates)} rates for {groups}"):
        schedules.broadcast(rates, groups)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(10, [1e-4, 1e-3, 1e-2]), (3, [0.01 / 9, 0.01 / 3, 0.01])]
)
def test_differential_rates_fall_by_the_ratio_towards_the_input(ratio, expected):
    assert schedules.differential(0.01, ratio, 3) == pytest.approx(expected)


def fit_one_cycle(batches, div=25.0, div_final=1e5, pct_start=0.25):
    """fastai's combined_cos, of rates 1 / div, 1 and 1 / div_final, at t / batches; one loop."""
    rates = []
    for t in range(batches):
        pct = t / batches
        start, end, pos = (
            (1 / div, 1, pct / pct_start)
            if pct < pct_start
            else (1, 1 / div_final, (pct - pct_start) / (1 - pct_start))
        )
        rates.append(start + (1 + math.cos(math.pi * (1 - pos))) * (end - start) / 2)
    return rates


@pytest.mark.parametrize(("length", "batches"), [(1, 40), (5, 36), (3, 1), (1, 1)])
def test_one_cycle_is_fastais(length, batches):
    fit = Fit(lr=0.01, cycles=1, cycle_len=length, schedule="one_cycle")
    rates = schedules.multipliers(fit, batches)
    np.testing.assert_allclose(rates, fit_one_cycle(length * batches), rtol=1e-9)


def test_one_cycle_begins_at_a_twenty_fifth_and_is_highest_after_a_quarter():
    rates = schedules.one_cycle(1000)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.argmax() == 250
    assert rates[250] == pytest.approx(1)
    assert 1e-5 < rates[-1] < 2e-5


def test_cycles_end_where_their_epochs_do_through_all_fits():
    fits = [Fit(lr=1.0, cycles=3, cycle_len=1, cycle_mult=2), Fit(lr=1.0, cycles=2, cycle_len=2)]
    assert schedules.cycle_ends(fits) == [0, 2, 6, 8, 10]
    assert schedules.cycle_ends([]) == []
