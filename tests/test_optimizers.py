"""AdamW, averaged weights and a rate a layer, against formulas; each goes on where it was."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from stages.base.settings import Fit
from stages.fit import fitting
from stages.fit.average import Average
from stages.fit.data import ActivationData
from stages.fit.fitting import History, Rates
from stages.fit.groups import every_layer
from stages.fit.mixing import Mixing
from stages.fit.stepper import Stepper

STEPS = 12


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))


def batches():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(STEPS, 5, 6, generator=generator)
    return list(zip(inputs, torch.randint(0, 3, (STEPS, 5), generator=generator), strict=True))


def adamw(weight, gradients, rate, decay, beta1, beta2=0.99, eps=1e-5):
    """Loshchilov and Hutter's algorithm 2, line by line, in numpy."""
    weight, m, v = weight.copy(), 0.0, 0.0
    for t, gradient in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        hat = m / (1 - beta1**t), v / (1 - beta2**t)
        weight = weight - rate * (hat[0] / (np.sqrt(hat[1]) + eps)) - rate * decay * weight
    return weight


def test_adamw_is_the_papers_with_fastais_numbers(make_learner):
    module = nn.Linear(6, 3)
    start = module.weight.detach().double().numpy()
    learner = make_learner(module, name="adamw", momentum=0.9, weight_decay=0.1)
    stepper, gradients = Stepper(learner, [0.01]), []
    for batch in batches():
        stepper.step(batch, 0.5)
        gradients.append(module.weight.grad.double().numpy().copy())
    expected = adamw(start, gradients, 0.005, 0.1, 0.9)
    np.testing.assert_allclose(module.weight.detach(), expected, rtol=1e-4, atol=1e-6)


def test_a_fits_own_weight_decay_goes_to_adamw_too(make_learner):
    learner = make_learner(nn.Linear(6, 3), name="adamw", weight_decay=0.1)
    [group] = Stepper(learner, [0.01], 0.2).optimizer.param_groups
    assert group["weight_decay"] == 0.2


def test_sgd_is_what_it_was(make_learner):
    optimizer = Stepper(make_learner(nn.Linear(6, 3)), [0.1]).optimizer
    assert type(optimizer) is torch.optim.SGD
    [group] = optimizer.param_groups
    assert (group["momentum"], group["dampening"], group["nesterov"]) == (0.9, 0, False)


# Averaged weights


