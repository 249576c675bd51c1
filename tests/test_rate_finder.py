"""The learning-rate finder: what it leaves behind, when it stops, what it suggests."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.fit.data import ActivationData
from stages.learner import rate_finder
from stages.learner.rate_curve import Curve, suggest
from stages.model.tasks import Task


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 6, generator=generator)
    pair = inputs, (inputs[:, 0] > 0).long()
    return ActivationData((inputs[:, None], pair[1]), pair, batch_size=8, seed=1)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))


def breaks_at(count):
    """The multiclass task, whose loss raises at the given call."""
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        if len(calls) == count:
            raise MemoryError("no memory")
        return F.cross_entropy(outputs, targets)

    return SimpleNamespace(loss=loss)


def falling_then_exploding(batches=100, lowest=60):
    rates = np.geomspace(1e-5, 10, batches)
    return Curve(rates, np.abs(np.arange(batches) - lowest) / 10 + 0.5)


def test_weights_and_batchnorm_buffers_are_as_before(make_learner, data, module):
    before = copy.deepcopy(module.state_dict())
    rate_finder.find(make_learner(module), data, 1e-3, 10, 20, 10)
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())


def test_the_finder_really_trains(make_learner, data, module):
    seen = []
    module.register_forward_hook(lambda m, *_: seen.append(m[0].weight.detach().clone()))
    rate_finder.find(make_learner(module), data, 1e-3, 10, 20, 10)
    assert not torch.equal(seen[0], seen[-1])


def test_training_mode_is_as_before_in_every_layer(make_learner, data, module):
    module.train()
    module[1].eval()
    rate_finder.find(make_learner(module), data, 1e-3, 10, 20, 10)
    assert [m.training for m in module] == [True, False, True, True]
    assert module.training


def test_torchs_random_state_is_as_before(make_learner, data, module):
    before = torch.get_rng_state()
    rate_finder.find(make_learner(module), data, 1e-3, 10, 20, 10)
    assert torch.equal(before, torch.get_rng_state())


def test_an_exception_in_the_middle_leaves_everything_as_before(make_learner, data, module):
    module.eval()
    weights, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with pytest.raises(MemoryError):
        rate_finder.find(make_learner(module, task=breaks_at(6)), data, 1e-3, 10, 20, 10)
    assert all(torch.equal(weights[name], t) for name, t in module.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not any(m.training for m in module.modules())


def test_nothing_is_written(make_learner, data, module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rate_finder.find(make_learner(module), data, 1e-3, 10, 20, 10)
    assert list(tmp_path.iterdir()) == []


def test_two_searches_give_the_same_curve(make_learner, data, module):
    first, second = (
        rate_finder.find(make_learner(module), data, 1e-3, 1, 20, 10) for _ in range(2)
    )
    assert first.losses.tolist() == second.losses.tolist()


def test_groups_climb_together_and_earlier_ones_ratio_times_lower(make_learner, data, module):
    groups = [list(module[i].parameters()) for i in (0, 1, 3)]
    learner = make_learner(module, groups)
    rate_finder.find(learner, data, 1e-5, 0.1, 40, ratio=3)
    early, late, last = np.array(learner.optimizers[0]).T
    np.testing.assert_allclose(last, [1e-5 * 1e4 ** (k / 40) for k in range(40)])
    np.testing.assert_allclose(late, last / 3)
    np.testing.assert_allclose(early, last / 9)


def test_the_curve_has_the_rates_of_the_last_group(make_learner, data, module):
    learner = make_learner(module, [list(module[0].parameters()), list(module[3].parameters())])
    curve = rate_finder.find(learner, data, 1e-5, 1, 25, ratio=10)
    assert curve.rates.tolist() == pytest.approx([step[-1] for step in learner.optimizers[0]])
    assert len(curve.losses) == len(curve.rates)


def test_a_search_may_be_longer_or_shorter_than_an_epoch(make_learner, data, module):
    assert data.steps == 5
    for batches in (3, 5, 12):
        curve = rate_finder.find(make_learner(module), data, 1e-6, 1e-5, batches, 10)
        assert len(curve.losses) == batches


def test_a_search_stops_when_the_loss_explodes(make_learner, data):
    curve = rate_finder.find(make_learner(nn.Linear(6, 2)), data, 1e-2, 1e5, 200, 10)
    assert len(curve.rates) == len(curve.losses) < 200
    assert curve.losses[-1] > 4 * curve.losses[10:].min()


def test_a_search_stops_at_nan(make_learner, data):
    task = Task(lambda outputs, targets: outputs.sum() * torch.nan, None, None, "none", None)
    curve = rate_finder.find(make_learner(nn.Linear(6, 2), task=task), data, 1e-5, 10, 50, 10)
    assert len(curve.losses) == 1


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([float("nan")], True),
        ([float("inf")], True),
        ([1] * 12 + [3.9], False),
        ([1] * 12 + [4.1], True),
        ([1] * 10 + [4.1], False),
        ([0.1] * 10 + [1] * 3 + [3.9], False),
        ([0.1] * 10 + [1] * 3 + [4.1], True),
    ],
    ids=["nan", "inf", "below 4x", "above 4x", "no best yet", "first ten no best", "later best"],
)
def test_the_stop_rule(losses, stops):
    assert rate_finder.exploded(losses) is stops


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_lowest_loss():
    curve = falling_then_exploding()
    lowest = 1e-5 * 1e6 ** (60 / 99)
    assert lowest == pytest.approx(0.0433, abs=1e-4)
    assert suggest(curve) == 0.004


@pytest.mark.parametrize("lowest", [94, 97, 99])
def test_the_last_six_points_are_left_out(lowest):
    curve = falling_then_exploding(lowest=lowest)
    assert suggest(curve) == float(f"{curve.rates[93] / 10:.0e}")


def test_a_dip_in_the_first_ten_points_is_left_out():
    curve = falling_then_exploding()
    curve.losses[3] = 0.01
    assert suggest(curve) == 0.004


def test_a_loss_that_became_nan_at_the_end_does_not_hide_the_minimum():
    curve = falling_then_exploding()
    curve.losses[-1] = np.nan
    assert suggest(curve) == 0.004


@pytest.mark.parametrize(
    "losses",
    [np.linspace(1, 5, 100), np.ones(100), np.linspace(5, 1, 16), np.empty(0)],
    ids=["rising", "flat", "too short", "empty"],
)
def test_there_is_no_suggestion_where_the_loss_never_falls(losses):
    rates = np.geomspace(1e-5, 10, 100)[: len(losses)]
    assert suggest(Curve(rates, losses)) is None