def test_the_average_forgets_by_its_decay_and_faster_at_first(make_learner):
    module = network()
    stepper = Stepper(make_learner(module, ema=0.5), [0.1])
    expected = [p.detach().double().numpy().copy() for p in module.parameters()]
    for t, batch in enumerate(batches(), 1):
        stepper.step(batch, 1.0)
        decay = min(0.5, (1 + t) / (10 + t))
        now = [p.detach().double().numpy() for p in module.parameters()]
        expected = [decay * e + (1 - decay) * n for e, n in zip(expected, now, strict=True)]
    for found, value in zip(stepper.average.values, expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


def test_averaging_leaves_the_steps_alone(make_learner):
    weights = []
    for ema in (0.0, 0.9):
        module = network()
        stepper = Stepper(make_learner(module, ema=ema), [0.1])
        torch.manual_seed(5)
        for batch in batches():
            stepper.step(batch, 1.0)
        weights.append(module[2].weight.detach().clone())
    assert torch.equal(*weights)


def test_the_weights_come_back_after_they_were_judged_even_after_an_error():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = Average([parameter], 0.5)
    parameter.data.fill_(3.0)

    def judge():
        with average.in_place():
            assert parameter.item() == 1.0
            raise ValueError("no loss")

    with pytest.raises(ValueError, match="no loss"):
        judge()
    assert parameter.item() == 3.0


def small_data():
    inputs, targets = zip(*batches(), strict=True)
    pair = torch.cat(inputs), torch.cat(targets)
    return ActivationData((pair[0][:, None], pair[1]), pair, 10, seed=1)


def test_a_fit_is_judged_by_the_averages_and_ends_with_them(make_learner):
    module, data = network(), small_data()
    learner = make_learner(module, ema=0.9)
    stepper = Stepper(learner, [0.1])
    [(row, _)] = fitting.fit(stepper, data, Fit(lr=0.1, cycles=1), ["head/0"])
    for parameter, value in zip(module.parameters(), stepper.average.values, strict=True):
        assert torch.equal(parameter, value)
    [(_, valid)] = data.epochs(["head/0"])
    assert row["valid_loss"] == fitting.evaluate(learner, valid)[0]["valid_loss"]


# A rate a layer


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
def test_layers_and_their_rates_are_those_of_timm(name):
    backbone, head = timm.create_model(name, num_classes=0), nn.Linear(2, 2)
    groups = every_layer(backbone, head)
    rates = Rates(None, 10, layer_decay=0.7).of(Fit(lr=0.1, cycles=1), len(groups))
    found = {p: rate for group, rate in zip(groups, rates, strict=True) for p in group}
    assert [found.pop(p) for p in head.parameters()] == [0.1, 0.1]
    for group in param_groups_layer_decay(backbone, layer_decay=0.7):
        for parameter in group["params"]:  # the head is one layer more
            assert found.pop(parameter) == pytest.approx(0.1 * 0.7 * group["lr_scale"])
    assert not found


def test_with_layer_decay_auto_is_the_highest_rate():
    rates = Rates(0.02, 10, layer_decay=0.5)
    assert rates.of(Fit(lr="auto", cycles=1), 3) == pytest.approx([0.005, 0.01, 0.02])
    assert rates.of(Fit(lr=[0.02], cycles=1), 3) == pytest.approx([0.005, 0.01, 0.02])
    assert rates.of(Fit(lr=0.1, cycles=1), 1) == [0.1]


# Going on


@pytest.mark.parametrize(
    "changes", [{"name": "adamw"}, {"ema": 0.9}, {"name": "adamw", "ema": 0.9}, {"momentum": 0.0}]
)
@pytest.mark.parametrize("killed", [1, 7])
def test_steps_that_go_on_end_in_the_same_bits(make_learner, changes, killed):
    def begun():
        module = network()
        return module, Stepper(make_learner(module, **changes), [0.1])

    whole, stepper = begun()
    torch.manual_seed(3)
    for number, batch in enumerate(batches(), 1):
        stepper.step(batch, 1.0)
        if number == killed:
            weights = {name: t.clone() for name, t in whole.state_dict().items()}
            kept = {name: t.clone() for name, t in stepper.tensors().items()}
            scaler = stepper.scaler.state_dict()
    stepper.finish()

    second, again = begun()
    second.load_state_dict(weights)
    again.restore(kept, killed, scaler)
    for batch in batches()[killed:]:
        again.step(batch, 1.0)
    again.finish()
    for found, expected in zip(
        second.state_dict().values(), whole.state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected)
    assert float(again.smoothed.sum) == float(stepper.smoothed.sum)


def test_what_is_mixed_after_a_step_is_decided_by_what_is_kept_with_it(make_learner):
    def begun():
        torch.manual_seed(0)
        learner = make_learner(nn.Sequential(nn.Flatten(), Cast(), nn.Linear(48, 3)))
        learner.mixing = Mixing(0.4, 1.0)
        return learner.module, Stepper(learner, [0.01])

    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (STEPS, 5, 3, 4, 4), generator=generator, dtype=torch.uint8)
    data = [(x, torch.tensor([0, 1, 2, 0, 1])) for x in images]
    whole, stepper = begun()
    torch.manual_seed(3)
    for number, batch in enumerate(data, 1):
        stepper.step(batch, 1.0)
        if number == 4:
            weights = {name: t.clone() for name, t in whole.state_dict().items()}
            kept = {name: t.clone() for name, t in stepper.tensors().items()}
    second, again = begun()
    second.load_state_dict(weights)
    again.restore(kept, 4, stepper.scaler.state_dict())
    for batch in data[4:]:
        again.step(batch, 1.0)
    assert torch.equal(second[2].weight, whole[2].weight)


class Cast(nn.Module):
    """Bytes to numbers."""

    def forward(self, pixels):
        return pixels.float() / 255


def test_a_fit_that_ends_and_is_gone_on_with_keeps_its_averages(make_learner):
    """Killed between a fit's last step and the end of its stage."""
    fits, about = [Fit(lr=0.1, cycles=1)], {"stage": "head", "size": 64, "layers": "head"}
    module = network()
    learner = make_learner(module, ema=0.9)
    fitting.fit_all(learner, small_data(), fits, Rates(None, 10), History(), **about)
    stepper = Stepper(make_learner(module, ema=0.9), [0.1])
    kept = stepper.tensors()
    expected = [p.detach().clone() for p in module.parameters()]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    stepper.restore(kept, small_data().steps, stepper.scaler.state_dict())
    assert list(fitting.fit(stepper, small_data(), fits[0], ["head/0"])) == []
    for parameter, value in zip(module.parameters(), expected, strict=True):
        assert torch.equal(parameter, value)
